// SPDX-License-Identifier: Apache-2.0
// A vocabulary of byte pairs as plain tables: what a tokenizer needs, whatever files it came from.
// read_bpe_vocabulary makes it and has checked it; BpeTokenizer takes it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace tadp {

/// Two neighbouring tokens that become one.
struct BpeMerge {
  std::int32_t first = 0;
  std::int32_t second = 0;
  std::int32_t result = 0;
};

/// The bytes of a token, and whether a word ends with it ("cat" at the end of "cat" and in "cathedral" are two tokens).
struct BpeToken {
  std::string bytes{};
  bool ends_word = false;
};

struct BpeVocabulary {
  std::vector<BpeToken> tokens{};           ///< by id; begin and end have no bytes
  std::array<std::int32_t, 256> inner{};    ///< the token of a byte inside a word
  std::array<std::int32_t, 256> last{};     ///< the token of the byte that ends a word
  std::vector<BpeMerge> merges{};           ///< the earlier takes precedence; no pair stands twice
  std::int32_t begin = 0;                   ///< the token that begins a text
  std::int32_t end = 0;                     ///< the token that ends a text
};

}  // namespace tadp
