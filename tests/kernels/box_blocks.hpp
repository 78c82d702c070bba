// SPDX-License-Identifier: Apache-2.0
// Random lists for the trials of detection's kernels: boxes, counts, picked rows and what is learned from them.
#pragma once

#include "../plain_detection.hpp"
#include "against_plain.hpp"

namespace against_plain {

inline constexpr FeatureShape one{1, 1, 1, 1};

inline FeatureShape list(index_t pictures, index_t rows, index_t channels) { return {pictures, 1, rows, channels}; }

/// Overwrites a block: value(pixel, channel).
template <class Value>
Block<float> filled(Block<float> b, Value const& value) {
  for (index_t p = 0; p < b.shape.pixels(); ++p)
    for (index_t c = 0; c < b.shape.c(); ++c) b.memory[static_cast<std::size_t>(b.first + p * b.stride + c)] = value(p, c);
  return b;
}
inline Block<float> counts(Dice& dice, index_t pictures, index_t most) {
  return filled(block(dice, list(pictures, 1, 1)), [&](index_t, index_t) { return static_cast<float>(dice.integer(0, most)); });
}
/// Rows of which the first four channels are a box about a picture of that size: small, large, outside, without area.
inline Block<float> boxes(Dice& dice, FeatureShape const& shape, float size) {
  Box b;
  return filled(block(dice, shape), [&](index_t, index_t c) {
    if (c == 0) {
      float const x = size * (0.5F + 0.8F * dice.number()), y = size * (0.5F + 0.8F * dice.number());
      float const side = dice.integer(0, 9) == 0 ? 0.0F : size * (dice.coin() ? 0.1F : 0.6F);
      b = {x, y, x + side * (1.0F + dice.number(0.5F)), y + side * (1.0F + dice.number(0.5F))};
    }
    float const corner[] = {b.x1, b.y1, b.x2, b.y2};
    return c < 4 ? corner[c] : dice.number();
  });
}
inline Block<float> picks(Dice& dice, index_t pictures, index_t rows, index_t among, index_t truths) {
  return filled(block(dice, list(pictures, rows, 2)), [&](index_t, index_t c) {
    return static_cast<float>(dice.integer(-1, (c == 0 ? among : truths) - 1));
  });
}
inline Block<float> targets(Dice& dice, FeatureShape const& shape, index_t classes) {
  return filled(block(dice, shape.with_channels(5)), [&](index_t, index_t c) { return c == 0 ? static_cast<float>(dice.integer(-1, classes - 1)) : dice.number(); });
}

float number(auto const& d_out) { return static_cast<float>(d_out.data[0]); }

}  // namespace against_plain
