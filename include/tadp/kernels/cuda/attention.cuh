// SPDX-License-Identifier: Apache-2.0
// Attention: 16 queries a block against tiles of keys. For a map the heads come one after the other, so that it is their mean
// without a probability ever being stored, and the 77 keys of a text are read once; without one each head has its own block.
#pragma once

#include "tadp/kernels/cuda/element.cuh"
#include "tadp/kernels/cuda/multiply.cuh"

#include <cmath>

namespace tadp::cuda {

/// What attends to what.
struct AttentionShape {
  index_t pictures, queries, keys, heads, width;  ///< width: channels of a head
  bool causal;
  float scale;
  std::int32_t const* text;  ///< whose keys a picture reads; null: its own

  TADP_DEVICE index_t text_of(index_t n) const { return text != nullptr ? text[n] : n; }
  TADP_DEVICE bool sees(index_t query, index_t key) const { return !causal || key <= query; }
};

inline constexpr int query_tile = ProductTiles::rows, key_tile = 96, attention_threads = 256;
static_assert(key_tile % warp == 0);

/// `Widest`: the most channels of a head.
template <class T, int Widest>
struct Attention {
  static constexpr int threads = attention_threads, warps = threads / warp;
  struct Shared {
    ProductTiles tiles;
    float score[query_tile][key_tile + 1];
    float map[query_tile][key_tile + 1];
    float out[query_tile][Widest];
    float largest[query_tile], sum[query_tile], factor[query_tile];
  };
  AttentionShape g;
  Rows<T const> q, k, v;
  Rows<T> o;
  Rows<float> log_sum;
  Rows<T> map;  ///< may be empty

  index_t blocks() const { return g.pictures * blocks_for(g.queries, query_tile) * (map.there() ? 1 : g.heads); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    Shared& s = block.shared();
    index_t const apart = map.there() ? 1 : g.heads, tiles = (g.queries + query_tile - 1) / query_tile;
    index_t const tile = block.index() / apart, n = tile / tiles, first = tile % tiles * query_tile;
    index_t const rows = g.queries - first < query_tile ? g.queries - first : query_tile, pixel = n * g.queries + first;
    index_t const first_head = block.index() % apart, heads = map.there() ? g.heads : first_head + 1;
    for (index_t h = first_head; h < heads; ++h) {
      block.each([&](int t) {
        if (t < query_tile) {
          s.largest[t] = -std::numeric_limits<float>::infinity();
          s.sum[t] = 0.0F;
        }
      });
      for (index_t j0 = 0; j0 < g.keys; j0 += key_tile) {
        scores(block, n, h, first, rows, j0);
        for (int i = 0; i < query_tile / warps; ++i) exponentials(block, i * warps, rows, keys_at(j0));
        index_t const value = g.text_of(n) * g.keys + j0;
        multiply(
            block, s.tiles, rows, g.width, keys_at(j0), [&](index_t r, index_t j) { return s.score[r][j]; },
            [&](index_t c, index_t j) { return v.get(value + j, h * g.width + c); },
            [&](index_t r, index_t c, float sum) { s.out[r][c] = j0 == 0 ? sum : s.out[r][c] * s.factor[r] + sum; });
      }
      block.each([&](int t) {
        for (index_t i = t; i < rows * g.width; i += threads)
          o.set(pixel + i / g.width, h * g.width + i % g.width, s.out[i / g.width][i % g.width] / s.sum[i / g.width]);
        if (t < rows) log_sum.pixel(pixel + t)[h] = s.largest[t] + std::log(s.sum[t]);
      });
      if (map.there()) add_map(block, n, h, first, rows, pixel);
    }
    if (map.there() && g.keys <= key_tile)
      block.each([&](int t) {
        for (index_t i = t; i < rows * g.keys; i += threads) map.set(pixel + i / g.keys, i % g.keys, s.map[i / g.keys][i % g.keys]);
      });
  }

 private:
  TADP_DEVICE index_t keys_at(index_t j0) const { return g.keys - j0 < key_tile ? g.keys - j0 : key_tile; }

  template <class Block>
  TADP_DEVICE void scores(Block& block, index_t n, index_t h, index_t first, index_t rows, index_t j0) const {
    Shared& s = block.shared();
    index_t const query = n * g.queries + first, key = g.text_of(n) * g.keys + j0, channel = h * g.width;
    multiply(
        block, s.tiles, rows, keys_at(j0), g.width, [&](index_t r, index_t c) { return q.get(query + r, channel + c); },
        [&](index_t j, index_t c) { return k.get(key + j, channel + c); },
        [&](index_t r, index_t j, float sum) {
          s.score[r][j] = g.sees(first + r, j0 + j) ? sum * g.scale : -std::numeric_limits<float>::infinity();
        });
  }
  /// Scores become exponentials about the largest so far, a row a warp.
  template <class Block>
  TADP_DEVICE void exponentials(Block& block, int first_row, index_t rows, index_t keys) const {
    Shared& s = block.shared();
    typename Block::template PerThread<float> top, sum;
    auto const row = [&](int t) { return first_row + t / warp; };
    block.each([&](int t) {
      top[t] = -std::numeric_limits<float>::infinity();
      for (index_t j = t % warp; row(t) < rows && j < keys; j += warp) top[t] = Largest{}(top[t], s.score[row(t)][j]);
    });
    block.join_warp(top, Largest{});
    block.each([&](int t) {
      sum[t] = 0.0F;
      if (row(t) >= rows) return;
      top[t] = Largest{}(s.largest[row(t)], top[t]);
      for (index_t j = t % warp; j < keys; j += warp) sum[t] += s.score[row(t)][j] = std::exp(s.score[row(t)][j] - top[t]);
    });
    block.join_warp(sum, Sum{});
    block.each([&](int t) {
      if (row(t) >= rows || t % warp != 0) return;
      s.factor[row(t)] = std::exp(s.largest[row(t)] - top[t]);
      s.sum[row(t)] = s.sum[row(t)] * s.factor[row(t)] + sum[t];
      s.largest[row(t)] = top[t];
    });
  }
  /// One tile of keys: the exponentials are still there. More: they are computed again, and added to the map itself.
  template <class Block>
  TADP_DEVICE void add_map(Block& block, index_t n, index_t h, index_t first, index_t rows, index_t pixel) const {
    Shared& s = block.shared();
    auto const heads = static_cast<float>(g.heads);
    if (g.keys <= key_tile) {
      block.each([&](int t) {
        for (index_t i = t; i < rows * g.keys; i += threads) {
          float const p = s.score[i / g.keys][i % g.keys] / s.sum[i / g.keys] / heads;
          float& sum = s.map[i / g.keys][i % g.keys];
          sum = h == 0 ? p : sum + p;
        }
      });
      return;
    }
    for (index_t j0 = 0; j0 < g.keys; j0 += key_tile) {
      scores(block, n, h, first, rows, j0);
      index_t const keys = keys_at(j0);
      block.each([&](int t) {
        for (index_t i = t; i < rows * keys; i += threads) {
          index_t const r = i / keys, j = i % keys;
          float const p = std::exp(s.score[r][j] - s.largest[r]) / s.sum[r] / heads;
          map.set(pixel + r, j0 + j, h == 0 ? p : map.get(pixel + r, j0 + j) + p);
        }
      });
    }
  }
};

}  // namespace tadp::cuda
