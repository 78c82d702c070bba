// SPDX-License-Identifier: Apache-2.0
// Character references of HTML to the characters they name, by the rules of HTML 5 as Python's html.unescape has them.
// Captions that were copied from pages hold them: "cats &amp; dogs".
#pragma once

#include "tadp/text/html_entities.hpp"
#include "tadp/text/unicode.hpp"

#include <optional>

namespace tadp {

namespace html_detail {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
/// The value of a digit, or -1.
constexpr int hex_value(char c) { return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/// What 0x80 to 0x9f mean: pages that number them mean Windows-1252.
inline constexpr char32_t windows_1252[32] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160,  0x2039, 0x152, 0x8d,  0x17d, 0x8f,
                                              0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161,  0x203a, 0x153, 0x9d,  0x17e, 0x178};

/// The character of a numbered reference, or nothing for controls and what is no character.
inline std::optional<char32_t> numbered(char32_t number) {
  if (number == 0 || (number >= 0xd800 && number <= 0xdfff) || number > 0x10ffff) return 0xfffd;
  if (number >= 0x80 && number <= 0x9f) return windows_1252[number - 0x80];
  bool const control = (number < 0x20 && number != '\t' && number != '\n' && number != '\f' && number != '\r') || number == 0x7f;
  bool const no_character = (number >= 0xfdd0 && number <= 0xfdef) || (number & 0xfffe) == 0xfffe;
  if (control || no_character) return std::nullopt;
  return number;
}

/// Reads "#12;" or "#xc;" at `at`, appends its character, and returns the offset after it; `at` where it is none.
inline std::size_t unescape_number(std::string_view text, std::size_t at, std::string& out) {
  std::size_t digits = at + 1;
  bool const hex = digits < text.size() && (text[digits] == 'x' || text[digits] == 'X');
  if (hex) ++digits;
  char32_t number = 0;
  std::size_t end = digits;
  for (; end < text.size(); ++end) {
    int const value = hex_value(text[end]);
    if (value < 0 || (!hex && value > 9)) break;
    number = std::min<char32_t>(number * (hex ? 16 : 10) + static_cast<char32_t>(value), 0x110000);
  }
  if (end == digits) return at;
  if (auto const code = numbered(number)) append_code_point(out, *code);
  return end < text.size() && text[end] == ';' ? end + 1 : end;
}

inline Entity const* find_entity(std::string_view name) {
  auto const* const at = std::lower_bound(std::begin(entities), std::end(entities), name, [](Entity const& entity, std::string_view n) { return entity.name < n; });
  return at != std::end(entities) && at->name == name ? at : nullptr;
}

/// Reads the longest name at `at`, appends its characters, and returns the offset after it; `at` where there is none.
inline std::size_t unescape_name(std::string_view text, std::size_t at, std::string& out) {
  constexpr std::size_t longest = 32;  // with the semicolon
  std::size_t length = 0;
  while (length < longest && at + length < text.size() && is_alnum(text[at + length])) ++length;
  if (length < longest && at + length < text.size() && text[at + length] == ';') ++length;
  for (; length >= 2; --length) {
    Entity const* const entity = find_entity(text.substr(at, length));
    if (entity == nullptr) continue;
    append_code_point(out, entity->first);
    if (entity->second != 0) append_code_point(out, entity->second);
    return at + length;
  }
  return at;
}

}  // namespace html_detail

/// The text with its references replaced, once; the text is UTF-8, and so is the result. Numbers too large for a
/// character, zero and surrogates become U+FFFD; controls vanish.
inline std::string html_unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const ampersand = std::min(text.find('&', at), text.size());
    out.append(text.substr(at, ampersand - at));
    if (ampersand == text.size()) break;
    at = ampersand + 1;
    std::size_t const end = at < text.size() && text[at] == '#' ? html_detail::unescape_number(text, at, out) : html_detail::unescape_name(text, at, out);
    if (end == at) out += '&';
    at = end;
  }
  return out;
}

}  // namespace tadp
