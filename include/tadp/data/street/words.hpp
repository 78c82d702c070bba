// SPDX-License-Identifier: Apache-2.0
// Captions of street scenes: the plain rule that benchmarks use, and freer sentences for the text model.
// Every word that either may use stands in one small vocabulary.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/data/street/dice.hpp"
#include "tadp/data/street/labels.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tadp::street {

/// What sentences may tell besides the labels.
struct Facts {
  bool sunny = false, wide_road = false, bend = false, bare_trees = false;
  std::array<int, label_count> count{};  // things seen; only cars, pedestrians and bicyclists are counted
  std::string_view paint{}, vehicle{};   // of the largest vehicle seen
};

inline std::array<std::size_t, label_count> count_labels(LabelMap const& map) {
  std::array<std::size_t, label_count> n{};
  for (std::uint8_t const l : map.labels)
    if (l < label_count) ++n[l];
  return n;
}

/// Classes over 0.5 % of all pixels, the largest first.
inline std::vector<std::uint8_t> classes_told(LabelMap const& map) {
  auto const n = count_labels(map);
  std::vector<std::uint8_t> told;
  for (std::uint8_t k = 0; k < label_count; ++k)
    if (n[k] * 200 > map.labels.size()) told.push_back(k);
  std::stable_sort(told.begin(), told.end(), [&](std::uint8_t a, std::uint8_t b) { return n[a] > n[b]; });
  return told;
}

/// "a, b and c".
inline std::string join_phrases(std::vector<std::string> const& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += i + 1 == parts.size() ? " and " : ", ";
    out += parts[i];
  }
  return out;
}

// The tables of the freer sentences; {} is where the list of what is seen goes.
inline constexpr std::string_view openings[] = {
    "a street photo of",          "a photo of",        "a photo of a street with", "a picture of",
    "a picture of a street with", "a street with",     "a city street with",       "an image of",
    "a dashcam photo of",         "a street scene of", "a street scene with",      "a view of"};
inline constexpr std::string_view synonyms[label_count][4] = {
    {"sky", "the sky", "sky above", "sky"},
    {"buildings", "houses", "buildings", "shops and houses"},
    {"poles", "lamp posts", "poles", "street lamps"},
    {"a road", "the road", "a street", "road"},
    {"pavement", "a pavement", "a sidewalk", "pavements"},
    {"trees", "trees", "plants", "trees and plants"},
    {"signs", "traffic signs", "traffic lights and signs", "signs"},
    {"fences", "a fence", "railings", "fences"},
    {"cars", "vehicles", "traffic", "cars"},
    {"pedestrians", "people", "people walking", "pedestrians"},
    {"bicyclists", "cyclists", "people on bicycles", "bicyclists"},
};
inline constexpr std::string_view numbers[] = {"no",  "one",   "two",   "three", "four", "five",
                                               "six", "seven", "eight", "nine",  "ten"};
inline constexpr std::string_view singular[label_count] = {"", "", "",    "",           "",       "",
                                                           "", "", "car", "pedestrian", "cyclist"};
inline constexpr std::string_view other_words[] = {
    "a",          "an",       "and",       "at",       "bad",      "bicycle",   "bicycles",   "bike",        "bikes",
    "black",      "blue",     "bright",    "brown",    "building", "bus",       "by",         "camera",      "clear",
    "cloudy",     "day",      "daylight",  "daytime",  "dark",     "dusk",      "evening",    "few",         "fog",
    "foggy",      "from",     "full",      "good",     "gray",     "green",     "grey",       "her",         "house",
    "in",         "light",    "lights",    "many",     "morning",  "motorbike", "narrow",     "near",        "night",
    "nighttime",  "of",       "old",       "on",       "overcast", "painting",  "parked",     "pedestrian",  "person",
    "photograph", "quiet",    "rain",      "rainy",    "red",      "rendered",  "rendering",  "rider",       "row",
    "scene",      "shop",     "shops",     "side",     "silver",   "sign",      "snow",       "snowy",       "some",
    "style",      "sunny",    "sunset",    "sunlight", "taken",    "the",       "to",         "town",        "tree",
    "truck",      "trucks",   "under",     "urban",    "van",      "vans",      "watercolor", "watercolour", "wet",
    "white",      "wide",     "winter",    "with",     "yellow",   "fence",     "pole",       "cars",        "empty",
    "busy",       "bending",  "straight",  "summer",   "bare",     "leafy",     "sketch",     "drawing",     "cartoon",
    "mist",       "misty",    "hazy",      "dim",      "dawn",     "low",       "driving",    "drive",       "through",
    "along",      "city",     "cityscape", "photos",   "pictures", "images",    "wall",       "window",      "windows",
    "door",       "crossing", "lane",      "lanes",    "markings", "buses",     "unlabelled", "background",  "weather"};

inline void add_words(std::set<std::string_view>& words, std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const end = std::min(text.find(' ', at), text.size());
    if (end > at) words.insert(text.substr(at, end - at));
    at = end + 1;
  }
}

/// How often a class with a count is told by number, and by which word.
inline std::string phrase_of(std::uint8_t label, Facts const& facts, Dice& dice) {
  int const n = facts.count[label];
  if (label == car && !facts.paint.empty() && dice.chance(0.3F)) {
    std::string const one = "a " + std::string(facts.paint) + " " + std::string(facts.vehicle);
    return n > 1 && dice.chance(0.5F) ? one + " and other cars" : one;
  }
  if (label >= car && n >= 1 && n <= 10 && dice.chance(0.4F)) {
    std::string const noun(singular[label]);
    if (n == 1) return (dice.chance(0.6F) ? "a " : "one ") + noun;
    return std::string(n > 4 && dice.chance(0.4F) ? std::string_view("many") : numbers[n]) + " " + noun + "s";
  }
  if (label == road && dice.chance(0.25F))
    return facts.wide_road ? "a wide road" : (facts.bend ? "a bending road" : "a narrow road");
  if (label == tree && dice.chance(0.25F)) return facts.bare_trees ? "bare trees" : "green trees";
  if (label == sky && dice.chance(0.25F)) return facts.sunny ? "a bright sky" : "a white sky";
  return std::string(synonyms[label][dice.below(4)]);
}

}  // namespace tadp::street
