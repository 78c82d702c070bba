// SPDX-License-Identifier: Apache-2.0
// numpy's files of metres: little-endian floats of 32 or 64 bits, (height, width) or (height, width, 1), row by row. Other
// arrays are well formed but not handled, and said to be so.
#pragma once

#include "tadp/heads/depth_result.hpp"
#include "tadp/io/image.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <limits>
#include <string_view>
#include <vector>

namespace tadp::detail {

inline bool is_npy(std::span<std::byte const> bytes) {
  constexpr std::array<unsigned char, 6> start = {0x93, 'N', 'U', 'M', 'P', 'Y'};
  return starts_with(bytes, start);
}

/// What the head of a .npy says, and where its numbers begin.
struct NpyHead {
  std::string_view text{};
  std::string_view numbers{};  ///< "<f4"; empty for structures
  bool by_columns = false;
  std::vector<std::uint32_t> sides{};
  std::size_t start = 0;
};

/// The text of the head and where the numbers begin; versions 1 to 3.
inline std::pair<std::string_view, std::size_t> npy_text(std::span<std::byte const> bytes, std::string const& file) {
  auto const at = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<std::size_t>(bytes[i]) : 0; };
  std::size_t const start = at(6) == 1 ? 10 : 12;
  std::size_t const length = at(8) + (at(9) << 8) + (start == 12 ? (at(10) << 16) + (at(11) << 24) : 0);
  if (bytes.size() < start || length > bytes.size() - start) throw Error(Errc::format, "a damaged .npy file: its head ends too early", {.file = file});
  return {{reinterpret_cast<char const*>(bytes.data()) + start, length}, start + length};
}
/// What stands behind "'key': "; Error(format) where nothing does.
inline std::string_view npy_value(std::string_view head, std::string_view key, std::string const& file) {
  auto const quoted = "'" + std::string(key) + "': ";
  auto const at = head.find(quoted);
  if (at == std::string_view::npos) throw Error(Errc::format, "a damaged .npy file: its head lacks a key", {.file = file, .key = std::string(key), .found = printable(head, 200)});
  return head.substr(at + quoted.size());
}
/// The numbers of "(2, 3)", "(2, 3, 1)", "(5,)" or "()".
inline std::vector<std::uint32_t> npy_sides(std::string_view value, std::string_view head, std::string const& file) {
  auto const refuse = [&] { throw Error(Errc::format, "a damaged .npy file: its shape is none", {.file = file, .key = "shape", .found = printable(head, 200)}); };
  std::vector<std::uint32_t> sides;
  auto const skip = [&](std::string_view part) {
    bool const there = value.starts_with(part);
    if (there) value.remove_prefix(part.size());
    return there;
  };
  if (!skip("(")) refuse();
  while (!skip(")")) {
    std::uint32_t side = 0;
    auto const [end, code] = std::from_chars(value.data(), value.data() + value.size(), side);
    if (code != std::errc{} || sides.size() == 32) refuse();  // numpy's arrays have at most 32 axes
    value.remove_prefix(static_cast<std::size_t>(end - value.data()));
    sides.push_back(side);
    if (!skip(", ") && !skip(",") && !value.starts_with(")")) refuse();
  }
  return sides;
}
inline NpyHead npy_head(std::span<std::byte const> bytes, std::string const& file) {
  auto const [text, start] = npy_text(bytes, file);
  NpyHead head{.text = text, .start = start};
  if (auto const numbers = npy_value(text, "descr", file); numbers.starts_with("'")) head.numbers = numbers.substr(1, numbers.find('\'', 1) - 1);
  head.by_columns = npy_value(text, "fortran_order", file).starts_with("True");
  head.sides = npy_sides(npy_value(text, "shape", file), text, file);
  return head;
}

/// Bytes of a number; Error(unsupported) for arrays that are no floats as they are read here, with what to do.
inline std::size_t npy_float_bytes(NpyHead const& head, std::string const& file) {
  bool const flat = head.sides.size() == 2 || (head.sides.size() == 3 && head.sides[2] == 1);
  if ((head.numbers == "<f4" || head.numbers == "<f8") && !head.by_columns && flat) return head.numbers == "<f4" ? 4 : 8;
  throw Error(Errc::unsupported, "not handled: a .npy that is not of little-endian floats, (height, width), row by row",
              {.file = file, .expected = "metres as numpy.save(file, numpy.ascontiguousarray(depth, '<f4')) writes them, (height, width)", .found = printable(head.text.substr(0, head.text.find('}') + 1), 200)});
}
/// A number of 64 bits is 0 where it is not above that, infinite where a float cannot hold it.
inline float npy_float(std::byte const* at, std::size_t size) {
  std::uint64_t bits = 0;
  for (std::size_t b = 0; b < size; ++b) bits |= std::to_integer<std::uint64_t>(at[b]) << (8 * b);
  if (size == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  double const value = std::bit_cast<double>(bits);
  if (!(value > 0.0)) return 0.0F;
  return value <= static_cast<double>(std::numeric_limits<float>::max()) ? static_cast<float>(value) : std::numeric_limits<float>::infinity();
}

/// Error(format) for a damaged file, Error(unsupported) for another array, Error(limit).
inline DepthMap depth_of_npy(std::span<std::byte const> bytes, ImageLimits const& limits, std::string const& file) {
  NpyHead const head = npy_head(bytes, file);
  std::size_t const size = npy_float_bytes(head, file);
  std::uint64_t const height = head.sides[0], width = head.sides[1];
  check_pixels(width, height, limits, file);
  std::uint64_t const pixels = width * height;
  std::size_t const there = bytes.size() - head.start;
  if (there / size != pixels || there % size != 0)
    throw Error(Errc::format, "a damaged .npy file: its numbers do not fit its shape", {.file = file, .expected = std::to_string(size * pixels) + " bytes", .found = std::to_string(there)});
  return with_memory(
      [&] {
        DepthMap map(static_cast<int>(width), static_cast<int>(height));
        for (std::size_t i = 0; i < map.metres.size(); ++i) map.metres[i] = npy_float(bytes.data() + head.start + size * i, size);
        return map;
      },
      width, height, file);
}

}  // namespace tadp::detail
