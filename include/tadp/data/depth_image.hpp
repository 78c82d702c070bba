// SPDX-License-Identifier: Apache-2.0
// Depth from files: a gray PNG of 16 bits, whose unit is not in the file, and a .npy of metres. What was not measured is 0.
// The counterpart of io/depth_files.hpp, which writes both.
#pragma once

#include "tadp/data/depth_npy.hpp"
#include "tadp/data/depth_summary.hpp"

#include <cmath>
#include <limits>

namespace tadp {

struct DepthReading {
  double units_per_metre = 1000.0;  ///< of a PNG's numbers
  float max_depth = std::numeric_limits<float>::infinity();  ///< metres; what is farther counts as not measured
  ImageLimits images{};
};

namespace detail {

inline void require_depth_png(int bit_depth, bool gray, std::string const& file) {
  if (bit_depth == 16 && gray) return;
  throw Error(Errc::format, "not a depth map", {.file = file, .expected = "a gray PNG of 16 bits", .found = std::to_string(bit_depth) + " bits, " + (gray ? "gray" : "colours, a palette or alpha")});
}
inline DepthMap depth_of_png(std::span<std::byte const> bytes, DepthReading const& how, std::string const& file) {
  PngRaw const raw = decode_png_raw(bytes, how.images, file);
  require_depth_png(raw.bit_depth, raw.colour == PngColour::gray, file);
  return with_memory(
      [&] {
        DepthMap map(raw.width, raw.height);
        for (std::size_t i = 0; i < map.metres.size(); ++i)
          map.metres[i] = static_cast<float>((raw.samples[2 * i] + 256 * raw.samples[2 * i + 1]) / how.units_per_metre);
        return map;
      },
      static_cast<std::uint64_t>(raw.width), static_cast<std::uint64_t>(raw.height), file);
}

}  // namespace detail

/// Metres in the bytes of a depth file; `file` only names it in errors. Error(format) for pictures of 8 bits or of
/// colours and for what is no depth map, Error(unsupported) for arrays of other numbers or in another order, Error(argument) for
/// a unit that is none, and those of read_image.
inline DepthMap decode_depth(std::span<std::byte const> bytes, DepthReading const& how = {}, std::string const& file = {}) {
  if (!(how.units_per_metre > 0.0 && std::isfinite(how.units_per_metre)))
    throw Error(Errc::argument, "the scale of depth is units a metre", {.file = file, .key = "depth_scale", .expected = "above 0", .found = std::to_string(how.units_per_metre)});
  bool const npy = detail::is_npy(bytes);
  if (!npy && !detail::is_png(bytes))
    throw Error(Errc::format, "not a depth map", {.file = file, .expected = "a gray PNG of 16 bits, or a .npy of floats", .found = std::string(detail::guess_content(bytes))});
  DepthMap map = npy ? detail::depth_of_npy(bytes, how.images, file) : detail::depth_of_png(bytes, how, file);
  for (float& m : map.metres)
    if (!(m > 0.0F && m <= how.max_depth && std::isfinite(m))) m = 0.0F;
  return map;
}
inline DepthMap read_depth(std::filesystem::path const& path, DepthReading const& how = {}) {
  return decode_depth(read_file(path, how.images.max_file_bytes), how, path.string());
}

}  // namespace tadp
