// SPDX-License-Identifier: Apache-2.0
// Endless rendered street scenes from a seed: a picture, its labels, distances, boxes and a caption.
// The front door of the street world; the parts stand in the folder of the same name.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/data/street/fill.hpp"
#include "tadp/data/street/lens.hpp"
#include "tadp/data/street/words.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tadp {

/// When and in what weather; dusk, night, rain and fog will be further values.
enum class StreetDomain : std::uint8_t { day };

struct StreetOptions {
  int width = 320;   ///< pixels, 1 to 4096
  int height = 240;  ///< pixels, 1 to 4096; the height of the view stays the same, its width follows
  StreetDomain domain = StreetDomain::day;
};

/// A class and the pixels it spans, x2 and y2 one past the last.
struct Box2D {
  std::uint8_t label = ignore_label;
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

struct StreetScene {
  Picture picture{};
  LabelMap labels{};           ///< class indices, 255 where no class fits
  std::vector<float> depth{};  ///< (height, width), metres along the optical axis; infinity for sky
  std::string caption{};       ///< caption_of(labels)
  std::vector<Box2D> boxes{};  ///< what is visible of vehicles, pedestrians and bicyclists
  street::Facts facts{};       ///< what varied_caption tells
};

/// Names of the eleven classes by index.
inline std::span<std::string_view const> street_class_names() {
  static constexpr auto names = [] {
    std::array<std::string_view, street::label_count> n;
    for (std::size_t i = 0; i < n.size(); ++i) n[i] = street::label_table[i].name;
    return n;
  }();
  return names;
}

/// Phrases by which captions name the classes, by index.
inline std::span<std::string_view const> street_class_phrases() {
  static constexpr auto phrases = [] {
    std::array<std::string_view, street::label_count> n;
    for (std::size_t i = 0; i < n.size(); ++i) n[i] = street::label_table[i].phrase;
    return n;
  }();
  return phrases;
}

/// Colours of the classes by index, RGB.
inline std::span<std::array<std::uint8_t, 3> const> street_class_colours() {
  static constexpr auto colours = [] {
    std::array<std::array<std::uint8_t, 3>, street::label_count> n{};
    for (std::size_t i = 0; i < n.size(); ++i) n[i] = street::label_table[i].rgb;
    return n;
  }();
  return colours;
}

/// "a street photo of" and the classes over 0.5 % of all pixels in decreasing area; ties to the lower index.
inline std::string caption_of(LabelMap const& labels) {
  std::vector<std::string> parts;
  for (std::uint8_t const k : street::classes_told(labels)) parts.emplace_back(street::label_table[k].phrase);
  return parts.empty() ? "a street photo" : "a street photo of " + street::join_phrases(parts);
}

/// A freer sentence on the scene, another for each `seed`: other openings, words, counts, colours, weather, order.
inline std::string varied_caption(StreetScene const& scene, std::uint64_t seed) {
  street::Dice dice(seed, 90, 0);
  auto told = street::classes_told(scene.labels);
  for (std::size_t i = told.size(); i > 1; --i)  // mostly by area, with some neighbours swapped, some left out
    if (dice.chance(0.2F)) std::swap(told[i - 1], told[i - 2]);
  std::size_t const keep =
      dice.chance(0.4F) ? told.size() : std::min(told.size(), static_cast<std::size_t>(2 + dice.below(5)));
  told.resize(keep);
  std::vector<std::string> parts;
  for (std::uint8_t const k : told) parts.push_back(street::phrase_of(k, scene.facts, dice));
  std::string text(dice.pick(street::openings));
  text = parts.empty() ? text + " a street" : text + " " + street::join_phrases(parts);
  if (dice.chance(0.3F))
    text += scene.facts.sunny ? (dice.chance(0.5F) ? " on a sunny day" : " in sunlight")
                              : (dice.chance(0.5F) ? " on an overcast day" : " on a grey day");
  else if (dice.chance(0.2F))
    text += dice.chance(0.5F) ? " in daylight" : " in the daytime";
  return text;
}

/// Every word that captions may use and the words of common prompts, sorted, each once.
inline std::vector<std::string> street_vocabulary() {
  using namespace street;
  std::set<std::string_view> words;
  for (auto const& row : label_table) add_words(words, row.name), add_words(words, row.phrase);
  for (auto const text : openings) add_words(words, text);
  for (auto const& row : synonyms)
    for (auto const text : row) add_words(words, text);
  for (auto const text : numbers) words.insert(text);
  for (auto const text : other_words) words.insert(text);
  for (auto const text : {"cyclists", "cyclist", "pedestrian", "other", "day", "sunlight", "daylight", "daytime"})
    words.insert(text);
  for (auto const& row : paint_table) words.insert(row.word);
  for (auto const& row : vehicle_table) words.insert(row.word);
  return {words.begin(), words.end()};
}

namespace street {

/// Boxes and counts of the things of which at least `fewest` pixels are seen, and the facts for sentences.
inline void tell_things(Scene const& s, StreetScene& out, int fewest) {
  struct Found {
    int x1 = 1 << 20, y1 = 1 << 20, x2 = 0, y2 = 0, samples = 0;
  };
  std::vector<Found> found(s.stage.things.size());
  std::size_t at = 0;
  for (int y = 0; y < s.cam.height; ++y)
    for (int x = 0; x < s.cam.width; ++x, ++at) {
      std::uint32_t const face = s.seen.face[at];
      if (face >= sees_ground || s.seen.faces[face].object == 0) continue;
      Found& f = found[s.seen.faces[face].object];
      f.x1 = std::min(f.x1, x / 2), f.x2 = std::max(f.x2, x / 2 + 1), f.y1 = std::min(f.y1, y / 2),
      f.y2 = std::max(f.y2, y / 2 + 1);
      ++f.samples;
    }
  int largest = 0;
  for (std::size_t i = 1; i < found.size(); ++i) {
    Found const& f = found[i];
    Thing const& thing = s.stage.things[i];
    if (f.samples < 4 * fewest || thing.label >= label_count) continue;
    out.boxes.push_back({thing.label, f.x1, f.y1, f.x2, f.y2});
    ++out.facts.count[thing.label];
    if (thing.label != car || f.samples < largest) continue;
    largest = f.samples;
    out.facts.paint = paint_table[thing.paint].word, out.facts.vehicle = vehicle_table[thing.kind].word;
  }
}

template <class T>
void mirror_rows(T* data, int width, int height, int each) {
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width / 2; ++x)
      for (int k = 0; k < each; ++k)
        std::swap(data[(static_cast<std::ptrdiff_t>(y) * width + x) * each + k],
                  data[(static_cast<std::ptrdiff_t>(y) * width + width - 1 - x) * each + k]);
}

inline void mirror(StreetScene& s) {
  int const w = s.picture.width, h = s.picture.height;
  mirror_rows(s.picture.rgb.data(), w, h, 3);
  mirror_rows(s.labels.labels.data(), w, h, 1);
  mirror_rows(s.depth.data(), w, h, 1);
  for (Box2D& b : s.boxes) {
    int const left = w - b.x2;
    b.x2 = w - b.x1, b.x1 = left;
  }
}

}  // namespace street

/// The scene of a seed; the same arguments give the same scene. Throws Error (argument) for sizes outside 1 to 4096.
inline StreetScene render_street(std::uint64_t seed, StreetOptions const& options = {}) {
  if (options.width < 1 || options.height < 1 || options.width > 4096 || options.height > 4096)
    throw Error(Errc::argument, "a street cannot be rendered at this size",
                {.expected = "width and height from 1 to 4096",
                 .found = std::to_string(options.width) + " x " + std::to_string(options.height)});
  street::Scene s;
  s.seed = street::Dice(seed, 4, 0).word();
  s.plan = street::draw_plan(seed);
  s.light = street::draw_light(seed);
  s.stage = street::fill_stage(seed, s.plan);
  s.cam = street::make_camera(s.plan, street::draw_view(seed, s.plan), options.width, options.height, 2);
  s.seen = street::look_at(s.stage, s.cam, 2);
  if (s.light.sunny) s.sun_map = street::cast_sun(s.stage, s.light.to_sun, s.cam.eye);
  s.contact = street::make_contact(s.stage, s.cam.eye);
  street::Shaded shaded = street::shade(s);
  StreetScene out;
  out.picture = street::develop(shaded, s.light, s.seed + 5U);
  out.labels.width = options.width, out.labels.height = options.height, out.labels.labels = std::move(shaded.label);
  out.depth = std::move(shaded.depth);
  out.facts.sunny = s.light.sunny,
  out.facts.wide_road = s.plan.half_road + 0.5F * (s.plan.wide[0] + s.plan.wide[1]) > 5.2F,
  out.facts.bend = street::absf(s.plan.bend) > 0.002F;
  out.facts.bare_trees = s.stage.bare_trees >= s.stage.leafy_trees;
  street::tell_things(s, out, std::max(1, options.width * options.height / 3000));
  if (s.plan.mirror) street::mirror(out);
  out.caption = caption_of(out.labels);
  return out;
}

}  // namespace tadp
