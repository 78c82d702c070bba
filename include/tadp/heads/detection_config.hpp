// SPDX-License-Identifier: Apache-2.0
// The sizes of a detection head as one constexpr value that its type carries, and the numbers that all of them share.
// The defaults are torchvision's Faster R-CNN as TADP configures it (spec 4.4).
#pragma once

#include "tadp/core/boxes.hpp"

#include <bit>

namespace tadp {

/// Proposals and detections are capacities a picture: buffers of that many rows are planned, and a count fills them.
struct DetectionConfig {
  int width = 256;            ///< channels of the pyramid
  int representation = 1024;  ///< channels of the box head
  int stride = 8;             ///< pixels a cell of the finest level, a power of two
  std::array<int, 4> anchor_sizes{32, 64, 128, 256};  ///< pixels, fine to coarse
  int best_of_level = 1000;   ///< proposals of a level that are looked at
  int proposals = 1000;       ///< that a picture keeps
  int training_best_of_level = 2000;
  int training_proposals = 2000;
  int anchor_samples = 256;  ///< anchors of a picture that are learned from
  int box_samples = 512;     ///< proposals of a picture that are learned from
  int detections = 100;      ///< of a picture

  constexpr int first_level() const { return std::countr_zero(static_cast<unsigned>(stride)); }
  friend constexpr bool operator==(DetectionConfig const&, DetectionConfig const&) = default;
};

namespace detection_rules {
inline constexpr BoxCode proposal_code{}, box_code{{10.0F, 10.0F, 5.0F, 5.0F}};
inline constexpr SuppressionRule proposals{0.7}, detections{0.5};
inline constexpr float smallest_proposal = 1e-3F, smallest_detection = 1e-2F, lowest_score = 0.05F;
inline constexpr MatchRule anchors{0.7F, 0.3F, true}, boxes{0.5F, 0.5F, false};
inline constexpr float beta = 1.0F / 9.0F;
}  // namespace detection_rules

}  // namespace tadp
