// SPDX-License-Identifier: Apache-2.0
// Elements of a tensor that is not row-major in its storage, gathered in row-major order.
// PyTorch saves views as they are: a transposed weight keeps its strides.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/pickle_tensor.hpp"
#include "tadp/io/tensor_entry.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace tadp::detail {

/// Bytes from the entry's first element to the end of the last one that it touches, or nothing if that overflows.
inline std::optional<std::uint64_t> touched_bytes(TensorEntry const& entry) {
  if (entry.end < entry.begin) return std::nullopt;
  if (entry.strides.empty() || entry.size_bytes() == 0) return entry.size_bytes();
  if (entry.strides.size() != entry.shape.size()) return std::nullopt;
  auto const reach = strided_reach(entry.shape, entry.strides);
  return reach ? checked_multiply(*reach, bits_per_element(entry.dtype) / 8) : std::nullopt;
}

/// Copies elements [first, first + count), in row-major order, of a tensor that lies in `storage` to `out`;
/// the caller has seen that the entry fits the storage and the range the entry.
inline void copy_elements(std::span<std::byte const> storage, TensorEntry const& entry, std::uint64_t first,
                          std::uint64_t count, std::byte* out) {
  auto const item = bits_per_element(entry.dtype) / 8;
  auto const* const base = storage.data() + entry.begin;
  if (count == 0) return;
  if (entry.strides.empty()) {
    std::memcpy(out, base + first * item, static_cast<std::size_t>(count * item));
    return;
  }
  std::vector<std::uint64_t> index(entry.shape.size());
  for (std::size_t axis = index.size(); axis-- > 0; first /= entry.shape[axis]) index[axis] = first % entry.shape[axis];
  std::uint64_t at = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) at += index[axis] * entry.strides[axis];
  for (; count > 0; --count, out += item) {
    std::memcpy(out, base + at * item, item);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      at += entry.strides[axis];
      if (++index[axis] < entry.shape[axis]) break;
      at -= index[axis] * entry.strides[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace tadp::detail
