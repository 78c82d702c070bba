// SPDX-License-Identifier: Apache-2.0
// Token ids as the text encoder reads them, and what a person gives to a run: a caption, or ids of their own.
// Every tokenizer makes Tokens; a session takes any of them.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/core/error.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tadp {

/// A text as tokens: begin, the words, end, and end again up to the encoder's length.
struct Tokens {
  std::vector<std::int32_t> ids{};
  std::vector<std::string> words{};    ///< the word of each position; "" for begin, end and padding
  std::vector<std::string> unknown{};  ///< words that have no token and were left out, each once, in order
  bool truncated = false;              ///< the text had more words than fit
  std::vector<bool> goes_on{};         ///< of each position: it belongs to the word before it; empty: none does
};

/// Any function from text to tokens.
using Tokenizer = std::function<Tokens(std::string_view)>;

/// The text of one run; `ids` (any length the encoder takes, padded by the session) stand in for the caption.
struct Prompt {
  std::string caption{};
  std::string modifier{};  ///< the name of a phrase of text/modifier.hpp, or words; "{}" stands for the caption; empty: the caption alone
  std::vector<std::int32_t> ids{};
  std::string identifier{};  ///< what a DreamBooth model learned is called by; empty: "sks" where a phrase has it

  friend bool operator==(Prompt const&, Prompt const&) = default;
};

/// Ids of a caller as the encoder wants them: a missing begin is put in front, `end_token` fills up to the length.
/// Error(argument) where an id is no token of the vocabulary or there are too many.
inline std::vector<std::int32_t> pad_tokens(std::span<std::int32_t const> ids, TextEncoderConfig const& config) {
  for (std::int32_t const id : ids)
    if (id < 0 || id >= config.vocabulary)
      throw Error(Errc::argument, "a token id is outside the vocabulary",
                  {.key = "ids", .expected = "0 to " + std::to_string(config.vocabulary - 1), .found = std::to_string(id)});
  std::vector<std::int32_t> padded;
  if (ids.empty() || ids.front() != config.begin_token) padded.push_back(config.begin_token);
  padded.insert(padded.end(), ids.begin(), ids.end());
  auto const length = static_cast<std::size_t>(config.length);
  bool const ends = padded.size() == length && padded.back() == config.end_token;
  if (padded.size() >= length && !ends)
    throw Error(Errc::argument, "there are more token ids than the text encoder reads",
                {.key = "ids", .expected = "at most " + std::to_string(length - 2) + " between begin and end", .found = std::to_string(ids.size())});
  padded.resize(length, config.end_token);
  return padded;
}

}  // namespace tadp
