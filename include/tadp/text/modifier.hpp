// SPDX-License-Identifier: Apache-2.0
// Words about the domain around a text: the phrases of TADP's cross-domain runs by name (spec 3.4), and any other words.
// A phrase is a prefix, an infix or a suffix by where "{}", which stands for the text, lies in it.
#pragma once

#include "tadp/core/error.hpp"

#include <string>
#include <string_view>

namespace tadp {

/// A phrase of the paper. `word`: what it asks of the model, a learned token or DreamBooth's identifier.
struct DomainPhrase {
  std::string_view name;
  std::string_view text;
  std::string_view word{};
};

/// The identifier of TADP's DreamBooth runs (spec 3.6).
inline constexpr std::string_view paper_identifier = "sks";

/// Spec 3.4, by the names of the original's options.
inline constexpr DomainPhrase domain_phrases[] = {
    // Cityscapes to night: simple, Textual Inversion, near, far, DreamBooth
    {"condition", "a dark night photo of a {}"},
    {"textual_inversion", "a dark <night> photo of a {}", "<night>"},
    {"controlweak", "a foggy photo of a {}"},
    {"controlstrong", "a watercolor painting of a {}"},
    {"dreambooth", "a dashcam photo of {} at sks night", paper_identifier},
    // VOC to paintings: simple for either target, near, far, Textual Inversion, DreamBooth
    {"watercolor", "a watercolor painting of a {}"},
    {"comic", "a comic style painting of a {}"},
    {"constructive", "a constructivism painting of a {}"},
    {"dashcam", "a dashcam photo of a {}"},
    {"watercolorTI", "a <watercolor> style painting of a {}", "<watercolor>"},
    {"comicTI", "a <comic> style painting of a {}", "<comic>"},
    {"watercolorDB", "a sks style painting of a {}", paper_identifier},
    {"comicDB", "a sks style painting of a {}", paper_identifier},
};

/// The phrase of this name, or null.
inline DomainPhrase const* find_phrase(std::string_view name) {
  for (DomainPhrase const& phrase : domain_phrases)
    if (phrase.name == name) return &phrase;
  return nullptr;
}

/// The words of a modifier: those of the phrase of this name, else `modifier` itself. A phrase with the paper's identifier
/// has `identifier` in its place, unless that is empty.
inline std::string modifier_text(std::string const& modifier, std::string const& identifier = {}) {
  DomainPhrase const* const phrase = find_phrase(modifier);
  if (phrase == nullptr) return modifier;
  std::string text(phrase->text);
  if (phrase->word == paper_identifier && !identifier.empty()) text.replace(text.find(paper_identifier), paper_identifier.size(), identifier);
  return text;
}

/// A text under a modifier; one without "{}" goes in front of it.
inline std::string modified(std::string const& modifier, std::string const& text, std::string const& identifier = {}) {
  if (modifier.empty()) return text;
  std::string const words = modifier_text(modifier, identifier);
  auto const hole = words.find("{}");
  if (hole == std::string::npos) return words + " " + text;
  return words.substr(0, hole) + text + words.substr(hole + 2);
}

}  // namespace tadp
