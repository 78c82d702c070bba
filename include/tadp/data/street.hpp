// SPDX-License-Identifier: Apache-2.0
// Endless rendered street scenes from a seed: a picture, its labels, depth, boxes and a caption.
// The front door of the street world; the parts stand in the folder of the same name.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/data/street/fill.hpp"
#include "tadp/data/street/instances.hpp"
#include "tadp/data/street/lens.hpp"
#include "tadp/data/street/words.hpp"
#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/detection_target.hpp"

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

/// Metres beyond which a scene tells no depth: what a 16-bit file of millimetres still holds, so that a written scene and
/// one in memory say the same. Farther things are a few pixels high, and their distances leap from row to row.
inline constexpr float street_farthest = 65.0F;

/// A picture and everything that is true of it. Depth, boxes and instances follow the labels: where a pixel is labelled
/// as a fence or as the crown of a tree, its depth is theirs, also between the bars and the twigs.
struct StreetScene {
  Picture picture{};                       ///< with its focal length; the optical axis meets the middle
  LabelMap labels{};                       ///< class indices, 255 where no class fits
  DepthMap depth{};                        ///< along the optical axis; 0 for sky and beyond street_farthest
  std::string caption{};                   ///< caption_of(labels)
  std::vector<Box2D> boxes{};              ///< of signs, cars, pedestrians and bicyclists, from 12 pixels and 3 a side on
  std::vector<std::uint16_t> instances{};  ///< (height, width): 1 + index into boxes, 0 elsewhere
  street::Facts facts{};                   ///< what varied_caption tells
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

/// Names of the classes that have boxes; as detection counts them (0 is the background) the first is class 1.
inline std::span<std::string_view const> street_object_names() {
  static constexpr auto names = [] {
    std::array<std::string_view, std::size(street::countable)> n;
    for (std::size_t i = 0; i < n.size(); ++i) n[i] = street::label_table[street::countable[i]].name;
    return n;
  }();
  return names;
}

/// The boxes as detection trains on them, labels by street_object_names().
inline std::vector<TrueBox> true_boxes(StreetScene const& scene) {
  std::vector<TrueBox> out;
  for (Box2D const& b : scene.boxes)
    for (std::size_t i = 0; i < std::size(street::countable); ++i)
      if (street::countable[i] == b.label)
        out.push_back({{static_cast<float>(b.x1), static_cast<float>(b.y1), static_cast<float>(b.x2), static_cast<float>(b.y2)}, static_cast<int>(i) + 1, false});
  return out;
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

/// Counts and the largest vehicle, of the things of which at least `fewest` pixels are seen. A rule of the captions, older
/// than the boxes: it looks at faces, not at labels, and must stay so for the same seed to tell the same.
inline void tell_things(Scene const& s, Facts& facts, int fewest) {
  auto const samples = samples_of_things(s, [&](std::size_t at) { return s.seen.face[at]; });
  int largest = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    Thing const& thing = s.stage.things[i];
    if (samples[i] < 4 * fewest || thing.label >= label_count || thing.label == sign) continue;
    ++facts.count[thing.label];
    if (thing.label != car || samples[i] < largest) continue;
    largest = samples[i];
    facts.paint = paint_table[thing.paint].word, facts.vehicle = vehicle_table[thing.kind].word;
  }
}

inline DepthMap depth_map(Shaded const& shaded) {
  DepthMap map(shaded.width, shaded.height);
  for (std::size_t i = 0; i < map.metres.size(); ++i) map.metres[i] = shaded.depth[i] <= street_farthest ? shaded.depth[i] : 0.0F;
  return map;
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
  mirror_rows(s.depth.metres.data(), w, h, 1);
  mirror_rows(s.instances.data(), w, h, 1);
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
  out.depth = street::depth_map(shaded);
  out.picture.focal = s.cam.focal / 2.0F;  // two samples a pixel
  street::Instances instances = street::find_instances(s, shaded);
  out.boxes = std::move(instances.boxes), out.instances = std::move(instances.map);
  out.facts.sunny = s.light.sunny,
  out.facts.wide_road = s.plan.half_road + 0.5F * (s.plan.wide[0] + s.plan.wide[1]) > 5.2F,
  out.facts.bend = street::absf(s.plan.bend) > 0.002F;
  out.facts.bare_trees = s.stage.bare_trees >= s.stage.leafy_trees;
  street::tell_things(s, out.facts, std::max(1, options.width * options.height / 3000));
  if (s.plan.mirror) street::mirror(out);
  out.caption = caption_of(out.labels);
  return out;
}

}  // namespace tadp
