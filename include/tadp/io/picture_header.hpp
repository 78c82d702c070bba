// SPDX-License-Identifier: Apache-2.0
// The size of a picture without its pixels: what a data set asks of thousands of files when it is opened.
// By the libraries that read the pixels later, so that both agree on what is damaged.
#pragma once

#include "tadp/io/image.hpp"

#include <fstream>

namespace tadp {

/// What stands before the pixels of a PNG or JPEG file.
struct PictureHeader {
  int width = 0, height = 0;  ///< upright: an EXIF orientation that swaps the sides has done so
  int bit_depth = 8;          ///< of a sample in the file
  bool png = false;
  bool gray = false;          ///< one channel, neither alpha nor palette
};

namespace detail {

/// The first bytes of a regular file, `most` of them where it is that long.
inline std::vector<std::byte> read_start(std::filesystem::path const& path, std::size_t most) {
  std::error_code failed;
  if (std::filesystem::status(path, failed).type() != std::filesystem::file_type::regular)  // others may wait for ever
    throw Error(Errc::io, "not a regular file", {.file = path.string(), .found = failed ? failed.message() : std::string{}});
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(Errc::io, "cannot open", {.file = path.string()});
  std::vector<std::byte> bytes(most);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(most));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

inline PictureHeader png_header(std::span<std::byte const> bytes, ImageLimits const& limits, std::string const& file) {
  PngInput in(bytes);
  if (!png_read_head(in)) throw_png(in, file);
  check_pixels(in.width, in.height, limits, file);
  return {static_cast<int>(in.width), static_cast<int>(in.height), in.bit_depth, true, static_cast<PngColour>(in.colour) == PngColour::gray};
}
inline PictureHeader jpeg_header(std::span<std::byte const> bytes, ImageLimits const& limits, std::string const& file) {
  JpegInput in;
  in.max_scans = limits.max_scans;
  if (!jpeg_read_head(in, bytes)) throw_jpeg(in, bytes.size(), file);
  check_pixels(in.info.image_width, in.info.image_height, limits, file);
  PictureHeader header{static_cast<int>(in.info.image_width), static_cast<int>(in.info.image_height), in.info.data_precision, false, in.info.num_components == 1};
  if (jpeg_orientation(bytes) >= 5) std::swap(header.width, header.height);
  return header;
}

}  // namespace detail

/// The header in the bytes of a PNG or JPEG file, of which the start suffices; errors as for decode_image.
inline PictureHeader decode_picture_header(std::span<std::byte const> bytes, ImageLimits const& limits = {}, std::string const& file = {}) {
  if (detail::is_png(bytes)) return detail::png_header(bytes, limits, file);
  if (detail::is_jpeg(bytes)) return detail::jpeg_header(bytes, limits, file);
  throw Error(Errc::format, "not a picture that can be read", {.file = file, .expected = "a PNG or JPEG file", .found = std::string(detail::guess_content(bytes))});
}

/// Reads a file's start, and all of it only where that does not reach the pixels. Errors: io, format, limit, unsupported.
inline PictureHeader read_picture_header(std::filesystem::path const& path, ImageLimits const& limits = {}) {
  constexpr std::size_t usual = 16 * 1024;
  auto const start = detail::read_start(path, usual);
  if (start.size() == usual) {
    try {
      return decode_picture_header(start, limits, path.string());
    } catch (Error const& e) {
      if (e.code() == Errc::limit) throw;
    }
    return decode_picture_header(read_file(path, limits.max_file_bytes), limits, path.string());
  }
  return decode_picture_header(start, limits, path.string());
}

}  // namespace tadp
