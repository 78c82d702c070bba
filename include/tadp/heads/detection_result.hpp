// SPDX-License-Identifier: Apache-2.0
// What a detection run gives: boxes in pixels of the picture, their classes and scores, best first.
// Made from the rows that the head kept, which are in pixels of what the network saw.
#pragma once

#include "tadp/core/boxes.hpp"
#include "tadp/core/error.hpp"

#include <span>
#include <string>
#include <vector>

namespace tadp {

/// One object that was found. Classes count from 1, 0 being the background.
struct Detected {
  Box box{};
  int label = 0;
  float score = 0.0F;  ///< the softmax of the class
  friend constexpr bool operator==(Detected const&, Detected const&) = default;
};

struct DetectionResult {
  int width = 0, height = 0;  ///< of the picture that the boxes are in
  std::vector<Detected> objects{};
};

/// The first `count` of rows (corners, score, class, ..) of `kept_channels` numbers each, stretched from the frame that the
/// network saw to the picture. Error(shape) where there are fewer rows.
inline DetectionResult detections_of(std::span<float const> rows, float count, float frame_height, float frame_width, int height, int width) {
  auto const n = static_cast<std::size_t>(std::max(0.0F, count));
  if (rows.size() < n * static_cast<std::size_t>(kept_channels))
    throw Error(Errc::shape, "there are fewer rows than detections", {.expected = std::to_string(n), .found = std::to_string(rows.size() / static_cast<std::size_t>(kept_channels))});
  float const sx = static_cast<float>(width) / frame_width, sy = static_cast<float>(height) / frame_height;
  DetectionResult result{width, height, {}};
  result.objects.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    float const* const row = rows.data() + i * static_cast<std::size_t>(kept_channels);
    result.objects.push_back({{row[0] * sx, row[1] * sy, row[2] * sx, row[3] * sy}, static_cast<int>(row[5]), row[4]});
  }
  return result;
}

}  // namespace tadp
