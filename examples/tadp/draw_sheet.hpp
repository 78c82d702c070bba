// SPDX-License-Identifier: Apache-2.0
// Several pictures on one: panels of a result, cells of a contact sheet.
// Each with its line of text.
#pragma once

#include "tadp/draw.hpp"

namespace program {

/// Pictures of one width in columns, with a title over each and notes under all; a row is as tall as its tallest picture.
struct Panel {
  std::string title{};
  tadp::Picture picture{};
};
inline tadp::Picture panel_sheet(std::vector<Panel> const& panels, int columns, std::vector<Note> const& notes) {
  using namespace draw_detail;
  int width = 1;
  for (Panel const& p : panels) width = std::max(width, p.picture.width);
  int const size = text_height(width) + 2, gap = 2 * size, title = 3 * size, rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
  std::vector<int> tops{gap / 2};
  for (int row = 0; row < rows; ++row) {
    int tallest = 0;
    for (int i = row * columns; i < std::min((row + 1) * columns, static_cast<int>(panels.size())); ++i) tallest = std::max(tallest, panels[static_cast<std::size_t>(i)].picture.height);
    tops.push_back(tops.back() + title + tallest + gap / 2);
  }
  int const all = std::min(columns, static_cast<int>(panels.size())) * (width + gap) + gap;
  std::vector<Note> lines;
  for (Note const& note : notes)
    for (std::string& text : wrapped(note.text, all - 2 * gap, size)) lines.push_back({std::move(text), note.colour});
  tadp::Picture out(all, tops.back() + static_cast<int>(lines.size()) * 2 * size + gap);
  fill(out, 0, 0, out.width, out.height, paper);
  for (std::size_t i = 0; i < lines.size(); ++i) draw_text(out, gap, tops.back() + gap / 2 + static_cast<int>(i) * 2 * size, size, lines[i].text, lines[i].colour);
  for (int i = 0; i < static_cast<int>(panels.size()); ++i) {
    int const x = gap + i % columns * (width + gap), y = tops[static_cast<std::size_t>(i / columns)];
    draw_text(out, x, y + size, size, panels[static_cast<std::size_t>(i)].title, ink);
    paste(out, panels[static_cast<std::size_t>(i)].picture, x, y + title);
  }
  return out;
}

/// A cell of a sheet: pictures one under another with a line of text.
struct SheetCell {
  std::vector<tadp::Picture> pictures{};
  std::string text{};
};

/// Cells in a grid; every picture becomes `cell` pixels wide, and a text has at most `lines` lines.
inline tadp::Picture contact_sheet(std::vector<SheetCell> const& cells, int columns, int cell = 320, int lines = 3) {
  using namespace draw_detail;
  int const size = 9, gap = 10;
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
    for (std::size_t k = 0; k < text.size() && k < static_cast<std::size_t>(lines); ++k) draw_text(out, x, y + size / 2 + static_cast<int>(k) * 2 * size, size, text[k], ink);
  }
  return out;
}

}  // namespace program
