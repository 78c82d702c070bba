// SPDX-License-Identifier: Apache-2.0
// Training a segmentation model on pictures with labels: windows drawn at a scale and place, cross-entropy over the pixels
// that have a label.
#pragma once

#include "tadp/data/scene_source.hpp"
#include "tadp/runs/sample_batches.hpp"

namespace tadp {

struct SegmentationTrainingOptions : TrainingRecipe {
  CropOptions crop{.width = 256, .height = 192, .min_scale = 0.75F, .max_scale = 1.5F, .photometric = true};
};

/// Trains in place; resumes from options.run.checkpoint. Throws Error(cancelled) after saving when stopped.
template <class Model, class Source>
void train_segmentation(std::shared_ptr<Model const> model, std::shared_ptr<Weights<Cpu>> weights, Source& source, SegmentationTrainingOptions options) {
  options.notes.emplace("augmentation", augmentation_text(options.crop));
  auto const add = [&](Batch& batch, Sample const& sample, std::uint64_t key, std::uint64_t) { add_crop(batch, sample, options.crop, key); };
  train_on_samples(model, weights, source, options, {options.crop.height, options.crop.width}, add);
}

}  // namespace tadp
