// SPDX-License-Identifier: Apache-2.0
// What the trainings of the program share: the progress line, and the options of a training on a data set.
#pragma once

#include "tadp/program.hpp"
#include "tadp/progress.hpp"

#include "tadp/runs/prompt_rule.hpp"
#include "tadp/runs/trainer.hpp"

namespace program {

/// "diffusion: step 1200 of 6000, loss 0.4312, 1.20 s a step, 1 h 36 min left"
inline std::string training_text(std::string_view stage, tadp::TrainingProgress const& p) {
  char text[160];
  std::snprintf(text, sizeof text, ": step %llu of %llu, loss %.4f", static_cast<unsigned long long>(p.step), static_cast<unsigned long long>(p.steps), p.loss);
  std::string line = std::string(stage) + text;
  for (auto const& [name, value] : p.figures) {
    std::snprintf(text, sizeof text, ", %s %.4f", name.c_str(), value);
    line += text;
  }
  std::snprintf(text, sizeof text, ", rate %.2g, %.2f s a step, ", p.learning_rate, p.seconds_per_step);
  return line + text + duration_text(p.seconds_left) + " left";
}
/// The same for --json.
inline json training_json(tadp::TrainingProgress const& p) {
  json out{{"step", p.step}, {"steps", p.steps}, {"loss", p.loss}, {"seconds_per_step", p.seconds_per_step}};
  for (auto const& [name, value] : p.figures) out["losses"][name] = value;
  return out;
}

/// A checkpoint that has all steps already: its model is written again, and nothing is trained.
inline void warn_of_finished(fs::path const& checkpoint) { complain("nothing is left to train: " + checkpoint.string() + " is finished; remove it to begin again"); }

/// The word of --prompt for one averaged embedding a class in place of a text (spec 3.3).
inline constexpr char const* by_classes = "averaged_eos";

struct TrainDataOptions {
  std::string task = "segmentation", data{}, model{}, out{}, prompt = "caption", captions{}, crop = "192x256", fit{}, freeze{}, optimizer = "adamw";
  std::uint64_t steps = 1500, seed = 1;
  int batch = 4, threads = 1;
  double rate = 0.0;        ///< 0: the task's own
  bool unchanged = false;   ///< windows without mirror, scales and colours
  bool incomplete = false;
  tadp::ModifierUse modifier{};
  // Of labels.
  std::string features{};   ///< the file of cached features
  int views = 4;            ///< windows of each picture in it
  // Of depth.
  std::string list{};
  double depth_scale = 0.0;
  // Of boxes.
  std::string split{}, corners = "as-written";
  std::vector<std::string> classes{};
};
/// `tadp train --data`.
Status train_on_data(TrainDataOptions const& options, Common const& common);

/// `tadp train street` and `tadp train street-heads`, under the command `train`.
void add_train_street(CLI::App& train, Command& command);
void add_train_street_heads(CLI::App& train, Command& command);

}  // namespace program
