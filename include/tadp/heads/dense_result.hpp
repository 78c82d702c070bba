// SPDX-License-Identifier: Apache-2.0
// Numbers for every pixel of a picture: what a head of one's own answers where neither labels nor metres fit.
// A task names it as its Result; a session joins it over windows like logits.
#pragma once

#include <cstddef>
#include <vector>

namespace tadp {

/// (height, width, channels).
struct DenseMap {
  int width = 0, height = 0, channels = 0;
  std::vector<float> values{};

  float at(int x, int y, int channel) const {
    return values[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * static_cast<std::size_t>(channels) + static_cast<std::size_t>(channel)];
  }
};

}  // namespace tadp
