// SPDX-License-Identifier: Apache-2.0
// Code points of UTF-8 text, and what Python says of them: blanks, letters, numbers, lower case.
// The tables are utf8proc's; what it may be too old to know is in newer_unicode.hpp.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/text/newer_unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace tadp {

/// A code point and its bytes.
struct CodePoint {
  char32_t code = 0;
  std::size_t bytes = 1;
};

/// The code point at `at`, which is inside the text; nothing where the bytes are not UTF-8: surrogates and overlong forms are not.
inline std::optional<CodePoint> checked_code_point_at(std::string_view text, std::size_t at) {
  auto const lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return CodePoint{lead, 1};
  utf8proc_int32_t code = 0;
  auto const bytes = utf8proc_iterate(reinterpret_cast<utf8proc_uint8_t const*>(text.data() + at), static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  if (bytes <= 0) return std::nullopt;
  return CodePoint{static_cast<char32_t>(code), static_cast<std::size_t>(bytes)};
}

/// Error(format) with the offset of the first byte that is not UTF-8.
inline void require_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    auto const next = checked_code_point_at(text, at);
    if (!next) {
      constexpr char hex[] = "0123456789abcdef";
      auto const byte = static_cast<unsigned char>(text[at]);
      throw Error(Errc::format, "the text is not UTF-8", {.found = std::string("the byte 0x") + hex[byte >> 4] + hex[byte & 15], .offset = at});
    }
    at += next->bytes;
  }
}

/// The code point at `at`, which is inside the text; the text is UTF-8.
inline CodePoint code_point_at(std::string_view text, std::size_t at) {
  auto const byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  char32_t const lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {(lead & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (lead < 0xf0) return {(lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

/// The offset of the code point that ends before `at`, which is above 0; the text is UTF-8.
inline std::size_t code_point_before(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return at;
}

/// Appends a code point that is not a surrogate.
inline void append_code_point(std::string& text, char32_t code) {
  utf8proc_uint8_t bytes[4] = {};
  auto const count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  text.append(reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(count));
}

/// Whether Python's str.isspace holds: the white space of Unicode, and the four separators of ASCII.
constexpr bool is_blank(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f);
  return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
         code == 0x205f || code == 0x3000;
}

namespace unicode_detail {

inline NewerRange const* newer_range(char32_t code) {
  auto const* const at = std::lower_bound(std::begin(newer_ranges), std::end(newer_ranges), code, [](NewerRange const& range, char32_t c) { return range.last < c; });
  return at != std::end(newer_ranges) && at->first <= code ? at : nullptr;
}

}  // namespace unicode_detail

/// What the pattern of the tokenizer tells apart.
enum class CodeKind : std::uint8_t { blank, letter, number, other };

/// \s, \p{L}, \p{N} or none of them.
inline CodeKind kind_of_code(char32_t code) {
  if (code < 0x80) {
    if ((code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z')) return CodeKind::letter;
    if (code >= '0' && code <= '9') return CodeKind::number;
    return is_blank(code) ? CodeKind::blank : CodeKind::other;
  }
  if (is_blank(code)) return CodeKind::blank;
  auto const category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) return CodeKind::letter;
  if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) return CodeKind::number;
  if (category != UTF8PROC_CATEGORY_CN) return CodeKind::other;
  auto const* const newer = unicode_detail::newer_range(code);
  if (newer == nullptr) return CodeKind::other;
  return newer->letter ? CodeKind::letter : CodeKind::number;
}

namespace unicode_detail {

/// Unicode's Case_Ignorable: marks, formats, modifiers, and what may stand inside a word.
inline bool is_case_ignorable(char32_t code) {
  constexpr char32_t inside_words[] = {'\'', '.', ':', 0xb7, 0x387, 0x55f, 0x5f4, 0x2018, 0x2019, 0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
  if (std::binary_search(std::begin(inside_words), std::end(inside_words), code)) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
  }
}

/// Unicode's Cased, of what is not case-ignorable: letters with case, and ordinals, Roman numbers and letters in signs.
inline bool is_cased(char32_t code) {
  auto const category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) return true;
  constexpr NewerRange others[] = {{0xaa, 0xaa, true},      {0xba, 0xba, true},       {0x2160, 0x217f, true},  {0x24b6, 0x24e9, true},
                                   {0x1f130, 0x1f149, true}, {0x1f150, 0x1f169, true}, {0x1f170, 0x1f189, true}};
  return std::any_of(std::begin(others), std::end(others), [&](NewerRange const& range) { return range.first <= code && code <= range.last; });
}

/// Whether the capital sigma at these bytes ends a word, so that it becomes the final form.
inline bool is_final_sigma(std::string_view text, std::size_t begin, std::size_t end) {
  bool cased_before = false;
  while (begin > 0) {
    begin = code_point_before(text, begin);
    char32_t const code = code_point_at(text, begin).code;
    if (is_case_ignorable(code)) continue;
    cased_before = is_cased(code);
    break;
  }
  if (!cased_before) return false;
  while (end < text.size()) {
    auto const [code, bytes] = code_point_at(text, end);
    if (!is_case_ignorable(code)) return !is_cased(code);
    end += bytes;
  }
  return true;
}

}  // namespace unicode_detail

/// Python's str.lower of UTF-8 text, as of Unicode 14 to 15.1: capitals that came later stay.
inline std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    auto const [code, bytes] = code_point_at(text, at);
    if (code < 0x80) {
      out += static_cast<char>(code >= 'A' && code <= 'Z' ? code - 'A' + 'a' : code);
    } else if (code == 0x130) {
      out += "i\xcc\x87";  // the only letter whose lower case is two
    } else if (code == 0x3a3) {
      append_code_point(out, unicode_detail::is_final_sigma(text, at, at + bytes) ? 0x3c2 : 0x3c3);
    } else {
      auto const lower = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
      if (lower == code || unicode_detail::newer_range(code) != nullptr)
        out.append(text.substr(at, bytes));
      else
        append_code_point(out, lower);
    }
    at += bytes;
  }
  return out;
}

}  // namespace tadp
