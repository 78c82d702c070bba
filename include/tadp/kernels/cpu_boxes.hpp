// SPDX-License-Identifier: Apache-2.0
// Lists of boxes on the processor: anchors, levels side by side in one list, codes to boxes, rows picked by index.
// A list is (N, 1, rows, channels); one that all pictures share has N = 1.
#pragma once

#include "tadp/core/boxes.hpp"
#include "tadp/kernels/cpu_pointwise.hpp"

namespace tadp {
inline namespace TADP_ISA {
namespace boxes_detail {

/// The row of picture `n` in a list of its own, or in one that all share.
inline index_t row_of(Shape<4> const& list, index_t n, index_t row) { return (list[0] == 1 ? 0 : n) * list[2] + row; }
/// The count of a picture's rows: of a list of capacity `most`, or all where nothing counts.
inline index_t count_of(ConstFeatures<Cpu> counts, index_t n, index_t most) {
  return counts ? std::clamp(static_cast<index_t>(counts.pixel(n)[0]), index_t{0}, most) : most;
}

}  // namespace boxes_detail

/// y (1, 1, anchors, 4): level by level, cell by cell, shape by shape.
inline void anchors(Cpu&, AnchorGrid const& grid, Features<Cpu> y) {
  index_t row = 0;
  for (AnchorGrid::Level const& level : grid.level)
    for (index_t cy = 0; cy < level.height; ++cy)
      for (index_t cx = 0; cx < level.width; ++cx)
        for (float ratio : AnchorGrid::ratios) {
          Box const b = AnchorGrid::cell(level.size, ratio);
          auto const x = static_cast<float>(cx * level.stride_x), v = static_cast<float>(cy * level.stride_y);
          put_box(y.pixel(row++), {x + b.x1, v + b.y1, x + b.x2, v + b.y2});
        }
}

/// Rows [first, first + cells * per) of every picture of y (N, 1, R, c) from x (N, h, w, per * c).
inline void join_rows(Cpu& cpu, ConstFeatures<Cpu> x, index_t first, Features<Cpu> y) {
  index_t const c = y.shape.channels(), per = x.shape.channels() / c, cells = x.shape[1] * x.shape[2];
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), x.shape.channels(), [&](index_t p) {
    for (index_t a = 0; a < per; ++a)
      std::copy_n(x.pixel(p) + a * c, c, y.pixel(p / cells * y.shape[2] + first + p % cells * per + a));
  });
}
inline void join_rows_gradient(Cpu& cpu, ConstFeatures<Cpu> dy, index_t first, Features<Cpu> dx) {
  index_t const c = dy.shape.channels(), per = dx.shape.channels() / c, cells = dx.shape[1] * dx.shape[2];
  pointwise_detail::for_pixels(cpu, dx.shape.pixels(), dx.shape.channels(), [&](index_t p) {
    for (index_t a = 0; a < per; ++a) {
      float const* const from = dy.pixel(p / cells * dy.shape[2] + first + p % cells * per + a);
      for (index_t i = 0; i < c; ++i) dx.pixel(p)[a * c + i] += from[i];
    }
  });
}

/// y (rows of codes, 4 K) from codes (rows, 4 K) relative to boxes, of which there may be one list for all pictures.
inline void decode_boxes(Cpu& cpu, BoxCode const& code, ConstFeatures<Cpu> codes, ConstFeatures<Cpu> boxes, Features<Cpu> y) {
  index_t const channels = codes.shape.channels(), list = boxes.shape.pixels();
  pointwise_detail::for_pixels(cpu, codes.shape.pixels(), channels, [&](index_t p) {
    Box const from = box_at(boxes.pixel(p % list));
    for (index_t k = 0; k + 3 < channels; k += 4) put_box(y.pixel(p) + k, code.decode(codes.pixel(p) + k, from));
  });
}

/// Row r of y (N, 1, B, C) is the row of x whose number stands in the first channel of picks (N, 1, B, ..); zero where
/// that is negative. Takes the first C channels of x.
inline void gather_rows(Cpu& cpu, ConstFeatures<Cpu> x, ConstFeatures<Cpu> picks, Features<Cpu> y) {
  index_t const c = y.shape.channels(), rows = picks.shape[2];
  pointwise_detail::for_pixels(cpu, picks.shape.pixels(), c, [&](index_t p) {
    auto const row = static_cast<index_t>(picks.pixel(p)[0]);
    if (row < 0)
      std::fill_n(y.pixel(p), c, 0.0F);
    else
      std::copy_n(x.pixel(boxes_detail::row_of(x.shape, p / rows, row)), c, y.pixel(p));
  });
}
/// dx (N, 1, R, C); one task a picture, for a row may be picked twice.
inline void gather_rows_gradient(Cpu& cpu, ConstFeatures<Cpu> dy, ConstFeatures<Cpu> picks, Features<Cpu> dx) {
  index_t const c = dy.shape.channels(), rows = picks.shape[2];
  cpu.threads().run(dx.shape[0], [&](index_t n, int) {
    for (index_t p = n * rows; p < (n + 1) * rows; ++p) {
      auto const row = static_cast<index_t>(picks.pixel(p)[0]);
      if (row < 0) continue;
      float* const d = dx.pixel(n * dx.shape[2] + row);
      for (index_t i = 0; i < c; ++i) d[i] += dy.pixel(p)[i];
    }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
