// SPDX-License-Identifier: Apache-2.0
// Samples to PNG files, by libpng: RGB and gray of 8 bits, gray of 16, palette indices.
// Encodes into memory; file.hpp puts the bytes on the disk, whole or not at all.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/io/image_png.hpp"

#include <png.h>

#include <array>
#include <bit>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <vector>

namespace tadp {

/// Colours of the classes of a label map, in the order of their indices; at most 256.
using Palette = std::vector<std::array<std::uint8_t, 3>>;

namespace detail {

/// What is to be written; the samples belong to the caller.
struct PngOutput {
  std::uint8_t const* samples = nullptr;
  std::ptrdiff_t row_bytes = 0;
  int width = 0, height = 0, bit_depth = 8;
  PngColour colour = PngColour::rgb;
  bool bgr = false;
  std::span<png_color const> palette{};
  char message[160] = {};
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::byte> bytes{};

  PngOutput() = default;
  PngOutput(PngOutput const&) = delete;
  PngOutput& operator=(PngOutput const&) = delete;
  ~PngOutput() { png_destroy_write_struct(&png, &info); }
};

inline void png_on_write(png_structp png, png_bytep data, std::size_t size) {
  auto& out = *static_cast<PngOutput*>(png_get_io_ptr(png));
  bool full = false;
  try {
    auto const* from = reinterpret_cast<std::byte const*>(data);
    out.bytes.insert(out.bytes.end(), from, from + size);
  } catch (std::exception const&) {
    full = true;  // an exception must not pass through libpng
  }
  if (full) png_error(png, "out of memory");
}

inline void png_on_flush(png_structp) {}

/// All calls of libpng; false if it gave up, with `message` set.
inline bool png_write_all(PngOutput& out) noexcept {
  out.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, out.message, png_on_error, png_on_warning);
  if (out.png == nullptr) return false;
  if (setjmp(png_jmpbuf(out.png)) != 0) return false;
  out.info = png_create_info_struct(out.png);
  if (out.info == nullptr) png_error(out.png, "out of memory");
  png_set_write_fn(out.png, &out, png_on_write, png_on_flush);
  png_set_user_limits(out.png, 0x7fffffff, 0x7fffffff);
  png_set_IHDR(out.png, out.info, static_cast<png_uint_32>(out.width), static_cast<png_uint_32>(out.height),
               out.bit_depth, static_cast<int>(out.colour), PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!out.palette.empty()) png_set_PLTE(out.png, out.info, out.palette.data(), static_cast<int>(out.palette.size()));
  png_write_info(out.png, out.info);
  if (out.bgr) png_set_bgr(out.png);
  if (out.bit_depth == 16 && std::endian::native == std::endian::little) png_set_swap(out.png);
  for (int y = 0; y < out.height; ++y) png_write_row(out.png, out.samples + y * out.row_bytes);
  png_write_end(out.png, out.info);
  return true;
}

inline std::vector<std::byte> png_encode(PngOutput& out, std::size_t sample_count, std::size_t expected_count) {
  if (out.width <= 0 || out.height <= 0)
    throw Error(Errc::argument, "a picture without pixels cannot be written",
                {.found = std::to_string(out.width) + " x " + std::to_string(out.height)});
  if (sample_count != expected_count)
    throw Error(Errc::shape, "the number of samples does not fit the size of the picture",
                {.expected = std::to_string(expected_count), .found = std::to_string(sample_count)});
  if (!png_write_all(out))
    throw Error(Errc::memory, "cannot encode the PNG: " + printable(out.message[0] != 0 ? out.message : "no memory"));
  return std::move(out.bytes);
}

inline std::size_t pixel_count(int width, int height) {
  return width <= 0 || height <= 0 ? 0 : static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
}

inline std::vector<std::byte> png_encode_gray(void const* samples, std::size_t count, int width, int height, int bits) {
  PngOutput out;
  out.samples = static_cast<std::uint8_t const*>(samples);
  out.row_bytes = std::ptrdiff_t{width} * (bits / 8);
  out.width = width;
  out.height = height;
  out.bit_depth = bits;
  out.colour = PngColour::gray;
  return png_encode(out, count, pixel_count(width, height));
}

}  // namespace detail

/// An RGB PNG of the picture; Error(argument) if it has no pixels.
inline std::vector<std::byte> encode_png(PictureView picture) {
  detail::PngOutput out;
  out.samples = picture.data;
  out.row_bytes = picture.row_bytes != 0 ? picture.row_bytes : std::ptrdiff_t{3} * picture.width;
  out.width = picture.width;
  out.height = picture.height;
  out.bgr = picture.order == PixelOrder::bgr;
  return detail::png_encode(out, 0, 0);
}

/// A grayscale PNG of 8 bits; `samples` is (height, width), Error(shape) if it is not.
inline std::vector<std::byte> encode_gray_png(std::span<std::uint8_t const> samples, int width, int height) {
  return detail::png_encode_gray(samples.data(), samples.size(), width, height, 8);
}

/// A grayscale PNG of 16 bits; `samples` is (height, width), Error(shape) if it is not.
inline std::vector<std::byte> encode_gray16_png(std::span<std::uint16_t const> samples, int width, int height) {
  return detail::png_encode_gray(samples.data(), samples.size(), width, height, 16);
}

/// A PNG whose raw values are the class indices: grayscale of 8 bits, or with a palette if colours are given.
/// Indices without a colour of their own (such as ignore_label) become black.
inline std::vector<std::byte> encode_labels(LabelMap const& map, Palette const& colours = {}) {
  if (colours.empty()) return encode_gray_png(map.labels, map.width, map.height);
  if (colours.size() > 256)
    throw Error(Errc::argument, "too many colours",
                {.expected = "at most 256", .found = std::to_string(colours.size())});
  std::array<png_color, 256> all = {};
  for (std::size_t i = 0; i < colours.size(); ++i) all[i] = {colours[i][0], colours[i][1], colours[i][2]};
  detail::PngOutput out;
  out.samples = map.labels.data();
  out.row_bytes = map.width;
  out.width = map.width;
  out.height = map.height;
  out.colour = PngColour::palette;
  out.palette = all;
  return detail::png_encode(out, map.labels.size(), detail::pixel_count(map.width, map.height));
}

}  // namespace tadp
