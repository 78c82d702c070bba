// SPDX-License-Identifier: Apache-2.0
// RoIAlign on the processor over the levels of a pyramid, without the half pixel of the later form (torchvision's
// aligned = false): the mean of sampling^2 bilinear samples a cell, and its gradient.
#pragma once

#include "tadp/kernels/cpu_boxes.hpp"

#include <span>

namespace tadp {
inline namespace TADP_ISA {
namespace roi_detail {

/// use(row of the level, weight) for the corners of the bilinear sample at (y, x); nothing beyond a pixel outside.
template <class Use>
void corners_of(float y, float x, index_t height, index_t width, float share, Use const& use) {
  auto const h = static_cast<float>(height), w = static_cast<float>(width);
  if (!(y >= -1.0F && y <= h && x >= -1.0F && x <= w)) return;
  auto const side = [](float at, index_t extent) {
    at = std::max(at, 0.0F);
    auto const low = std::min(static_cast<index_t>(at), extent - 1);
    float const part = low == extent - 1 ? 0.0F : at - static_cast<float>(low);
    return std::pair{low, part};
  };
  auto const [top, dy] = side(y, height);
  auto const [left, dx] = side(x, width);
  index_t const bottom = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
  use(top * width + left, share * (1.0F - dy) * (1.0F - dx));
  use(top * width + right, share * (1.0F - dy) * dx);
  use(bottom * width + left, share * dy * (1.0F - dx));
  use(bottom * width + right, share * dy * dx);
}

/// use(cell, row of the level, weight) for all samples of a box.
template <class Use>
void samples_of(RoiGeometry const& g, Box const& b, float scale, index_t height, index_t width, Use const& use) {
  float const x1 = b.x1 * scale, y1 = b.y1 * scale, size = static_cast<float>(g.size), sampling = static_cast<float>(g.sampling);
  float const cell_w = std::max(b.x2 * scale - x1, 1.0F) / size, cell_h = std::max(b.y2 * scale - y1, 1.0F) / size;
  float const share = 1.0F / (sampling * sampling);
  auto const place = [&](float start, float cell, int i, int s) { return start + static_cast<float>(i) * cell + (static_cast<float>(s) + 0.5F) * cell / sampling; };
  for (int i = 0; i < g.size; ++i)
    for (int j = 0; j < g.size; ++j)
      for (int sy = 0; sy < g.sampling; ++sy)
        for (int sx = 0; sx < g.sampling; ++sx)
          corners_of(place(y1, cell_h, i, sy), place(x1, cell_w, j, sx), height, width, share,
                     [&](index_t row, float weight) { use(index_t{i} * g.size + j, row, weight); });
}

}  // namespace roi_detail

/// y (1, 1, N R, C size^2) holds what boxes (N, 1, R, 4 or more) cover of their level of the pyramid, channel by channel
/// as torch flattens it; zero for rows past the counts (N, 1, 1, 1; empty: all rows are there).
inline void roi_align(Cpu& cpu, RoiGeometry const& g, std::span<ConstFeatures<Cpu> const> levels, ConstFeatures<Cpu> boxes, ConstFeatures<Cpu> counts,
                      Features<Cpu> y) {
  index_t const rows = boxes.shape[2], c = levels[0].shape.channels(), cells = g.cells();
  cpu.threads().run(boxes.shape.pixels(), [&](index_t p, int worker) {
    float* const out = y.pixel(p);
    if (p % rows >= boxes_detail::count_of(counts, p / rows, rows)) {
      std::fill_n(out, c * cells, 0.0F);
      return;
    }
    Box const b = box_at(boxes.pixel(p));
    int const level = g.level_of(b, static_cast<int>(levels.size()));
    ConstFeatures<Cpu> const x = levels[static_cast<std::size_t>(level)];
    index_t const positions = x.shape[1] * x.shape[2], start = p / rows * positions;
    float* const sums = cpu.threads().scratch(worker, cells * c);
    std::fill_n(sums, cells * c, 0.0F);
    roi_detail::samples_of(g, b, g.scale(level), x.shape[1], x.shape[2], [&](index_t cell, index_t at, float weight) {
      float* const sum = sums + cell * c;
      map_row(c, sum, [w = broadcast(weight)](Packet v, Packet old) { return fma(w, v, old); }, x.pixel(start + at), static_cast<float const*>(sum));
    });
    for (index_t i = 0; i < c; ++i)
      for (index_t cell = 0; cell < cells; ++cell) out[i * cells + cell] = sums[cell * c + i];
  });
}

/// Adds to the levels' gradients; a level whose gradient nobody wants is empty. One task a picture and block of channels:
/// boxes overlap.
inline void roi_align_gradient(Cpu& cpu, RoiGeometry const& g, ConstFeatures<Cpu> dy, ConstFeatures<Cpu> boxes, ConstFeatures<Cpu> counts,
                               std::span<Features<Cpu> const> dlevels) {
  index_t const rows = boxes.shape[2], cells = g.cells(), channels = dy.shape.channels() / cells, block = 32, blocks = (channels + block - 1) / block;
  cpu.threads().run(boxes.shape[0] * blocks, [&](index_t task, int worker) {
    index_t const n = task / blocks, first = task % blocks * block, c = std::min(block, channels - first);
    float* const turned = cpu.threads().scratch(worker, cells * block);
    for (index_t p = n * rows; p < n * rows + boxes_detail::count_of(counts, n, rows); ++p) {
      Box const b = box_at(boxes.pixel(p));
      int const level = g.level_of(b, static_cast<int>(dlevels.size()));
      Features<Cpu> const dx = dlevels[static_cast<std::size_t>(level)];
      if (!dx) continue;
      for (index_t i = 0; i < c; ++i)
        for (index_t cell = 0; cell < cells; ++cell) turned[cell * block + i] = dy.pixel(p)[(first + i) * cells + cell];
      index_t const start = n * dx.shape[1] * dx.shape[2];
      roi_detail::samples_of(g, b, g.scale(level), dx.shape[1], dx.shape[2], [&](index_t cell, index_t at, float weight) {
        float* const d = dx.pixel(start + at) + first;
        map_row(c, d, [w = broadcast(weight)](Packet v, Packet old) { return fma(w, v, old); }, static_cast<float const*>(turned + cell * block),
                static_cast<float const*>(d));
      });
    }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
