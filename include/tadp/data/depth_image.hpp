// SPDX-License-Identifier: Apache-2.0
// Depth from files: a gray PNG of 16 bits, whose unit is not in the file, and a .npy of metres. What was not measured is 0.
// The counterpart of io/depth_files.hpp, which writes both.
#pragma once

#include "tadp/heads/depth_result.hpp"
#include "tadp/io/image.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace tadp {

struct DepthReading {
  double units_per_metre = 1000.0;  ///< of a PNG's numbers
  float max_depth = std::numeric_limits<float>::infinity();  ///< metres; what is farther counts as not measured
  ImageLimits images{};
};

namespace detail {

inline bool is_npy(std::span<std::byte const> bytes) {
  constexpr std::array<unsigned char, 6> start = {0x93, 'N', 'U', 'M', 'P', 'Y'};
  return starts_with(bytes, start);
}
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

/// The text of a .npy's head and where its numbers begin; versions 1 to 3.
inline std::pair<std::string_view, std::size_t> npy_head(std::span<std::byte const> bytes, std::string const& file) {
  auto const at = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<std::size_t>(bytes[i]) : 0; };
  std::size_t const start = at(6) == 1 ? 10 : 12;
  std::size_t const length = at(8) + (at(9) << 8) + (start == 12 ? (at(10) << 16) + (at(11) << 24) : 0);
  if (bytes.size() < start || length > bytes.size() - start) throw Error(Errc::format, "a damaged .npy file: its head ends too early", {.file = file});
  return {{reinterpret_cast<char const*>(bytes.data()) + start, length}, start + length};
}
/// Height and width from "'shape': (h, w)".
inline std::array<std::uint32_t, 2> npy_shape(std::string_view head, std::string const& file) {
  std::array<std::uint32_t, 2> sides{};
  auto const refuse = [&] { throw Error(Errc::format, "not a depth map", {.file = file, .expected = "a .npy of little-endian floats (height, width)", .found = printable(head, 200)}); };
  if (head.find("'<f4'") == std::string_view::npos || head.find("'fortran_order': False") == std::string_view::npos) refuse();
  auto at = head.find("'shape': (");
  if (at == std::string_view::npos) refuse();
  at += 10;
  for (std::size_t i = 0; i < 2; ++i) {
    auto const [end, code] = std::from_chars(head.data() + at, head.data() + head.size(), sides[i]);
    if (code != std::errc{}) refuse();
    at = static_cast<std::size_t>(end - head.data());
    std::string_view const after = i == 0 ? ", " : ")";
    if (head.substr(at, after.size()) != after) refuse();
    at += after.size();
  }
  return sides;
}
inline DepthMap depth_of_npy(std::span<std::byte const> bytes, DepthReading const& how, std::string const& file) {
  auto const head = npy_head(bytes, file);
  auto const shape = npy_shape(head.first, file);
  std::size_t const start = head.second;
  std::uint64_t const height = shape[0], width = shape[1];
  check_pixels(width, height, how.images, file);
  std::uint64_t const pixels = width * height;
  if ((bytes.size() - start) / sizeof(float) != pixels || (bytes.size() - start) % sizeof(float) != 0)
    throw Error(Errc::format, "a damaged .npy file: its numbers do not fit its shape", {.file = file, .expected = std::to_string(4 * pixels) + " bytes", .found = std::to_string(bytes.size() - start)});
  return with_memory(
      [&] {
        DepthMap map(static_cast<int>(width), static_cast<int>(height));
        for (std::size_t i = 0; i < map.metres.size(); ++i) {
          std::uint32_t bits = 0;
          for (std::size_t b = 0; b < 4; ++b) bits |= std::to_integer<std::uint32_t>(bytes[start + 4 * i + b]) << (8 * b);
          map.metres[i] = std::bit_cast<float>(bits);
        }
        return map;
      },
      width, height, file);
}

}  // namespace detail

/// Metres in the bytes of a depth file; `file` only names it in errors. Error(format) for pictures of 8 bits, of colours and
/// for other arrays, Error(argument) for a unit that is none, and those of read_image.
inline DepthMap decode_depth(std::span<std::byte const> bytes, DepthReading const& how = {}, std::string const& file = {}) {
  if (!(how.units_per_metre > 0.0 && std::isfinite(how.units_per_metre)))
    throw Error(Errc::argument, "the scale of depth is units a metre", {.file = file, .key = "depth_scale", .expected = "above 0", .found = std::to_string(how.units_per_metre)});
  bool const npy = detail::is_npy(bytes);
  if (!npy && !detail::is_png(bytes))
    throw Error(Errc::format, "not a depth map", {.file = file, .expected = "a gray PNG of 16 bits, or a .npy of floats", .found = std::string(detail::guess_content(bytes))});
  DepthMap map = npy ? detail::depth_of_npy(bytes, how, file) : detail::depth_of_png(bytes, how, file);
  for (float& m : map.metres)
    if (!(m > 0.0F && m <= how.max_depth && std::isfinite(m))) m = 0.0F;
  return map;
}
inline DepthMap read_depth(std::filesystem::path const& path, DepthReading const& how = {}) {
  return decode_depth(read_file(path, how.images.max_file_bytes), how, path.string());
}

/// How many pixels are measured, and how far they are.
class DepthSummary {
 public:
  void add(DepthMap const& map) {
    pixels_ += map.metres.size();
    for (float const m : map.metres) {
      if (!(m > 0.0F)) continue;
      ++valid_;
      least_ = std::min(least_, m), most_ = std::max(most_, m);
      ++counts_[static_cast<std::size_t>(std::min(std::lround(1000.0 * static_cast<double>(std::min(m, 1000.0F))), 65535L))];
    }
  }
  std::uint64_t pixels() const { return pixels_; }
  std::uint64_t valid() const { return valid_; }
  double valid_fraction() const { return pixels_ > 0 ? static_cast<double>(valid_) / static_cast<double>(pixels_) : 0.0; }
  /// Metres; 0 where nothing is measured. The median to a millimetre, up to 65.535 m.
  float least() const { return valid_ > 0 ? least_ : 0.0F; }
  float most() const { return most_; }
  float median() const {
    std::uint64_t below = 0;
    for (std::size_t mm = 0; mm < counts_.size(); ++mm)
      if ((below += counts_[mm]) * 2 >= valid_ && valid_ > 0) return static_cast<float>(mm) / 1000.0F;
    return 0.0F;
  }

 private:
  std::uint64_t pixels_ = 0, valid_ = 0;
  float least_ = std::numeric_limits<float>::infinity(), most_ = 0.0F;
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(65536);
};

/// The middle of what is measured, in metres; 0 where nothing is.
inline float median_depth(DepthMap const& map) {
  std::vector<float> measured;
  for (float const m : map.metres)
    if (m > 0.0F) measured.push_back(m);
  if (measured.empty()) return 0.0F;
  auto const middle = measured.begin() + static_cast<std::ptrdiff_t>((measured.size() - 1) / 2);
  std::nth_element(measured.begin(), middle, measured.end());
  return *middle;
}

}  // namespace tadp
