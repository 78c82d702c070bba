// SPDX-License-Identifier: Apache-2.0
// What all pictures that the program draws are made of, and labels over a picture: notes and a legend under it.
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

/// A colour, what it stands for, and a text at the right.
struct LegendItem {
  Colour colour{};
  std::string name{}, value{};
};

namespace draw_detail {

/// How the items of a legend lie in a picture of this width.
struct LegendGrid {
  int size, wide, columns = 1, rows = 0;

  LegendGrid(std::vector<LegendItem> const& items, int width, int text_size) : size(text_size) {
    int name = 0, value = 0;
    for (LegendItem const& item : items) name = std::max(name, text_width(item.name, size)), value = std::max(value, text_width(item.value, size));
    int const count = static_cast<int>(items.size());
    wide = 2 * size + size / 2 + name + size + value;
    columns = std::max(1, width / (wide + 2 * size));
    rows = (count + columns - 1) / columns;
  }
  int height() const { return rows * 2 * size; }
  /// Column by column: what comes first is read first, from top to bottom.
  void draw(tadp::Picture& on, int left, int top, std::vector<LegendItem> const& items) const {
    for (int i = 0; i < static_cast<int>(items.size()); ++i) {
      LegendItem const& item = items[static_cast<std::size_t>(i)];
      int const x = left + i / rows * (wide + 2 * size), y = top + i % rows * 2 * size, pad = size / 4, swatch = 2 * size;
      fill(on, x, y - pad, swatch, size + 2 * pad, frame);
      fill(on, x + 1, y - pad + 1, swatch - 2, size + 2 * pad - 2, item.colour);
      draw_text(on, x + swatch + size / 2, y, size, item.name, ink);
      draw_text(on, x + wide - text_width(item.value, size), y, size, item.value, faint);
    }
  }
};

}  // namespace draw_detail

/// A picture with notes and a legend under it.
inline tadp::Picture with_legend(tadp::Picture const& picture, std::vector<Note> const& notes, std::vector<LegendItem> const& items) {
  using namespace draw_detail;
  int const width = std::max(picture.width, 480), size = text_height(width), margin = size, line = 2 * size;
  std::vector<Note> lines;
  for (Note const& note : notes)
    for (std::string& text : wrapped(note.text, width - 2 * margin, size)) lines.push_back({std::move(text), note.colour});
  LegendGrid const legend(items, width - 2 * margin + 2 * size, size);  // no gap after the last column
  int const top = picture.height + margin + static_cast<int>(lines.size()) * line + (lines.empty() ? 0 : size / 2);
  tadp::Picture out(width, top + legend.height() + margin / 2);
  fill(out, 0, 0, out.width, out.height, paper);
  paste(out, picture, (width - picture.width) / 2, 0);
  for (std::size_t i = 0; i < lines.size(); ++i) draw_text(out, margin, picture.height + margin + static_cast<int>(i) * line, size, lines[i].text, lines[i].colour);
  legend.draw(out, margin, top, items);
  return out;
}

/// The labels over the picture with notes and a legend of the classes present.
inline tadp::Picture overlay(tadp::Picture const& picture, tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes,
                             std::vector<ClassShare> const& shares, std::vector<Note> const& notes) {
  std::vector<LegendItem> items;
  for (ClassShare const& s : shares) {
    char text[32];
    std::snprintf(text, sizeof text, s.share < 0.0005 ? "< 0.1 %%" : "%.1f %%", 100.0 * s.share);
    items.push_back({s.colour, s.name, text});
  }
  return with_legend(blend_labels(picture, labels, classes, draw_detail::enlargement(picture.width, picture.height)), notes, items);
}

}  // namespace program
