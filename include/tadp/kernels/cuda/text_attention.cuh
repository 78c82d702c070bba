// SPDX-License-Identifier: Apache-2.0
// Attention to a text: at most 96 keys, whose probabilities a warp holds whole. One head a warp, four queries a block, so that
// the heads' mean map is summed within the block and small feature maps still fill a device.
#pragma once

#include "tadp/kernels/cuda/attention.cuh"

#include <cmath>

namespace tadp::cuda {

/// `Step`: channels of queries and keys that are read at once.
template <class T, int Step>
struct TextAttention {
  static constexpr int warps = 8, threads = warps * warp, query_rows = 4, keys_a_thread = 3, most_keys = keys_a_thread * warp, widest = 160;
  struct Shared {
    TogetherInMemory<float, Step> query[warps][query_rows][widest / Step];
    TogetherInMemory<float, query_rows> share[warps][most_keys];  ///< exponentials of a head's scores, which add up to `sum`
    float sum[warps][query_rows];
    float map[query_rows][most_keys];
  };
  AttentionShape g;
  Rows<T const> q, k, v;
  Rows<T> o;
  Rows<float> log_sum;
  Rows<T> map;  ///< may be empty

  bool fits() const { return g.keys <= most_keys && g.width <= widest && g.width % Step == 0 && q.moves_by(Step) && k.moves_by(Step); }
  index_t blocks() const { return g.pictures * blocks_for(g.queries, query_rows) * (map.there() ? 1 : blocks_for(g.heads, warps)); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const apart = map.there() ? 1 : (g.heads + warps - 1) / warps, tiles = (g.queries + query_rows - 1) / query_rows;
    index_t const tile = block.index() / apart, n = tile / tiles, first = tile % tiles * query_rows;
    index_t const rows = g.queries - first < query_rows ? g.queries - first : query_rows;
    index_t const first_head = block.index() % apart * warps, last = map.there() || first_head + warps > g.heads ? g.heads : first_head + warps;
    for (index_t head = first_head; head < last; head += warps) {
      Part const part{n, first, rows, head, last - head < warps ? last - head : warps};
      take_queries(block, part);
      shares(block, part);
      values(block, part);
      if (map.there()) add_map(block, part);
    }
  }

 private:
  /// `rows` queries of picture n, and as many heads as there are warps.
  struct Part {
    index_t n, first, rows, head, heads;
  };
  struct Scores {
    float value[query_rows][keys_a_thread];
  };

  template <class Block>
  TADP_DEVICE void take_queries(Block& block, Part const& part) const {
    Shared& s = block.shared();
    index_t const across = part.heads * g.width / Step, pixel = part.n * g.queries + part.first;
    block.each([&](int t) {
      for (index_t i = t; i < query_rows * across; i += threads) {
        index_t const r = i / across, c = i % across * Step;
        Together<float, Step> value{};
        if (r < part.rows) value = q.template get_together<Step>(pixel + r, part.head * g.width + c);
        s.query[c / g.width][r][c % g.width / Step] = {value};
      }
    });
  }
  /// The softmax over a thread's three keys and its warp's 96.
  template <class Block>
  TADP_DEVICE void shares(Block& block, Part const& part) const {
    Shared& s = block.shared();
    typename Block::template PerThread<Scores> scores;
    typename Block::template PerThread<float> top[query_rows], sum[query_rows];
    block.each([&](int t) {
      scores[t] = t / warp < part.heads ? scores_of(s, part, t / warp, t % warp) : Scores{};
      for (int r = 0; r < query_rows; ++r) {
        top[r][t] = scores[t].value[r][0];
        for (int i = 1; i < keys_a_thread; ++i) top[r][t] = Largest{}(top[r][t], scores[t].value[r][i]);
      }
    });
    for (int r = 0; r < query_rows; ++r) block.join_warp(top[r], Largest{});
    block.each([&](int t) {
      for (int i = 0; i < keys_a_thread; ++i) {
        Together<float, query_rows> share;
        for (int r = 0; r < query_rows; ++r) share.value[r] = std::exp(scores[t].value[r][i] - top[r][t]);
        s.share[t / warp][t % warp + i * warp] = {share};
        for (int r = 0; r < query_rows; ++r) sum[r][t] = i == 0 ? share.value[r] : sum[r][t] + share.value[r];
      }
    });
    for (int r = 0; r < query_rows; ++r) block.join_warp(sum[r], Sum{});
    block.each([&](int t) {
      if (t % warp != 0 || t / warp >= part.heads) return;
      for (int r = 0; r < query_rows; ++r) {
        s.sum[t / warp][r] = sum[r][t];
        if (r < part.rows) log_sum.pixel(part.n * g.queries + part.first + r)[part.head + t / warp] = top[r][t] + std::log(sum[r][t]);
      }
    });
  }
  /// Of the keys `lane`, lane + 32 and lane + 64; minus infinity where there is no such key, or the query does not see it.
  TADP_DEVICE Scores scores_of(Shared const& s, Part const& part, int head, int lane) const {
    static_assert(keys_a_thread == 3);
    Scores sum{};
    index_t const text = g.text_of(part.n) * g.keys;
    auto const key = [&](int i, index_t c) {
      index_t const j = lane + i * warp;
      return k.template get_together<Step>(text + (j < g.keys ? j : g.keys - 1), (part.head + head) * g.width + c);
    };
    for (index_t c = 0; c < g.width; c += Step) {
      Together<float, Step> const first = key(0, c), second = key(1, c), third = key(2, c);
      for (int r = 0; r < query_rows; ++r) {
        Together<float, Step> const query = s.query[head][r][c / Step];
        for (int e = 0; e < Step; ++e) {
          sum.value[r][0] += query.value[e] * first.value[e];
          sum.value[r][1] += query.value[e] * second.value[e];
          sum.value[r][2] += query.value[e] * third.value[e];
        }
      }
    }
    for (int r = 0; r < query_rows; ++r)
      for (int i = 0; i < keys_a_thread; ++i) {
        index_t const j = lane + i * warp;
        sum.value[r][i] = j < g.keys && g.sees(part.first + r, j) ? sum.value[r][i] * g.scale : -std::numeric_limits<float>::infinity();
      }
    return sum;
  }
  template <class Block>
  TADP_DEVICE void values(Block& block, Part const& part) const {
    Shared& s = block.shared();
    index_t const text = g.text_of(part.n) * g.keys, pixel = part.n * g.queries + part.first;
    block.each([&](int t) {
      index_t const head = t / warp;
      if (head >= part.heads) return;
      for (index_t c = t % warp; c < g.width; c += warp) {
        Together<float, query_rows> sum{};
        for (index_t j = 0; j < g.keys; ++j) {
          float const value = v.get(text + j, (part.head + head) * g.width + c);
          Together<float, query_rows> const share = s.share[head][j];
          for (int r = 0; r < query_rows; ++r) sum.value[r] += share.value[r] * value;
        }
        for (index_t r = 0; r < part.rows; ++r) o.set(pixel + r, (part.head + head) * g.width + c, sum.value[r] / s.sum[head][r]);
      }
    });
  }
  /// Heads are added in their order; the last of them make the mean.
  template <class Block>
  TADP_DEVICE void add_map(Block& block, Part const& part) const {
    Shared& s = block.shared();
    auto const heads = static_cast<float>(g.heads);
    index_t const pixel = part.n * g.queries + part.first;
    block.each([&](int t) {
      for (index_t i = t; i < part.rows * g.keys; i += threads) {
        index_t const r = i / g.keys, j = i % g.keys;
        float mean = part.head == 0 ? 0.0F : s.map[r][j];
        for (index_t head = 0; head < part.heads; ++head) mean += s.share[head][j].value[r] / s.sum[head][r] / heads;
        s.map[r][j] = mean;
        if (part.head + part.heads == g.heads) map.set(pixel + r, j, mean);
      }
    });
  }
};

}  // namespace tadp::cuda
