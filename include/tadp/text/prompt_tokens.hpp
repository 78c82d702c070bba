// SPDX-License-Identifier: Apache-2.0
// A person's prompt to the tokens of a model's prompt policy: the one place where texts, modifiers and identifiers meet.
// What the policy has no part for is refused, not ignored.
#pragma once

#include "tadp/text/modifier.hpp"
#include "tadp/text/prompt.hpp"
#include "tadp/text/tokens.hpp"

#include <algorithm>
#include <cctype>

namespace tadp {

namespace prompt_detail {

/// Whether `word` stands in a text by itself, not as a part of another word.
inline bool names_word(std::string_view text, std::string_view word) {
  auto const letter = [&](std::size_t i) { return i < text.size() && (static_cast<unsigned char>(text[i]) >= 0x80 || std::isalnum(static_cast<unsigned char>(text[i])) != 0); };
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1))
    if ((at == 0 || !letter(at - 1)) && !letter(at + word.size())) return true;
  return false;
}

/// Of a policy that has words. Error(argument) where a part is missing for what is given.
template <class Policy>
void require_parts_of(Prompt const& prompt) {
  auto const refuse = [](char const* message, std::string const& found) { throw Error(Errc::argument, message, {.found = printable(found)}); };
  if (!Policy::template has<Modifier> && !prompt.modifier.empty()) refuse("this model's prompt has no modifier", prompt.modifier);
  if (!Policy::template has<Personalised> && !prompt.identifier.empty()) refuse("this model's prompt has no identifier: it is not personalised", prompt.identifier);
  if (!prompt.ids.empty() && (!prompt.caption.empty() || !prompt.modifier.empty() || !prompt.identifier.empty())) throw Error(Errc::argument, "a prompt is a text or token ids, not both");
}

inline bool has_word(std::vector<std::string> const& words, std::string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); }

}  // namespace prompt_detail

/// What a text has that looks like the name of a learned token, such as "<night>": each once, in order, in lower case and
/// ASCII as such names are.
inline std::vector<std::string> token_names(std::string_view text) {
  std::vector<std::string> names;
  for (auto begin = text.find('<'); begin != std::string_view::npos; begin = text.find('<', begin + 1)) {
    std::string name = "<";
    std::size_t end = begin + 1;
    for (; end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '-' || text[end] == '_'); ++end) name += static_cast<char>(std::tolower(static_cast<unsigned char>(text[end])));
    if (end == begin + 1 || end == text.size() || text[end] != '>') continue;
    name += '>';
    if (!prompt_detail::has_word(names, name)) names.push_back(std::move(name));
  }
  return names;
}

/// A phrase of the paper means nothing where `tokens`, which a tokenizer made of it, lack its word: Error(argument) where
/// a learned token was not given, or the vocabulary has no such identifier.
inline void require_phrase_word(Prompt const& prompt, Tokens const& tokens) {
  DomainPhrase const* const phrase = find_phrase(prompt.modifier);
  if (phrase == nullptr || phrase->word.empty()) return;
  if (phrase->word != paper_identifier) {
    if (!prompt_detail::has_word(tokens.words, phrase->word))
      throw Error(Errc::argument, "the phrase names a learned token that was not given", {.key = std::string(phrase->word), .expected = "a learned token of this name", .found = prompt.modifier});
  } else if (std::string const word = prompt.identifier.empty() ? std::string(paper_identifier) : prompt.identifier; prompt_detail::has_word(tokens.unknown, word)) {
    throw Error(Errc::argument, "the phrase names what a personalised model learned, and this model does not know the word", {.key = printable(word), .expected = "a model personalised by DreamBooth", .found = prompt.modifier});
  }
}

namespace prompt_detail {

/// "<night>" means nothing to a tokenizer that takes it for letters. Of a text that was cut, the end is not known.
inline void require_learned_tokens(std::string_view text, Tokens const& tokens) {
  if (tokens.truncated) return;
  for (std::string const& name : token_names(text))
    if (!has_word(tokens.words, name)) throw Error(Errc::argument, "the text names a learned token that was not given", {.key = name, .expected = "its embedding", .found = printable(text)});
}

}  // namespace prompt_detail

/// What the tokenizer reads of a prompt of words: the caption under its modifier.
inline std::string text_of(Prompt const& prompt) { return modified(prompt.modifier, prompt.caption, prompt.identifier); }

/// The tokens of a prompt; an empty caption is the empty text. Error(argument) where the policy has no part for what is
/// given, a text does not name the identifier, it names a "<token>" that a policy with LearnedToken does not have, a phrase
/// of the modifier lacks its word, or it comes without a tokenizer; errors of the tokenizer.
template <class Policy>
Tokens tokens_of(Prompt const& prompt, Tokenizer const& tokenizer, TextEncoderConfig const& config) {
  auto const ids_alone = [&](std::span<std::int32_t const> ids) { return Tokens{pad_tokens(ids, config), {}, {}, false}; };
  if constexpr (!Policy::has_words) {
    if (prompt != Prompt{}) throw Error(Errc::argument, "this model's prompt has no caption", {.found = printable(prompt.caption)});
    return ids_alone({});
  } else {
    prompt_detail::require_parts_of<Policy>(prompt);
    if (!prompt.ids.empty()) return ids_alone(prompt.ids);
    std::string const text = text_of(prompt);
    if (!prompt.identifier.empty() && !prompt_detail::names_word(text, prompt.identifier))
      throw Error(Errc::argument, "the text does not name what the model was personalised for", {.key = "identifier", .expected = "a text with " + printable(prompt.identifier), .found = printable(text)});
    if (text.empty()) return ids_alone({});
    if (!tokenizer) throw Error(Errc::argument, "there is no tokenizer: token ids are needed in place of a caption", {.key = "caption", .expected = "token ids", .found = printable(text)});
    Tokens tokens = tokenizer(text);
    require_phrase_word(prompt, tokens);
    if constexpr (Policy::template has<LearnedToken>) prompt_detail::require_learned_tokens(text, tokens);
    return tokens;
  }
}

}  // namespace tadp
