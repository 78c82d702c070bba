// SPDX-License-Identifier: Apache-2.0
// Metres to files: a 16-bit PNG of millimetres, which loses what is finer, and a .npy of the floats as they are.
// Both are read by numpy and OpenCV as arrays of (height, width).
#pragma once

#include "tadp/io/file.hpp"
#include "tadp/io/image_png_write.hpp"

#include <cmath>
#include <cstring>

namespace tadp {

/// Millimetres, rounded; 0 where a depth is not a number or not above zero, 65535 from 65.535 m on.
inline std::vector<std::uint16_t> millimetres(std::span<float const> metres) {
  std::vector<std::uint16_t> out;
  out.reserve(metres.size());
  for (float const m : metres) {
    double const mm = 1000.0 * static_cast<double>(m);
    out.push_back(mm > 0.0 ? static_cast<std::uint16_t>(std::min(std::floor(mm + 0.5), 65535.0)) : std::uint16_t{0});
  }
  return out;
}

/// A gray PNG of 16 bits, a millimetre a step; Error(shape) unless `metres` is (height, width).
inline std::vector<std::byte> encode_depth_png(std::span<float const> metres, int width, int height) {
  return encode_gray16_png(millimetres(metres), width, height);
}

/// A .npy (version 1.0) of little-endian floats, (height, width); Error(shape) where the count differs.
inline std::vector<std::byte> encode_npy(std::span<float const> values, int width, int height) {
  if (values.size() != detail::pixel_count(width, height))
    throw Error(Errc::shape, "the number of values does not fit the size of the picture",
                {.expected = std::to_string(detail::pixel_count(width, height)), .found = std::to_string(values.size())});
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(height) + ", " + std::to_string(width) + "), }";
  text.resize((10 + text.size() + 1 + 63) / 64 * 64 - 10, ' ');  // numpy maps files whose numbers begin at a multiple of 64
  text.back() = '\n';
  std::string const head = std::string("\x93NUMPY\x01", 7) + '\0' + static_cast<char>(text.size() & 0xFFU) + static_cast<char>(text.size() >> 8U) + text;
  std::vector<std::byte> bytes(head.size() + 4 * values.size());
  std::memcpy(bytes.data(), head.data(), head.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto const bits = std::bit_cast<std::uint32_t>(values[i]);
    for (std::size_t b = 0; b < 4; ++b) bytes[head.size() + 4 * i + b] = static_cast<std::byte>(bits >> (8U * b) & 0xFFU);
  }
  return bytes;
}

/// Errors as for the encoders; Error(io) where the file cannot be written.
inline void write_depth_png(std::filesystem::path const& path, std::span<float const> metres, int width, int height) {
  write_file_atomic(path, encode_depth_png(metres, width, height));
}
inline void write_npy(std::filesystem::path const& path, std::span<float const> values, int width, int height) {
  write_file_atomic(path, encode_npy(values, width, height));
}

}  // namespace tadp
