// SPDX-License-Identifier: Apache-2.0
// Which prompt a run over a data set gives each sample: the file's caption, one sentence for all, or nothing.
// A rule has a name, so that reports and caches can say which it was.
#pragma once

#include "tadp/data/sample.hpp"
#include "tadp/text/tokens.hpp"

#include <functional>

namespace tadp {

struct PromptRule {
  std::string name;
  std::function<Prompt(Sample const&)> prompt;
};

/// The caption of the sample. Where captions were made from the labels, as in the street data, it is an oracle's.
inline PromptRule file_caption(std::string modifier = {}) {
  return {"caption of the file" + (modifier.empty() ? "" : ", modifier: " + modifier), [modifier](Sample const& s) { return Prompt{.caption = s.caption, .modifier = modifier}; }};
}
inline PromptRule fixed_text(std::string text, std::string modifier = {}) {
  return {"fixed text: " + text + (modifier.empty() ? "" : ", modifier: " + modifier), [text, modifier](Sample const&) { return Prompt{.caption = text, .modifier = modifier}; }};
}
/// The empty text; the only rule for a model whose prompt has no caption.
inline PromptRule null_text() {
  return {"null text", [](Sample const&) { return Prompt{}; }};
}

}  // namespace tadp
