// SPDX-License-Identifier: Apache-2.0
// What a segmentation run gives beside labels, and how it is asked for: logits, confidence, maps of words.
// Maps are at the picture's size; those of overlapping windows were joined as the logits were.
#pragma once

#include "tadp/core/picture.hpp"

#include <string>
#include <vector>

namespace tadp {

/// What else is wanted of a run. A map is named by the positions of its tokens in the context.
struct Wanted {
  bool logits = false;
  bool confidence = false;
  std::vector<std::vector<int>> maps{};
};

/// (height, width, count) attention weights, each the mean over its tokens and both levels.
struct AttentionMaps {
  int width = 0, height = 0, count = 0;
  std::vector<float> values{};

  float at(int map, int x, int y) const {
    return values[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * static_cast<std::size_t>(count) +
                  static_cast<std::size_t>(map)];
  }
};

struct SegmentationResult {
  LabelMap labels{};
  std::vector<float> logits{};      ///< (height, width, classes); empty unless wanted
  std::vector<float> confidence{};  ///< (height, width), the softmax of the label; empty unless wanted
  AttentionMaps maps{};             ///< one a wanted group
};

}  // namespace tadp
