// SPDX-License-Identifier: Apache-2.0
// Where a word looks, as heat over the grey picture, with the scale of its colours.
// Dark is little, pale yellow much.
#pragma once

#include "tadp/draw.hpp"

#include <array>

namespace program {

namespace draw_detail {

/// Black to violet, red, orange and pale yellow, evenly bright from dark to light.
inline Colour heat_colour(double v) {
  constexpr double stops[][3] = {{4, 3, 20}, {50, 10, 94}, {106, 23, 110}, {160, 41, 95}, {208, 72, 66}, {240, 118, 33}, {251, 176, 38}, {252, 236, 150}};
  double const at = std::clamp(v, 0.0, 1.0) * 7.0;
  auto const i = std::min<std::size_t>(6, static_cast<std::size_t>(at));
  Colour c;
  for (std::size_t k = 0; k < 3; ++k) c[k] = mix(stops[i][k], stops[i + 1][k], at - static_cast<double>(i));
  return c;
}

}  // namespace draw_detail

/// One map over the grey picture. `map`(x, y): the weight of a pixel; `low` and `high`: the ends of the colours.
template <class Map>
tadp::Picture heat(tadp::Picture const& picture, Map const& map, double low, double high) {
  using namespace draw_detail;
  tadp::Picture out(picture.width, picture.height);
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      double const v = (static_cast<double>(map(x, y)) - low) / std::max(high - low, 1e-12), light = grey(picture.pixel(x, y));
      Colour const hot = heat_colour(v);
      for (std::size_t c = 0; c < 3; ++c) out.pixel(x, y)[c] = mix(0.75 * light, hot[c], 0.45 + 0.4 * v);
    }
  return out;
}
/// The smallest and the largest value of a map.
template <class Map>
std::array<double, 2> range_of(int width, int height, Map const& map) {
  double smallest = 1e30, largest = 1e-12;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      smallest = std::min(smallest, static_cast<double>(map(x, y)));
      largest = std::max(largest, static_cast<double>(map(x, y)));
    }
  return {smallest, largest};
}

/// One map over the grey picture, from nothing to its largest value, with a title and the scale of the colours.
/// `map`(x, y): the weight of a pixel.
template <class Map>
tadp::Picture heat_over(tadp::Picture const& picture, Map const& map, std::string const& title) {
  using namespace draw_detail;
  auto const [smallest, largest] = range_of(picture.width, picture.height, map);
  int const times = enlargement(picture.width, picture.height);
  tadp::Picture const large = enlarged(heat(picture, map, smallest, largest), times);
  int const width = std::max(large.width, 480), size = text_height(width), margin = size;
  tadp::Picture out(width, large.height + size + 2 * margin);
  fill(out, 0, 0, out.width, out.height, paper);
  paste(out, large, (width - large.width) / 2, 0);
  int const y = large.height + margin;
  char low[32], high[32];
  std::snprintf(low, sizeof low, "%.3g", smallest);
  std::snprintf(high, sizeof high, "%.3g", largest);
  int const bar = width / 4, right = width - margin - text_width(high, size), left = right - size / 2 - bar;
  draw_text(out, margin, y, size, title, ink);
  draw_text(out, left - size / 2 - text_width(low, size), y, size, low, faint);
  for (int x = 0; x < bar; ++x) fill(out, left + x, y - size / 4, 1, size + size / 2, heat_colour(static_cast<double>(x) / bar));
  draw_text(out, right, y, size, high, faint);
  return out;
}

}  // namespace program
