// SPDX-License-Identifier: Apache-2.0
// CLIP's tokenizer: a text is cleaned, split into pieces, and the bytes of each piece are merged into tokens.
// The ids are open_clip's without ftfy, padded with the end token; every text has tokens, so none is ever unknown.
#pragma once

#include "tadp/io/bpe_tables.hpp"
#include "tadp/text/added_tokens.hpp"
#include "tadp/text/bpe_merge.hpp"
#include "tadp/text/tokens.hpp"
#include "tadp/text/word_pieces.hpp"

#include <memory>

namespace tadp {

/// Copies share their tables, which never change.
class BpeTokenizer {
 public:
  using Tokens = tadp::Tokens;

  /// Longer texts are refused.
  static constexpr std::size_t max_text_bytes = std::size_t{4} << 20;

  /// Error(argument) where the vocabulary is not the text encoder's, or a token cannot be added.
  BpeTokenizer(BpeVocabulary vocabulary, TextEncoderConfig const& config, std::vector<AddedToken> added = {}) : config_(config) {
    require_fit(vocabulary);
    auto const first_free = static_cast<std::int32_t>(vocabulary.tokens.size());
    tables_ = std::make_shared<Tables const>(std::move(vocabulary), AddedTokens(std::move(added), first_free));
  }

  /// The tokens of a text, `config.length` of them: begin, what fits, end, and end again. Each piece's text stands at all
  /// its positions in `words`. Error(format) unless it is UTF-8, Error(limit) above max_text_bytes.
  Tokens operator()(std::string_view text) const {
    if (text.size() > max_text_bytes)
      throw Error(Errc::limit, "a text is longer than allowed", {.expected = "at most " + std::to_string(max_text_bytes) + " bytes", .found = std::to_string(text.size())});
    auto const length = static_cast<std::size_t>(config_.length);
    Tokens tokens{{config_.begin_token}, {""}, {}, false};
    tokens.ids.reserve(length);
    tokens.words.reserve(length);
    tokens.goes_on.reserve(length);
    tokens.goes_on.push_back(false);
    std::vector<std::int32_t> ids;
    each_word(clean_text(text), [&](std::string_view word, std::optional<std::int32_t> id, std::int32_t count) {
      ids.clear();
      if (id)
        for (std::int32_t i = 0; i < count; ++i) ids.push_back(*id + i);
      else
        tables_->encode(word, ids);
      for (std::int32_t const& next : ids) {
        if (tokens.ids.size() + 1 >= length) return tokens.truncated = true;
        tokens.ids.push_back(next);
        tokens.words.emplace_back(word);
        tokens.goes_on.push_back(&next != ids.data());
      }
      return false;
    });
    tokens.ids.resize(length, config_.end_token);
    tokens.words.resize(length);
    tokens.goes_on.resize(length);
    return tokens;
  }

  /// Whether a piece ends with this token: others belong together with the next.
  bool ends_word(std::int32_t id) const {
    auto const& tokens = tables_->vocabulary.tokens;
    return id < 0 || static_cast<std::size_t>(id) >= tokens.size() || tokens[static_cast<std::size_t>(id)].bytes.empty() || tokens[static_cast<std::size_t>(id)].ends_word;
  }

 private:
  struct Tables {
    Tables(BpeVocabulary given, AddedTokens tokens) : vocabulary(std::move(given)), added(std::move(tokens)), merge(vocabulary) {
      whole.reserve(vocabulary.tokens.size());
      std::vector<std::int32_t> ids;
      for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        BpeToken const& token = vocabulary.tokens[id];
        if (!token.ends_word) continue;
        ids.clear();
        merge(token.bytes, ids);  // a token of a careless vocabulary may not be what merging gives
        if (ids.size() == 1) whole.emplace(token.bytes, ids[0]);
      }
    }
    Tables(Tables const&) = delete;
    Tables& operator=(Tables const&) = delete;

    void encode(std::string_view word, std::vector<std::int32_t>& ids) const {
      if (auto const found = whole.find(word); found != whole.end())
        ids.push_back(found->second);
      else
        merge(word, ids);
    }

    BpeVocabulary vocabulary;
    AddedTokens added;
    BpeMerger merge;
    std::unordered_map<std::string_view, std::int32_t> whole{};  ///< words that are one token; views of the vocabulary
  };

  void require_fit(BpeVocabulary const& vocabulary) const {
    auto const require = [](std::string_view what, std::int64_t expected, std::int64_t found) {
      if (expected != found)
        throw Error(Errc::argument, "this vocabulary is not the text encoder's", {.key = std::string(what), .expected = std::to_string(expected), .found = std::to_string(found)});
    };
    require("begin token", config_.begin_token, vocabulary.begin);
    require("end token", config_.end_token, vocabulary.end);
    // An encoder with learned tokens has more rows than the vocabulary.
    if (vocabulary.tokens.size() > static_cast<std::size_t>(config_.vocabulary)) require("tokens", config_.vocabulary, static_cast<std::int64_t>(vocabulary.tokens.size()));
    if (config_.length < 2) throw Error(Errc::argument, "a text encoder needs room for begin and end", {.expected = "at least 2", .found = std::to_string(config_.length)});
  }

  /// Calls `take(word, id, count of ids)` for the pieces and added tokens of a cleaned text, in order, until it returns true.
  template <class Take>
  void each_word(std::string_view text, Take const& take) const {
    std::size_t begin = 0;
    for (std::size_t at = 0; !tables_->added.empty() && at < text.size();) {
      AddedToken const* const token = tables_->added.find(text.substr(at));
      if (token == nullptr) {
        ++at;
        continue;
      }
      if (each_piece(text.substr(begin, at - begin), take)) return;
      if (take(token->text, std::optional(token->id), token->count)) return;
      begin = at += token->text.size();
    }
    each_piece(text.substr(begin), take);
  }

  template <class Take>
  bool each_piece(std::string_view text, Take const& take) const {
    std::size_t at = 0;
    for (auto piece = next_piece(text, at); !piece.empty(); piece = next_piece(text, at))
      if (take(piece, special_id(piece), 1)) return true;
    return false;
  }

  std::optional<std::int32_t> special_id(std::string_view piece) const {
    if (piece == special_names[0]) return config_.begin_token;
    if (piece == special_names[1]) return config_.end_token;
    return std::nullopt;
  }

  TextEncoderConfig config_;
  std::shared_ptr<Tables const> tables_;
};

}  // namespace tadp
