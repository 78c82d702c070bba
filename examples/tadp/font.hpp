// SPDX-License-Identifier: Apache-2.0
// A small font of strokes for legends and titles: legible from ten pixels on, smooth at any size, no file to load.
// Glyphs are polylines on a grid: capitals stand between 0 and 6, small letters begin at 2, descenders end at 8.
#pragma once

#include "tadp/core/picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace program {

using Colour = std::array<std::uint8_t, 3>;

namespace font_detail {

struct Glyph {
  char letter;
  char const* strokes;  ///< digits x and y of points; a space begins another stroke
};

inline constexpr Glyph glyphs[] = {
    {'A', "062046 1434"},          {'B', "0006 003041423303 3344453606"},
    {'C', "4130100105163645"},     {'D', "00062644422000"},
    {'E', "40000646 0333"},        {'F', "400006 0333"},
    {'G', "41301001051636454323"}, {'H', "0006 4046 0343"},
    {'I', "0006"},                 {'J', "3035261605"},
    {'K', "0006 4004 1346"},       {'L', "000646"},
    {'M', "0600234046"},           {'N', "06004640"},
    {'O', "103041453616050110"},   {'P', "06003041423303"},
    {'Q', "103041453616050110 2446"}, {'R', "06003041423303 2346"},
    {'S', "413010010213334445361605"}, {'T', "0040 2026"},
    {'U', "000516364540"},         {'V', "002640"},
    {'W', "0026314660"},           {'X', "0046 4006"},
    {'Y', "002340 2326"},          {'Z', "00400646"},
    {'a', "3322120305162635 3236"}, {'b', "0006 0312223335261605"},
    {'c', "3322120305162635"},     {'d', "3036 3322120305162635"},
    {'e', "04343322120305162635"}, {'f', "201116 0222"},
    {'g', "3322120305162635 32372808"}, {'h', "0006 0312223336"},
    {'i', "0206 0000"},            {'j', "121708 1010"},
    {'k', "0006 3205 1436"},       {'l', "0006"},
    {'m', "0206 0312223336 3342526366"}, {'n', "0206 0312223336"},
    {'o', "122233352616050312"},   {'p', "0208 0312223335261605"},
    {'q', "3238 3322120305162635"}, {'r', "0206 031222"},
    {'s', "33221203142435261605"}, {'t', "101526 0222"},
    {'u', "0205162635 3236"},      {'v', "022642"},
    {'w', "0226324662"},           {'x', "0236 3206"},
    {'y', "0226 4218"},            {'z', "02320636"},
    {'0', "102031352616050110"},   {'1', "112026 1636"},
    {'2', "01102031320636"},       {'3', "01102031322313 2334352616 1605"},
    {'4', "26200434"},             {'5', "3000032334352606"},
    {'6', "3120100105162635342303"}, {'7', "003016"},
    {'8', "102031322313020110 1304051626353423"}, {'9', "0516263531201001021333"},
    {'%', "1650 0020220200 4464664644"}, {'.', "0606"},
    {',', "1607"},                 {':', "0303 0606"},
    {';', "0303 1607"},            {'-', "0424"},
    {'_', "0737"},                 {'/', "0630"},
    {'(', "10010516"},             {')', "00111506"},
    {'[', "10000616"},             {']', "00101606"},
    {'\'', "0001"},                {'"', "0001 2021"},
    {'!', "0004 0606"},            {'?', "01102031322324 2626"},
    {'+', "0424 1315"},            {'=', "0323 0525"},
    {'<', "230425"},               {'>', "032405"},
    {'#', "1016 3036 0242 0444"},  {'|', "0007"},
    {'&', "3602011021220405162634"}, {'*', "1113 0202 0222"},
};
inline constexpr char const* unknown_glyph = "0030360600";

inline char const* strokes_of(unsigned char letter) {
  for (Glyph const& g : glyphs)
    if (g.letter == static_cast<char>(letter)) return g.strokes;
  return unknown_glyph;
}

/// Widest x of a glyph.
inline int width_of(char const* strokes) {
  int widest = 0;
  for (char const* p = strokes; *p != 0; p += *p == ' ' ? 1 : 2)
    if (*p != ' ') widest = std::max(widest, *p - '0');
  return widest;
}

inline float distance(float px, float py, float ax, float ay, float bx, float by) {
  float const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
  float const t = length > 0 ? std::clamp(((px - ax) * dx + (py - ay) * dy) / length, 0.0F, 1.0F) : 0.0F;
  return std::hypot(px - ax - t * dx, py - ay - t * dy);
}

/// Visits the glyphs of a text as (strokes, x in grid units) and returns the width in grid units.
template <class Visit>
float for_glyphs(std::string_view text, Visit const& visit) {
  float x = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0U) == 0x80U) continue;  // the rest of a character that has its box already
    if (byte == ' ') {
      x += 3.0F;
      continue;
    }
    char const* const strokes = strokes_of(byte);
    visit(strokes, x);
    x += static_cast<float>(width_of(strokes)) + 2.0F;
  }
  return std::max(0.0F, x - 2.0F);
}

inline void draw_glyph(tadp::Picture& on, char const* strokes, float x, float y, float unit, float radius, Colour colour) {
  int const right = static_cast<int>(x + (static_cast<float>(width_of(strokes)) + 1) * unit) + 2, bottom = static_cast<int>(y + 9 * unit) + 2;
  for (int py = std::max(0, static_cast<int>(y - unit) - 1); py < std::min(on.height, bottom); ++py)
    for (int px = std::max(0, static_cast<int>(x - unit) - 1); px < std::min(on.width, right); ++px) {
      float nearest = 1e9F;
      for (char const* p = strokes; *p != 0 && *p != ' ';) {
        auto const at = [&](int i) { return static_cast<float>(p[i] - '0') * unit; };
        float ax = x + at(0), ay = y + at(1);
        for (p += 2; *p != 0 && *p != ' '; p += 2) {
          float const bx = x + at(0), by = y + at(1);
          nearest = std::min(nearest, distance(static_cast<float>(px) + 0.5F, static_cast<float>(py) + 0.5F, ax, ay, bx, by));
          ax = bx, ay = by;
        }
        if (*p == ' ') ++p;
      }
      float const cover = std::clamp(radius + 0.5F - nearest, 0.0F, 1.0F);
      std::uint8_t* const pixel = on.pixel(px, py);
      for (std::size_t c = 0; c < 3; ++c)
        pixel[c] = static_cast<std::uint8_t>(static_cast<float>(pixel[c]) + cover * (static_cast<float>(colour[c]) - static_cast<float>(pixel[c])) + 0.5F);
    }
}

}  // namespace font_detail

/// Pixels that a text spans whose capitals are `height` pixels tall.
inline int text_width(std::string_view text, int height) {
  float const unit = static_cast<float>(height) / 6.0F;
  return static_cast<int>(std::ceil(font_detail::for_glyphs(text, [](char const*, float) {}) * unit + unit));
}

/// Draws one line with the top left corner of its capitals at (x, y); what lies outside the picture is cut off.
inline void draw_text(tadp::Picture& on, int x, int y, int height, std::string_view text, Colour colour) {
  float const unit = static_cast<float>(height) / 6.0F, radius = std::max(0.6F, 0.42F * unit);
  font_detail::for_glyphs(text, [&](char const* strokes, float at) {
    font_detail::draw_glyph(on, strokes, static_cast<float>(x) + (at + 0.5F) * unit, static_cast<float>(y), unit, radius, colour);
  });
}

/// Breaks a text at blanks into lines of at most `width` pixels; a word that is wider has a line of its own.
inline std::vector<std::string> wrapped(std::string_view text, int width, int height) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    auto const end = std::min(text.find(' ', at), text.size());
    std::string const word(text.substr(at, end - at));
    std::string const longer = line.empty() ? word : line + " " + word;
    if (!line.empty() && text_width(longer, height) > width) {
      lines.push_back(line);
      line = word;
    } else {
      line = longer;
    }
    at = end + 1;
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

}  // namespace program
