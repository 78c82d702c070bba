// SPDX-License-Identifier: Apache-2.0
// What the commands that look at pictures share: options, pictures with their prompts, the run over them and its reports.
// A command says what to ask of the model and which files it makes of the answer.
#pragma once

#include "tadp/draw.hpp"
#include "tadp/interrupt.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"
#include "tadp/runner.hpp"

#include <chrono>

namespace program {

struct LookOptions {
  std::vector<std::string> pictures{};
  std::string caption{}, captions{}, modifier{}, model{}, out{}, window{}, fit{}, tokens{}, device = "cpu";
  bool has_caption = false;
  int threads = 1, stride = -1, batch = 1;
  float focal = 0.0F;  ///< of all pictures, in their pixels; 0: not known
  VocabularyOptions words{};
};

/// Adds them all, and those that every command has; `o` lives as long as the command.
void add_look(CLI::App& sub, LookOptions& o, Common& common);
/// For commands that tell metres.
void add_focal(CLI::App& sub, LookOptions& o);

/// A picture, what is known of it before the work begins, and what was read since.
struct Look {
  fs::path path{}, base{};  ///< base: of the files of results
  tadp::Prompt prompt{};
  tadp::Picture picture{};
  tadp::Tokens tokens{};
  std::chrono::steady_clock::time_point begin{};

  fs::path file(std::string const& ending) const { return base.string() + ending; }
};

/// What a command made of a picture.
struct Outcome {
  json report{};
  std::string told{};  ///< for people, of one line
  fs::path shown{};    ///< the file that they look at first
};

class Looking {
 public:
  Looking(LookOptions const& o, Common const& common) : o_(o), common_(common), progress_(common.quiet) {}

  /// Runs answer(look) for every picture, whose results are files of these `endings`; the last of them is the report.
  /// `task`: the head that the model needs; empty: any.
  Status run(std::string const& task, std::vector<std::string> const& endings, std::function<Outcome(Look const&)> const& answer);

  Runner& runner() { return *runner_; }
  tadp::ModelDescription const& description() const { return model_->description; }
  /// The head of a task.
  tadp::HeadDescription head(std::string const& task) const { return require_head(*model_, task); }
  tadp::Control const& control() const { return control_; }
  /// What every report has; called when the network is done, the time until then is part of it.
  json report(Look const& look) const;

 private:
  LookOptions const& o_;
  Common const& common_;
  Interrupt interrupt_{};
  ProgressLine progress_;
  tadp::Control control_{.stop = interrupt_.token(), .progress = {}};
  std::optional<ModelFile> model_{};
  std::unique_ptr<Runner> runner_{};
};

/// The prompt, and the words of it that were not read, under a picture.
std::vector<Note> notes_of(Look const& look);

}  // namespace program
