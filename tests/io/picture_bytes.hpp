// SPDX-License-Identifier: Apache-2.0
// Makes PNG and JPEG files in memory, whole or wrong on purpose, for image_test.cpp.
// PNG chunk by chunk, so that any field may lie; JPEG by libjpeg, then edited marker by marker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>

#include <jpeglib.h>
#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace picture_bytes {

inline std::string big_endian(std::uint32_t value, int bytes = 4) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

inline std::string deflated(std::string const& raw) {
  std::string out(compressBound(raw.size()), '\0');
  auto size = static_cast<uLongf>(out.size());
  compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<Bytef const*>(raw.data()), raw.size(), 9);
  out.resize(size);
  return out;
}

inline std::string chunk(std::string const& type, std::string const& data) {
  auto const checked = type + data;
  auto const sum = crc32(0, reinterpret_cast<Bytef const*>(checked.data()), static_cast<uInt>(checked.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + checked + big_endian(static_cast<std::uint32_t>(sum));
}

inline std::string const signature = "\x89PNG\r\n\x1a\n";

inline std::string header(std::uint32_t width, std::uint32_t height, int depth, int colour, int interlace = 0) {
  std::string const rest = {static_cast<char>(depth), static_cast<char>(colour), 0, 0, static_cast<char>(interlace)};
  return chunk("IHDR", big_endian(width) + big_endian(height) + rest);
}

inline std::string pixels(std::string const& filtered_rows) { return chunk("IDAT", deflated(filtered_rows)); }

inline std::string const end = chunk("IEND", "");

/// Gray of 8 bits, all of one value.
inline std::string flat_png(std::uint32_t width, std::uint32_t height, char value = 'x') {
  std::string rows;
  for (std::uint32_t y = 0; y < height; ++y) rows += '\0' + std::string(width, value);
  return signature + header(width, height, 8, 0) + pixels(rows) + end;
}

/// One colour, through libjpeg; `tune` may change how it is coded.
inline std::string flat_jpeg(unsigned width, unsigned height, int components, std::vector<std::uint8_t> const& colour,
                             std::function<void(jpeg_compress_struct&)> const& tune = {}) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &data, &size);
  info.image_width = width;
  info.image_height = height;
  info.input_components = components;
  info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (tune) tune(info);
  jpeg_start_compress(&info, TRUE);
  std::vector<std::uint8_t> row;
  for (unsigned x = 0; x < width; ++x) row.insert(row.end(), colour.begin(), colour.end());
  JSAMPROW rows = row.data();
  while (info.next_scanline < height) jpeg_write_scanlines(&info, &rows, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string out(reinterpret_cast<char const*>(data), size);
  std::free(data);
  return out;
}

/// Where the marker FF `code` stands.
inline std::size_t marker(std::string const& jpeg, int code) {
  return jpeg.find(std::string{static_cast<char>(0xFF), static_cast<char>(code)});
}

inline std::string segment(int code, std::string const& content) {
  return std::string{static_cast<char>(0xFF), static_cast<char>(code)} +
         big_endian(static_cast<std::uint32_t>(content.size() + 2), 2) + content;
}

/// `jpeg` with a segment put in as its first.
inline std::string with_segment(std::string jpeg, int code, std::string const& content) {
  return jpeg.insert(2, segment(code, content));
}

/// A TIFF block, motorola order, whose one entry is the orientation.
inline std::string orientation_block(int value, int type = 3, std::uint32_t directory = 8) {
  using namespace std::string_literals;
  return "MM\0*"s + big_endian(directory) + big_endian(1, 2) + big_endian(0x0112, 2) +
         big_endian(static_cast<std::uint32_t>(type), 2) + big_endian(1) +
         big_endian(static_cast<std::uint32_t>(value), 2) + "\0\0\0\0\0\0"s;
}

}  // namespace picture_bytes
