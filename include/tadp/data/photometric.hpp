// SPDX-License-Identifier: Apache-2.0
// Changes of colour on 8-bit pictures as the original's pipelines make them, with OpenCV's 8-bit hue, saturation and value.
// Every draw can be given; drawing them from a key is a function of its own.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/core/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace tadp {

/// Hue 0..179, saturation and value 0..255 (cv2.COLOR_BGR2HSV on bytes).
using Hsv = std::array<std::uint8_t, 3>;

namespace detail {

inline constexpr int hsv_shift = 12;
/// round((factor << 12) / i), and 0 for 0.
template <int Factor, int Divisor>
std::array<int, 256> const& hsv_quotients() {
  static std::array<int, 256> const table = [] {
    std::array<int, 256> t{};
    for (int i = 1; i < 256; ++i) t[static_cast<std::size_t>(i)] = static_cast<int>(std::lrint(static_cast<double>(Factor << hsv_shift) / (Divisor * i)));
    return t;
  }();
  return table;
}
/// mmseg's convert: a * alpha + beta in float, cut to 0..255 and truncated.
inline std::uint8_t convert_byte(std::uint8_t value, float alpha, float beta) {
  return static_cast<std::uint8_t>(std::clamp(static_cast<float>(value) * alpha + beta, 0.0F, 255.0F));
}
inline void convert(Picture& picture, float alpha, float beta) {
  for (std::uint8_t& v : picture.rgb) v = convert_byte(v, alpha, beta);
}

}  // namespace detail

inline Hsv rgb_to_hsv(std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  int const v = std::max({r, g, b}), diff = v - std::min({r, g, b});
  auto const at = [](int i) { return static_cast<std::size_t>(i); };
  constexpr int half = 1 << (detail::hsv_shift - 1);
  int const s = (diff * detail::hsv_quotients<255, 1>()[at(v)] + half) >> detail::hsv_shift;
  int const sector = v == r ? g - b : v == g ? b - r + 2 * diff : r - g + 4 * diff;
  int const h = (sector * detail::hsv_quotients<180, 6>()[at(diff)] + half) >> detail::hsv_shift;
  return {static_cast<std::uint8_t>(h < 0 ? h + 180 : h), static_cast<std::uint8_t>(s), static_cast<std::uint8_t>(v)};
}

/// Red, green, blue. OpenCV truncates in its vector code, which takes whole blocks of a row's pixels, and rounds in the
/// scalar code for the rest; over several conversions the difference grows beyond a grey level.
inline std::array<std::uint8_t, 3> hsv_to_rgb(Hsv const& hsv, bool truncate = true) {
  float const s = static_cast<float>(hsv[1]) * (1.0F / 255.0F), v = static_cast<float>(hsv[2]) * (1.0F / 255.0F);
  float const turn = static_cast<float>(hsv[0] % 180) * (6.0F / 180.0F);
  int const sector = std::min(static_cast<int>(turn), 5);
  float const f = turn - static_cast<float>(sector);
  auto const less = [&](float by) { return v * std::fma(-s, by, 1.0F); };
  float const tab[4] = {v, v * (1.0F - s), less(f), less(1.0F - f)};
  constexpr int of_sector[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
  std::array<std::uint8_t, 3> rgb{};
  for (std::size_t c = 0; c < 3; ++c) {
    float const grey = tab[of_sector[sector][c]] * 255.0F;
    rgb[c] = static_cast<std::uint8_t>(std::clamp(truncate ? grey : std::nearbyint(grey), 0.0F, 255.0F));
  }
  return rgb;
}

/// Runs change(hsv) on every pixel.
template <class Change>
void change_hsv(Picture& picture, Change const& change) {
  constexpr int block = 32;  // pixels that OpenCV's vector code takes at once
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      std::uint8_t* const p = picture.pixel(x, y);
      Hsv hsv = rgb_to_hsv(p[0], p[1], p[2]);
      change(hsv);
      auto const rgb = hsv_to_rgb(hsv, x < picture.width / block * block);
      std::copy(rgb.begin(), rgb.end(), p);
    }
}
inline std::uint8_t turn_hue(std::uint8_t hue, int by) { return static_cast<std::uint8_t>(((hue + by) % 180 + 180) % 180); }

/// The draws of mmseg's PhotoMetricDistortion; what is empty is not done.
struct PhotometricDraw {
  std::optional<float> brightness{};  ///< added, in grey levels
  bool contrast_first = true;         ///< before the two steps on hue and saturation, or after them
  std::optional<float> contrast{}, saturation{};
  std::optional<int> hue{};           ///< in steps of two degrees
};

/// Brightness, contrast, saturation, hue: to bytes after every step (spec 5.2).
inline void distort(Picture& picture, PhotometricDraw const& draw) {
  if (draw.brightness) detail::convert(picture, 1.0F, *draw.brightness);
  if (draw.contrast_first && draw.contrast) detail::convert(picture, *draw.contrast, 0.0F);
  if (draw.saturation) change_hsv(picture, [&](Hsv& p) { p[1] = detail::convert_byte(p[1], *draw.saturation, 0.0F); });
  if (draw.hue) change_hsv(picture, [&](Hsv& p) { p[0] = turn_hue(p[0], *draw.hue); });
  if (!draw.contrast_first && draw.contrast) detail::convert(picture, *draw.contrast, 0.0F);
}

/// Each step with a chance of one half: brightness +-32, contrast and saturation 0.5 to 1.5, hue -18 to 17.
inline PhotometricDraw draw_photometric(std::uint64_t key) {
  auto const chance = [&](std::uint64_t at) { return random_bits(key, at) >> 63 != 0; };
  auto const factor = [&](std::uint64_t at) { return 0.5F + random_unit(key, at); };
  PhotometricDraw draw;
  if (chance(0)) draw.brightness = 64.0F * random_unit(key, 1) - 32.0F;
  draw.contrast_first = chance(2);
  if (chance(3)) draw.contrast = factor(4);
  if (chance(5)) draw.saturation = factor(6);
  if (chance(7)) draw.hue = static_cast<int>(random_below(key, 8, 36)) - 18;
  return draw;
}

/// The shift of the VOC recipe: whole numbers added to hue (a circle), saturation and value (cut to bytes).
inline void shift_hsv(Picture& picture, std::array<int, 3> const& by) {
  auto const shifted = [](std::uint8_t v, int add) { return static_cast<std::uint8_t>(std::clamp(v + add, 0, 255)); };
  change_hsv(picture, [&](Hsv& p) { p = {turn_hue(p[0], by[0]), shifted(p[1], by[1]), shifted(p[2], by[2])}; });
}
/// Each of the three from -10 to 9.
inline std::array<int, 3> draw_hsv_shift(std::uint64_t key) {
  std::array<int, 3> by{};
  for (std::size_t i = 0; i < 3; ++i) by[i] = static_cast<int>(random_below(key, i, 20)) - 10;
  return by;
}

}  // namespace tadp
