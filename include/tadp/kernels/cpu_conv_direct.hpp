// SPDX-License-Identifier: Apache-2.0
// Convolutions of few channels on the processor: register tiles that read the pictures where they lie. Packing a pixel's
// patch pays only where many columns read it again; with few channels it would cost as much as the product itself.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/kernels/cpu_gemm.hpp"

#include <array>
#include <utility>

namespace tadp {
inline namespace TADP_ISA {
namespace conv_detail {

using gemm_detail::tile_columns, gemm_detail::tile_rows, gemm_detail::tile_vectors;

/// c[tile_rows][ldc] = the sum over segments and their `length` values of rows[segment][row][i] * b[segment][i][column],
/// for the first Vectors vectors of a tile's columns.
template <int Vectors>
void multiply_segments(index_t segments, index_t length, float const* const* rows, float const* b, float* c, index_t ldc) {
  Packet total[tile_rows][Vectors] = {};
  for (index_t s = 0; s < segments; ++s, rows += tile_rows) {
    float const* row[tile_rows];
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) row[i] = rows[i];
    for (index_t k0 = 0; k0 < length; k0 += gemm_detail::chain) {
      Packet sum[tile_rows][Vectors] = {};
      index_t const end = std::min(length, k0 + gemm_detail::chain);
      for (index_t k = k0; k < end; ++k, b += tile_columns) {
        Packet column[Vectors];
#pragma GCC unroll 4
        for (int j = 0; j < Vectors; ++j) gemm_detail::load_to(column[j], b + j * vector_floats);
#pragma GCC unroll 16
        for (int i = 0; i < tile_rows; ++i)
#pragma GCC unroll 4
          for (int j = 0; j < Vectors; ++j) sum[i][j] += row[i][k] * column[j];
      }
      gemm_detail::add_tile(total, sum);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) gemm_detail::store_from(c + i * ldc + j * vector_floats, total[i][j]);
}

/// rows[tap][r]: where the values of tap `tap` of output pixel first + r begin; zeros outside the picture and from `count` on.
template <class Gather>
void point_at_patches(Gather const& gather, index_t first, index_t count, float const** rows) {
  index_t const width = gather.out.w(), height = gather.out.h(), kernel = gather.g.kernel, step = gather.step();
  index_t const x = first % width, y = first / width % height, n = first / gather.out.positions();
  bool const one_line = count == tile_rows && x + tile_rows <= width;
  for (index_t ky = 0; ky < kernel; ++ky)
    for (index_t kx = 0; kx < kernel; ++kx, rows += tile_rows) {
      if (one_line) {  // both ends inside and evenly apart: so is what lies between
        float const* const a = gather.source(n, y, x, ky, kx);
        float const* const z = gather.source(n, y, x + tile_rows - 1, ky, kx);
        if (a != gemm_detail::zeros && z != gemm_detail::zeros && z - a == (tile_rows - 1) * step) {
          for (int r = 0; r < tile_rows; ++r) rows[r] = a + r * step;
          continue;
        }
      }
      index_t rn = n, ry = y, rx = x;
      for (index_t r = 0; r < tile_rows; ++r) {
        rows[r] = r < count ? gather.source(rn, ry, rx, ky, kx) : gemm_detail::zeros;
        if (++rx < width) continue;
        rx = 0;
        if (++ry == height) ry = 0, ++rn;
      }
    }
}

/// Whether reading patches in place beats packing them: few columns to read them again, and a tap no longer than `zeros`.
inline bool few_channels(index_t columns, index_t channels, index_t taps) { return columns <= 64 && channels <= gemm_detail::k_block && taps <= 25; }

/// gemm(...) of rows that `gather` points at; the same store(i, j, count, values).
template <class Gather, class B, class Store>
void multiply_patches(ThreadPool& pool, index_t rows, index_t columns, Gather const& gather, B const& b, Store const& store) {
  index_t const channels = gather.in.c(), taps = gather.g.taps(), k = taps * channels, panels = (columns + tile_columns - 1) / tile_columns;
  float* const packed = pool.packing_scratch(panels * tile_columns * k + 16);
  pool.run(panels, [&](index_t panel, int) {
    index_t const j = panel * tile_columns;
    for (index_t k0 = 0; k0 < k; k0 += gemm_detail::k_block)
      b.template pack<tile_columns>(j, std::min<index_t>(tile_columns, columns - j), k0, std::min(gemm_detail::k_block, k - k0), packed + j * k + k0 * tile_columns);
  });
  index_t const block = 8 * tile_rows, ldc = panels * tile_columns;
  pool.run((rows + block - 1) / block, [&](index_t task, int worker) {
    float* const c = pool.scratch(worker, tile_rows * ldc);
    float const* pointers[25 * tile_rows];
    for (index_t i = task * block; i < std::min(rows, (task + 1) * block); i += tile_rows) {
      index_t const count = std::min<index_t>(tile_rows, rows - i);
      point_at_patches(gather, i, count, pointers);
      for (index_t j = 0; j < columns; j += tile_columns) {
        auto const multiply = columns - j <= vector_floats ? multiply_segments<1> : multiply_segments<tile_vectors>;
        multiply(taps, channels, pointers, packed + j * k, c + j, ldc);
      }
      for (index_t r = 0; r < count; ++r) store(i + r, 0, columns, static_cast<float const*>(c + r * ldc));
    }
  });
}

/// c[Rows][ldc] += the sum over `count` pixels of a[pixel][row] * b[pixel][column], for Vectors vectors of columns.
template <int Rows, int Vectors>
void add_outer_products(index_t count, float const* a, index_t a_step, float const* b, index_t b_step, float* c, index_t ldc) {
  Packet sum[Rows][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) gemm_detail::load_to(sum[i][j], c + i * ldc + j * vector_floats);
  for (index_t p = 0; p < count; ++p, a += a_step, b += b_step) {
    Packet column[Vectors];
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) gemm_detail::load_to(column[j], b + j * vector_floats);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) sum[i][j] += a[i] * column[j];
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) gemm_detail::store_from(c + i * ldc + j * vector_floats, sum[i][j]);
}

using OuterProducts = void (*)(index_t, float const*, index_t, float const*, index_t, float*, index_t);
template <int Vectors, int... R>
constexpr std::array<OuterProducts, sizeof...(R)> outer_products(std::integer_sequence<int, R...>) {
  return {add_outer_products<R + 1, Vectors>...};
}
/// [vectors - 1][rows - 1]
inline constexpr std::array<std::array<OuterProducts, tile_rows>, 2> outer_tiles{outer_products<1>(std::make_integer_sequence<int, tile_rows>{}),
                                                                                 outer_products<2>(std::make_integer_sequence<int, tile_rows>{})};

/// Whether the weights' gradient can read whole vectors of a pixel's channels, and its partial sums stay in cache.
inline bool outer_products_fit(ConvGeometry const& g, index_t in_channels, index_t out_channels) {
  return !g.upsample && in_channels % vector_floats == 0 && out_channels * g.taps() * in_channels <= 48 * 1024;
}

/// One line of output pixels: sum[co][tap][ci] += dy * x.
inline void add_line_gradient(ConvGeometry const& g, ConstFeatures<Cpu> const& x, ConstFeatures<Cpu> const& dy, index_t line, float* sum) {
  FeatureShape const in = x.shape, out = dy.shape;
  index_t const oy = line % out.h(), n = line / out.h(), k = g.taps() * in.c();
  for (index_t ky = 0; ky < g.kernel; ++ky)
    for (index_t kx = 0; kx < g.kernel; ++kx) {
      index_t const y = oy * g.stride + ky - g.pad_top, shift = kx - g.pad_left;
      if (y < 0 || y >= in.h()) continue;
      index_t const begin = shift < 0 ? (-shift + g.stride - 1) / g.stride : 0;
      index_t const end = in.w() - shift <= 0 ? 0 : std::min(out.w(), (in.w() - shift + g.stride - 1) / g.stride);
      if (begin >= end) continue;
      float const* const a = dy.pixel(line * out.w() + begin);
      float const* const b = x.pixel((n * in.h() + y) * in.w() + begin * g.stride + shift);
      for (index_t ci = 0; ci < in.c(); ci += tile_columns) {
        auto const vectors = static_cast<std::size_t>(std::min<index_t>(tile_vectors, (in.c() - ci) / vector_floats));
        for (index_t co = 0; co < out.c(); co += tile_rows) {
          auto const rows = static_cast<std::size_t>(std::min<index_t>(tile_rows, out.c() - co));
          outer_tiles[vectors - 1][rows - 1](end - begin, a + co, dy.pixel_stride, b + ci, x.pixel_stride * g.stride, sum + co * k + (ky * g.kernel + kx) * in.c() + ci, k);
        }
      }
    }
}

/// dweight += , for shapes that outer_products_fit. Lines are cut into a number of pieces that the shape alone decides.
inline void add_outer_product_gradient(Cpu& cpu, ConvGeometry const& g, ConstFeatures<Cpu> const& x, ConstFeatures<Cpu> const& dy, float* dweight) {
  FeatureShape const out = dy.shape;
  index_t const lines = out.n() * out.h(), size = out.c() * g.taps() * x.shape.channels();
  index_t const pieces = std::min(lines, std::clamp<index_t>(out.pixels() / 2048, 1, 16));
  float* const sums = cpu.threads().shared_scratch(pieces * size);
  cpu.threads().run(pieces, [&](index_t piece, int) {
    float* const sum = sums + piece * size;
    std::fill(sum, sum + size, 0.0F);
    for (index_t line = lines * piece / pieces; line < lines * (piece + 1) / pieces; ++line) add_line_gradient(g, x, dy, line, sum);
  });
  index_t const block = 4096;
  cpu.threads().run((size + block - 1) / block, [&](index_t task, int) {
    index_t const first = task * block, count = std::min(block, size - first);
    for (index_t piece = 0; piece < pieces; ++piece)
      map_row(count, dweight + first, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(dweight + first), static_cast<float const*>(sums + piece * size + first));
  });
}

}  // namespace conv_detail
}  // namespace TADP_ISA
}  // namespace tadp
