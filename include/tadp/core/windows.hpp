// SPDX-License-Identifier: Apache-2.0
// Where sliding windows lie on a picture: the grid of mmsegmentation, one axis at a time (spec 5.3).
// Plain arithmetic, so that a pass over a picture needs no list of windows.
#pragma once

#include "tadp/core/shape.hpp"

#include <algorithm>

namespace tadp {

/// Windows of `length` pixels along a side of `size` pixels, `stride` apart; the last one ends with the side.
struct WindowAxis {
  index_t size = 1, length = 1, stride = 1;

  constexpr index_t count() const { return std::max<index_t>(size - length + stride - 1, 0) / stride + 1; }
  /// First pixel of a window; 0 where the side is shorter than one.
  constexpr index_t start(index_t window) const { return std::max<index_t>(std::min(window * stride, size - length), 0); }
};

/// mmsegmentation's stride of two thirds: 341 for 512.
constexpr index_t default_stride(index_t length) { return std::max<index_t>(2 * length / 3, 1); }

/// The stride of `count` windows, at least 2, that lie evenly from one end of a side to the other; smaller, for more
/// windows, where so few would leave gaps.
constexpr index_t shift_stride(index_t size, index_t length, index_t count) {
  return std::clamp<index_t>((size - length + count - 2) / (count - 1), 1, length);
}

/// Windows over a picture, row by row.
struct WindowGrid {
  WindowAxis vertical{}, horizontal{};

  constexpr index_t count() const { return vertical.count() * horizontal.count(); }
  constexpr index_t top(index_t window) const { return vertical.start(window / horizontal.count()); }
  constexpr index_t left(index_t window) const { return horizontal.start(window % horizontal.count()); }
};

}  // namespace tadp
