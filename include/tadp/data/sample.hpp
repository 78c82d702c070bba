// SPDX-License-Identifier: Apache-2.0
// Pictures with answers as training and evaluation ask for them: one sample, and a batch of windows cut from samples.
// A source of samples is anything with size() and operator[]: rendered scenes, or a folder of files.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/detection_target.hpp"

#include <string>
#include <vector>

namespace tadp {

/// One picture with a caption and the answers that its source has.
struct Sample {
  Picture picture;
  LabelMap labels;               ///< of the picture's size; without pixels where there is none
  std::string caption;           ///< what is seen, by the rule of the data set
  std::string varied_caption;    ///< another sentence about the same; empty where there is none
  DepthMap depth{};              ///< of the picture's size; without pixels where there is none
  std::vector<TrueBox> boxes{};  ///< in pixels of the picture
};

/// A batch of windows cut from samples: pictures (N, H, W, 3), normalised (add_crop: to [-1, 1]), labels (N, H, W), captions.
struct Batch {
  int width = 0, height = 0;
  std::vector<float> pictures;
  std::vector<std::uint8_t> labels;
  std::vector<std::string> captions, varied_captions;
  std::vector<float> depths{};                ///< (N, H, W), metres, 0 where nothing was measured; empty where no sample has a depth
  std::vector<std::vector<TrueBox>> boxes{};  ///< of each window that add_crop added, in its pixels
};

}  // namespace tadp
