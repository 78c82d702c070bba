// SPDX-License-Identifier: Apache-2.0
// A matrix product that a whole block computes, tile by tile through shared memory, in float.
// The one place that a product of tensor cores would go to: kernels name rows, columns and what becomes of a value.
#pragma once

#include "tadp/kernels/cuda/block.cuh"

namespace tadp::cuda {

/// Shared memory of the product; `rows` is the most rows that one has.
struct ProductTiles {
  static constexpr int rows = 16, columns = 2 * warp, depth = 32;
  float a[rows][depth + 1];
  float b[columns][depth + 1];
};

/// store(row, column, sum over k of a(row, k) * b(column, k)) for row < rows <= ProductTiles::rows, column < columns.
/// Sums run from k = 0 on, whatever the tiles.
template <class Block, class A, class B, class Store>
TADP_DEVICE void multiply(Block& block, ProductTiles& tiles, index_t rows, index_t columns, index_t depth, A const& a, B const& b, Store const& store) {
  constexpr int warps = Block::threads / warp, tall = ProductTiles::rows / warps, wide = ProductTiles::columns / warp;
  struct Corner {  // what a thread computes
    float value[tall][wide];
  };
  for (index_t first = 0; first < columns; first += ProductTiles::columns) {
    typename Block::template PerThread<Corner> sum;
    block.each([&](int t) { sum[t] = {}; });
    for (index_t k0 = 0; k0 < depth; k0 += ProductTiles::depth) {
      block.each([&](int t) {
        index_t const k = k0 + t % warp;
        for (int r = t / warp; r < ProductTiles::rows; r += warps) tiles.a[r][t % warp] = r < rows && k < depth ? a(r, k) : 0.0F;
        for (int c = t / warp; c < ProductTiles::columns; c += warps) tiles.b[c][t % warp] = first + c < columns && k < depth ? b(first + c, k) : 0.0F;
      });
      block.each([&](int t) {
        for (int k = 0; k < ProductTiles::depth; ++k)
          for (int i = 0; i < tall; ++i)
            for (int j = 0; j < wide; ++j) sum[t].value[i][j] += tiles.a[t / warp + i * warps][k] * tiles.b[t % warp + j * warp][k];
      });
    }
    block.each([&](int t) {
      for (int i = 0; i < tall; ++i)
        for (int j = 0; j < wide; ++j) {
          index_t const r = t / warp + i * warps, c = first + t % warp + j * warp;
          if (r < rows && c < columns) store(r, c, sum[t].value[i][j]);
        }
    });
  }
}

}  // namespace tadp::cuda
