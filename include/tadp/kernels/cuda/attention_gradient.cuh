// SPDX-License-Identifier: Apache-2.0
// The way back through attention, in three kernels: what each row of probabilities sums to, then queries, then keys and
// values. Probabilities are computed again from the log-sums; pictures that share a text add to its keys in order.
#pragma once

#include "tadp/kernels/cuda/attention.cuh"

namespace tadp::cuda {

/// Of one query and head, in double: where one probability is nearly one, the slopes of its row cancel.
struct RowSlopes {
  double total;  ///< of the probabilities: a float log-sum of large scores is off by as much as they are
  double inner;  ///< of probability times slope
};

/// What the three kernels read, and the two numbers that all of them compute again.
template <class T>
struct AttentionSlopes {
  AttentionShape g;
  Rows<T const> q, k, v;
  Rows<float const> log_sum;
  Rows<T const> d_o, d_map;  ///< each may be empty
  RowSlopes* row;            ///< (N * queries, heads)

  /// The probability that a score before scaling means, up to RowSlopes::total.
  TADP_DEVICE float probability(index_t n, index_t h, index_t query, index_t key, float score) const {
    return g.sees(query, key) ? std::exp(score * g.scale - log_sum.get(n * g.queries + query, h)) : 0.0F;
  }
  /// The slope of a probability: what its value and the map say.
  TADP_DEVICE float slope(index_t n, index_t query, index_t key, float through_value) const {
    return through_value + (d_map.there() ? d_map.get(n * g.queries + query, key) / static_cast<float>(g.heads) : 0.0F);
  }
  /// The slope of a score before scaling.
  TADP_DEVICE float score_slope(index_t n, index_t h, index_t query, float probability, float slope) const {
    RowSlopes const& sums = row[(n * g.queries + query) * g.heads + h];
    return static_cast<float>(static_cast<double>(probability) / sums.total * (static_cast<double>(slope) - sums.inner / sums.total)) * g.scale;
  }
};

/// Probabilities and slopes of 16 queries and a tile of keys.
template <class T, class Block, class Shared>
TADP_DEVICE void query_slopes(Block& block, Shared& s, AttentionSlopes<T> const& a, index_t n, index_t h, index_t first, index_t rows, index_t j0,
                              index_t keys) {
  index_t const query = n * a.g.queries + first, key = a.g.text_of(n) * a.g.keys + j0, channel = h * a.g.width;
  multiply(
      block, s.tiles, rows, keys, a.g.width, [&](index_t r, index_t c) { return a.q.get(query + r, channel + c); },
      [&](index_t j, index_t c) { return a.k.get(key + j, channel + c); },
      [&](index_t r, index_t j, float sum) { s.probability[r][j] = a.probability(n, h, first + r, j0 + j, sum); });
  multiply(
      block, s.tiles, rows, keys, a.d_o.there() ? a.g.width : 0, [&](index_t r, index_t c) { return a.d_o.get(query + r, channel + c); },
      [&](index_t j, index_t c) { return a.v.get(key + j, channel + c); },
      [&](index_t r, index_t j, float sum) { s.slope[r][j] = a.slope(n, first + r, j0 + j, sum); });
}

template <class T>
struct AttentionRowSums {
  static constexpr int threads = attention_threads, warps = threads / warp;
  struct Shared {
    ProductTiles tiles;
    float probability[query_tile][key_tile + 1];
    float slope[query_tile][key_tile + 1];
  };
  AttentionSlopes<T> a;

  index_t blocks() const { return a.g.pictures * blocks_for(a.g.queries, query_tile); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const tiles = (a.g.queries + query_tile - 1) / query_tile, n = block.index() / tiles, first = block.index() % tiles * query_tile;
    index_t const rows = a.g.queries - first < query_tile ? a.g.queries - first : query_tile;
    for (index_t h = 0; h < a.g.heads; ++h)
      for (index_t j0 = 0; j0 < a.g.keys; j0 += key_tile) {
        index_t const keys = a.g.keys - j0 < key_tile ? a.g.keys - j0 : key_tile;
        query_slopes(block, block.shared(), a, n, h, first, rows, j0, keys);
        for (int i = 0; i < query_tile; i += warps) add_rows(block, n, h, first, i, rows, keys, j0 == 0);
      }
  }

 private:
  template <class Block>
  TADP_DEVICE void add_rows(Block& block, index_t n, index_t h, index_t first, int first_row, index_t rows, index_t keys, bool fresh) const {
    Shared& s = block.shared();
    typename Block::template PerThread<double> total, inner;
    block.each([&](int t) {
      int const r = first_row + t / warp;
      total[t] = inner[t] = 0.0;
      for (index_t j = t % warp; r < rows && j < keys; j += warp) {
        total[t] += static_cast<double>(s.probability[r][j]);
        inner[t] += static_cast<double>(s.probability[r][j]) * static_cast<double>(s.slope[r][j]);
      }
    });
    block.join_warp(total, Sum{});
    block.join_warp(inner, Sum{});
    block.each([&](int t) {
      int const r = first_row + t / warp;
      if (r >= rows || t % warp != 0) return;
      RowSlopes& row = a.row[(n * a.g.queries + first + r) * a.g.heads + h];
      row = {fresh ? total[t] : row.total + total[t], fresh ? inner[t] : row.inner + inner[t]};
    });
  }
};

template <class T, int Widest>
struct AttentionQueryGradient {
  static constexpr int threads = attention_threads;
  struct Shared {
    ProductTiles tiles;
    float probability[query_tile][key_tile + 1];
    float slope[query_tile][key_tile + 1];
    float out[query_tile][Widest];
  };
  AttentionSlopes<T> a;
  Rows<T> dq;

  index_t blocks() const { return a.g.pictures * blocks_for(a.g.queries, query_tile); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    Shared& s = block.shared();
    index_t const tiles = (a.g.queries + query_tile - 1) / query_tile, n = block.index() / tiles, first = block.index() % tiles * query_tile;
    index_t const rows = a.g.queries - first < query_tile ? a.g.queries - first : query_tile, width = a.g.width;
    for (index_t h = 0; h < a.g.heads; ++h) {
      for (index_t j0 = 0; j0 < a.g.keys; j0 += key_tile) {
        index_t const keys = a.g.keys - j0 < key_tile ? a.g.keys - j0 : key_tile, key = a.g.text_of(n) * a.g.keys + j0;
        query_slopes(block, s, a, n, h, first, rows, j0, keys);
        multiply(
            block, s.tiles, rows, width, keys,
            [&](index_t r, index_t j) { return a.score_slope(n, h, first + r, s.probability[r][j], s.slope[r][j]); },
            [&](index_t c, index_t j) { return a.k.get(key + j, h * width + c); },
            [&](index_t r, index_t c, float sum) { s.out[r][c] = j0 == 0 ? sum : s.out[r][c] + sum; });
      }
      block.each([&](int t) {
        for (index_t i = t; i < rows * width; i += threads)
          dq.add(n * a.g.queries + first + i / width, h * width + i % width, s.out[i / width][i % width]);
      });
    }
  }
};

/// 16 keys of one head and one text against all queries of the pictures that read it.
template <class T, int Widest>
struct AttentionKeyGradient {
  static constexpr int threads = attention_threads, tile = ProductTiles::rows, chunk = key_tile;
  struct Shared {
    ProductTiles tiles;
    float probability[tile][chunk + 1];
    float slope[tile][chunk + 1];
    float dk[tile][Widest];
    float dv[tile][Widest];
  };
  AttentionSlopes<T> a;
  index_t texts;
  Rows<T> dk, dv;  ///< each may be empty

  index_t blocks() const { return texts * a.g.heads * blocks_for(a.g.keys, tile); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    Shared& s = block.shared();
    index_t const tiles = (a.g.keys + tile - 1) / tile, h = block.index() / tiles % a.g.heads, text = block.index() / tiles / a.g.heads;
    index_t const first = block.index() % tiles * tile, rows = a.g.keys - first < tile ? a.g.keys - first : tile, width = a.g.width;
    block.each([&](int t) {
      for (index_t i = t; i < rows * width; i += threads) s.dk[i / width][i % width] = s.dv[i / width][i % width] = 0.0F;
    });
    for (index_t n = 0; n < a.g.pictures; ++n) {
      if (a.g.text_of(n) != text) continue;
      for (index_t i0 = 0; i0 < a.g.queries; i0 += chunk) add_queries(block, n, h, text * a.g.keys + first, first, rows, i0);
    }
    block.each([&](int t) {
      for (index_t i = t; i < rows * width; i += threads) {
        if (dk.there()) dk.add(text * a.g.keys + first + i / width, h * width + i % width, s.dk[i / width][i % width]);
        if (dv.there()) dv.add(text * a.g.keys + first + i / width, h * width + i % width, s.dv[i / width][i % width]);
      }
    });
  }

 private:
  template <class Block>
  TADP_DEVICE void add_queries(Block& block, index_t n, index_t h, index_t key, index_t first, index_t rows, index_t i0) const {
    Shared& s = block.shared();
    index_t const count = a.g.queries - i0 < chunk ? a.g.queries - i0 : chunk, query = n * a.g.queries + i0, width = a.g.width, channel = h * width;
    multiply(
        block, s.tiles, rows, count, width, [&](index_t j, index_t c) { return a.k.get(key + j, channel + c); },
        [&](index_t i, index_t c) { return a.q.get(query + i, channel + c); },
        [&](index_t j, index_t i, float sum) { s.probability[j][i] = a.probability(n, h, i0 + i, first + j, sum); });
    multiply(
        block, s.tiles, rows, count, a.d_o.there() ? width : 0, [&](index_t j, index_t c) { return a.v.get(key + j, channel + c); },
        [&](index_t i, index_t c) { return a.d_o.get(query + i, channel + c); },
        [&](index_t j, index_t i, float sum) { s.slope[j][i] = a.slope(n, i0 + i, first + j, sum); });
    if (dk.there())
      multiply(
          block, s.tiles, rows, width, count, [&](index_t j, index_t i) { return a.score_slope(n, h, i0 + i, s.probability[j][i], s.slope[j][i]); },
          [&](index_t c, index_t i) { return a.q.get(query + i, channel + c); }, [&](index_t j, index_t c, float sum) { s.dk[j][c] += sum; });
    if (dv.there() && a.d_o.there())
      multiply(
          block, s.tiles, rows, width, count,
          [&](index_t j, index_t i) { return static_cast<float>(static_cast<double>(s.probability[j][i]) / a.row[(query + i) * a.g.heads + h].total); },
          [&](index_t c, index_t i) { return a.d_o.get(query + i, channel + c); }, [&](index_t j, index_t c, float sum) { s.dv[j][c] += sum; });
  }
};

}  // namespace tadp::cuda
