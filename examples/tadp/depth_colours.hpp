// SPDX-License-Identifier: Apache-2.0
// Colours for depth from near to far, evenly darker to the eye; between them they are mixed.
// Made by scripts/make_depth_colours.py: change that, not this.
#pragma once

#include <cstdint>

namespace program {

inline constexpr std::uint8_t depth_colours[33][3] = {
    {242, 237, 148}, {227, 232, 145}, {212, 228, 143}, {196, 223, 142}, {180, 218, 141}, {164, 214, 142}, {148, 208, 143}, {132, 203, 144},
    {116, 197, 145}, {99, 191, 147}, {82, 185, 149}, {65, 178, 151}, {46, 171, 152}, {23, 164, 153}, {1, 157, 154}, {1, 148, 153},
    {2, 140, 152}, {2, 132, 150}, {0, 124, 148}, {0, 116, 146}, {1, 108, 144}, {0, 100, 143}, {0, 92, 142}, {16, 84, 138},
    {26, 75, 133}, {33, 67, 127}, {38, 58, 121}, {42, 50, 114}, {44, 41, 106}, {45, 33, 98}, {45, 25, 90}, {45, 16, 81},
    {44, 7, 72}};

}  // namespace program
