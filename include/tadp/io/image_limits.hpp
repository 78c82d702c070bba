// SPDX-License-Identifier: Apache-2.0
// How large a picture file may be, and the checks that come before any memory is asked for.
// Shared by the PNG and the JPEG reader.
#pragma once

#include "tadp/core/error.hpp"

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

namespace tadp {

/// What a picture file may ask for; above it the readers throw Error(limit).
struct ImageLimits {
  std::uint64_t max_file_bytes = std::uint64_t{1} << 30;
  std::uint64_t max_pixels = 178'956'970;  ///< width * height; Pillow refuses about the same
  int max_scans = 500;                     ///< of a progressive JPEG: each costs a pass over all pixels
};

namespace detail {

inline std::string size_text(std::uint64_t width, std::uint64_t height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

/// Both sides must be below 2^32.
inline void check_pixels(std::uint64_t width, std::uint64_t height, ImageLimits const& limits,
                         std::string const& file) {
  if (width == 0 || height == 0)
    throw Error(Errc::format, "a picture without pixels", {.file = file, .found = size_text(width, height)});
  if (width * height > limits.max_pixels)
    throw Error(Errc::limit, "the picture is larger than allowed",
                {.file = file,
                 .expected = "at most " + std::to_string(limits.max_pixels) + " pixels",
                 .found = size_text(width, height)});
}

/// Runs `make`, which allocates pixels; its lack of memory becomes Error(memory).
template <class Make>
auto with_memory(Make&& make, std::uint64_t width, std::uint64_t height, std::string const& file = {}) {
  try {
    return make();
  } catch (std::bad_alloc const&) {
  } catch (std::length_error const&) {
  }
  throw Error(Errc::memory, "no memory for the picture", {.file = file, .found = size_text(width, height)});
}

}  // namespace detail
}  // namespace tadp
