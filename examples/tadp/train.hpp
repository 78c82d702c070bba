// SPDX-License-Identifier: Apache-2.0
// What the two trainings of the program share: the progress line.
#pragma once

#include "tadp/program.hpp"
#include "tadp/progress.hpp"

#include "tadp/runs/trainer.hpp"

namespace program {

/// "diffusion: step 1200 of 6000, loss 0.4312, 1.20 s a step, 1 h 36 min left"
inline std::string training_text(std::string_view stage, tadp::TrainingProgress const& p) {
  char text[160];
  std::snprintf(text, sizeof text, ": step %llu of %llu, loss %.4f, rate %.2g, %.2f s a step, ", static_cast<unsigned long long>(p.step),
                static_cast<unsigned long long>(p.steps), p.loss, p.learning_rate, p.seconds_per_step);
  return std::string(stage) + text + duration_text(p.seconds_left) + " left";
}

struct TrainDataOptions {
  std::string data{}, model{}, out{}, prompt = "caption", captions{}, crop = "192x256";
  std::uint64_t steps = 1500, seed = 1;
  int batch = 4, threads = 1;
  double rate = 4e-4;
};
/// `tadp train --data`.
Status train_on_data(TrainDataOptions const& options, Common const& common);

/// `tadp train street`, under the command `train`.
void add_train_street(CLI::App& train, Command& command);

}  // namespace program
