// SPDX-License-Identifier: Apache-2.0
// Training in a program of one's own: the street stack, from a random start, on scenes that are rendered as it goes.
// A few steps are no training; they show that the loss falls. `tadp train` and docs/street-model.md do the real work.
#include "tadp/runs/segmentation_training.hpp"
#include "tadp/runs/street_stack.hpp"
#include "tadp/train/initialize.hpp"

#include <cstdio>

namespace td = tadp;

int main() {
  auto const names = td::street_class_names();
  auto const model = std::make_shared<td::StreetSegmentation const>(td::ModelSizes{.classes = std::ssize(names)});
  auto const weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  td::initialize(*weights, 1, [](td::ParameterSpec const&) { return true; });

  td::StreetScenes scenes(1, 4, {.width = 128, .height = 96});  // seeds 1 to 4
  std::vector<double> losses;
  td::SegmentationTrainingOptions options;
  options.run.steps = 24;
  options.run.report_every = 6;
  options.run.on_progress = [&](td::TrainingProgress const& p) { losses.push_back(p.loss); };
  options.batch = 2;
  options.crop = {.width = 64, .height = 64};
  options.adamw.lr = 2e-3;
  options.warmup = 4;
  options.tokenizer = td::street_tokenizer();
  td::train_segmentation(model, weights, scenes, options);

  std::printf("%zu classes, the first is %s\n", names.size(), std::string(names[0]).c_str());
  std::printf("the loss of the last steps is %s than that of the first\n", losses.back() < losses.front() ? "lower" : "not lower");
}
