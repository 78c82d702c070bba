// SPDX-License-Identifier: Apache-2.0
// The eleven classes of CamVid: index, name, colour and the phrase that captions use.
// One table; the renderer, the captions and the pictures of label maps read it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tadp::street {

enum Label : std::uint8_t {
  sky,
  building,
  pole,
  road,
  pavement,
  tree,
  sign,
  fence,
  car,
  pedestrian,
  bicyclist,
  label_count,
  nothing = 255
};

struct LabelRow {
  std::string_view name, phrase;
  std::array<std::uint8_t, 3> rgb;
};

inline constexpr LabelRow label_table[label_count] = {
    {"sky", "sky", {128, 128, 128}},
    {"building", "buildings", {128, 0, 0}},
    {"pole", "poles", {192, 192, 128}},
    {"road", "a road", {128, 64, 128}},
    {"pavement", "pavement", {60, 40, 222}},
    {"tree", "trees", {128, 128, 0}},
    {"sign", "signs", {192, 128, 128}},
    {"fence", "fences", {64, 64, 128}},
    {"car", "cars", {64, 0, 128}},
    {"pedestrian", "pedestrians", {64, 64, 0}},
    {"bicyclist", "bicyclists", {0, 128, 192}},
};

}  // namespace tadp::street
