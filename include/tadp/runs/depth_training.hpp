// SPDX-License-Identifier: Apache-2.0
// Training a depth model on pictures with metres: the paper's pipeline (CutDepth, mirror, crop, colours) and its rate, SiLog
// over the pixels that were measured.
#pragma once

#include "tadp/data/augment_depth.hpp"
#include "tadp/runs/sample_batches.hpp"
#include "tadp/train/depth_recipe.hpp"

namespace tadp {

/// The rate rises over the first half of the steps and falls over the second, and vectors do not decay, unless `schedule`
/// and `groups` say otherwise. The UNet's share is not the paper's hundredth: a small backbone has more to learn.
struct DepthTrainingOptions : TrainingRecipe {
  DepthPipeline pipeline{.crop_width = 256, .crop_height = 192};
  DepthTrainingOptions() { adamw = {.lr = 5e-4, .weight_decay = 0.1}; }
};

/// Trains in place; resumes from options.run.checkpoint. Error(shape) for a sample without depth. Throws Error(cancelled)
/// after saving when stopped.
template <class Model, class Source>
void train_depth(std::shared_ptr<Model const> model, std::shared_ptr<Weights<Cpu>> weights, Source& source, DepthTrainingOptions options) {
  if (!options.schedule) options.schedule = DepthSchedule{.half = 0.5 * static_cast<double>(options.run.steps)};
  if constexpr (requires { Model::Task::config.focal; }) options.pipeline.focal = Model::Task::config.focal;
  if (!options.groups) options.groups = DepthGroups{.list = model->parameters(), .slow = options.unet_lr};
  DepthPipeline const& p = options.pipeline;
  options.notes.emplace("augmentation", augmentation_text(p));
  auto const add = [&](Batch& batch, Sample const& sample, std::uint64_t key, std::uint64_t number) { add_augmented(batch, sample, p, key, number); };
  train_on_samples(model, weights, source, options, {p.crop_height, p.crop_width}, add);
}

}  // namespace tadp
