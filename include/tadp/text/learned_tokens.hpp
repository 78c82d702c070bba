// SPDX-License-Identifier: Apache-2.0
// Learned tokens of Textual Inversion side by side behind a vocabulary (spec 3.5): the ids that their texts get, and a
// tokenizer that knows them. The rows go into the model by io/longer_vocabulary.hpp.
#pragma once

#include "tadp/io/token_embeddings.hpp"
#include "tadp/text/bpe_tokenizer.hpp"

namespace tadp {

/// Rows of the token embedding that the tokens add: ModelSizes::learned_tokens.
inline index_t row_count(std::span<TokenEmbedding const> tokens) {
  index_t rows = 0;
  for (TokenEmbedding const& token : tokens) rows += token.vectors;
  return rows;
}

/// The texts as added tokens; ids follow those of the vocabulary in the order given.
inline std::vector<AddedToken> added_tokens(std::span<TokenEmbedding const> tokens, TextEncoderConfig const& config) {
  std::vector<AddedToken> added;
  std::int32_t next = config.vocabulary;
  for (TokenEmbedding const& token : tokens) {
    auto const count = static_cast<std::int32_t>(token.vectors);
    added.push_back({token.name, next, count});
    next += count;
  }
  return added;
}

/// A tokenizer that takes each name as one unit. Error(argument) of BpeTokenizer, such as where two have one name, and
/// where a name is a token of the vocabulary already: the text of everybody else would change its meaning.
inline BpeTokenizer tokenizer_with(BpeVocabulary vocabulary, TextEncoderConfig const& config, std::span<TokenEmbedding const> tokens) {
  auto added = added_tokens(tokens, config);
  if (!added.empty()) {
    BpeTokenizer const plain(vocabulary, config);
    for (AddedToken const& token : added) {
      auto const ids = plain(token.text).ids;
      if (ids[1] != config.end_token && ids[2] == config.end_token)
        throw Error(Errc::argument, "the name of a learned token is a word of the vocabulary: give it another name", {.key = printable(token.text), .expected = "a name such as <" + printable(token.text) + ">", .found = "token " + std::to_string(ids[1])});
    }
  }
  return BpeTokenizer(std::move(vocabulary), config, std::move(added));
}

}  // namespace tadp
