// SPDX-License-Identifier: Apache-2.0
// Learned tokens and the texts of a run, told on stderr: which tokens there are, which a text names in vain, and which no
// text holds.
#pragma once

#include "tadp/program.hpp"

#include "tadp/text/learned_tokens.hpp"
#include "tadp/text/prompt_tokens.hpp"

namespace program {

class LearnedUse {
 public:
  LearnedUse() = default;
  /// Tokens by name alone.
  explicit LearnedUse(std::span<tadp::AddedToken const> tokens) {
    for (tadp::AddedToken const& token : tokens) names_.push_back({token.text, tadp::clean_text(token.text), token.id, token.id + token.count});
  }
  /// Those of a model whose vocabulary has none of them; says what they are, one line each, unless `quiet`.
  LearnedUse(std::span<tadp::TokenEmbedding const> tokens, tadp::TextEncoderConfig const& config, bool quiet) : LearnedUse(tadp::added_tokens(tokens, config)) {
    for (tadp::TokenEmbedding const& token : tokens)
      if (!quiet) complain("learned token " + tadp::printable(token.name) + ", " + std::to_string(token.vectors) + (token.vectors == 1 ? " vector" : " vectors"));
  }

  /// `tokens`: what the model reads of the text.
  void note(std::string_view text, tadp::Tokens const& tokens) {
    for (Name& name : names_)
      name.used = name.used || std::any_of(tokens.ids.begin(), tokens.ids.end(), [&](std::int32_t id) { return id >= name.first && id < name.end; });
    for (std::string const& found : tadp::token_names(text)) {
      bool const known = std::any_of(names_.begin(), names_.end(), [&](Name const& name) { return name.read == found; });
      if (!known && std::find(missing_.begin(), missing_.end(), found) == missing_.end()) missing_.push_back(found);
    }
  }
  /// Says, once a run, which names of the texts since the last call are no tokens; `file`: where they stand.
  void warn(std::string const& file) {
    for (; told_ < missing_.size(); ++told_)
      complain("warning: a text holds " + missing_[told_] + ", but there is no learned token of this name: it is read as plain words" + (file.empty() ? "" : "; file: " + tadp::printable(file)));
  }
  /// After the last text.
  void warn_of_unused() const {
    for (Name const& name : names_)
      if (!name.used) complain("warning: no text of this run holds the learned token " + tadp::printable(name.given));
  }

 private:
  struct Name {
    std::string given{}, read{};  ///< read: as the tokenizer does
    std::int32_t first = 0, end = 0;
    bool used = false;
  };
  std::vector<Name> names_{};
  std::vector<std::string> missing_{};
  std::size_t told_ = 0;
};

}  // namespace program
