// SPDX-License-Identifier: Apache-2.0
// Boxes over a picture, each with its class and score, and a legend of the classes that were found.
// Marks keep out of each other's way where there is room.
#pragma once

#include "tadp/draw.hpp"

#include "tadp/heads/detection_result.hpp"

namespace program {

namespace draw_detail {

/// A class's own colour made bright enough for thin lines; one by its number where the model names none.
inline Colour line_colour(tadp::ClassDescription const& c, int label) {
  Colour colour = c.colour;
  if (colour == Colour{})  // VOC's: the bits of the number, the lowest ones first, from the top of each channel
    for (int bit = 0; bit < 8; ++bit)
      for (std::size_t k = 0; k < 3; ++k) colour[k] = static_cast<std::uint8_t>(colour[k] | ((label >> (3 * bit + static_cast<int>(k)) & 1) << (7 - bit)));
  double const brightest = std::max({1, int{colour[0]}, int{colour[1]}, int{colour[2]}});
  for (std::uint8_t& v : colour) v = static_cast<std::uint8_t>(v * std::max(1.0, 235.0 / brightest));
  return colour;
}

/// Pixels [x, x + w) and [y, y + h).
struct Area {
  int x, y, w, h;
  bool meets(Area const& o) const { return x < o.x + o.w && o.x < x + w && y < o.y + o.h && o.y < y + h; }
};

inline void outline(tadp::Picture& on, Area const& a, int thickness, Colour colour) {
  fill(on, a.x, a.y, a.w, thickness, colour);
  fill(on, a.x, a.y + a.h - thickness, a.w, thickness, colour);
  fill(on, a.x, a.y, thickness, a.h, colour);
  fill(on, a.x + a.w - thickness, a.y, thickness, a.h, colour);
}

/// Where a mark of w x h pixels stands at a box: over it, under it or inside, the first place that is free.
inline Area place_mark(tadp::Picture const& on, Area const& box, int w, int h, std::vector<Area> const& taken) {
  Area const tries[] = {{box.x, box.y - h, w, h}, {box.x, box.y + box.h, w, h}, {box.x, box.y, w, h}, {box.x + box.w - w, box.y - h, w, h}, {box.x + box.w - w, box.y + box.h, w, h}, {box.x + box.w, box.y, w, h}};
  auto const inside = [&](Area a) { return Area{std::clamp(a.x, 0, std::max(0, on.width - w)), std::clamp(a.y, 0, std::max(0, on.height - h)), w, h}; };
  for (Area const& one : tries)
    if (Area const a = inside(one); a.y == one.y && std::none_of(taken.begin(), taken.end(), [&](Area const& t) { return a.meets(t); })) return a;
  return inside(tries[0]);
}

}  // namespace draw_detail

/// The boxes over the picture, which becomes `times` larger; those of high scores lie on top.
inline tadp::Picture draw_boxes(tadp::Picture const& picture, std::vector<tadp::Detected> const& objects, std::vector<tadp::ClassDescription> const& classes, int times) {
  using namespace draw_detail;
  tadp::Picture out = enlarged(picture, times);
  int const thickness = std::max(2, out.width / 400), size = std::max(9, text_height(out.width) * 4 / 5);
  auto const area = [&](tadp::Box const& b) {
    auto const at = [&](float v) { return static_cast<int>(std::lround(v * static_cast<float>(times))); };
    return Area{at(b.x1), at(b.y1), std::max(at(b.x2) - at(b.x1), 2 * thickness), std::max(at(b.y2) - at(b.y1), 2 * thickness)};
  };
  auto const class_of = [&](tadp::Detected const& d) { return static_cast<std::size_t>(d.label) < classes.size() ? classes[static_cast<std::size_t>(d.label)] : tadp::ClassDescription{}; };
  for (std::size_t i = objects.size(); i-- > 0;) {
    Area const a = area(objects[i].box);
    outline(out, {a.x - 1, a.y - 1, a.w + 2, a.h + 2}, thickness + 2, ink);
    outline(out, a, thickness, line_colour(class_of(objects[i]), objects[i].label));
  }
  auto const text_of = [&](tadp::Detected const& d) {
    char score[16];
    std::snprintf(score, sizeof score, " %.2f", static_cast<double>(d.score));
    return tadp::printable(class_of(d).name, 60) + score;
  };
  std::vector<Area> marks;
  for (tadp::Detected const& d : objects) marks.push_back(place_mark(out, area(d.box), text_width(text_of(d), size) + size, size + size * 3 / 4, marks));
  for (std::size_t i = objects.size(); i-- > 0;) {
    Colour const colour = line_colour(class_of(objects[i]), objects[i].label);
    fill(out, marks[i].x, marks[i].y, marks[i].w, marks[i].h, colour);
    draw_text(out, marks[i].x + size / 2, marks[i].y + size * 3 / 8, size, text_of(objects[i]), grey(colour.data()) > 110.0 ? ink : paper);
  }
  return out;
}

/// The same with notes and the count of each class that was found.
inline tadp::Picture box_sheet(tadp::Picture const& picture, std::vector<tadp::Detected> const& objects, std::vector<tadp::ClassDescription> const& classes, std::vector<Note> const& notes) {
  std::vector<int> counts(classes.size());
  for (tadp::Detected const& d : objects)
    if (static_cast<std::size_t>(d.label) < counts.size()) ++counts[static_cast<std::size_t>(d.label)];
  std::vector<LegendItem> items;
  for (std::size_t c = 1; c < classes.size(); ++c)
    if (counts[c] > 0) items.push_back({draw_detail::line_colour(classes[c], static_cast<int>(c)), classes[c].name, std::to_string(counts[c])});
  return with_legend(draw_boxes(picture, objects, classes, draw_detail::enlargement(picture.width, picture.height)), notes, items);
}

}  // namespace program
