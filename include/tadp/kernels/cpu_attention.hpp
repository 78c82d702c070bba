// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention on the processor: a tile of queries against all keys, so that the probabilities of one
// tile are all that is ever stored; with the mean of the heads' probabilities when a map is asked for.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/kernels/cpu_gemm.hpp"

#include <cmath>
#include <limits>

namespace tadp {
inline namespace TADP_ISA {
namespace attention_detail {

inline constexpr index_t query_tile = 48;

/// Probabilities of one row of scores, in place; returns the logarithm of the sum of exponentials.
inline float softmax_row(float* row, index_t keys, index_t visible, float scale) {
  map_row(visible, row, [s = broadcast(scale)](Packet x) { return mul(x, s); }, static_cast<float const*>(row));
  float const top = max_of_row(visible, row);
  map_row(visible, row, [t = broadcast(top)](Packet x) { return exp(sub(x, t)); }, static_cast<float const*>(row));
  float const sum = sum_of_row(visible, [](Packet x) { return x; }, static_cast<float const*>(row));
  map_row(visible, row, [s = broadcast(1.0F / sum)](Packet x) { return mul(x, s); }, static_cast<float const*>(row));
  for (index_t j = visible; j < keys; ++j) row[j] = 0.0F;
  return top + std::log(sum);
}

inline float softmax_scale(index_t head_channels) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_channels))); }

}  // namespace attention_detail

/// o = softmax(q k^T / sqrt(d)) v, heads being contiguous parts of the channels.
/// q, o (N, 1, Lq, heads * d); k, v (T, 1, Lk, heads * d); text[n] in [0, T) names the keys of picture n (null: n itself);
/// log_sum (N, 1, Lq, heads): what the backward pass needs; map (N, 1, Lq, Lk) or empty: mean over heads of the probabilities.
inline void attention(Cpu& cpu, AttentionGeometry const& g, ConstFeatures<Cpu> q, ConstFeatures<Cpu> k, ConstFeatures<Cpu> v,
                      std::int32_t const* text, Features<Cpu> o, Features<Cpu> log_sum, Features<Cpu> map) {
  using namespace attention_detail;
  FeatureShape const qs = q.shape, ks = k.shape;
  index_t const queries = qs.positions(), keys = ks.positions(), d = qs.c() / g.heads;
  float const scale = softmax_scale(d);
  // Enough blocks for the threads; a row's numbers do not depend on the block that it is in.
  index_t const block = std::clamp((queries / 8 + query_tile - 1) / query_tile * query_tile, query_tile, 10 * query_tile);
  index_t const blocks = (queries + block - 1) / block;
  index_t const key_columns = PackedB::padded_columns(keys), value_columns = PackedB::padded_columns(d);
  index_t const tile_rows = PackedB::padded_rows(query_tile);
  cpu.threads().run(qs.n() * blocks, [&](index_t task, int worker) {
    index_t const n = task / blocks, t = text != nullptr ? text[n] : n;
    index_t const first = task % blocks * block, last = std::min(queries, first + block);
    float* const scratch = cpu.threads().scratch(worker, PackedB::floats(keys, d) + PackedB::floats(d, keys) +
                                                             PackedB::scratch_floats(query_tile) + tile_rows * (key_columns + value_columns) + 64);
    float* const packed_k = scratch;
    float* const packed_v = packed_k + PackedB::floats(keys, d);
    float* const scores = packed_v + PackedB::floats(d, keys);
    float* const values = scores + tile_rows * key_columns;
    float* const pack = values + tile_rows * value_columns;
    for (index_t h = 0; h < g.heads; ++h) {
      PackedB const kt(RowsOf{k.pixel(t * keys) + h * d, k.pixel_stride}, keys, d, packed_k);
      PackedB const vt(ColumnsOf{v.pixel(t * keys) + h * d, v.pixel_stride}, d, keys, packed_v);
      for (index_t i0 = first; i0 < last; i0 += query_tile) {
        index_t const rows = std::min(query_tile, last - i0), p0 = n * queries + i0;
        kt.multiply(RowsOf{q.pixel(p0) + h * d, q.pixel_stride}, rows, scores, key_columns, pack);
        for (index_t i = 0; i < rows; ++i) {
          float* const row = scores + i * key_columns;
          index_t const visible = g.causal ? i0 + i + 1 : keys;
          log_sum.pixel(p0 + i)[h] = softmax_row(row, keys, visible, scale);
          if (!map) continue;
          float* const target = map.pixel(p0 + i);
          auto const share = broadcast(1.0F / static_cast<float>(g.heads));
          if (h == 0)
            map_row(keys, target, [share](Packet p) { return mul(p, share); }, static_cast<float const*>(row));
          else
            map_row(keys, target, [share](Packet m, Packet p) { return fma(p, share, m); }, static_cast<float const*>(target),
                    static_cast<float const*>(row));
        }
        vt.multiply(RowsOf{scores, key_columns}, rows, values, value_columns, pack);
        for (index_t i = 0; i < rows; ++i)
          std::memcpy(o.pixel(p0 + i) + h * d, values + i * value_columns, static_cast<std::size_t>(d) * sizeof(float));
      }
    }
  });
}

/// dq, dk, dv += (each may be empty), from the gradients of o and of the map (which may be empty).
inline void attention_gradient(Cpu& cpu, AttentionGeometry const& g, ConstFeatures<Cpu> q, ConstFeatures<Cpu> k, ConstFeatures<Cpu> v,
                               std::int32_t const* text, ConstFeatures<Cpu> log_sum, ConstFeatures<Cpu> d_o, ConstFeatures<Cpu> d_map,
                               Features<Cpu> dq, Features<Cpu> dk, Features<Cpu> dv) {
  using namespace attention_detail;
  FeatureShape const qs = q.shape, ks = k.shape;
  index_t const queries = qs.positions(), keys = ks.positions(), d = qs.c() / g.heads;
  float const scale = softmax_scale(d);
  index_t const key_columns = PackedB::padded_columns(keys), value_columns = PackedB::padded_columns(d);
  index_t const tile_rows = PackedB::padded_rows(query_tile), key_rows = PackedB::padded_rows(keys);
  index_t const pack_floats = PackedB::scratch_floats(std::max(query_tile, keys));
  // One task a head: pictures that share a text add to the same keys, one after the other.
  cpu.threads().run(g.heads, [&](index_t h, int worker) {
    float* at = cpu.threads().scratch(worker, 2 * PackedB::floats(keys, d) + PackedB::floats(d, keys) + 2 * PackedB::floats(d, query_tile) +
                                                  2 * tile_rows * key_columns + (tile_rows + key_rows) * value_columns + pack_floats + 64);
    auto const take = [&at](index_t floats) { return std::exchange(at, at + floats); };
    float* const packed_kt = take(PackedB::floats(keys, d));
    float* const packed_vt = take(PackedB::floats(keys, d));
    float* const packed_k = take(PackedB::floats(d, keys));
    float* const packed_q = take(PackedB::floats(d, query_tile));
    float* const packed_do = take(PackedB::floats(d, query_tile));
    float* const p = take(tile_rows * key_columns);
    float* const dp = take(tile_rows * key_columns);
    float* const small = take(tile_rows * value_columns);
    float* const large = take(key_rows * value_columns);
    float* const pack = at;
    auto const add_to = [&](Features<Cpu> target, index_t pixel, index_t rows, float const* values) {
      for (index_t i = 0; i < rows; ++i) {
        float* const row = target.pixel(pixel + i) + h * d;
        map_row(d, row, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(row), values + i * value_columns);
      }
    };
    for (index_t n = 0; n < qs.n(); ++n) {
      index_t const t = text != nullptr ? text[n] : n;
      RowsOf const k_rows{k.pixel(t * keys) + h * d, k.pixel_stride}, v_rows{v.pixel(t * keys) + h * d, v.pixel_stride};
      PackedB const kt(k_rows, keys, d, packed_kt), vt(v_rows, keys, d, packed_vt);
      PackedB const k_values(ColumnsOf{k_rows.data, k_rows.stride}, d, keys, packed_k);
      for (index_t i0 = 0; i0 < queries; i0 += query_tile) {
        index_t const rows = std::min(query_tile, queries - i0), p0 = n * queries + i0;
        RowsOf const q_rows{q.pixel(p0) + h * d, q.pixel_stride};
        kt.multiply(q_rows, rows, p, key_columns, pack);
        if (d_o)
          vt.multiply(RowsOf{d_o.pixel(p0) + h * d, d_o.pixel_stride}, rows, dp, key_columns, pack);
        else
          std::fill_n(dp, rows * key_columns, 0.0F);
        for (index_t i = 0; i < rows; ++i) {
          float* const pr = p + i * key_columns;
          float* const dr = dp + i * key_columns;
          index_t const visible = g.causal ? i0 + i + 1 : keys;
          auto const ls = broadcast(log_sum.pixel(p0 + i)[h]);
          map_row(visible, pr, [s = broadcast(scale), ls](Packet x) { return exp(sub(mul(x, s), ls)); }, static_cast<float const*>(pr));
          // A float log_sum of large scores is off by as much as they are: the probabilities have to sum to one again.
          float const total = sum_of_row(visible, [](Packet x) { return x; }, static_cast<float const*>(pr));
          map_row(visible, pr, [s = broadcast(1.0F / total)](Packet x) { return mul(x, s); }, static_cast<float const*>(pr));
          if (d_map)
            map_row(visible, dr, [s = broadcast(1.0F / static_cast<float>(g.heads))](Packet a, Packet m) { return fma(m, s, a); },
                    static_cast<float const*>(dr), d_map.pixel(p0 + i));
          for (index_t j = visible; j < keys; ++j) pr[j] = dr[j] = 0.0F;
        }
        if (dv && d_o) {
          PackedB const grad(ColumnsOf{d_o.pixel(p0) + h * d, d_o.pixel_stride}, d, rows, packed_do);
          grad.multiply(ColumnsOf{p, key_columns}, keys, large, value_columns, pack);
          add_to(dv, t * keys, keys, large);
        }
        for (index_t i = 0; i < rows; ++i) {
          float* const pr = p + i * key_columns;
          float* const dr = dp + i * key_columns;
          // Relative to the gradient of the likeliest key: where one probability is nearly one, the sum would cancel.
          index_t const likeliest = std::find(pr, pr + keys, max_of_row(keys, pr)) - pr;
          float const ahead = dr[std::min(likeliest, keys - 1)];  // not found among NaN
          map_row(keys, dr, [a = broadcast(ahead)](Packet b) { return sub(b, a); }, static_cast<float const*>(dr));
          float const inner = sum_of_row(keys, [](Packet a, Packet b) { return mul(a, b); }, static_cast<float const*>(pr), static_cast<float const*>(dr));
          map_row(keys, dr, [in = broadcast(inner), s = broadcast(scale)](Packet a, Packet b) { return mul(mul(a, sub(b, in)), s); },
                  static_cast<float const*>(pr), static_cast<float const*>(dr));
        }
        if (dq) {
          k_values.multiply(RowsOf{dp, key_columns}, rows, small, value_columns, pack);
          add_to(dq, p0, rows, small);
        }
        if (dk) {
          PackedB const queries_b(ColumnsOf{q_rows.data, q_rows.stride}, d, rows, packed_q);
          queries_b.multiply(ColumnsOf{dp, key_columns}, keys, large, value_columns, pack);
          add_to(dk, t * keys, keys, large);
        }
      }
    }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
