// SPDX-License-Identifier: Apache-2.0
// How CLIP splits a cleaned text before byte pairs are merged: runs of letters, single digits, runs of other signs, and
// the endings of English contractions. What the pattern of open_clip does and nobody would guess is done here, too.
#pragma once

#include "tadp/text/unicode.hpp"

#include <array>

namespace tadp {

/// open_clip's names of begin and end; in a text they stand for those tokens.
inline constexpr std::array<std::string_view, 2> special_names = {"<start_of_text>", "<end_of_text>"};

namespace pieces_detail {

/// Bytes at the start of `text` that are `word`, the long s taken for an s as the pattern's disregard of case does; 0: none.
constexpr std::size_t matched(std::string_view text, std::string_view word) {
  std::size_t at = 0;
  for (char const c : word) {
    if (at < text.size() && text[at] == c)
      ++at;
    else if (c == 's' && text.substr(at).starts_with("\xc5\xbf"))
      at += 2;
    else
      return 0;
  }
  return at;
}

/// Bytes of the first alternative that fits: a name of a special token, or the ending of a contraction.
inline std::size_t fixed_piece(std::string_view text) {
  constexpr std::string_view endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  auto const longest = [&](auto const& words) {
    for (std::string_view const word : words)
      if (auto const bytes = matched(text, word); bytes > 0) return bytes;
    return std::size_t{0};
  };
  return text[0] == '<' ? longest(special_names) : text[0] == '\'' ? longest(endings) : 0;
}

/// U+0345 has letters among its forms of other case, so that neither a set nor its negation matches it.
inline CodeKind kind_in_pattern(char32_t code) { return code == 0x345 ? CodeKind::blank : kind_of_code(code); }

}  // namespace pieces_detail

/// The next piece of a cleaned text, from `at`, which moves behind it; empty at the end.
inline std::string_view next_piece(std::string_view text, std::size_t& at) {
  while (at < text.size()) {
    std::size_t const begin = at;
    if (auto const bytes = pieces_detail::fixed_piece(text.substr(begin)); bytes > 0) {
      at += bytes;
      return text.substr(begin, bytes);
    }
    auto const first = code_point_at(text, at);
    auto const kind = pieces_detail::kind_in_pattern(first.code);
    at += first.bytes;
    if (kind == CodeKind::blank) continue;
    while (kind != CodeKind::number && at < text.size()) {
      auto const next = code_point_at(text, at);
      if (pieces_detail::kind_in_pattern(next.code) != kind) break;
      at += next.bytes;
    }
    return text.substr(begin, at - begin);
  }
  return {};
}

}  // namespace tadp
