// SPDX-License-Identifier: Apache-2.0
// Which prompt a run over a data set gives each sample: a rule for each text of a prompt policy, and words around it.
// A rule has a name, so that reports and caches can say which it was.
#pragma once

#include "tadp/data/sample.hpp"
#include "tadp/text/class_text.hpp"
#include "tadp/text/modifier.hpp"
#include "tadp/text/prompt.hpp"
#include "tadp/text/tokens.hpp"

#include <functional>

namespace tadp {

struct PromptRule {
  std::string name;
  std::function<Prompt(Sample const&)> prompt;
};

/// The caption of the sample. Where captions were made from the labels, as in the street data, it is an oracle's.
inline PromptRule file_caption(std::string modifier = {}) {
  return {"caption of the file" + (modifier.empty() ? "" : ", modifier: " + modifier), [modifier](Sample const& s) { return Prompt{.caption = s.caption, .modifier = modifier}; }};
}
/// The same, of a data set that was opened with a file of nouns, "..._nouns_only.json" (spec 3.2, filter_nouns).
inline PromptRule file_nouns() {
  return {"nouns of the file", [](Sample const& s) { return Prompt{.caption = s.caption}; }};
}
inline PromptRule fixed_text(std::string text, std::string modifier = {}) {
  return {"fixed text: " + text + (modifier.empty() ? "" : ", modifier: " + modifier), [text, modifier](Sample const&) { return Prompt{.caption = text, .modifier = modifier}; }};
}
/// A rule under another name, whose empty captions are another text.
inline PromptRule with_text_for_none(PromptRule rule, std::string name, std::string text) {
  return {std::move(name), [make = std::move(rule.prompt), text = std::move(text)](Sample const& s) {
            Prompt prompt = make(s);
            if (prompt.caption.empty()) prompt.caption = text;
            return prompt;
          }};
}
/// The empty text; the only rule for a model whose prompt has no words.
inline PromptRule null_text() {
  return {"null text", [](Sample const&) { return Prompt{}; }};
}

/// The names of all classes (spec 3.2, all_class_names). Error(argument) without names.
inline PromptRule class_names_text(std::span<std::string const> names) {
  if (names.empty()) throw Error(Errc::argument, "a text of class names needs the names of the classes");
  return {"names of all classes", [text = names_text(names)](Sample const&) { return Prompt{.caption = text}; }};
}

/// Which classes the answers of a sample hold: its labels, else its boxes (whose class 0, the background, is everywhere).
inline std::vector<bool> present_classes(Sample const& sample, std::size_t classes) {
  std::vector<bool> present(classes);
  for (std::uint8_t const label : sample.labels.labels)
    if (label < classes) present[label] = true;
  if (!sample.labels.labels.empty()) return present;
  if (!sample.boxes.empty() && classes > 0) present[0] = true;
  for (TrueBox const& box : sample.boxes)
    if (box.label >= 0 && static_cast<std::size_t>(box.label) < classes) present[static_cast<std::size_t>(box.label)] = true;
  return present;
}

/// The names of the classes present (spec 3.2, class_names). Error(argument) without names, or from the rule for a sample
/// without answers.
inline PromptRule oracle_text(std::span<std::string const> names) {
  if (names.empty()) throw Error(Errc::argument, "a text of class names needs the names of the classes");
  return {"names of the classes present (oracle)", [all = std::vector<std::string>(names.begin(), names.end())](Sample const& s) {
            if (s.labels.labels.empty() && s.boxes.empty()) throw Error(Errc::argument, "an oracle's text needs the labels or boxes of the picture");
            return Prompt{.caption = names_text(all, present_classes(s, all.size()))};
          }};
}

/// What a run does with its texts.
enum class Phase : std::uint8_t { training, test };

/// A modifier and when it goes around the text: at tests always, in training only where asked for (spec 3.4).
struct ModifierUse {
  std::string modifier{};    ///< the name of a phrase, or words; empty: none
  std::string identifier{};  ///< of a personalised model
  bool at_training = false;
  bool at_test = true;

  bool applies(Phase phase) const { return phase == Phase::training ? at_training : at_test; }
};

/// A rule whose prompts have the modifier, where it applies.
inline PromptRule with_modifier(PromptRule rule, ModifierUse const& use, Phase phase) {
  if (!use.applies(phase) || (use.modifier.empty() && use.identifier.empty())) return rule;
  std::string name = rule.name;
  if (!use.modifier.empty()) name += ", modifier: " + modifier_text(use.modifier, use.identifier);
  if (!use.identifier.empty()) name += ", identifier: " + use.identifier;
  return {std::move(name), [make = std::move(rule.prompt), use](Sample const& s) {
            Prompt prompt = make(s);
            prompt.modifier = use.modifier;
            prompt.identifier = use.identifier;
            return prompt;
          }};
}

/// The strings of a policy's parts.
struct PromptStrings {
  std::vector<std::string> class_names{};  ///< of ClassNames and Oracle
  ModifierUse modifier{};                  ///< of Modifier and Personalised
};

/// The rule that belongs to a policy's text. Error(argument) where a part lacks its strings, or strings their part.
template <class Policy>
PromptRule rule_of(PromptStrings const& strings, Phase phase) {
  static_assert(sizeof(typename Policy::requirements) > 0);
  ModifierUse const& use = strings.modifier;
  if (!Policy::template has<Modifier> && !use.modifier.empty()) throw Error(Errc::argument, "this prompt policy has no Modifier", {.found = printable(use.modifier)});
  if (!Policy::template has<Personalised> && !use.identifier.empty()) throw Error(Errc::argument, "this prompt policy is not Personalised", {.found = printable(use.identifier)});
  auto const with = [&](PromptRule rule) { return with_modifier(std::move(rule), use, phase); };
  if constexpr (Policy::template has<Caption>)
    return with(file_caption());
  else if constexpr (Policy::template has<ClassNames>)
    return with(class_names_text(strings.class_names));
  else if constexpr (Policy::template has<Oracle>)
    return with(oracle_text(strings.class_names));
  else if constexpr (Policy::template has<Nouns>)
    return with(file_nouns());
  else
    return null_text();
}

}  // namespace tadp
