// SPDX-License-Identifier: Apache-2.0
// A person's prompt to the tokens of a model's prompt policy: the one place where captions and modifiers meet.
// What the policy has no part for is refused, not ignored.
#pragma once

#include "tadp/text/prompt.hpp"
#include "tadp/text/tokens.hpp"

namespace tadp {

/// The text of a prompt; an empty caption is the empty text. Error(argument) where the policy has no part for what is
/// given, or a caption comes without a tokenizer; errors of the tokenizer.
template <class Policy>
Tokens tokens_of(Prompt const& prompt, Tokenizer const& tokenizer, TextEncoderConfig const& config) {
  auto const ids_alone = [&](std::span<std::int32_t const> ids) { return Tokens{pad_tokens(ids, config), {}, {}, false}; };
  if constexpr (!Policy::template has<Caption>) {
    if (!prompt.caption.empty() || !prompt.modifier.empty() || !prompt.ids.empty())
      throw Error(Errc::argument, "this model's prompt has no caption", {.found = printable(prompt.caption)});
    return ids_alone({});
  } else {
    if (!prompt.ids.empty()) {
      if (!prompt.caption.empty() || !prompt.modifier.empty()) throw Error(Errc::argument, "a prompt is a text or token ids, not both");
      return ids_alone(prompt.ids);
    }
    if (!Policy::template has<Modifier> && !prompt.modifier.empty())
      throw Error(Errc::argument, "this model's prompt has no modifier", {.found = printable(prompt.modifier)});
    std::string const text = modified(prompt.modifier, prompt.caption);
    if (text.empty()) return ids_alone({});
    if (!tokenizer) throw Error(Errc::argument, "there is no tokenizer: token ids are needed in place of a caption", {.found = printable(text)});
    return tokenizer(text);
  }
}

}  // namespace tadp
