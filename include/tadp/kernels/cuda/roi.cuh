// SPDX-License-Identifier: Apache-2.0
// RoIAlign over the levels of a pyramid, without the half pixel of the later form, and its gradient.
// The gradient is gathered: each number of a level adds up the boxes that read it, in order.
#pragma once

#include "tadp/kernels/cuda/boxes.cuh"

namespace tadp::cuda {

/// One side of a bilinear sample: two places and the weight of the second; nothing beyond a pixel outside.
struct RoiSide {
  index_t low, high;
  float part;
  bool there;
  TADP_DEVICE float share(index_t at) const { return !there ? 0.0F : (low == at ? 1.0F - part : 0.0F) + (high == at ? part : 0.0F); }
};
TADP_DEVICE inline RoiSide roi_side(float at, index_t extent) {
  if (!(at >= -1.0F && at <= static_cast<float>(extent))) return {0, 0, 0.0F, false};
  at = larger(at, 0.0F);
  index_t const most = extent - 1, low = static_cast<index_t>(at) < most ? static_cast<index_t>(at) : most;
  return {low, low < most ? low + 1 : most, low == most ? 0.0F : at - static_cast<float>(low), true};
}

/// A box on its level; a level of -1 is no box.
struct Region {
  int level;
  float x, y, cell_w, cell_h;
};
struct RoiShape {
  int size, sampling, levels, first_level;

  /// A box of 224 pixels reads the level of stride 16.
  TADP_DEVICE int level_of(Box const& b) const {
    if (levels == 1) return 0;
    float const at = std::floor(4.0F + std::log2(std::sqrt(area(b)) / 224.0F) + 1e-6F), least = static_cast<float>(first_level),
                most = static_cast<float>(first_level + levels - 1);
    return static_cast<int>(at < least ? least : most < at ? most : at) - first_level;
  }
  TADP_DEVICE float place(float start, float cell, int i, int s) const {
    return start + static_cast<float>(i) * cell + (static_cast<float>(s) + 0.5F) * cell / static_cast<float>(sampling);
  }
  TADP_DEVICE RoiSide row(Region const& r, int i, int s, index_t height) const { return roi_side(place(r.y, r.cell_h, i, s), height); }
  TADP_DEVICE RoiSide column(Region const& r, int j, int s, index_t width) const { return roi_side(place(r.x, r.cell_w, j, s), width); }
};
/// Where each box lies.
struct PlaceRegions {
  RoiShape g;
  Rows<float const> boxes;
  Counts counts;
  index_t rows;  ///< of a picture
  Region* regions;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    if (p % rows >= counts.of(p / rows, rows)) {
      regions[p] = {-1, 0.0F, 0.0F, 0.0F, 0.0F};
      return;
    }
    Box const b = box_of(boxes, p);
    int const level = g.level_of(b);
    float const scale = std::ldexp(1.0F, -(g.first_level + level)), x = b.x1 * scale, y = b.y1 * scale, size = static_cast<float>(g.size);
    regions[p] = {level, x, y, larger(b.x2 * scale - x, 1.0F) / size, larger(b.y2 * scale - y, 1.0F) / size};
  }
};

template <class T>
struct RoiAlign {
  RoiShape g;
  Rows<T const> level[most_levels];
  Extents extent[most_levels];
  index_t rows, channels;
  Region const* regions;
  Rows<T> y;
  /// e: cell by cell, so that neighbouring threads read neighbouring channels.
  TADP_DEVICE void operator()(index_t p, index_t e) const {
    Region const r = regions[p];
    index_t const c = e % channels;
    int const cell = static_cast<int>(e / channels);
    float total = 0.0F;
    if (r.level >= 0) {
      Extents const s = extent[r.level];
      for (int sy = 0; sy < g.sampling; ++sy)
        for (int sx = 0; sx < g.sampling; ++sx)
          total += sample(level[r.level], p / rows * s.positions(), s.w, g.row(r, cell / g.size, sy, s.h), g.column(r, cell % g.size, sx, s.w), c);
    }
    y.set(p, c * g.size * g.size + cell, total / static_cast<float>(g.sampling * g.sampling));
  }

 private:
  TADP_DEVICE static float sample(Rows<T const> const& x, index_t first, index_t width, RoiSide const& v, RoiSide const& u, index_t c) {
    if (!v.there || !u.there) return 0.0F;
    auto const row = [&](index_t at) { return (1.0F - u.part) * x.get(first + at * width + u.low, c) + u.part * x.get(first + at * width + u.high, c); };
    return (1.0F - v.part) * row(v.low) + v.part * row(v.high);
  }
};

/// One level.
template <class T>
struct RoiAlignGradient {
  RoiShape g;
  int level;
  Extents extent;
  index_t rows;
  Region const* regions;
  Rows<T const> dy;
  Rows<T> dx;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / extent.positions(), row = p / extent.w % extent.h, column = p % extent.w;
    float total = 0.0F;
    for (index_t b = n * rows; b < (n + 1) * rows; ++b)
      if (regions[b].level == level) total += of_region(regions[b], b, row, column, c);
    dx.add(p, c, total / static_cast<float>(g.sampling * g.sampling));
  }

 private:
  TADP_DEVICE float of_region(Region const& r, index_t b, index_t row, index_t column, index_t c) const {
    float const reach_y = static_cast<float>(g.size) * r.cell_h + 1.0F, reach_x = static_cast<float>(g.size) * r.cell_w + 1.0F;
    auto const y = static_cast<float>(row), x = static_cast<float>(column);
    bool const far_off = (y + 1.0F < r.y && row + 1 < extent.h) || (y > r.y + reach_y && row > 0) || (x + 1.0F < r.x && column + 1 < extent.w) ||
                         (x > r.x + reach_x && column > 0);
    if (far_off) return 0.0F;
    float total = 0.0F;
    for (int i = 0; i < g.size; ++i)
      for (int sy = 0; sy < g.sampling; ++sy) {
        float const down = g.row(r, i, sy, extent.h).share(row);
        if (down == 0.0F) continue;
        for (int j = 0; j < g.size; ++j)
          for (int sx = 0; sx < g.sampling; ++sx)
            if (float const across = g.column(r, j, sx, extent.w).share(column); across != 0.0F)
              total += down * across * dy.get(b, c * g.size * g.size + index_t{i} * g.size + j);
      }
    return total;
  }
};

}  // namespace tadp::cuda
