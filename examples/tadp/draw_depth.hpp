// SPDX-License-Identifier: Apache-2.0
// Depth as a picture: near is pale, far is dark, with a scale in metres under it.
// The range is that of the picture but for its outermost hundredths, so that a few wild pixels do not flatten the rest.
#pragma once

#include "tadp/depth_colours.hpp"
#include "tadp/draw.hpp"

#include "tadp/heads/depth_result.hpp"

namespace program {

/// Metres from the palest to the darkest colour.
struct DepthRange {
  double near = 0.0, far = 1.0;

  double at(double metres) const { return std::clamp((metres - near) / (far - near), 0.0, 1.0); }
};

namespace draw_detail {

inline constexpr Colour no_depth{128, 128, 128};

/// 0: near, 1: far.
inline Colour depth_colour(double v) {
  constexpr auto last = std::size(depth_colours) - 1;
  double const at = std::clamp(v, 0.0, 1.0) * static_cast<double>(last);
  auto const i = std::min<std::size_t>(last - 1, static_cast<std::size_t>(at));
  Colour c;
  for (std::size_t k = 0; k < 3; ++k) c[k] = mix(depth_colours[i][k], depth_colours[i + 1][k], at - static_cast<double>(i));
  return c;
}

inline bool known_depth(float metres) { return std::isfinite(metres) && metres > 0.0F; }

}  // namespace draw_detail

/// From the first to the last hundredth of the depths that are known; at least a hundredth of the far end wide.
inline DepthRange depth_range(tadp::DepthMap const& depth) {
  std::vector<float> known;
  for (float const m : depth.metres)
    if (draw_detail::known_depth(m)) known.push_back(m);
  if (known.empty()) return {};
  auto const at = [&](double share) {
    auto const nth = known.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(known.size() - 1) + 0.5);
    std::nth_element(known.begin(), nth, known.end());
    return static_cast<double>(*nth);
  };
  double const near = at(0.01), far = at(0.99);
  return {near, std::max(far, near * 1.01)};
}

/// One colour a pixel; gray where the depth is not known.
inline tadp::Picture colour_depth(tadp::DepthMap const& depth, DepthRange const& range) {
  tadp::Picture out(depth.width, depth.height);
  for (std::size_t i = 0; i < depth.metres.size(); ++i) {
    Colour const c = draw_detail::known_depth(depth.metres[i]) ? draw_detail::depth_colour(range.at(static_cast<double>(depth.metres[i]))) : draw_detail::no_depth;
    std::copy_n(c.data(), 3, out.rgb.data() + 3 * i);
  }
  return out;
}

/// A number under the scale, from its left end.
struct ScaleLabel {
  std::string text{};
  int left = 0, width = 0;
};

/// The metres under a scale of `bar` pixels: at its ends, and between them as many as leave room between any two.
inline std::vector<ScaleLabel> scale_labels(DepthRange const& range, int bar, int size) {
  std::vector<ScaleLabel> labels;
  for (int const ticks : {5, 3, 2}) {
    labels.clear();
    bool apart = true;
    for (int i = 0; i < ticks; ++i) {
      double const part = static_cast<double>(i) / (ticks - 1), metres = range.near + part * (range.far - range.near);
      char text[32];
      std::snprintf(text, sizeof text, range.far < 1e5 ? "%.2f m" : "%.4g m", metres);
      int const wide = text_width(text, size), left = std::clamp(static_cast<int>(part * bar) - wide / 2, 0, std::max(0, bar - wide));
      apart = apart && (labels.empty() || left >= labels.back().left + labels.back().width + size);
      labels.push_back({text, left, wide});
    }
    if (apart) return labels;
  }
  labels.pop_back();  // two do not fit: the near end alone
  return labels;
}

/// The coloured depth with a title and the scale of its colours in metres under it.
inline tadp::Picture depth_sheet(tadp::DepthMap const& depth, std::string const& title) {
  using namespace draw_detail;
  DepthRange const range = depth_range(depth);
  int const times = enlargement(depth.width, depth.height);
  tadp::Picture const large = enlarged(colour_depth(depth, range), times);
  int const width = std::max(large.width, 480), size = text_height(width), margin = size, bar = width - 2 * margin, top = large.height + margin;
  auto const lines = wrapped(title, bar, size);
  int const scale = top + static_cast<int>(lines.size()) * 2 * size, under = scale + size + size / 2 + size / 3;
  tadp::Picture out(width, under + size + margin);
  fill(out, 0, 0, out.width, out.height, paper);
  paste(out, large, (width - large.width) / 2, 0);
  for (std::size_t i = 0; i < lines.size(); ++i) draw_text(out, margin, top + static_cast<int>(i) * 2 * size, size, lines[i], ink);
  fill(out, margin - 1, scale - 1, bar + 2, size + size / 2 + 2, frame);
  for (int x = 0; x < bar; ++x) fill(out, margin + x, scale, 1, size + size / 2, depth_colour(static_cast<double>(x) / (bar - 1)));
  for (ScaleLabel const& label : scale_labels(range, bar, size)) draw_text(out, margin + label.left, under, size, label.text, faint);
  return out;
}

}  // namespace program
