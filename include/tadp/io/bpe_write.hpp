// SPDX-License-Identifier: Apache-2.0
// A vocabulary of byte pairs as the files that transformers reads: vocab.json, merges.txt, and tokenizer_config.json.
// They are made from the tables, whatever form those were read in.
#pragma once

#include "tadp/io/bpe_vocabulary.hpp"

namespace tadp {

namespace detail {

/// A token as files write it.
inline std::string bpe_name(BpeVocabulary const& vocabulary, std::int32_t id) {
  if (id == vocabulary.begin) return std::string(begin_name);
  if (id == vocabulary.end) return std::string(end_name);
  BpeToken const& token = vocabulary.tokens[static_cast<std::size_t>(id)];
  std::string name;
  for (char const c : token.bytes) name += letter_text(static_cast<unsigned char>(c));
  return token.ends_word ? name.append(word_end) : name;
}

}  // namespace detail

/// The text of vocab.json.
inline std::string vocab_json(BpeVocabulary const& vocabulary) {
  nlohmann::ordered_json names = nlohmann::ordered_json::object();
  auto& list = names.get_ref<nlohmann::ordered_json::object_t&>();  // a name is new: looking for it among all would take minutes
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) list.emplace_back(detail::bpe_name(vocabulary, static_cast<std::int32_t>(id)), id);
  return names.dump();
}

/// The text of merges.txt.
inline std::string merges_txt(BpeVocabulary const& vocabulary) {
  std::string text = "#version: 0.2\n";
  for (BpeMerge const& merge : vocabulary.merges) text += detail::bpe_name(vocabulary, merge.first) + " " + detail::bpe_name(vocabulary, merge.second) + "\n";
  return text;
}

/// The text of tokenizer_config.json, without which transformers pads to no length at all; `length`: of a text, in tokens.
inline std::string tokenizer_config_json(int length) {
  std::string const begin(detail::begin_name), end(detail::end_name);
  return nlohmann::ordered_json{{"tokenizer_class", "CLIPTokenizer"}, {"model_max_length", length}, {"bos_token", begin}, {"eos_token", end}, {"pad_token", end}, {"unk_token", end}}.dump(2) + "\n";
}

}  // namespace tadp
