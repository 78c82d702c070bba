// SPDX-License-Identifier: Apache-2.0
// Depth as a value: metres for every pixel of a picture.
// What a depth head's session gives, what files and measures take.
#pragma once

#include <cstddef>
#include <vector>

namespace tadp {

/// Metres, (height, width); what was not measured is zero.
struct DepthMap {
  int width = 0;
  int height = 0;
  std::vector<float> metres{};

  DepthMap() = default;
  DepthMap(int w, int h, float fill = 0.0F) : width(w), height(h), metres(static_cast<std::size_t>(w) * static_cast<std::size_t>(h), fill) {}

  float& at(int x, int y) { return metres[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)]; }
  float at(int x, int y) const { return metres[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)]; }
};

/// What metres for a camera of focal length `from` are multiplied with to be those for one of `to`, both in pixels: a longer
/// lens shows the same from farther away, and no picture tells the two apart. 1 where a length is 0: not known.
constexpr float focal_ratio(float from, float to) { return from > 0.0F && to > 0.0F ? to / from : 1.0F; }

}  // namespace tadp
