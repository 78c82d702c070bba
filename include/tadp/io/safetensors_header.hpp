// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: from untrusted bytes to a list of tensors that is known to fit the file.
// Every rule is checked here, so that whoever holds a TensorEntry may index the file with it.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/safetensors_json.hpp"
#include "tadp/io/sniff.hpp"
#include "tadp/io/tensor_entry.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace tadp {

namespace detail {

/// The bytes this dtype and shape fill; Error(shape) if that overflows or is no whole number.
inline std::uint64_t require_size(Dtype dtype, std::span<std::uint64_t const> shape, std::string const& name,
                                  std::string const& file) {
  auto const found = std::string(to_string(dtype)) + " " + shape_text(shape);
  auto const bits = bit_count(dtype, shape);
  if (!bits)
    throw Error(Errc::shape, "a tensor is larger than any memory", {.file = file, .key = name, .found = found});
  if (*bits % 8 != 0)
    throw Error(Errc::shape, "a tensor of packed elements does not fill whole bytes",
                {.file = file, .key = name, .found = found});
  return *bits / 8;
}

inline void check_entry(TensorEntry const& entry, std::uint64_t data_size, std::uint64_t data_begin,
                        std::string const& file) {
  if (entry.end < entry.begin)
    throw Error(Errc::format, "a tensor ends before it begins",
                {.file = file,
                 .key = entry.name,
                 .expected = "at least " + std::to_string(entry.begin),
                 .found = std::to_string(entry.end)});
  auto const size = require_size(entry.dtype, entry.shape, entry.name, file);
  if (size != entry.size_bytes())
    throw Error(Errc::shape, "data_offsets do not fit dtype and shape",
                {.file = file,
                 .key = entry.name,
                 .expected = std::to_string(size) + " bytes for " + std::string(to_string(entry.dtype)) + " " +
                             shape_text(entry.shape),
                 .found = std::to_string(entry.size_bytes()) + " bytes"});
  if (entry.end > data_size)
    throw Error(Errc::format, "a tensor reaches past the end of the file, which may be cut short",
                {.file = file,
                 .key = entry.name,
                 .expected = std::to_string(entry.end) + " bytes after the header",
                 .found = std::to_string(data_size) + " bytes",
                 .offset = data_begin + data_size});
}

/// Puts the entries in order of their bytes and checks that they tile the data: no hole, no overlap, nothing after.
inline void check_layout(SafetensorsHeader& header, std::uint64_t file_size, std::string const& file) {
  auto const data_size = file_size - header.data_begin;
  for (auto const& entry : header.entries) check_entry(entry, data_size, header.data_begin, file);
  std::sort(header.entries.begin(), header.entries.end(), [](TensorEntry const& a, TensorEntry const& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t at = 0;
  auto const mismatch = [&](std::string_view message, std::string const& key, std::uint64_t found) {
    throw Error(Errc::format, std::string(message),
                {.file = file,
                 .key = key,
                 .expected = std::to_string(at),
                 .found = std::to_string(found),
                 .offset = header.data_begin + at});
  };
  for (auto const& entry : header.entries) {
    if (entry.begin < at) mismatch("two tensors share bytes", entry.name, entry.begin);
    if (entry.begin > at) mismatch("there are bytes before a tensor that belong to none", entry.name, entry.begin);
    at = entry.end;
  }
  if (at != data_size) mismatch("there are bytes after the last tensor", "", data_size);
}

[[noreturn]] inline void refuse_start(std::span<std::byte const> bytes, Errc code, std::string message, Where where) {
  if (auto const kind = sniff_content(bytes)) {
    where.expected = "a safetensors file";
    where.found = std::string(kind->what);
    throw Error(Errc::format,
                "this is no safetensors file but " + std::string(kind->what) + "; " + std::string(kind->advice),
                std::move(where));
  }
  throw Error(code, std::move(message), std::move(where));
}

inline std::string bytes_text(std::uint64_t count) { return std::to_string(count) + " bytes"; }

/// The header's text, after its length was found to be sane.
inline std::string_view header_text(std::span<std::byte const> bytes, SafetensorsLimits const& limits,
                                    std::string const& file) {
  Where where{.file = file, .expected = "8 bytes of header length", .found = bytes_text(bytes.size()), .offset = 0};
  if (bytes.size() < 8)
    refuse_start(bytes, Errc::format, bytes.empty() ? "the file is empty" : "the file is too short", std::move(where));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  where.found = bytes_text(length);
  where.expected = "at most " + bytes_text(limits.max_header);
  if (length > limits.max_header) refuse_start(bytes, Errc::limit, "the header is too long", std::move(where));

  std::string_view const rest(reinterpret_cast<char const*>(bytes.data()) + 8, bytes.size() - 8);
  auto const text = rest.substr(0, static_cast<std::size_t>(length));
  auto const first = text.find_first_not_of(" \t\r\n");
  bool const blank = first == std::string_view::npos;
  if (length > rest.size()) {
    where.expected = "at most " + bytes_text(rest.size());
    std::string message = "the header reaches past the end of the file, which may be cut short";
    // What begins like a header is one; its length could pass for the signature of something else.
    if (blank || text[first] == '{') throw Error(Errc::format, std::move(message), std::move(where));
    refuse_start(bytes, Errc::format, std::move(message), std::move(where));
  }
  if (!text.starts_with(byte_order_mark) && (blank || text[first] != '{'))
    refuse_start(bytes, Errc::format, "the header does not begin with a JSON object",
                 {.file = file,
                  .expected = "{",
                  .found = blank ? "nothing" : printable(text.substr(first, 8)),
                  .offset = 8 + (blank ? 0 : first)});
  return text;
}

}  // namespace detail

/// Reads and checks the header of a whole safetensors file given as bytes; `file` names it in errors.
/// Throws Error(format, limit, key or shape) unless every rule of the format holds.
inline SafetensorsHeader parse_safetensors(std::span<std::byte const> bytes, std::string const& file,
                                           SafetensorsLimits const& limits = {}) try {
  SafetensorsHeader header;
  auto const text = detail::header_text(bytes, limits, file);
  header.data_begin = 8 + text.size();
  detail::HeaderSax sax(limits, file, header);
  detail::parse_json(text, 8, file, sax);
  detail::check_layout(header, bytes.size(), file);
  header.by_name = detail::order_by_name(header.entries, file);
  return header;
} catch (std::bad_alloc const&) {
  throw Error(Errc::memory, "not enough memory for the header", {.file = file});
}

}  // namespace tadp
