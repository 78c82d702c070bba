// SPDX-License-Identifier: Apache-2.0
// The options --vocab, --learned-token, --identifier and --class-embeddings: how a model's words become tokens.
// The vocabulary is that of the model file, or CLIP's, which is looked for where people keep it.
#pragma once

#include "tadp/model_file.hpp"

#include "tadp/io/class_embeddings.hpp"
#include "tadp/io/longer_vocabulary.hpp"
#include "tadp/text/learned_tokens.hpp"
#include "tadp/text/prompt.hpp"

namespace program {

struct VocabularyOptions {
  std::string vocabulary{};                  ///< file or folder; empty: TADP_VOCAB, or beside the model
  std::vector<std::string> learned_tokens{};  ///< each FILE, NAME=FILE, or NAME
  std::string identifier{};                  ///< of a personalised model
  std::string class_embeddings{};            ///< file, in place of the model's; empty: its own
};

/// --vocab and --learned-token.
void add_vocabulary(CLI::App& command, VocabularyOptions& options);
/// All of them, for commands that run a model.
void add_model_words(CLI::App& command, VocabularyOptions& options);

/// Error(argument) that says what to give, where a phrase of --modifier stands for a word that the options do not give.
void require_phrase_words(std::string const& modifier, VocabularyOptions const& options);

/// How a model reads words.
struct ModelWords {
  tadp::Tokenizer tokenizer{};                  ///< none where the model reads no words, or only token ids
  std::vector<tadp::TokenEmbedding> learned{};  ///< in the order of their ids
  fs::path vocabulary{};                        ///< the file of CLIP's vocabulary; empty: none was used
  std::optional<tadp::ClassEmbeddings> classes{};  ///< in place of the model's
};

/// What model_words must know of a model.
struct WordSource {
  tadp::ModelSource const& tensors;
  tadp::TextEncoderConfig text{};
  std::vector<std::string> own_words{};  ///< of a WordTokenizer
  bool reads_words = true;
};

/// The tokenizer of a model and its learned tokens. Without a vocabulary, the tokenizer is one that throws Error(argument)
/// with what to give: a run that needs none is not held up. Error(argument) for options that the model cannot use; errors
/// of read_bpe_vocabulary, read_token_embeddings, tokenizer_with and read_class_embeddings.
ModelWords model_words(WordSource const& model, VocabularyOptions const& options);
ModelWords model_words(ModelFile const& file, VocabularyOptions const& options);

/// Loads a model that was made with row_count(words.learned) learned tokens.
template <class Device>
void load_weights_with(tadp::Weights<Device>& weights, ModelFile const& file, ModelWords const& words) {
  auto const wanted = [&, of_file = file.wanted()](tadp::ParameterSpec const& spec) { return of_file(spec) && !(words.classes && spec.name == "class_embeddings"); };
  if (words.learned.empty()) {
    tadp::load_weights_from(weights, std::span(&file.tensors, 1), file.path.string(), {.wanted = wanted});
  } else {
    tadp::WithTokenEmbeddings const longer(file.tensors, words.learned, file.description.text);
    tadp::load_weights_from(weights, std::span(&longer, 1), file.path.string(), {.wanted = wanted});
  }
  if (words.classes) tadp::put_class_embeddings(weights, *words.classes);
}

}  // namespace program
