// SPDX-License-Identifier: Apache-2.0
// Pictures with answers as training and evaluation ask for them: one sample, and a batch of windows cut from samples.
// A source of samples is anything with size() and operator[]: rendered scenes, or a folder of files.
#pragma once

#include "tadp/core/picture.hpp"

#include <string>
#include <vector>

namespace tadp {

/// One picture with its labels and a caption.
struct Sample {
  Picture picture;
  LabelMap labels;
  std::string caption;         ///< what is seen, by the rule of the data set
  std::string varied_caption;  ///< another sentence about the same; empty where there is none
};

/// A batch of windows cut from samples: pictures (N, H, W, 3), normalised (add_crop: to [-1, 1]), labels (N, H, W), captions.
struct Batch {
  int width = 0, height = 0;
  std::vector<float> pictures;
  std::vector<std::uint8_t> labels;
  std::vector<std::string> captions, varied_captions;
};

}  // namespace tadp
