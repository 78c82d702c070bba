// SPDX-License-Identifier: Apache-2.0
// The pictures that the program draws: labels over a picture with a legend, a word's map as heat, sheets of scenes.
// Small pictures are enlarged first, so that borders and text are seen.
#pragma once

#include "tadp/font.hpp"

#include "tadp/io/description.hpp"
#include "tadp/io/resize.hpp"

#include <cstdio>

namespace program {

struct ClassShare {
  int index = 0;
  std::string name{};
  Colour colour{};
  std::size_t pixels = 0;
  double share = 0.0;  ///< of all pixels
};

/// The classes present, in decreasing area; `unlabelled` is last where there is some.
inline std::vector<ClassShare> shares_of(tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes) {
  std::array<std::size_t, 256> counts{};
  for (std::uint8_t const label : labels.labels) ++counts[label];
  std::vector<ClassShare> shares;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    bool const known = i < classes.size();
    shares.push_back({static_cast<int>(i), known ? classes[i].name : "unlabelled", known ? classes[i].colour : Colour{}, counts[i],
                      static_cast<double>(counts[i]) / static_cast<double>(labels.labels.size())});
  }
  std::stable_sort(shares.begin(), shares.end(), [](auto const& a, auto const& b) { return a.pixels > b.pixels; });
  return shares;
}

namespace draw_detail {

inline constexpr Colour paper{250, 250, 248}, ink{34, 36, 40}, faint{120, 122, 126}, frame{90, 90, 94};

inline void fill(tadp::Picture& on, int x, int y, int w, int h, Colour colour) {
  for (int py = std::max(0, y); py < std::min(on.height, y + h); ++py)
    for (int px = std::max(0, x); px < std::min(on.width, x + w); ++px) std::copy(colour.begin(), colour.end(), on.pixel(px, py));
}
inline void paste(tadp::Picture& on, tadp::Picture const& what, int x, int y) {
  for (int py = 0; py < what.height && y + py < on.height; ++py)
    std::copy_n(what.pixel(0, py), 3 * std::min(what.width, on.width - x), on.pixel(x, y + py));
}
inline std::uint8_t mix(double a, double b, double part) { return static_cast<std::uint8_t>(std::clamp(a + part * (b - a) + 0.5, 0.0, 255.0)); }
inline double grey(std::uint8_t const* p) { return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; }

/// How many times a picture is enlarged before it is drawn on.
inline int enlargement(int width, int height) {
  int const side = std::max(width, height);
  return side >= 640 ? 1 : std::max(1, (640 + side / 2) / side);
}
inline tadp::Picture enlarged(tadp::Picture const& picture, int times) {
  return times == 1 ? picture : tadp::resize(picture, picture.width * times, picture.height * times, tadp::Resize::cv2_cubic);
}
inline int text_height(int width) { return std::clamp(width / 56, 9, 64); }

/// Black to violet, red, orange and pale yellow, evenly bright from dark to light.
inline Colour heat_colour(double v) {
  constexpr double stops[][3] = {{4, 3, 20}, {50, 10, 94}, {106, 23, 110}, {160, 41, 95}, {208, 72, 66}, {240, 118, 33}, {251, 176, 38}, {252, 236, 150}};
  double const at = std::clamp(v, 0.0, 1.0) * 7.0;
  auto const i = std::min<std::size_t>(6, static_cast<std::size_t>(at));
  Colour c;
  for (std::size_t k = 0; k < 3; ++k) c[k] = mix(stops[i][k], stops[i + 1][k], at - static_cast<double>(i));
  return c;
}

/// Whether a pixel of the enlarged label map lies at a border of classes.
inline bool at_border(tadp::LabelMap const& labels, int x, int y, int times, int thickness) {
  std::uint8_t const here = labels.at(x / times, y / times);
  auto const differs = [&](int px, int py) {
    return px < labels.width * times && py < labels.height * times && labels.at(px / times, py / times) != here;
  };
  for (int d = 1; d <= thickness; ++d)
    if (differs(x + d, y) || differs(x, y + d)) return true;
  return false;
}

}  // namespace draw_detail

/// The labels blended over the picture, borders of classes drawn; `times` larger than the picture.
inline tadp::Picture blend_labels(tadp::Picture const& picture, tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes, int times) {
  using namespace draw_detail;
  tadp::Picture out = enlarged(picture, times);
  int const thickness = std::max(1, out.width / 900);
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      std::uint8_t* const pixel = out.pixel(x, y);
      std::uint8_t const label = labels.at(x / times, y / times);
      if (at_border(labels, x, y, times, thickness)) {
        for (std::size_t c = 0; c < 3; ++c) pixel[c] = mix(pixel[c], 255.0, 0.85);
      } else if (label < classes.size()) {
        double const light = grey(pixel);
        for (std::size_t c = 0; c < 3; ++c) pixel[c] = mix(0.5 * (pixel[c] + light), classes[label].colour[c], 0.58);
      }
    }
  return out;
}

/// Labels in the colours of their classes.
inline tadp::Picture colour_labels(tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes) {
  tadp::Picture out(labels.width, labels.height);
  for (std::size_t i = 0; i < labels.labels.size(); ++i)
    if (labels.labels[i] < classes.size()) std::copy_n(classes[labels.labels[i]].colour.data(), 3, out.rgb.data() + 3 * i);
  return out;
}

/// Lines of text under a picture.
struct Note {
  std::string text{};
  Colour colour = draw_detail::ink;
};

/// The blend with notes and a legend of the classes present under it.
inline tadp::Picture overlay(tadp::Picture const& picture, tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes,
                             std::vector<ClassShare> const& shares, std::vector<Note> const& notes) {
  using namespace draw_detail;
  int const times = enlargement(picture.width, picture.height);
  tadp::Picture const blend = blend_labels(picture, labels, classes, times);
  int const width = std::max(blend.width, 480), size = text_height(width), margin = size, line = 2 * size;

  std::vector<Note> lines;
  for (Note const& note : notes)
    for (std::string& text : wrapped(note.text, width - 2 * margin, size)) lines.push_back({std::move(text), note.colour});
  std::vector<std::string> percents;
  int name_width = 0, percent_width = 0;
  for (ClassShare const& s : shares) {
    char text[32];
    std::snprintf(text, sizeof text, s.share < 0.0005 ? "< 0.1 %%" : "%.1f %%", 100.0 * s.share);
    percents.emplace_back(text);
    name_width = std::max(name_width, text_width(s.name, size));
    percent_width = std::max(percent_width, text_width(text, size));
  }
  int const swatch = 2 * size, item = swatch + size / 2 + name_width + size + percent_width, gap = 2 * size;
  int const columns = std::max(1, (width - 2 * margin + gap) / (item + gap));
  int const rows = (static_cast<int>(shares.size()) + columns - 1) / columns;
  int const legend_top = blend.height + margin + static_cast<int>(lines.size()) * line + (lines.empty() ? 0 : size / 2);

  tadp::Picture out(width, legend_top + rows * line + margin / 2);
  fill(out, 0, 0, out.width, out.height, paper);
  paste(out, blend, (width - blend.width) / 2, 0);
  int y = blend.height + margin;
  for (Note const& note : lines) {
    draw_text(out, margin, y, size, note.text, note.colour);
    y += line;
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    // Column by column: the largest classes are read first from top to bottom.
    int const x = margin + static_cast<int>(i) / rows * (item + gap), top = legend_top + static_cast<int>(i) % rows * line;
    int const pad = size / 4;
    fill(out, x, top - pad, swatch, size + 2 * pad, frame);
    fill(out, x + 1, top - pad + 1, swatch - 2, size + 2 * pad - 2, shares[i].colour);
    draw_text(out, x + swatch + size / 2, top, size, shares[i].name, ink);
    draw_text(out, x + item - text_width(percents[i], size), top, size, percents[i], faint);
  }
  return out;
}

/// One map over the grey picture, from nothing to its largest value, with a title and the scale of the colours.
/// `map`(x, y): the weight of a pixel.
template <class Map>
tadp::Picture heat_over(tadp::Picture const& picture, Map const& map, std::string const& title) {
  using namespace draw_detail;
  double largest = 1e-12, smallest = 1e30;
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      largest = std::max(largest, static_cast<double>(map(x, y)));
      smallest = std::min(smallest, static_cast<double>(map(x, y)));
    }
  double const range = std::max(largest - smallest, 1e-12);
  tadp::Picture heat(picture.width, picture.height);
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      double const v = (static_cast<double>(map(x, y)) - smallest) / range, light = grey(picture.pixel(x, y));
      Colour const hot = heat_colour(v);
      for (std::size_t c = 0; c < 3; ++c) heat.pixel(x, y)[c] = mix(0.75 * light, hot[c], 0.45 + 0.4 * v);
    }
  int const times = enlargement(picture.width, picture.height);
  tadp::Picture const large = enlarged(heat, times);
  int const width = std::max(large.width, 480), size = text_height(width), margin = size;
  tadp::Picture out(width, large.height + size + 2 * margin);
  fill(out, 0, 0, out.width, out.height, paper);
  paste(out, large, (width - large.width) / 2, 0);
  int const y = large.height + margin;
  char low[32], high[32];
  std::snprintf(low, sizeof low, "%.3g", smallest);
  std::snprintf(high, sizeof high, "%.3g", largest);
  int const bar = width / 4, right = width - margin - text_width(high, size), left = right - size / 2 - bar;
  draw_text(out, margin, y, size, title, ink);
  draw_text(out, left - size / 2 - text_width(low, size), y, size, low, faint);
  for (int x = 0; x < bar; ++x) fill(out, left + x, y - size / 4, 1, size + size / 2, heat_colour(static_cast<double>(x) / bar));
  draw_text(out, right, y, size, high, faint);
  return out;
}

/// A cell of a sheet: pictures one under another with a line of text.
struct SheetCell {
  std::vector<tadp::Picture> pictures{};
  std::string text{};
};

/// Cells in a grid; every picture becomes `cell` pixels wide.
inline tadp::Picture contact_sheet(std::vector<SheetCell> const& cells, int columns, int cell = 320) {
  using namespace draw_detail;
  int const size = 9, gap = 10, lines = 3;
  std::vector<std::vector<tadp::Picture>> scaled;
  int tallest = 0;
  for (SheetCell const& one : cells) {
    int tall = 0;
    auto& row = scaled.emplace_back();
    for (tadp::Picture const& p : one.pictures) {
      int const height = std::max(1, static_cast<int>(std::lround(static_cast<double>(p.height) * cell / p.width)));
      row.push_back(tadp::resize(p, cell, height, tadp::Resize::torch_bilinear_antialias));
      tall += height + 2;
    }
    tallest = std::max(tallest, tall + lines * 2 * size);
  }
  int const rows = (static_cast<int>(cells.size()) + columns - 1) / columns;
  tadp::Picture out(columns * (cell + gap) + gap, rows * (tallest + gap) + gap);
  fill(out, 0, 0, out.width, out.height, paper);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    int const x = gap + static_cast<int>(i) % columns * (cell + gap);
    int y = gap + static_cast<int>(i) / columns * (tallest + gap);
    for (tadp::Picture const& p : scaled[i]) {
      paste(out, p, x, y);
      y += p.height + 2;
    }
    auto const text = wrapped(cells[i].text, cell, size);
    for (std::size_t k = 0; k < text.size() && k < lines; ++k) draw_text(out, x, y + size / 2 + static_cast<int>(k) * 2 * size, size, text[k], ink);
  }
  return out;
}

}  // namespace program
