// SPDX-License-Identifier: Apache-2.0
// What the trainings on data sets have in common: the model that they begin with, the recipe that the options ask for, and
// a run that a person watches and stops. A task opens its folder, names its head and calls the library.
#pragma once

#include "tadp/interrupt.hpp"
#include "tadp/learned_use.hpp"
#include "tadp/model_file.hpp"
#include "tadp/prompt_option.hpp"
#include "tadp/train.hpp"

#include "tadp/data/folder_report.hpp"
#include "tadp/runs/head_only.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/runs/training_recipe.hpp"
#include "tadp/train/initialize.hpp"

#include <set>

namespace program {

/// Bytes of decoded samples that are kept in memory.
inline constexpr std::uint64_t kept_bytes = std::uint64_t{2} << 30;

struct DataTraining {
  TrainDataOptions const& options;
  Common const& common;
  Interrupt& interrupt;
  ProgressLine& progress;
  std::array<int, 2> crop;  ///< height, width
  std::array<int, 2> fit;   ///< long and short side
  ModelFile file;
  tadp::Tokenizer tokenizer;
  tadp::PromptRule rule{};          ///< with the modifier, where training has it
  std::set<std::string> unknown{};  ///< words
  std::map<std::string, std::string> notes{};  ///< what a checkpoint must have been made with, beside what the recipe says

  /// Stops on Ctrl-C; shows how far something is: "reading 3 of 20 files".
  tadp::Control counting(std::string const& doing, std::string const& what);
  /// Says on stderr what of a folder is not used, and what is worth a look.
  void warn_of(tadp::FolderReport const& report) const;
  void fill(tadp::TrainingRecipe& recipe) const;
  /// The model's parameters: the file's, those that are new at random.
  template <class Model>
  std::shared_ptr<tadp::Weights<tadp::Cpu>> weights_of(Model const& model, tadp::ParameterFilter const& is_new);
  /// Runs train(), which follows `recipe`, and writes the model with its head described.
  Status run(tadp::TrainingRecipe& recipe, tadp::HeadDescription const& head, tadp::Weights<tadp::Cpu> const& weights, std::function<void()> const& train);

  /// Chooses the rule of texts, collects the words that the model does not know, and says so. Notes texts and data.
  template <class Source>
  void read_prompts(Source const& data, std::vector<std::string> const& class_names) {
    set_rule(options.prompt == by_classes ? tadp::null_text() : prompt_rule(options.prompt, class_names, data, file.description.default_caption));
    // What an oracle says of a picture is some of the names of all classes.
    auto const asked = options.prompt == "oracle" || options.prompt == by_classes ? tadp::class_names_text(class_names) : rule;
    LearnedUse named;
    for (std::size_t i = 0; i < data.size(); ++i) {
      std::string const text = tadp::text_of(asked.prompt({.picture = {}, .labels = {}, .caption = data.caption(i), .varied_caption = {}}));
      auto const tokens = tokenizer(text);
      named.note(text, tokens);
      unknown.insert(tokens.unknown.begin(), tokens.unknown.end());
    }
    named.warn(options.data);
    warn_of_unknown();
    tadp::Fingerprint captions;
    for (std::size_t i = 0; i < data.size(); ++i) captions.add(data.caption(i));
    for (std::string const& name : class_names) notes["classes"] += (notes["classes"].empty() ? "" : ", ") + name;
    notes.insert({{"captions", captions.hex()}, {"data", data.fingerprint(counting("comparing", "files"))}, {"prompt", rule.name}});
  }

 private:
  void set_rule(tadp::PromptRule chosen);
  void warn_of_unknown() const;
  std::optional<std::string> only_text() const;
};

template <class Model>
std::shared_ptr<tadp::Weights<tadp::Cpu>> DataTraining::weights_of(Model const& model, tadp::ParameterFilter const& is_new) {
  auto weights = std::make_shared<tadp::Weights<tadp::Cpu>>(tadp::Cpu(options.threads), model.parameters());
  auto const is_read = [&](tadp::ParameterSpec const& p) { return !is_new(p); };
  tadp::initialize(*weights, options.seed, is_new);
  tadp::load_weights_from(*weights, std::span<tadp::ModelSource const>(&file.tensors, 1), file.path.string(), {.wanted = is_read});
  notes["start"] = tadp::weights_fingerprint(*weights, is_read);
  return weights;
}

/// All parameters of a model's heads, where `chosen`.
template <class Model>
tadp::ParameterFilter head_of(Model const& model, bool chosen) {
  if (!chosen) return [](tadp::ParameterSpec const&) { return false; };
  return [list = tadp::HeadsOnly<Model>(model).list](tadp::ParameterSpec const& p) { return static_cast<bool>(list->find(p.name)); };
}

// One a task.
Status train_segmentation_on_data(DataTraining& training);
Status train_depth_on_data(DataTraining& training);
Status train_detection_on_data(DataTraining& training);

}  // namespace program
