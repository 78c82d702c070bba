// SPDX-License-Identifier: Apache-2.0
// Pictures and label maps from files and to files: what the first and the last step of a program call.
// The content of a file decides how it is read, not its name.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/io/exif_orientation.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/image_jpeg.hpp"
#include "tadp/io/image_limits.hpp"
#include "tadp/io/image_png.hpp"
#include "tadp/io/image_png_write.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

namespace detail {

inline bool is_png(std::span<std::byte const> bytes) { return starts_with(bytes, png_signature); }
inline bool is_jpeg(std::span<std::byte const> bytes) { return starts_with(bytes, jpeg_signature); }

/// What a file looks like that is not a picture we read, to tell the user more than "no".
inline std::string_view guess_content(std::span<std::byte const> bytes) {
  constexpr std::pair<std::string_view, std::string_view> starts[] = {
      {"\x89PNG", "a PNG file"},   {"\xFF\xD8\xFF", "a JPEG file"}, {"GIF8", "a GIF file"},
      {"BM", "a BMP file"},        {"RIFF", "a WebP file"},         {"II*", "a TIFF file"},
      {"MM", "a TIFF file"},       {"%PDF", "a PDF file"},          {"PK\x03\x04", "a zip file"},
      {"\x1F\x8B", "a gzip file"}, {"<", "HTML or XML text"},       {"version https://git-lfs", "a Git LFS pointer"},
  };
  if (bytes.empty()) return "an empty file";
  for (auto const& [start, name] : starts)
    if (starts_with(bytes, {reinterpret_cast<unsigned char const*>(start.data()), start.size()})) return name;
  return "something else";
}

inline LabelMap require_labels(PngRaw raw, std::string const& file) {
  bool const indices = raw.colour == PngColour::palette || (raw.colour == PngColour::gray && raw.bit_depth == 8);
  if (!indices)
    throw Error(Errc::format, "not a label map",
                {.file = file,
                 .expected = "an 8-bit grayscale or palette PNG of class indices",
                 .found = std::to_string(raw.bit_depth) + "-bit " + std::string(to_string(raw.colour)) + " PNG"});
  LabelMap out;
  out.width = raw.width;
  out.height = raw.height;
  out.labels = std::move(raw.samples);
  return out;
}

}  // namespace detail

/// The picture in a PNG or JPEG file held in memory, upright and RGB; `file` only names it in errors.
inline Picture decode_image(std::span<std::byte const> bytes, ImageLimits const& limits = {},
                            std::string const& file = {}) {
  if (detail::is_png(bytes)) return decode_png(bytes, limits, file);
  if (!detail::is_jpeg(bytes))
    throw Error(Errc::format, "not a picture that can be read",
                {.file = file, .expected = "a PNG or JPEG file", .found = std::string(detail::guess_content(bytes))});
  auto stored = decode_jpeg(bytes, limits, file);
  auto const width = static_cast<std::uint64_t>(stored.width), height = static_cast<std::uint64_t>(stored.height);
  return detail::with_memory([&] { return upright(std::move(stored), jpeg_orientation(bytes)); }, width, height, file);
}

/// The picture in a PNG or JPEG file, upright and RGB: gray is tripled, alpha dropped, 16 bits become the high 8, the
/// EXIF orientation of a JPEG applied. Errors: io, format, limit, unsupported, memory.
inline Picture read_image(std::filesystem::path const& path, ImageLimits const& limits = {}) {
  return decode_image(read_file(path, limits.max_file_bytes), limits, path.string());
}

/// The class indices in a PNG file: grayscale of 8 bits or a palette, whose raw values are taken and whose colours are
/// not looked at. Error(format) for any other kind; io, limit and memory as for read_image.
inline LabelMap read_labels(std::filesystem::path const& path, ImageLimits const& limits = {}) {
  auto const bytes = read_file(path, limits.max_file_bytes);
  if (!detail::is_png(bytes))
    throw Error(Errc::format, "not a label map",
                {.file = path.string(),
                 .expected = "an 8-bit grayscale or palette PNG of class indices",
                 .found = std::string(detail::guess_content(bytes))});
  return detail::require_labels(decode_png_raw(bytes, limits, path.string()), path.string());
}

/// The samples of a PNG file with all their bits, such as a depth map of 16; errors as for read_image.
inline PngSamples read_png_samples(std::filesystem::path const& path, ImageLimits const& limits = {}) {
  return decode_png_samples(read_file(path, limits.max_file_bytes), limits, path.string());
}

/// Writes an RGB PNG, whole or not at all; Error(io) if it cannot.
inline void write_png(std::filesystem::path const& path, PictureView picture) {
  write_file_atomic(path, encode_png(picture));
}

/// Writes class indices as grayscale, or with a palette if colours are given; read_labels gets them back from either.
inline void write_labels(std::filesystem::path const& path, LabelMap const& map, Palette const& colours = {}) {
  write_file_atomic(path, encode_labels(map, colours));
}

/// Writes a grayscale PNG of 8 bits from (height, width) samples.
inline void write_gray_png(std::filesystem::path const& path, std::span<std::uint8_t const> samples, int width,
                           int height) {
  write_file_atomic(path, encode_gray_png(samples, width, height));
}

/// Writes a grayscale PNG of 16 bits from (height, width) samples, such as depth in millimetres.
inline void write_gray16_png(std::filesystem::path const& path, std::span<std::uint16_t const> samples, int width,
                             int height) {
  write_file_atomic(path, encode_gray16_png(samples, width, height));
}

}  // namespace tadp
