// SPDX-License-Identifier: Apache-2.0
// Tokens beside the vocabulary, such as the "<night>" of Textual Inversion: found in a text as one unit before it is split.
// Where several fit at a place, the longest is taken.
#pragma once

#include "tadp/text/clean_text.hpp"

#include <vector>

namespace tadp {

/// A text that is one token, or several with ids one after the other.
struct AddedToken {
  std::string text{};
  std::int32_t id = 0;
  std::int32_t count = 1;  ///< of ids
};

class AddedTokens {
 public:
  AddedTokens() = default;

  /// Texts are compared after cleaning, so "<Night>" and "<night>" are one. Error(argument) where a text is blank or not
  /// UTF-8, has no id, or where a text or an id stands twice or is below `first_id`, the count of tokens of the vocabulary.
  AddedTokens(std::vector<AddedToken> tokens, std::int32_t first_id) : tokens_(std::move(tokens)) {
    for (AddedToken& token : tokens_) {
      auto const refuse = [&](std::string message, std::string expected, std::string found) {
        throw Error(Errc::argument, std::move(message), {.key = printable(token.text), .expected = std::move(expected), .found = std::move(found)});
      };
      std::string cleaned = cleaned_text(token.text);
      if (cleaned.empty()) refuse("an added token has no text", "", "");
      if (token.id < first_id) refuse("the id of an added token belongs to the vocabulary", "at least " + std::to_string(first_id), std::to_string(token.id));
      if (token.count < 1) refuse("an added token has no id", "at least 1", std::to_string(token.count));
      for (AddedToken const* other = tokens_.data(); other != &token; ++other)
        if (other->text == cleaned || (other->id < token.id + token.count && token.id < other->id + other->count)) refuse("two added tokens have the same text or id", "", printable(other->text) + "=" + std::to_string(other->id));
      token.text = std::move(cleaned);
    }
    std::sort(tokens_.begin(), tokens_.end(), [](AddedToken const& a, AddedToken const& b) { return a.text < b.text; });
  }

  bool empty() const { return tokens_.empty(); }

  /// The longest token that a cleaned text begins with, or nothing.
  AddedToken const* find(std::string_view text) const {
    AddedToken const* longest = nullptr;
    auto begin = tokens_.begin(), end = tokens_.end();
    // Sorted, so those that agree in the first bytes are neighbours: each byte narrows their range.
    for (std::size_t at = 0; begin != end && at < text.size(); ++at) {
      auto const byte = static_cast<unsigned char>(text[at]);
      auto const at_byte = [at](AddedToken const& token) { return at < token.text.size() ? static_cast<unsigned char>(token.text[at]) : -1; };
      begin = std::partition_point(begin, end, [&](AddedToken const& token) { return at_byte(token) < byte; });
      end = std::partition_point(begin, end, [&](AddedToken const& token) { return at_byte(token) <= byte; });
      if (begin != end && begin->text.size() == at + 1) longest = &*begin;
    }
    return longest;
  }

 private:
  static std::string cleaned_text(std::string_view text) {
    try {
      return clean_text(text);
    } catch (Error const&) {
      throw Error(Errc::argument, "the text of an added token is not UTF-8");
    }
  }

  std::vector<AddedToken> tokens_{};  ///< sorted by text
};

}  // namespace tadp
