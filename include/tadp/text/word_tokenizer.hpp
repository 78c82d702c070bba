// SPDX-License-Identifier: Apache-2.0
// A tokenizer of whole words over a small vocabulary of its own: that of the street model.
// A word that it does not know is named to the caller, never dropped silently.
#pragma once

#include "tadp/text/tokens.hpp"
#include "tadp/text/unicode.hpp"

#include <algorithm>
#include <utility>

namespace tadp {

namespace word_detail {

/// Letters and digits of ASCII, and everything above it but blanks and punctuation.
constexpr bool in_word(char32_t code) {
  if (code < 0x80) return (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
  constexpr std::pair<char32_t, char32_t> outside[] = {{0x80, 0xbf}, {0x2000, 0x206f}, {0x3000, 0x303f}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}};
  return std::none_of(std::begin(outside), std::end(outside), [&](auto const& range) { return code >= range.first && code <= range.second; });
}

}  // namespace word_detail

/// The words of a text in lower case (ASCII letters), split at blanks and punctuation; Error(format) unless it is UTF-8.
inline std::vector<std::string> words_of(std::string_view text) {
  require_utf8(text);
  std::vector<std::string> words;
  std::string word;
  for (std::size_t at = 0; at < text.size();) {
    auto const next = code_point_at(text, at);
    if (word_detail::in_word(next.code))
      for (char const c : text.substr(at, next.bytes)) word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    else if (!word.empty())
      words.push_back(std::exchange(word, {}));
    at += next.bytes;
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

class WordTokenizer {
 public:
  using Tokens = tadp::Tokens;

  /// `words`: sorted, each once, lower case; a word's id is its index. Error(argument) where they are not, or do not
  /// leave the encoder's special tokens free.
  WordTokenizer(std::vector<std::string> words, TextEncoderConfig const& config) : words_(std::move(words)), config_(config) {
    auto const room = static_cast<std::size_t>(std::min({config.vocabulary, config.begin_token, config.end_token}));
    if (words_.size() > room)
      throw Error(Errc::argument, "the text encoder has too few tokens for this vocabulary",
                  {.expected = "at most " + std::to_string(room) + " words", .found = std::to_string(words_.size())});
    for (std::size_t i = 0; i < words_.size(); ++i) {
      auto const split = words_of(words_[i]);
      if (split.size() != 1 || split[0] != words_[i])
        throw Error(Errc::argument, "a vocabulary holds something that is no word in lower case", {.found = printable(words_[i])});
      if (i > 0 && words_[i - 1] >= words_[i]) throw Error(Errc::argument, "a vocabulary must be sorted, each word once", {.found = printable(words_[i])});
    }
  }

  /// The tokens of a text; Error(format) unless it is UTF-8.
  Tokens operator()(std::string_view text) const {
    auto const length = static_cast<std::size_t>(config_.length);
    Tokens tokens{{config_.begin_token}, {""}, {}, false};
    for (std::string& word : words_of(text)) {
      auto const at = std::lower_bound(words_.begin(), words_.end(), word);
      if (at == words_.end() || *at != word) {
        if (std::find(tokens.unknown.begin(), tokens.unknown.end(), word) == tokens.unknown.end()) tokens.unknown.push_back(std::move(word));
      } else if (tokens.ids.size() + 1 < length) {
        tokens.ids.push_back(static_cast<std::int32_t>(at - words_.begin()));
        tokens.words.push_back(std::move(word));
      } else {
        tokens.truncated = true;
      }
    }
    tokens.ids.resize(length, config_.end_token);
    tokens.words.resize(length);
    return tokens;
  }

  std::vector<std::string> const& words() const { return words_; }

 private:
  std::vector<std::string> words_;
  TextEncoderConfig config_;
};

}  // namespace tadp
