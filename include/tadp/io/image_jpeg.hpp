// SPDX-License-Identifier: Apache-2.0
// JPEG files to RGB pictures, by libjpeg: baseline, progressive and arithmetic; gray, YCbCr, CMYK and YCCK.
// Gives the stored raster; exif_orientation.hpp turns it upright, image.hpp joins the two.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/io/image_limits.hpp"

#include <cstddef>
#include <cstdio>  // jpeglib.h needs FILE and does not ask for it

#include <jpeglib.h>
// jerror.h must follow jpeglib.h.
#include <jerror.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace tadp {

namespace detail {

/// libjpeg leaves by longjmp, so what it is called from may hold nothing with a destructor: all such lives out here.
struct JpegInput {
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf jump = {};
  int code = 0;  ///< of the message, 0 while all is well
  char message[JMSG_LENGTH_MAX] = {};
  int max_scans = 0;

  JpegInput() = default;
  JpegInput(JpegInput const&) = delete;
  JpegInput& operator=(JpegInput const&) = delete;
  ~JpegInput() { jpeg_destroy_decompress(&info); }
};

[[noreturn]] inline void jpeg_on_error(j_common_ptr info) {
  auto& in = *static_cast<JpegInput*>(info->client_data);
  in.code = info->err->msg_code;
  info->err->format_message(info, in.message);
  std::longjmp(in.jump, 1);
}

/// libjpeg only warns when data is missing or wrong and goes on with gray; here that is an error like any other.
inline void jpeg_on_message(j_common_ptr info, int level) {
  constexpr std::array harmless = {JWRN_ADOBE_XFORM, JWRN_BOGUS_ICC, JWRN_EXTRANEOUS_DATA, JWRN_JFIF_MAJOR};
  bool const warning = level < 0;
  if (warning && std::find(harmless.begin(), harmless.end(), info->err->msg_code) == harmless.end())
    jpeg_on_error(info);
}

/// A file of a few kilobytes can hold thousands of scans over a large picture.
inline void jpeg_on_progress(j_common_ptr info) {
  auto& in = *static_cast<JpegInput*>(info->client_data);
  if (in.info.input_scan_number <= in.max_scans) return;
  in.code = -1;
  std::longjmp(in.jump, 1);
}

/// Everything up to the first pixel; false if libjpeg gave up, with `code` and `message` set.
inline bool jpeg_read_head(JpegInput& in, std::span<std::byte const> bytes) noexcept {
  in.info.err = jpeg_std_error(&in.errors);
  in.errors.error_exit = jpeg_on_error;
  in.errors.emit_message = jpeg_on_message;
  in.info.client_data = &in;
  if (setjmp(in.jump) != 0) return false;
  jpeg_create_decompress(&in.info);  // keeps err and client_data
  in.progress.progress_monitor = jpeg_on_progress;
  in.info.progress = &in.progress;
  jpeg_mem_src(&in.info, reinterpret_cast<unsigned char const*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&in.info, TRUE);
  return true;
}

/// The pixels, out_color_components bytes each, and the rest of the file up to its end mark.
inline bool jpeg_read_pixels(JpegInput& in, std::uint8_t* out) noexcept {
  if (setjmp(in.jump) != 0) return false;
  jpeg_start_decompress(&in.info);
  while (in.info.output_scanline < in.info.output_height) {
    auto const row_bytes = std::size_t{in.info.output_width} * static_cast<std::size_t>(in.info.output_components);
    JSAMPROW row = out + in.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&in.info, &row, 1);
  }
  jpeg_finish_decompress(&in.info);
  return true;
}

[[noreturn]] inline void throw_jpeg(JpegInput const& in, std::size_t size, std::string const& file) {
  constexpr std::array unsupported = {JERR_BAD_PRECISION, JERR_ARITH_NOTIMPL, JERR_SOF_UNSUPPORTED,
                                      JERR_CONVERSION_NOTIMPL, JERR_CCIR601_NOTIMPL};
  if (in.code < 0)
    throw Error(Errc::limit, "a JPEG file with too many scans",
                {.file = file, .expected = "at most " + std::to_string(in.max_scans)});
  Where const where{.file = file, .offset = in.info.src != nullptr ? size - in.info.src->bytes_in_buffer : 0};
  auto const text = printable(in.message);
  if (in.code == JERR_OUT_OF_MEMORY) throw Error(Errc::memory, "no memory for the JPEG file: " + text, where);
  if (std::find(unsupported.begin(), unsupported.end(), in.code) != unsupported.end())
    throw Error(Errc::unsupported, "a JPEG file of a kind that is not read: " + text, where);
  throw Error(Errc::format, "a damaged JPEG file: " + text, where);
}

/// Inks to light, (pixels, 4) to (pixels, 3). Files with four inks hold 255 for "no ink", as Adobe began it.
inline void inks_to_rgb(std::vector<std::uint8_t> const& inks, std::vector<std::uint8_t>& rgb) {
  for (std::size_t from = 0, to = 0; to < rgb.size(); from += 4, to += 3)
    for (std::size_t c = 0; c < 3; ++c)
      rgb[to + c] = static_cast<std::uint8_t>((inks[from + c] * inks[from + 3] + 127) / 255);
}

inline constexpr std::array<unsigned char, 3> jpeg_signature = {0xFF, 0xD8, 0xFF};

}  // namespace detail

/// The stored raster of a JPEG file held in memory, RGB; `file` only names it in errors (format, limit, unsupported,
/// memory). A file that ends before its end mark, or whose data libjpeg calls corrupt, is refused.
inline Picture decode_jpeg(std::span<std::byte const> bytes, ImageLimits const& limits = {},
                           std::string const& file = {}) {
  detail::JpegInput in;
  in.max_scans = limits.max_scans;
  if (!detail::jpeg_read_head(in, bytes)) detail::throw_jpeg(in, bytes.size(), file);
  auto const width = in.info.image_width, height = in.info.image_height;
  detail::check_pixels(width, height, limits, file);
  // A block of 64 pixels takes a bit at the least, and arithmetic coding may halve that a few times.
  if (std::uint64_t{width} * height > std::uint64_t{64 * 8 * 16} * bytes.size())
    throw Error(Errc::format, "a damaged JPEG file: too short for the picture that it announces",
                {.file = file,
                 .expected = detail::size_text(width, height) + " pixels",
                 .found = std::to_string(bytes.size()) + " bytes"});
  bool const inks = in.info.jpeg_color_space == JCS_CMYK || in.info.jpeg_color_space == JCS_YCCK;
  in.info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  return detail::with_memory(
      [&] {
        Picture out(static_cast<int>(width), static_cast<int>(height));
        std::vector<std::uint8_t> four(inks ? out.rgb.size() / 3 * 4 : 0);
        if (!detail::jpeg_read_pixels(in, inks ? four.data() : out.rgb.data()))
          detail::throw_jpeg(in, bytes.size(), file);
        if (inks) detail::inks_to_rgb(four, out.rgb);
        return out;
      },
      width, height, file);
}

}  // namespace tadp
