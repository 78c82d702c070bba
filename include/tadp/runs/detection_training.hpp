// SPDX-License-Identifier: Apache-2.0
// Training a detection model on pictures with boxes: windows drawn at a scale and place, the four losses of the head over
// the boxes of which enough remains in the window.
#pragma once

#include "tadp/runs/sample_batches.hpp"

namespace tadp {

/// The paper's program changes nothing in its pictures; a small data set needs the mirror and the scales.
struct DetectionTrainingOptions : TrainingRecipe {
  CropOptions crop{.width = 256, .height = 192, .min_scale = 0.8F, .max_scale = 1.25F, .photometric = true};
};

/// Trains in place; resumes from options.run.checkpoint. A picture without a box teaches the background; Error(format)
/// where a source that tells its boxes has none at all. Throws Error(cancelled) after saving when stopped.
template <class Model, class Source>
void train_detection(std::shared_ptr<Model const> model, std::shared_ptr<Weights<Cpu>> weights, Source& source, DetectionTrainingOptions options) {
  if constexpr (requires { source.boxes(0).empty(); }) {
    bool any = false;
    for (std::size_t i = 0; i < source.size() && !any; ++i) any = !source.boxes(i).empty();
    if (!any) throw Error(Errc::format, "no picture of the data set has a box to learn from");
  }
  options.notes.emplace("augmentation", augmentation_text(options.crop));
  auto const add = [&](Batch& batch, Sample const& sample, std::uint64_t key, std::uint64_t) { add_crop(batch, sample, options.crop, key); };
  train_on_samples(model, weights, source, options, {options.crop.height, options.crop.width}, add);
}

}  // namespace tadp
