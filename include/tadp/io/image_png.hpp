// SPDX-License-Identifier: Apache-2.0
// PNG files to samples, by libpng: every colour type and depth, interlaced or not; every checksum is checked.
// Only the raw samples come from libpng; colours are made from them here, where indices can be checked.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/io/image_limits.hpp"

#include <png.h>

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tadp {

enum class PngColour : std::uint8_t { gray = 0, rgb = 2, palette = 3, gray_alpha = 4, rgb_alpha = 6 };

constexpr std::string_view to_string(PngColour colour) {
  switch (colour) {
    case PngColour::gray:
      return "grayscale";
    case PngColour::rgb:
      return "RGB";
    case PngColour::palette:
      return "palette";
    case PngColour::gray_alpha:
      return "grayscale with alpha";
    case PngColour::rgb_alpha:
      return "RGB with alpha";
  }
  return "unknown";
}

/// Samples as they stand in a PNG file: (height, width, channels), no colour conversion, no scaling.
struct PngRaw {
  int width = 0;
  int height = 0;
  int channels = 0;   ///< a palette index counts as one
  int bit_depth = 0;  ///< of the file: 1, 2, 4, 8 or 16
  PngColour colour = PngColour::gray;
  std::vector<std::uint8_t> samples{};  ///< a byte each, or for 16 bits two, the low one first
  std::vector<std::array<std::uint8_t, 3>> palette{};
  std::vector<std::uint8_t> palette_alpha{};  ///< may be shorter than the palette: the rest is opaque
  std::optional<std::array<std::uint16_t, 3>> transparent_value{};  ///< the one value of gray or RGB that means alpha 0
};

/// Samples of a picture as a viewer takes them: (height, width, channels), channels = gray, gray+alpha, RGB or
/// RGB+alpha.
struct PngSamples {
  int width = 0;
  int height = 0;
  int channels = 0;
  int bit_depth = 8;                    ///< 8 or 16
  std::vector<std::uint8_t> samples{};  ///< 16 bits: two bytes a sample, the low one first
};

namespace detail {

/// libpng leaves by longjmp, so what it is called from may hold nothing with a destructor: all such lives out here.
struct PngInput {
  std::span<std::byte const> bytes;
  std::size_t at = 0;
  char message[160] = {};
  png_structp png = nullptr;
  png_infop info = nullptr;
  png_uint_32 width = 0, height = 0;
  int bit_depth = 0, colour = 0;

  explicit PngInput(std::span<std::byte const> all) : bytes(all) {}
  PngInput(PngInput const&) = delete;
  PngInput& operator=(PngInput const&) = delete;
  ~PngInput() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] inline void png_on_error(png_structp png, png_const_charp text) {
  std::snprintf(static_cast<char*>(png_get_error_ptr(png)), sizeof(PngInput::message), "%s", text);
  png_longjmp(png, 1);
}

inline void png_on_warning(png_structp, png_const_charp) {}

inline void png_on_read(png_structp png, png_bytep out, std::size_t size) {
  auto& in = *static_cast<PngInput*>(png_get_io_ptr(png));
  if (in.bytes.size() - in.at < size) png_error(png, "the file ends too early");
  std::memcpy(out, in.bytes.data() + in.at, size);
  in.at += size;
}

/// Everything up to the first pixel; false if libpng gave up, with `message` set.
inline bool png_read_head(PngInput& in) noexcept {
  in.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, in.message, png_on_error, png_on_warning);
  if (in.png == nullptr) return false;
  if (setjmp(png_jmpbuf(in.png)) != 0) return false;
  in.info = png_create_info_struct(in.png);
  if (in.info == nullptr) png_error(in.png, "out of memory");
  png_set_read_fn(in.png, &in, png_on_read);
  png_set_user_limits(in.png, 0x7fffffff, 0x7fffffff);  // ImageLimits rules, and says so in its own words
  // Text, profiles and times are of no use here and may inflate to much; a negative count means all but the needed.
  png_set_keep_unknown_chunks(in.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_crc_action(in.png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_read_info(in.png, in.info);
  png_get_IHDR(in.png, in.info, &in.width, &in.height, &in.bit_depth, &in.colour, nullptr, nullptr, nullptr);
  return true;
}

/// The pixels, `row_bytes` apart, and the rest of the file up to its end mark.
inline bool png_read_pixels(PngInput& in, png_bytep out, std::size_t row_bytes) noexcept {
  if (setjmp(png_jmpbuf(in.png)) != 0) return false;
  png_set_packing(in.png);
  png_set_swap(in.png);
  int const passes = png_set_interlace_handling(in.png);
  png_read_update_info(in.png, in.info);
  if (png_get_rowbytes(in.png, in.info) != row_bytes) png_error(in.png, "unexpected row size");
  for (int pass = 0; pass < passes; ++pass)
    for (png_uint_32 y = 0; y < in.height; ++y) png_read_row(in.png, out + y * row_bytes, nullptr);
  png_read_end(in.png, nullptr);
  return true;
}

inline void png_read_palette(PngInput& in, PngRaw& out) {
  png_colorp colours = nullptr;
  png_bytep alpha = nullptr;
  png_color_16p key = nullptr;
  int colour_count = 0, alpha_count = 0;
  if (png_get_PLTE(in.png, in.info, &colours, &colour_count) != 0)
    for (int i = 0; i < colour_count; ++i) out.palette.push_back({colours[i].red, colours[i].green, colours[i].blue});
  if (png_get_tRNS(in.png, in.info, &alpha, &alpha_count, &key) == 0) return;
  if (out.colour == PngColour::palette)
    out.palette_alpha.assign(alpha, alpha + alpha_count);
  else if (out.colour == PngColour::gray)
    out.transparent_value = {key->gray, key->gray, key->gray};
  else
    out.transparent_value = {key->red, key->green, key->blue};
}

[[noreturn]] inline void throw_png(PngInput const& in, std::string const& file) {
  throw Error(Errc::format, "a damaged PNG file: " + printable(in.message[0] != 0 ? in.message : "libpng cannot start"),
              {.file = file, .offset = in.at});
}

inline constexpr std::array<unsigned char, 8> png_signature = {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a};

}  // namespace detail

/// The samples of a PNG file held in memory; `file` only names it in errors (format, limit, memory).
inline PngRaw decode_png_raw(std::span<std::byte const> bytes, ImageLimits const& limits = {},
                             std::string const& file = {}) {
  detail::PngInput in(bytes);
  if (!detail::png_read_head(in)) detail::throw_png(in, file);
  detail::check_pixels(in.width, in.height, limits, file);
  // Deflate packs at most 1032 to 1: a small file that announces a large picture is refused before memory is asked for.
  if (png_get_rowbytes(in.png, in.info) > std::uint64_t{1032} * bytes.size() / in.height)
    throw Error(Errc::format, "a damaged PNG file: too short for the picture that it announces",
                {.file = file,
                 .expected = detail::size_text(in.width, in.height) + " pixels",
                 .found = std::to_string(bytes.size()) + " bytes"});
  PngRaw out{.width = static_cast<int>(in.width),
             .height = static_cast<int>(in.height),
             .channels = png_get_channels(in.png, in.info),
             .bit_depth = in.bit_depth,
             .colour = static_cast<PngColour>(in.colour)};
  detail::png_read_palette(in, out);
  auto const row_bytes = std::size_t{in.width} * static_cast<std::size_t>(out.channels) * (in.bit_depth == 16 ? 2 : 1);
  detail::with_memory([&] { out.samples.resize(row_bytes * in.height); }, in.width, in.height, file);
  if (!detail::png_read_pixels(in, out.samples.data(), row_bytes)) detail::throw_png(in, file);
  return out;
}

namespace detail {

inline PngSamples png_expand_palette(PngRaw const& raw, std::string const& file) {
  bool const alpha = !raw.palette_alpha.empty();
  PngSamples out{.width = raw.width, .height = raw.height, .channels = alpha ? 4 : 3};
  out.samples.reserve(raw.samples.size() * static_cast<std::size_t>(out.channels));
  for (auto const index : raw.samples) {
    if (index >= raw.palette.size())
      throw Error(
          Errc::format, "a damaged PNG file: a pixel outside of the palette",
          {.file = file, .expected = "below " + std::to_string(raw.palette.size()), .found = std::to_string(index)});
    out.samples.insert(out.samples.end(), raw.palette[index].begin(), raw.palette[index].end());
    if (alpha) out.samples.push_back(index < raw.palette_alpha.size() ? raw.palette_alpha[index] : 255);
  }
  return out;
}

/// Adds an alpha channel: 0 where all channels have the value that the file calls transparent, else the largest.
inline void png_add_alpha_of_key(PngSamples& out, std::array<std::uint16_t, 3> const& key) {
  auto const bytes = out.bit_depth == 16 ? std::size_t{2} : 1;
  auto const pixel = static_cast<std::size_t>(out.channels) * bytes;
  std::vector<std::uint8_t> wide;
  wide.reserve(out.samples.size() / pixel * (pixel + bytes));
  for (std::size_t at = 0; at < out.samples.size(); at += pixel) {
    bool same = true;
    for (std::size_t c = 0; c < pixel / bytes; ++c) {
      auto const* sample = &out.samples[at + c * bytes];
      same = same && key[c] == (bytes == 2 ? sample[0] | sample[1] << 8 : sample[0]);
    }
    for (std::size_t i = 0; i < pixel; ++i) wide.push_back(out.samples[at + i]);
    wide.insert(wide.end(), bytes, same ? std::uint8_t{0} : std::uint8_t{255});
  }
  out.samples = std::move(wide);
  ++out.channels;
}

inline PngSamples png_expand(PngRaw raw, std::string const& file) {
  if (raw.colour == PngColour::palette) return png_expand_palette(raw, file);
  PngSamples out{.width = raw.width,
                 .height = raw.height,
                 .channels = raw.channels,
                 .bit_depth = raw.bit_depth == 16 ? 16 : 8,
                 .samples = std::move(raw.samples)};
  if (raw.transparent_value) png_add_alpha_of_key(out, *raw.transparent_value);
  if (raw.bit_depth >= 8) return out;
  auto const scale = 255 / ((1 << raw.bit_depth) - 1);
  auto const pixel = static_cast<std::size_t>(out.channels);
  for (std::size_t i = 0; i < out.samples.size(); i += pixel)  // the first channel only: alpha is full size already
    out.samples[i] = static_cast<std::uint8_t>(out.samples[i] * scale);
  return out;
}

}  // namespace detail

/// The samples of a PNG file held in memory with palette, transparency and depths below 8 expanded; errors as above.
inline PngSamples decode_png_samples(std::span<std::byte const> bytes, ImageLimits const& limits = {},
                                     std::string const& file = {}) {
  auto raw = decode_png_raw(bytes, limits, file);
  auto const width = static_cast<std::uint64_t>(raw.width), height = static_cast<std::uint64_t>(raw.height);
  return detail::with_memory([&] { return detail::png_expand(std::move(raw), file); }, width, height, file);
}

/// The RGB picture in a PNG file held in memory: gray is tripled, alpha is dropped (not blended with any background),
/// 16 bits become the high 8; errors as above.
inline Picture decode_png(std::span<std::byte const> bytes, ImageLimits const& limits = {},
                          std::string const& file = {}) {
  auto const in = decode_png_samples(bytes, limits, file);
  auto const width = static_cast<std::uint64_t>(in.width), height = static_cast<std::uint64_t>(in.height);
  auto out = detail::with_memory([&] { return Picture(in.width, in.height); }, width, height, file);
  auto const sample = static_cast<std::size_t>(in.bit_depth / 8);
  auto const pixel = static_cast<std::size_t>(in.channels) * sample;
  auto const green = in.channels >= 3 ? sample : 0, blue = 2 * green;
  auto const* from = in.samples.data() + (sample - 1);  // the high byte comes last
  for (std::size_t i = 0; i < out.rgb.size(); i += 3, from += pixel) {
    out.rgb[i] = from[0];
    out.rgb[i + 1] = from[green];
    out.rgb[i + 2] = from[blue];
  }
  return out;
}

}  // namespace tadp
