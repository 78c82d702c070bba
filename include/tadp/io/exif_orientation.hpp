// SPDX-License-Identifier: Apache-2.0
// The EXIF orientation of a JPEG file, read without a library, and the turning of a picture by it.
// Never reads outside the bytes given and never throws on damage: a broken tag means "upright", as in other viewers.
#pragma once

#include "tadp/core/picture.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace tadp {

namespace detail {

/// Numbers of a TIFF block; reads outside of it give 0.
struct TiffBytes {
  std::span<std::byte const> bytes;
  bool big_endian;

  std::uint32_t number(std::size_t at, std::size_t size) const {
    if (at > bytes.size() || bytes.size() - at < size) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + (big_endian ? i : size - 1 - i)]);
    return value;
  }
};

inline bool starts_with(std::span<std::byte const> bytes, std::span<unsigned char const> prefix) {
  return bytes.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), bytes.begin(),
                    [](unsigned char a, std::byte b) { return a == std::to_integer<unsigned char>(b); });
}

}  // namespace detail

/// The orientation 1..8 in the first directory of a TIFF block; 1 if there is none that makes sense.
inline int tiff_orientation(std::span<std::byte const> tiff) {
  constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3, entry_bytes = 12;
  constexpr std::array<unsigned char, 4> intel = {'I', 'I', 42, 0}, motorola = {'M', 'M', 0, 42};
  bool const big_endian = detail::starts_with(tiff, motorola);
  if (!big_endian && !detail::starts_with(tiff, intel)) return 1;
  detail::TiffBytes const in{tiff, big_endian};
  std::size_t const directory = in.number(4, 4);
  auto const entries = in.number(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    auto const at = directory + 2 + std::size_t{i} * entry_bytes;
    if (in.number(at, 2) != orientation_tag) continue;
    if (in.number(at + 2, 2) != short_type || in.number(at + 4, 4) != 1) return 1;
    auto const value = in.number(at + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// The orientation 1..8 in the first EXIF block of a JPEG file; 1 if there is none.
inline int jpeg_orientation(std::span<std::byte const> jpeg) {
  constexpr std::uint32_t app1 = 0xE1, start_of_scan = 0xDA, end_of_image = 0xD9;
  constexpr std::array<unsigned char, 6> exif = {'E', 'x', 'i', 'f', 0, 0};
  detail::TiffBytes const in{jpeg, true};
  for (std::size_t at = 2; in.number(at, 1) == 0xFF;) {
    auto const marker = in.number(at + 1, 1);
    if (marker == 0xFF) {  // fill bytes may stand before a marker
      ++at;
      continue;
    }
    auto const length = in.number(at + 2, 2);  // counts its own two bytes
    if (marker == start_of_scan || marker == end_of_image || length < 2 || length > jpeg.size() - at - 2) return 1;
    auto const content = jpeg.subspan(at + 4, length - 2);
    if (marker == app1 && detail::starts_with(content, exif)) return tiff_orientation(content.subspan(exif.size()));
    at += 2 + length;
  }
  return 1;
}

/// The picture as it is to be seen, given the EXIF orientation 1..8 of its stored form; 5..8 swap the sides.
inline Picture upright(Picture stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  // Where the first row and column of the stored form belong: top/bottom, left/right, sides swapped.
  struct Turn {
    bool swap_sides, flip_x, flip_y;
  };
  constexpr std::array<Turn, 9> turns = {{{false, false, false},
                                          {false, false, false},
                                          {false, true, false},
                                          {false, true, true},
                                          {false, false, true},
                                          {true, false, false},
                                          {true, false, true},
                                          {true, true, true},
                                          {true, true, false}}};
  auto const turn = turns[static_cast<std::size_t>(orientation)];
  Picture out(turn.swap_sides ? stored.height : stored.width, turn.swap_sides ? stored.width : stored.height);
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      int from_x = turn.swap_sides ? y : x, from_y = turn.swap_sides ? x : y;
      if (turn.flip_x) from_x = stored.width - 1 - from_x;
      if (turn.flip_y) from_y = stored.height - 1 - from_y;
      std::copy_n(std::as_const(stored).pixel(from_x, from_y), 3, out.pixel(x, y));
    }
  return out;
}

}  // namespace tadp
