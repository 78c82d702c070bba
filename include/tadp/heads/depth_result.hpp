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

}  // namespace tadp
