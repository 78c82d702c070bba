// SPDX-License-Identifier: Apache-2.0
// A safetensors file as a list of named tensors over a read-only mapping.
// The usual source of weights; sharded models are opened with io/safetensors_set.hpp.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/safetensors_header.hpp"
#include "tadp/io/tensor_entry.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace tadp {

/// An open safetensors file. The bytes stay in the file until they are touched; nothing is allocated for them.
/// Replacing the file by rename is harmless, as the mapping keeps the old content. Cutting it short in place is not:
/// the system answers a touch of the missing pages with SIGBUS. read_f32 therefore looks at the length first, which
/// narrows the gap but cannot close it.
class SafetensorsFile {
 public:
  /// Maps the file and checks its header completely; Error(io, format, limit, key, shape or memory).
  explicit SafetensorsFile(std::filesystem::path const& path, SafetensorsLimits const& limits = {})
      : file_(path), header_(parse_safetensors(file_.bytes(), path.string(), limits)) {}

  /// All tensors, in order of their bytes.
  std::span<TensorEntry const> entries() const noexcept { return header_.entries; }

  /// The tensor of this name, or null.
  TensorEntry const* find(std::string_view name) const noexcept {
    return detail::find_by_name(header_.entries, header_.by_name, name);
  }

  /// The stored bytes of a tensor of this file, at any alignment; Error(argument) for the entry of a larger file.
  std::span<std::byte const> data(TensorEntry const& entry) const {
    auto const room = file_.bytes().size() - header_.data_begin;
    if (entry.begin > entry.end || entry.end > room)
      throw Error(Errc::argument, "this tensor belongs to another file",
                  {.file = file_.path().string(), .key = entry.name});
    return file_.bytes().subspan(static_cast<std::size_t>(header_.data_begin + entry.begin),
                                 static_cast<std::size_t>(entry.size_bytes()));
  }

  /// Converts a tensor of F32, F16, BF16 or F64 into `out`, which has room for all of its elements;
  /// Error(unsupported) for other formats, Error(io) if the file was cut short meanwhile.
  void read_f32(TensorEntry const& entry, float* out) const {
    auto const bytes = data(entry);
    if (!converts_to_f32(entry.dtype))
      throw Error(Errc::unsupported, "this number format cannot be used as weights",
                  {.file = file_.path().string(),
                   .key = entry.name,
                   .expected = "F32, F16, BF16 or F64",
                   .found = std::string(to_string(entry.dtype))});
    require_length();
    convert_to_f32(entry.dtype, bytes, out);
  }

  /// The same for elements [first, first + count) of a tensor whose elements are whole bytes.
  void read_f32(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, float* out) const {
    auto const bytes = range(entry, first, count);
    if (!converts_to_f32(entry.dtype)) return read_f32(entry, out);  // which refuses it
    require_length();
    convert_to_f32(entry.dtype, bytes, out);
    file_.drop(static_cast<std::size_t>(bytes.data() - file_.bytes().data()), bytes.size());
  }
  /// As they are stored.
  void read_bytes(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, std::byte* out) const {
    auto const bytes = range(entry, first, count);
    require_length();
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    file_.drop(static_cast<std::size_t>(bytes.data() - file_.bytes().data()), bytes.size());
  }

  /// The strings of `__metadata__`.
  std::map<std::string, std::string> const& metadata() const noexcept { return header_.metadata; }

  /// Lets the system forget the pages of a tensor that was read and is not needed again.
  void drop(TensorEntry const& entry) const {
    auto const bytes = data(entry);
    file_.drop(static_cast<std::size_t>(bytes.data() - file_.bytes().data()), bytes.size());
  }

  /// Error(io) if the file at this path is now shorter than what was mapped.
  void require_length() const { file_.require_length(); }

  std::filesystem::path const& path() const noexcept { return file_.path(); }

 private:
  std::span<std::byte const> range(TensorEntry const& entry, std::uint64_t first, std::uint64_t count) const {
    auto const bytes = data(entry);
    auto const width = bits_per_element(entry.dtype) / 8;
    auto const all = width == 0 ? 0 : bytes.size() / width;
    if (first > all || count > all - first)
      throw Error(Errc::argument, "this range is not within the tensor",
                  {.file = path().string(), .key = entry.name, .expected = "at most " + std::to_string(all) + " elements", .found = std::to_string(first) + " and " + std::to_string(count) + " more"});
    return bytes.subspan(static_cast<std::size_t>(first * width), static_cast<std::size_t>(count * width));
  }

  MappedFile file_;
  SafetensorsHeader header_;
};

}  // namespace tadp
