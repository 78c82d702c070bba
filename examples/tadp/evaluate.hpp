// SPDX-License-Identifier: Apache-2.0
// What the tasks of `tadp evaluate` share: options, the model at work, progress, and the head of every report.
// One file a task.
#pragma once

#include "tadp/interrupt.hpp"
#include "tadp/learned_use.hpp"
#include "tadp/progress.hpp"
#include "tadp/prompt_option.hpp"
#include "tadp/runner.hpp"

#include "tadp/data/folder_report.hpp"
#include "tadp/runs/evaluator.hpp"

#include <chrono>

namespace program {

struct EvaluateOptions {
  std::string data{}, model{}, task{}, prompt = "caption", captions{}, window{}, fit{}, device = "cpu";
  int threads = 1, stride = -1, batch = 1;
  bool ceiling = false, incomplete = false;
  // Of depth.
  std::string list{};
  double depth_scale = 0.0, least = 1e-3, most = 0.0;
  bool eigen = false;
  // Of boxes.
  std::string split{};
  VocabularyOptions words{};
  tadp::ModifierUse modifier{};
};

/// A score at the right of `width` letters: "  71.30%", or "-" where there was nothing to score.
std::string score_text(double value, int width, int decimals, char const* unit = "");

/// How many pictures and objects of a folder are not used, by reason; a picture may stand under two.
json left_out_json(tadp::FolderReport const& report);

/// What the functions of runs/evaluator.hpp want of a session.
struct RunnerSession {
  Runner& runner;
  LearnedUse& learned;
  int class_count = 0;
  tadp::Tokens read{};

  int classes() const { return class_count; }
  tadp::LabelMap operator()(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) {
    encode(prompt, control);
    return runner.segment(picture, prompt, {}, control).labels;
  }
  tadp::DepthMap depth(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) {
    encode(prompt, control);
    return runner.depth(picture, prompt, control);
  }
  tadp::DetectionResult detect(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) {
    encode(prompt, control);
    return runner.detect(picture, prompt, control);
  }
  tadp::Tokens const& tokens() const { return read; }

 private:
  void encode(tadp::Prompt const& prompt, tadp::Control const& control) {
    read = runner.encode(prompt, control);
    learned.note(tadp::text_of(prompt), read);
  }
};

class Evaluating {
 public:
  /// Opens the model, whose head for the task there has to be.
  Evaluating(EvaluateOptions const& o, Common const& common);

  EvaluateOptions const& options() const { return o_; }
  std::string const& task() const { return task_; }
  tadp::HeadDescription const& head() const { return head_; }
  tadp::ModelDescription const& description() const { return file_.description; }
  /// The rule of texts for a data set; see prompt_rule.
  template <class Source>
  tadp::PromptRule rule_for(Source const& data) const {
    auto use = o_.modifier;
    use.identifier = o_.words.identifier;
    return tadp::with_modifier(prompt_rule(o_.prompt, class_names(head_.classes), data, file_.description.default_caption), use, tadp::Phase::test);
  }
  bool tells() const { return !common_.json && !common_.quiet; }
  /// For what is counted while a data set is opened: nothing is shown.
  tadp::Control opening() const { return {.stop = interrupt_.token(), .progress = {}}; }

  /// Reads the weights, runs evaluate(session, control), and takes the progress away.
  template <class Evaluate>
  auto run(Evaluate const& evaluate) {
    auto const runner = start();
    auto const begin = std::chrono::steady_clock::now();
    LearnedUse learned(runner->learned(), file_.description.text, common_.quiet);
    RunnerSession session{*runner, learned, static_cast<int>(head_.classes.size())};
    auto result = evaluate(session, tadp::Control{.stop = interrupt_.token(), .progress = [&](std::size_t done, std::size_t total) { show(begin, done, total); }});
    progress_.clear();
    learned.warn(o_.data);
    learned.warn_of_unused();
    warn_of_words(result.unknown_words, result.truncated > 0, o_.data);
    if (tells()) std::printf("%s on %zu pictures of %s, prompt: %s\n", file_.path.c_str(), result.pictures, o_.data.c_str(), tadp::printable(result.prompt).c_str());
    return result;
  }
  /// What every report begins with.
  json report(tadp::EvaluationRun const& run) const;
  /// Says what of a folder is not used, and what is worth a look.
  void warn_of_folder(tadp::FolderReport const& report) const;
  /// Says that the scores are none, and why: "no pixel of depth lies within the caps".
  void warn_of_nothing(std::string const& why) const;
  /// Prints how much of a folder is not used, by reason, where there is something.
  static void tell_left_out(tadp::FolderReport const& report);
  /// Prints the report where it is asked for.
  Status finish(json const& report) const;

 private:
  std::unique_ptr<Runner> start();
  void show(std::chrono::steady_clock::time_point begin, std::size_t done, std::size_t total);

  EvaluateOptions const& o_;
  Common const& common_;
  ModelFile file_;
  std::string task_;
  tadp::HeadDescription head_;
  Interrupt interrupt_{};
  ProgressLine progress_;
};

// One a task.
Status evaluate_labels(Evaluating& e);
Status evaluate_depths(Evaluating& e);
Status evaluate_boxes(Evaluating& e);

}  // namespace program
