// SPDX-License-Identifier: Apache-2.0
// What a PyTorch file may ask of us: the bounds of its pickle, its archive and its tensors.
// One place, because the pickle, the archive and the list of tensors are hostile together.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tadp {

/// Larger is refused with Error(limit) before memory or time is spent on it; and what is looked at.
struct TorchLimits {
  std::uint64_t max_pickle = 100'000'000;       ///< bytes of a pickle, unpacked
  std::size_t max_memory = std::size_t{192} << 20;  ///< bytes of the values that a pickle describes
  std::size_t max_tensors = 200'000;
  std::size_t max_records = 1'000'000;  ///< of the archive
  std::size_t max_metadata = 65'536;    ///< values that are no tensors; more of them are left out
  std::size_t max_name = 4'096;         ///< bytes of one dotted name
  std::size_t max_names = std::size_t{64} << 20;  ///< bytes of all names together
  std::size_t max_dims = 16;
  std::size_t max_visits = 4'000'000;  ///< of values that are met again wherever they are shared
  std::size_t max_depth = 1'000;                    ///< dicts and lists within one another; Python's own limit of recursion
  std::uint64_t max_expanded = std::uint64_t{1} << 24;  ///< elements of a tensor that repeats those of its storage; a larger one is left out
  std::uint64_t max_ratio = 100;  ///< unpacked to packed size of a record; numbers of models stay below 2
  bool check_sums = true;  ///< of a zip archive's storages, when each is first read
};

}  // namespace tadp
