// SPDX-License-Identifier: Apache-2.0
// The options --prompt and --modifier of training and evaluation: which text each picture of a data set gets.
#pragma once

#include "tadp/program.hpp"

#include "tadp/io/head_description.hpp"
#include "tadp/runs/prompt_rule.hpp"

namespace program {

/// `word`: what a command takes beside the rules of prompt_rule(), which `meaning` describes.
inline void add_prompt(CLI::App& command, std::string& prompt, std::string const& word = {}, std::string const& meaning = {}) {
  command.add_option("--prompt", prompt,
                     (word.empty() ? "" : "`" + word + "` (" + meaning + "), or the ") + "text of each picture: `caption` (the data set's, else the model's own; where it was made from the labels, it tells the answer), `nouns` (the same of a caption file of nouns), `class_names` (the names of all classes), "
                     "`oracle` (those of the classes that the labels hold: it tells the answer), `fixed:TEXT` for all, or `null`")
      ->capture_default_str()
      ->type_name((word.empty() ? "" : word + "|") + "caption|nouns|class_names|oracle|fixed:TEXT|null");
}

/// Of a data set with these classes; Error(argument) for another word, or without the names that it needs.
inline tadp::PromptRule prompt_rule(std::string const& prompt, std::span<std::string const> class_names = {}) {
  if (prompt == "caption") return tadp::file_caption();
  if (prompt == "nouns") return tadp::file_nouns();
  if (prompt == "class_names") return tadp::class_names_text(class_names);
  if (prompt == "oracle") return tadp::oracle_text(class_names);
  if (prompt == "null") return tadp::null_text();
  if (prompt.starts_with("fixed:")) return tadp::fixed_text(prompt.substr(6));
  throw tadp::Error(tadp::Errc::argument, "there is no such rule for prompts", {.key = "--prompt", .expected = "caption, nouns, class_names, oracle, fixed:TEXT or null", .found = prompt});
}
inline std::vector<std::string> class_names(std::span<tadp::ClassDescription const> classes) {
  std::vector<std::string> names;
  for (auto const& c : classes) names.push_back(c.name);
  return names;
}

/// --modifier, and where the command trains --modifier-at: in training only on request, as the paper does.
inline void add_modifier(CLI::App& command, tadp::ModifierUse& use, bool trains) {
  std::string phrases;
  for (auto const& phrase : tadp::domain_phrases) phrases.append(phrases.empty() ? "" : ", ").append(phrase.name);
  command.add_option("--modifier", use.modifier, "words about the domain, \"{}\" stands for the text; or a phrase of the paper: " + phrases)->type_name("TEXT|NAME");
  if (!trains) return;
  auto const set = [&use](std::string const& phase) {
    use.at_training = phase != "test";
    use.at_test = phase != "training";
  };
  command.add_option_function<std::string>("--modifier-at", set, "what the modifier goes around: texts of the test, of the training, or both")
      ->check(CLI::IsMember({"test", "training", "both"}))
      ->type_name("test|training|both");
}

/// The same for a data set. Pictures that lack the caption that is asked for are shown the model's own, or the empty text
/// where it has none; a warning says so, and so does the rule's name. A file of nouns may name none for a picture.
template <class Source>
tadp::PromptRule prompt_rule(std::string const& prompt, std::span<std::string const> class_names, Source const& data, std::string const& own) {
  auto rule = prompt_rule(prompt, class_names);
  std::vector<std::size_t> lacking;
  for (std::size_t i = 0; i < data.size(); ++i)
    if (data.caption(i).empty()) lacking.push_back(i);
  bool const all = lacking.size() == data.size(), asked = prompt == "caption" || (prompt == "nouns" && all);
  if (!asked || lacking.empty()) return rule;
  std::string const instead = own.empty() ? "null text" : "the model's caption: " + own;
  complain("warning: pictures without a caption are shown " + (own.empty() ? "an empty text, as the model has no caption of its own" : "the model's own, \"" + tadp::printable(own) + "\"") + "; file: " + data.folder().string() +
           "; expected: --captions FILE.json or --prompt fixed:TEXT; found: " + std::to_string(lacking.size()) + " of " + std::to_string(data.size()) + " without, the first is " + tadp::printable(data.name(lacking.front())));
  return tadp::with_text_for_none(std::move(rule), all ? instead : rule.name + ", else " + instead, own);
}

}  // namespace program
