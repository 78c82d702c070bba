// SPDX-License-Identifier: Apache-2.0
// The search for a vocabulary, and the learned tokens that go behind it.
#include "tadp/vocabulary_option.hpp"

#include "tadp/io/bpe_vocabulary.hpp"
#include "tadp/io/model_configs.hpp"
#include "tadp/text/word_tokenizer.hpp"

#include <cstdlib>

namespace program {

namespace {

constexpr char const* variable = "TADP_VOCAB";
constexpr char const* forms = "bpe_simple_vocab_16e6.txt.gz, vocab.json beside merges.txt, tokenizer.json, or a folder with one of the latter two";

struct Found {
  fs::path file{};       ///< empty: none
  std::string looked{};  ///< where, for a message
};

/// CLIP's vocabulary beside a model: in a folder of diffusers, or with the same names beside a file.
Found beside(fs::path const& model) {
  std::error_code absent;
  fs::path const folder = fs::is_directory(model, absent) ? model : model.parent_path();
  Found found;
  for (fs::path const& place : {folder / "tokenizer", folder}) {
    if (auto const paths = tadp::find_bpe_paths(place); !paths.vocabulary.empty()) return {paths.vocabulary, {}};
    found.looked += (found.looked.empty() ? "" : ", ") + (place / "vocab.json").string() + ", " + (place / "tokenizer.json").string();
  }
  for (char const* const name : {"bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"}) {
    if (fs::is_regular_file(folder / name, absent)) return {folder / name, {}};
    found.looked += ", " + (folder / name).string();
  }
  return found;
}

Found find_vocabulary(fs::path const& model, std::string const& named) {
  if (!named.empty()) return {named, {}};
  if (char const* const path = std::getenv(variable); path != nullptr && *path != 0) return {path, {}};
  return beside(model);
}

/// A tokenizer for those who turn out not to need one.
tadp::Tokenizer missing_vocabulary(std::string const& model, std::string const& looked) {
  return [model, looked](std::string_view text) -> tadp::Tokens {
    throw tadp::Error(tadp::Errc::argument, std::string("no vocabulary was found for the words of a prompt: name CLIP's with --vocab or the environment variable ") + variable + ", or put it beside the model (looked for: " + looked + ")",
                      {.file = model, .key = "--vocab", .expected = forms, .found = "a text without a vocabulary: " + tadp::printable(text, 60)});
  };
}

/// Two files may give one name; the tokenizer would not know where from.
void require_new(std::vector<tadp::TokenEmbedding> const& tokens, std::vector<std::string> const& from, tadp::TokenEmbedding const& token, std::string const& file) {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i].name == token.name)
      throw tadp::Error(tadp::Errc::argument, "two learned tokens have one name: give one of them another as NAME=FILE", {.file = file, .key = tadp::printable(token.name), .expected = "a name of its own", .found = "that of " + from[i]});
}

/// FILE, NAME=FILE, or the NAME of a token that the model was trained with.
std::vector<tadp::TokenEmbedding> learned_tokens(WordSource const& model, std::vector<std::string> const& given) {
  std::vector<tadp::TokenEmbedding> tokens;
  std::vector<std::string> from;  // where each is from
  auto const add = [&](tadp::TokenEmbedding token, std::string const& file) {
    require_new(tokens, from, token, file);
    tokens.push_back(std::move(token));
    from.push_back(file);
  };
  auto const own = tadp::learned_rows(model.tensors, model.text);
  std::size_t used = 0;
  for (std::string const& one : given) {
    std::error_code absent;
    auto const equals = one.find('=');
    bool const whole = fs::exists(one, absent);
    if (whole || equals != std::string::npos) {
      auto const name = whole ? std::string() : one.substr(0, equals), file = whole ? one : one.substr(equals + 1);
      for (auto& token : tadp::read_token_embeddings(file, model.text.width, name)) add(std::move(token), file);
    } else if (used < own.size()) {
      add({one, 1, own[used++]}, model.tensors.path().string());
    } else {
      throw tadp::Error(tadp::Errc::argument, "this is no file, and the model has no learned token that it could name",
                        {.file = model.tensors.path().string(), .key = "--learned-token", .expected = "FILE, NAME=FILE, or a name for each of the model's " + std::to_string(own.size()) + " learned tokens", .found = tadp::printable(one)});
    }
  }
  return tokens;
}

void refuse_unused(WordSource const& model, VocabularyOptions const& o, char const* why) {
  for (auto const& [name, given] : {std::pair{"--vocab", !o.vocabulary.empty()}, std::pair{"--learned-token", !o.learned_tokens.empty()}})
    if (given) throw tadp::Error(tadp::Errc::argument, why, {.file = model.tensors.path().string(), .key = name});
}

}  // namespace

void add_vocabulary(CLI::App& command, VocabularyOptions& options) {
  command.add_option("--vocab", options.vocabulary, std::string("CLIP's vocabulary: ") + forms + "; else the environment variable " + variable + ", else beside the model")->type_name("FILE|DIR");
  command.add_option("--learned-token", options.learned_tokens, "embedding of Textual Inversion (.bin, .pt, .safetensors), by a name of its own or the file's; a name alone is that of a token that the model was trained with")
      ->type_name("[NAME=]FILE|NAME");
}

void add_model_words(CLI::App& command, VocabularyOptions& options) {
  add_vocabulary(command, options);
  command.add_option("--identifier", options.identifier, "word by which a DreamBooth model calls what it learned: the text must have it; phrases of --modifier that are about it need it")->type_name("WORD");
  command.add_option("--class-embeddings", options.class_embeddings, "one embedding a class in place of the model's, for models that read averaged_eos: a file of `tadp class-embeddings`, or of VPD or TADP")->type_name("FILE");
}

void require_phrase_words(std::string const& modifier, VocabularyOptions const& o) {
  tadp::DomainPhrase const* const phrase = tadp::find_phrase(modifier);
  if (phrase == nullptr || phrase->word.empty()) return;
  bool const personal = phrase->word == tadp::paper_identifier;
  if (personal ? !o.identifier.empty() : !o.learned_tokens.empty()) return;
  std::string const word(phrase->word), text = " (\"" + std::string(phrase->text) + "\")";
  if (personal)
    throw tadp::Error(tadp::Errc::argument, "this phrase is about what a DreamBooth model learned: it needs the word by which the model calls it" + text,
                      {.key = "--modifier", .expected = "--identifier WORD beside it, \"" + word + "\" in the paper's models", .found = modifier});
  throw tadp::Error(tadp::Errc::argument, "this phrase needs the learned token " + word + text, {.key = "--modifier", .expected = "--learned-token FILE, or \"" + word + "=FILE\", beside it", .found = modifier});
}

ModelWords model_words(WordSource const& model, VocabularyOptions const& o) {
  if (!model.reads_words) {
    refuse_unused(model, o, "this model's prompt has no words");
    return {};
  }
  if (!model.own_words.empty()) {
    refuse_unused(model, o, "this model has a vocabulary of its own");
    return {.tokenizer = tadp::WordTokenizer(model.own_words, model.text), .learned = {}, .vocabulary = {}};
  }
  constexpr int smallest = static_cast<int>(tadp::detail::bpe_fixed);  // no vocabulary of byte pairs has fewer tokens
  auto const found = find_vocabulary(model.tensors.path(), o.vocabulary);
  ModelWords words{.tokenizer = {}, .learned = learned_tokens(model, o.learned_tokens), .vocabulary = found.file};
  if (!found.file.empty() && (model.text.vocabulary >= smallest || !o.vocabulary.empty()))
    words.tokenizer = tadp::tokenizer_with(tadp::read_bpe_vocabulary(found.file, {}, model.text.vocabulary), model.text, words.learned);
  else if (model.text.vocabulary >= smallest)
    words.tokenizer = missing_vocabulary(model.tensors.path().string(), found.looked);
  else
    words.vocabulary.clear();
  return words;
}

ModelWords model_words(ModelFile const& file, VocabularyOptions const& o) {
  auto const& d = file.description;
  ModelWords words = model_words(WordSource{file.tensors, d.text, d.vocabulary, tadp::reads_words(d.prompt_parts)}, o);
  if (o.class_embeddings.empty()) return words;
  if (d.class_embeddings == 0) throw tadp::Error(tadp::Errc::argument, "this model reads no class embeddings", {.file = file.path.string(), .key = "--class-embeddings", .expected = "a prompt with averaged_eos", .found = tadp::printable(o.class_embeddings)});
  words.classes = tadp::read_class_embeddings(o.class_embeddings, d.text.width, d.class_embeddings);
  return words;
}

}  // namespace program
