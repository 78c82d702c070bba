// SPDX-License-Identifier: Apache-2.0
// The street model's heads of depth and detection, and the model of all three heads on one pass of its backbone.
// Small, so that the file of them all stays below 20 MB in half precision.
#pragma once

#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/io/description.hpp"
#include "tadp/runs/street_stack.hpp"

namespace tadp {

/// A cell of level 2 is 16 pixels wide: two doublings by deconvolution and two bilinear ones reach the picture's size. Scenes
/// of 320 pixels have focal lengths from 304 to 416.
inline constexpr DepthConfig street_depth{.embed = 32, .filters = 32, .deconvs = 2, .max_depth = 80.0F, .focal = 352.0F};
/// The finest level is 4 pixels a cell. Half of the things in a scene of 320 x 240 are below 14 pixels wide, so anchors
/// are two cells of their level where the paper's are four.
inline constexpr DetectionConfig street_detection{.width = 64,
                                                  .representation = 256,
                                                  .stride = 4,
                                                  .anchor_sizes = {8, 16, 32, 64},
                                                  .best_of_level = 200,
                                                  .proposals = 100,
                                                  .training_best_of_level = 400,
                                                  .training_proposals = 400,
                                                  .box_samples = 128,
                                                  .detections = 50};

static_assert(1 << (street_depth.deconvs + 2) == 4 * street_vae.stride(), "tadp: the depth head answers at the picture's size");
static_assert(street_detection.stride == street_vae.stride(), "tadp: the finest level has a cell for each cell of the latent");

using StreetLabelsTask = SegmentationOf<dynamic, 64>;
using StreetDepthTask = DepthOf<street_depth>;
using StreetDetectionTask = DetectionOf<dynamic, street_detection>;

using StreetDepth = Model<StreetBackbone, PromptPolicy<Caption>, Head<StreetDepthTask>>;
using StreetDetection = Model<StreetBackbone, PromptPolicy<Caption>, Head<StreetDetectionTask>>;
using StreetPerception = Model<StreetBackbone, PromptPolicy<Caption>, Heads<Head<StreetLabelsTask>, Head<StreetDepthTask>, Head<StreetDetectionTask>>>;

/// What the head of labels says of itself in a file.
inline HeadDescription street_labels_head() {
  HeadDescription head{.width = 64};
  for (std::size_t i = 0; i < street_class_names().size(); ++i) head.classes.push_back({std::string(street_class_names()[i]), street_class_colours()[i]});
  return head;
}
inline HeadDescription street_depth_head() { return describe_head<StreetDepthTask>(); }
/// The background, then street_object_names() in the colours of their pixels.
inline HeadDescription street_detection_head() {
  std::vector<ClassDescription> classes{{"background", {}}};
  for (std::string_view const name : street_object_names()) {
    auto const at = std::find(street_class_names().begin(), street_class_names().end(), name) - street_class_names().begin();
    classes.push_back({std::string(name), street_class_colours()[static_cast<std::size_t>(at)]});
  }
  return describe_head<StreetDetectionTask>(std::move(classes));
}

}  // namespace tadp
