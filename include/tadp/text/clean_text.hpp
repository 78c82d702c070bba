// SPDX-License-Identifier: Apache-2.0
// How CLIP cleans a text before it is split: references of HTML twice, blanks folded into one, lower case.
// This is open_clip's cleaning without ftfy, whose guesses at broken encodings change what people wrote.
#pragma once

#include "tadp/text/html_unescape.hpp"

namespace tadp {

/// The words of UTF-8 text with one space between, none around.
inline std::string fold_blanks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool gap = false;
  for (std::size_t at = 0; at < text.size();) {
    auto const [code, bytes] = code_point_at(text, at);
    if (is_blank(code)) {
      gap = !out.empty();
    } else {
      if (gap) out += ' ';
      gap = false;
      out.append(text.substr(at, bytes));
    }
    at += bytes;
  }
  return out;
}

/// The text as CLIP's vocabulary was made for; Error(format) unless it is UTF-8.
inline std::string clean_text(std::string_view text) {
  require_utf8(text);
  if (text.find('&') == std::string_view::npos) return lower_case(fold_blanks(text));
  // Twice, as "&amp;amp;" is what becomes of a text that passed through two pages.
  return lower_case(fold_blanks(html_unescape(html_unescape(text))));
}

}  // namespace tadp
