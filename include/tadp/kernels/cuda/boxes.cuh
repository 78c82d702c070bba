// SPDX-License-Identifier: Apache-2.0
// The rules of core/boxes.hpp as kernels compute them, and works over lists of boxes: anchors, joined levels, codes, rows.
// Each rule rounds as its namesake does, for ties decide what is kept.
#pragma once

#include "tadp/core/boxes.hpp"
#include "tadp/kernels/cuda/for_each.cuh"

#include <cmath>

namespace tadp::cuda {

TADP_DEVICE inline float smaller(float a, float b) { return b < a ? b : a; }
TADP_DEVICE inline float larger(float a, float b) { return a < b ? b : a; }

/// a * b as one rounding of its own.
TADP_DEVICE inline float product_of(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return tadp::product_of(a, b);
#endif
}
TADP_DEVICE inline float area(Box const& b) { return product_of(b.x2 - b.x1, b.y2 - b.y1); }
TADP_DEVICE inline float overlap(Box const& a, float area_a, Box const& b, float area_b) {
  float const w = larger(0.0F, smaller(a.x2, b.x2) - larger(a.x1, b.x1)), h = larger(0.0F, smaller(a.y2, b.y2) - larger(a.y1, b.y1));
  float const shared = product_of(w, h), all = area_a + area_b - shared;
  return all > 0.0F ? shared / all : 0.0F;
}
TADP_DEVICE inline float inside(float v, float most) { return v < 0.0F ? 0.0F : most < v ? most : v; }
TADP_DEVICE inline Box clipped_box(Box const& b, float height, float width) {
  return {inside(b.x1, width), inside(b.y1, height), inside(b.x2, width), inside(b.y2, height)};
}
template <class T>
TADP_DEVICE Box box_of(Rows<T> const& list, index_t p, index_t first = 0) {
  return {list.get(p, first), list.get(p, first + 1), list.get(p, first + 2), list.get(p, first + 3)};
}
TADP_DEVICE inline void set_box(Rows<float> const& list, index_t p, index_t first, Box const& b) {
  list.set(p, first, b.x1), list.set(p, first + 1, b.y1), list.set(p, first + 2, b.x2), list.set(p, first + 3, b.y2);
}

/// BoxCode's weights, and both directions.
struct CodeWeights {
  float weights[4];

  TADP_DEVICE Box decode(Box const& code, Box const& from) const {
    float const w = from.x2 - from.x1, h = from.y2 - from.y1;
    float const x = product_of(code.x1 / weights[0], w) + (from.x1 + 0.5F * w), y = product_of(code.y1 / weights[1], h) + (from.y1 + 0.5F * h);
    float const half_w = 0.5F * product_of(std::exp(smaller(code.x2 / weights[2], BoxCode::most)), w);
    float const half_h = 0.5F * product_of(std::exp(smaller(code.y2 / weights[3], BoxCode::most)), h);
    return {x - half_w, y - half_h, x + half_w, y + half_h};
  }
  TADP_DEVICE Box encode(Box const& target, Box const& from) const {
    float const w = from.x2 - from.x1, h = from.y2 - from.y1, tw = target.x2 - target.x1, th = target.y2 - target.y1;
    float const dx = (target.x1 + 0.5F * tw) - (from.x1 + 0.5F * w), dy = (target.y1 + 0.5F * th) - (from.y1 + 0.5F * h);
    return {product_of(weights[0], dx) / w, product_of(weights[1], dy) / h, product_of(weights[2], std::log(tw / w)),
            product_of(weights[3], std::log(th / h))};
  }
};

/// A list of rows a picture, or one that all share.
struct BoxList {
  Rows<float const> rows;
  index_t pictures, capacity;
  TADP_DEVICE index_t row(index_t n, index_t r) const { return (pictures == 1 ? 0 : n) * capacity + r; }
};
/// How many rows of a picture are there: a count on the device, or all where nothing counts.
struct Counts {
  Rows<float const> rows;
  TADP_DEVICE index_t of(index_t n, index_t most) const {
    if (!rows.there()) return most;
    auto const count = static_cast<index_t>(rows.get(n, 0));
    return count < 0 ? 0 : count < most ? count : most;
  }
};

/// The anchor boxes about the origin were made by AnchorGrid.
struct Anchors {
  struct Level {
    index_t height, width, stride_y, stride_x;
    Box cell[AnchorGrid::shapes];
  };
  Level level[most_levels];
  Rows<float> y;
  TADP_DEVICE void operator()(index_t row, index_t) const {
    index_t at = row;
    int l = 0;
    while (l + 1 < most_levels && at >= level[l].height * level[l].width * AnchorGrid::shapes) {
      at -= level[l].height * level[l].width * AnchorGrid::shapes;
      ++l;
    }
    index_t const cell = at / AnchorGrid::shapes;
    Box const b = level[l].cell[at % AnchorGrid::shapes];
    auto const x = static_cast<float>(cell % level[l].width * level[l].stride_x), v = static_cast<float>(cell / level[l].width * level[l].stride_y);
    set_box(y, row, 0, {x + b.x1, v + b.y1, x + b.x2, v + b.y2});
  }
};

/// Which row of a list a channel of a level belongs to: `per` rows a cell, behind `first` others.
struct JoinedRows {
  index_t cells, per, width, first, capacity;
  TADP_DEVICE index_t row(index_t p, index_t c) const { return p / cells * capacity + first + p % cells * per + c / width; }
};
template <class T>
struct JoinRows {
  JoinedRows at;
  Rows<T const> x;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.set(at.row(p, c), c % at.width, x.get(p, c)); }
};
template <class T>
struct JoinRowsGradient {
  JoinedRows at;
  Rows<T const> dy;
  Rows<T> dx;
  TADP_DEVICE void operator()(index_t p, index_t c) const { dx.add(p, c, dy.get(at.row(p, c), c % at.width)); }
};

/// One code: (row, number of the code).
struct DecodeBoxes {
  CodeWeights code;
  Rows<float const> codes, boxes;
  index_t list;  ///< rows of boxes
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t k) const { set_box(y, p, 4 * k, code.decode(box_of(codes, p, 4 * k), box_of(boxes, p % list))); }
};

template <class T>
struct GatherRows {
  Rows<T const> x;
  index_t pictures, capacity;  ///< of x
  Rows<float const> picks;
  index_t room;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    auto const row = static_cast<index_t>(picks.get(p, 0));
    y.set(p, c, row < 0 ? 0.0F : x.get((pictures == 1 ? 0 : p / room) * capacity + row, c));
  }
};
/// The first of equal picks adds for all of them, in order.
template <class T>
struct GatherRowsGradient {
  Rows<T const> dy;
  Rows<float const> picks;
  index_t room, capacity;
  Rows<T> dx;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    float const row = picks.get(p, 0);
    if (row < 0.0F) return;
    for (index_t q = p / room * room; q < p; ++q)
      if (picks.get(q, 0) == row) return;
    float total = 0.0F;
    for (index_t q = p; q < (p / room + 1) * room; ++q)
      if (picks.get(q, 0) == row) total += dy.get(q, c);
    dx.add(p / room * capacity + static_cast<index_t>(row), c, total);
  }
};

}  // namespace tadp::cuda
