// SPDX-License-Identifier: Apache-2.0
// One tensor of a weight file, lists of them ordered by name, and the limits a file must keep to.
// What readers, key reports and the writer agree on.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tadp {

/// What a file may ask of us; larger is refused with Error(limit) before memory is spent on it.
struct SafetensorsLimits {
  std::uint64_t max_header = 100'000'000;  ///< bytes of header or index, the limit of the reference reader
  std::size_t max_tensors = 200'000;
  std::size_t max_metadata = 65'536;  ///< entries
  std::size_t max_name = 4'096;       ///< bytes
  std::size_t max_dims = 16;
  std::size_t max_json_depth = 32;  ///< of an index; a header nests three deep and not deeper
  std::size_t max_shards = 1'024;
};

/// One tensor of a file: where its elements lie and how they are stored, little-endian.
struct TensorEntry {
  std::string name{};
  Dtype dtype = Dtype::F32;
  std::vector<std::uint64_t> shape{};
  std::uint64_t begin = 0;  ///< first byte, counted from the end of the header, or from the start of its storage
  std::uint64_t end = 0;    ///< begin and the bytes of all elements: one past the last byte where row-major
  std::uint32_t file = 0;   ///< index of its file in a SafetensorsSet, of its storage in a PyTorch file
  std::vector<std::uint64_t> strides{};  ///< in elements, one a dimension; empty: row-major, as safetensors always is

  std::uint64_t size_bytes() const { return end - begin; }
};

namespace detail {

/// "[2, 3]"
inline std::string shape_text(std::span<std::uint64_t const> shape) {
  std::string text = "[";
  for (auto const dim : shape) text.append(text.size() > 1 ? ", " : "").append(std::to_string(dim));
  return text + "]";
}

/// Why this cannot name a tensor, or nothing; such names would break listings, logs and terminals.
inline std::string_view fault_of_name(std::string_view name, std::size_t max_name) {
  if (name.empty()) return "an empty name";
  if (name.size() > max_name) return "a name that is too long";
  for (std::size_t i = 0; i < name.size(); ++i) {
    auto const byte = static_cast<unsigned char>(name[i]);
    auto const next = i + 1 < name.size() ? static_cast<unsigned char>(name[i + 1]) : 0u;
    bool const c1 = byte == 0xc2 && next >= 0x80 && next <= 0x9f;  // U+0080 to U+009F, which terminals obey as well
    if (byte < 0x20 || byte == 0x7f || c1) return "a name with control characters";
  }
  return {};
}

/// Throws if `name` cannot name a tensor.
inline void require_name(std::string_view name, SafetensorsLimits const& limits, std::string const& file) {
  auto const fault = fault_of_name(name, limits.max_name);
  if (fault.empty()) return;
  auto const code = name.size() > limits.max_name ? Errc::limit : Errc::format;
  throw Error(code, "a tensor has " + std::string(fault),
              {.file = file,
               .key = printable(name),
               .expected = "1 to " + std::to_string(limits.max_name) + " bytes without control characters",
               .found = std::to_string(name.size()) + " bytes"});
}

/// Indices of `entries` in order of names; Error(key) if two have the same.
inline std::vector<std::uint32_t> order_by_name(std::span<TensorEntry const> entries, std::string const& file) {
  std::vector<std::uint32_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return entries[a].name < entries[b].name; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (entries[order[i - 1]].name == entries[order[i]].name)
      throw Error(Errc::key, "two tensors have the same name", {.file = file, .key = entries[order[i]].name});
  return order;
}

/// The entry of this name, or null.
inline TensorEntry const* find_by_name(std::span<TensorEntry const> entries, std::span<std::uint32_t const> order,
                                       std::string_view name) {
  auto const at = std::lower_bound(order.begin(), order.end(), name,
                                   [&](auto i, std::string_view wanted) { return entries[i].name < wanted; });
  return at != order.end() && entries[*at].name == name ? &entries[*at] : nullptr;
}

}  // namespace detail

}  // namespace tadp
