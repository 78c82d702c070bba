// SPDX-License-Identifier: Apache-2.0
// What a language model wrote, as a caption: one line of plain words without its thoughts, quotes, colours and the
// characters that reorder what a person reads.
#pragma once

#include <string>
#include <string_view>

namespace tadp {

namespace caption_detail {

/// Bytes of the escape sequence of a terminal that begins at `at` (ECMA-48: ESC [ or U+009B with what follows, such as a
/// colour's "[31m"; ESC ] up to BEL or ESC \), 0 where none does.
inline std::size_t escape_sequence(std::string_view text, std::size_t at) {
  auto const rest = text.substr(at);
  bool const control = rest.starts_with("\x1b["), c1 = rest.starts_with("\xc2\x9b");
  if (control || c1) {
    std::size_t end = 2;
    while (end < rest.size() && rest[end] >= '0' && rest[end] <= '?') ++end;
    bool const ends = end < rest.size() && rest[end] >= '@' && rest[end] <= '~';
    return ends ? end + 1 : control ? end : 0;
  }
  if (!rest.starts_with("\x1b]")) return 0;
  std::size_t const bell = rest.find('\a'), string_end = rest.find("\x1b\\");
  if (bell == std::string_view::npos && string_end == std::string_view::npos) return 2;
  return bell < string_end ? bell + 1 : string_end + 2;
}

/// Bytes of the control of writing direction at `at` (U+202A to U+202E, U+2066 to U+2069), 0 where there is none.
inline std::size_t direction_control(std::string_view text, std::size_t at) {
  auto const rest = text.substr(at);
  auto const between = [&](std::string_view lead, char first, char last) { return rest.size() >= 3 && rest.starts_with(lead) && rest[2] >= first && rest[2] <= last; };
  return between("\xe2\x80", '\xaa', '\xae') || between("\xe2\x81", '\xa6', '\xa9') ? 3 : 0;
}

/// Bytes of the control character or blank of ASCII, or the control character of C1, at `at`; 0 where there is none.
inline std::size_t blank_or_control(std::string_view text, std::size_t at) {
  auto const byte = static_cast<unsigned char>(text[at]);
  if (byte <= 0x20 || byte == 0x7f) return 1;
  auto const next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0U;
  return byte == 0xc2 && next >= 0x80 && next <= 0x9f ? 2 : 0;
}

}  // namespace caption_detail

/// What a reasoning model says after its thoughts, "<think>...</think>" at the front (the opening is left out where a
/// server's template has it); empty where the thoughts do not end.
inline std::string_view without_thoughts(std::string_view text) {
  constexpr std::string_view open = "<think>", close = "</think>";
  for (;;) {
    auto const begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    bool const opens = text.substr(begin).starts_with(open);
    auto const end = text.find(close);
    if (end == std::string_view::npos || (!opens && text.find(open) < end)) return opens ? std::string_view() : text;
    text.remove_prefix(end + close.size());
  }
}

/// One line of UTF-8: blanks and control characters become single blanks, escape sequences and controls of writing
/// direction fall, as do quotes around the whole.
inline std::string plain_caption(std::string_view text) {
  using namespace caption_detail;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (std::size_t const bytes = escape_sequence(text, at) + direction_control(text, at); bytes > 0) {
      at += bytes;
    } else if (std::size_t const gap = blank_or_control(text, at); gap > 0) {
      if (!out.empty() && out.back() != ' ') out += ' ';
      at += gap;
    } else {
      out += text[at++];
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  if (out.size() >= 2 && out.front() == '"' && out.back() == '"') out = out.substr(1, out.size() - 2);
  return out;
}

/// The first `words` words of a line; 0: all of them.
inline std::string first_words(std::string const& text, int words) {
  std::size_t at = 0;
  for (int i = 0; i < words; ++i) {
    at = text.find(' ', at + (i > 0 ? 1 : 0));
    if (at == std::string::npos) return text;
  }
  return words > 0 ? text.substr(0, at) : text;
}

}  // namespace tadp
