// SPDX-License-Identifier: Apache-2.0
// The texts of pickle's oldest protocols: quoted, escaped, and in Latin-1; and a check for UTF-8.
// Newer protocols hold UTF-8 as it is.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tadp::detail {

inline void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  int const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static constexpr unsigned first[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(first[more] | code >> 6 * more);
  for (int i = more; i-- > 0;) out += static_cast<char>(0x80u | (code >> 6 * i & 0x3fu));
}

/// Whether the bytes are UTF-8 as the standard has it: shortest form, no surrogates, at most U+10FFFF.
inline bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto const lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    std::size_t const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || more > text.size() - i) return false;
    std::uint32_t code = lead & (0x3fu >> more);
    for (std::size_t k = 0; k < more; ++k) {
      auto const byte = static_cast<unsigned char>(text[i++]);
      if ((byte & 0xc0u) != 0x80u) return false;
      code = code << 6 | (byte & 0x3fu);
    }
    static constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

/// The number that `digits` hexadecimal digits at `at` spell, or nothing.
inline std::optional<std::uint32_t> hex_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return std::nullopt;
  std::uint32_t value = 0;
  auto const* const end = text.data() + at + digits;
  auto const [stop, error] = std::from_chars(text.data() + at, end, value, 16);
  return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

/// What follows a backslash: its letter and the digits after it, or the letter and the character it stands for.
struct EscapeRow {
  char letter;
  std::size_t digits;
  char plain;
};
inline constexpr EscapeRow string_escapes[] = {{'x', 2, 0},     {'n', 0, '\n'}, {'t', 0, '\t'},
                                               {'r', 0, '\r'},  {'\\', 0, '\\'}, {'\'', 0, '\''}, {'"', 0, '"'}};
inline constexpr EscapeRow unicode_escapes[] = {{'u', 4, 0}, {'U', 8, 0}};

/// Text without its escapes, as UTF-8; a backslash before another letter stands for itself; nothing where digits are
/// missing or are no character.
template <std::size_t Rows>
std::optional<std::string> unescape(std::string_view text, EscapeRow const (&rows)[Rows]) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    EscapeRow const* found = nullptr;
    if (text[i] == '\\' && i + 1 < text.size())
      for (auto const& row : rows)
        if (row.letter == text[i + 1]) found = &row;
    if (found == nullptr) {
      append_utf8(out, static_cast<unsigned char>(text[i]));
      continue;
    }
    ++i;
    if (found->digits == 0) {
      out += found->plain;
      continue;
    }
    auto const code = hex_at(text, i + 1, found->digits);
    if (!code || *code > 0x10ffff) return std::nullopt;
    append_utf8(out, *code);
    i += found->digits;
  }
  return out;
}

/// The text of a STRING line: within single or double quotes.
inline std::optional<std::string> unquote(std::string_view line) {
  if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"'))
    return std::nullopt;
  return unescape(line.substr(1, line.size() - 2), string_escapes);
}

}  // namespace tadp::detail
