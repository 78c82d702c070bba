// SPDX-License-Identifier: Apache-2.0
// Matrix products C = A B on the processor: packed panels, one register tile, any source of A and B that can pack itself.
// An element's sum always runs over k in the same blocks, so its bytes depend neither on the batch nor on the threads.
#pragma once

#include "tadp/device/cpu.hpp"
#include "tadp/kernels/cpu_vector.hpp"

#include <algorithm>

namespace tadp {
inline namespace TADP_ISA {
namespace gemm_detail {

// Rows of a register tile: its sums, a column and a broadcast value fill the registers that there are.
inline constexpr int tile_rows = vector_floats == 16 ? 12 : vector_floats == 8 ? 6 : 4;
inline constexpr int tile_vectors = 2, tile_columns = tile_vectors * vector_floats;
using Vector8 [[gnu::vector_size(32)]] = float;

inline constexpr index_t k_block = 256;
// So many products are summed one after the other in a register; then these sums, and then those of the blocks. One long
// chain rounds at every product with the whole sum's size, and loses twice as much.
inline constexpr index_t chain = 32;
alignas(64) inline constexpr float zeros[static_cast<std::size_t>(k_block) + 16] = {};

template <class V>
[[gnu::always_inline]] inline void load_to(V& v, float const* p) {
  __builtin_memcpy(&v, p, sizeof(V));
}
template <class V>
[[gnu::always_inline]] inline void store_from(float* p, V const& v) {
  __builtin_memcpy(p, &v, sizeof(V));
}

/// The elements at these places of a, then b.
template <int... At>
[[gnu::always_inline]] inline void pick(Vector8& to, Vector8 const& a, Vector8 const& b) {
#if defined(__clang__) || __GNUC__ >= 12
  to = __builtin_shufflevector(a, b, At...);
#else
  using Places [[gnu::vector_size(32)]] = std::int32_t;
  to = __builtin_shuffle(a, b, Places{At...});
#endif
}

[[gnu::always_inline]] inline void transpose8(Vector8 (&r)[8]) {
  Vector8 t[8], s[8];
  for (int i = 0; i < 8; i += 2) {
    pick<0, 8, 1, 9, 4, 12, 5, 13>(t[i], r[i], r[i + 1]);
    pick<2, 10, 3, 11, 6, 14, 7, 15>(t[i + 1], r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    pick<0, 1, 8, 9, 4, 5, 12, 13>(s[i], t[i], t[i + 2]);
    pick<2, 3, 10, 11, 6, 7, 14, 15>(s[i + 1], t[i], t[i + 2]);
    pick<0, 1, 8, 9, 4, 5, 12, 13>(s[i + 2], t[i + 1], t[i + 3]);
    pick<2, 3, 10, 11, 6, 7, 14, 15>(s[i + 3], t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    pick<0, 1, 2, 3, 8, 9, 10, 11>(r[i], s[i], s[i + 4]);
    pick<4, 5, 6, 7, 12, 13, 14, 15>(r[i + 4], s[i], s[i + 4]);
  }
}

/// dst[k * R + r] = rows[r][k]: R rows side by side. Stores whole groups of 8 in order of k, so the last store of a
/// panel may run up to 7 floats past it: panels are packed in order and their buffer has that slack.
template <int R>
[[gnu::noinline]] void interleave(float const* const (&rows)[R], index_t length, float* dst) {
  constexpr int groups = (R + 7) / 8;
  index_t k = 0;
  for (; k + 8 <= length; k += 8) {
    Vector8 t[groups][8];
    for (int g = 0; g < groups; ++g) {
      for (int r = 0; r < 8; ++r) {
        if (g * 8 + r < R)
          load_to(t[g][r], rows[g * 8 + r] + k);
        else
          t[g][r] = Vector8{};
      }
      transpose8(t[g]);
    }
    for (int j = 0; j < 8; ++j)
      for (int g = 0; g < groups; ++g) store_from(dst + (k + j) * R + g * 8, t[g][j]);
  }
  auto const rest = static_cast<int>(length - k);  // below 8
  for (int t = 0; t < rest; ++t)
    for (int r = 0; r < R; ++r) dst[(k + t) * R + r] = rows[r][k + t];
}

template <int Vectors>
[[gnu::always_inline]] inline void add_tile(Packet (&total)[tile_rows][Vectors], Packet const (&sum)[tile_rows][Vectors]) {
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) total[i][j] += sum[i][j];
}

/// c[tile_rows][ldc] (+)= a[k][tile_rows] * b[k][tile_columns], for the first Vectors vectors of columns.
template <int Vectors>
[[gnu::always_inline]] inline void multiply_vectors(index_t k, float const* a, float const* b, float* c, index_t ldc, bool accumulate) {
  Packet total[tile_rows][Vectors] = {};
  for (index_t k0 = 0; k0 < k; k0 += chain) {
    Packet sum[tile_rows][Vectors] = {};
    for (index_t p = std::min(chain, k - k0); p > 0; --p, a += tile_rows, b += tile_columns) {
      Packet column[Vectors];
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) load_to(column[j], b + j * vector_floats);
#pragma GCC unroll 16
      for (int i = 0; i < tile_rows; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < Vectors; ++j) sum[i][j] += a[i] * column[j];
    }
    add_tile(total, sum);
  }
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) {
      float* const target = c + i * ldc + j * vector_floats;
      if (accumulate) {
        Packet before;
        load_to(before, target);
        total[i][j] += before;
      }
      store_from(target, total[i][j]);
    }
}

/// The same for `columns` of a tile: the last tile of 48 channels is half empty, and costs half.
[[gnu::always_inline]] inline void multiply_tile(index_t columns, index_t k, float const* a, float const* b, float* c, index_t ldc, bool accumulate) {
  if (columns <= vector_floats)
    multiply_vectors<1>(k, a, b, c, ldc, accumulate);
  else
    multiply_vectors<tile_vectors>(k, a, b, c, ldc, accumulate);
}

constexpr index_t round_up(index_t value, index_t step) { return (value + step - 1) / step * step; }

/// Floats that `count` rows (columns) of one k block take when packed in panels of R.
template <int R>
constexpr index_t panel_floats(index_t count, index_t k) {
  return round_up(count, R) * k + 16;
}

template <int R, class Source>
void pack_panels(Source const& source, index_t first, index_t count, index_t k0, index_t k, float* dst) {
  for (index_t i = 0; i < count; i += R) {
    source.template pack<R>(first + i, std::min<index_t>(R, count - i), k0, k, dst);
    dst += R * k;
  }
}

/// c (+)= packed a (rows x k) * packed b (k x columns); c has room for whole tiles, whose last vectors may stay as they are.
inline void multiply_panels(index_t rows, index_t columns, index_t k, float const* a, float const* b, float* c, index_t ldc,
                            bool accumulate) {
  for (index_t j = 0; j < columns; j += tile_columns)
    for (index_t i = 0; i < rows; i += tile_rows)
      multiply_tile(columns - j, k, a + i * k, b + j * k, c + i * ldc + j, ldc, accumulate);
}

}  // namespace gemm_detail

/// Rows of a matrix as rows of A (or columns of B): element (i, k) at data[i * stride + k].
struct RowsOf {
  float const* data;
  index_t stride;

  template <int R>
  void pack(index_t first, index_t count, index_t k0, index_t k, float* dst) const {
    float const* rows[R];
    for (int r = 0; r < R; ++r) rows[r] = r < count ? data + (first + r) * stride + k0 : gemm_detail::zeros;
    gemm_detail::interleave<R>(rows, k, dst);
  }
};

/// The transposed of a matrix: element (i, k) at data[k * stride + i].
struct ColumnsOf {
  float const* data;
  index_t stride;

  template <int R>
  void pack(index_t first, index_t count, index_t k0, index_t k, float* dst) const {
    float const* source = data + k0 * stride + first;
    if (count == R) {
      for (index_t p = 0; p < k; ++p, source += stride, dst += R) std::memcpy(dst, source, R * sizeof(float));
      return;
    }
    for (index_t p = 0; p < k; ++p, source += stride, dst += R)
      for (index_t r = 0; r < R; ++r) dst[r] = r < count ? source[r] : 0.0F;
  }
};

/// B packed once and multiplied many times by one thread (keys and values of attention).
class PackedB {
 public:
  static index_t floats(index_t columns, index_t k) {
    return gemm_detail::round_up(columns, gemm_detail::tile_columns) * k + 16;
  }
  template <class B>
  PackedB(B const& b, index_t columns, index_t k, float* buffer) : columns_(columns), k_(k), data_(buffer) {
    using namespace gemm_detail;
    for (index_t k0 = 0; k0 < k; k0 += k_block)
      pack_panels<tile_columns>(b, 0, columns, k0, std::min(k_block, k - k0), buffer + k0 * round_up(columns, tile_columns));
  }

  static index_t scratch_floats(index_t rows) {
    return gemm_detail::panel_floats<gemm_detail::tile_rows>(rows, gemm_detail::k_block);
  }
  /// c[rows][ldc] (+)= a b; c has room for whole tiles of rows and columns (see padded_rows, padded_columns).
  template <class A>
  void multiply(A const& a, index_t rows, float* c, index_t ldc, float* scratch, bool accumulate = false) const {
    using namespace gemm_detail;
    for (index_t k0 = 0; k0 < k_; k0 += k_block) {
      index_t const k = std::min(k_block, k_ - k0);
      pack_panels<tile_rows>(a, 0, rows, k0, k, scratch);
      multiply_panels(rows, columns_, k, scratch, data_ + k0 * round_up(columns_, tile_columns), c, ldc, accumulate || k0 > 0);
    }
  }
  static index_t padded_rows(index_t rows) { return gemm_detail::round_up(rows, gemm_detail::tile_rows); }
  static index_t padded_columns(index_t columns) { return gemm_detail::round_up(columns, gemm_detail::tile_columns); }

 private:
  index_t columns_, k_;
  float const* data_;
};

namespace gemm_detail {

/// How C is cut: blocks that keep a packed piece of A and their piece of C in the second-level cache.
struct Blocks {
  index_t rows = 96, columns = 384;
  index_t row_count = 0, column_count = 0;

  /// Smaller blocks where there would be too few for the threads. The sums do not depend on the blocks.
  Blocks(index_t m, index_t n, int threads) {
    auto const cut = [](index_t extent, index_t block, index_t tile) {  // even pieces, in whole tiles
      index_t const pieces = (extent + block - 1) / block;
      return round_up((extent + pieces - 1) / pieces, tile);
    };
    auto const count = [&] { return ((m + rows - 1) / rows) * ((n + columns - 1) / columns); };
    while (threads > 1 && count() < 4 * threads && columns > 64) columns /= 2;
    while (threads > 1 && count() < 4 * threads && rows > 24) rows /= 2;
    rows = cut(m, rows, tile_rows);
    columns = cut(n, columns, tile_columns);
    row_count = (m + rows - 1) / rows;
    column_count = (n + columns - 1) / columns;
  }
};

}  // namespace gemm_detail

/// store(i, j, count, values) for pieces of rows of C = A B; A is rows x k, B is k x columns.
/// B is packed once for all threads where many blocks of rows read it, else by each block for itself.
template <class A, class B, class Store>
void gemm(ThreadPool& pool, index_t rows, index_t columns, index_t k, A const& a, B const& b, Store const& store) {
  using namespace gemm_detail;
  if (rows <= 0 || columns <= 0) return;
  Blocks const blocks(rows, columns, pool.size());
  bool const shared = blocks.row_count > 2;
  index_t const depth = std::min(k, k_block), panels = (columns + tile_columns - 1) / tile_columns;
  // A panel of B: tile_columns columns, all of k; panel after panel.
  float* const shared_b = shared ? pool.packing_scratch(panels * tile_columns * k + 16) : nullptr;
  if (shared)
    pool.run(panels, [&](index_t panel, int) {
      index_t const j = panel * tile_columns;
      for (index_t k0 = 0; k0 < k; k0 += k_block)
        b.template pack<tile_columns>(j, std::min<index_t>(tile_columns, columns - j), k0, std::min(k_block, k - k0), shared_b + j * k + k0 * tile_columns);
    });
  index_t const a_floats = round_up(panel_floats<tile_rows>(blocks.rows, depth), 16);
  index_t const b_floats = shared ? 0 : round_up(panel_floats<tile_columns>(blocks.columns, depth), 16);
  pool.run(blocks.row_count * blocks.column_count, [&](index_t task, int worker) {
    index_t const i0 = task / blocks.column_count * blocks.rows, j0 = task % blocks.column_count * blocks.columns;
    index_t const m = std::min(blocks.rows, rows - i0), n = std::min(blocks.columns, columns - j0);
    float* const packed_a = pool.scratch(worker, a_floats + b_floats + blocks.rows * blocks.columns);
    float* const packed_b = packed_a + a_floats;
    float* const c = packed_b + b_floats;
    for (index_t k0 = 0; k0 < k; k0 += k_block) {
      index_t const kc = std::min(k_block, k - k0);
      if (!shared) pack_panels<tile_columns>(b, j0, n, k0, kc, packed_b);
      pack_panels<tile_rows>(a, i0, m, k0, kc, packed_a);
      for (index_t j = 0; j < n; j += tile_columns) {
        float const* const panel = shared ? shared_b + (j0 + j) * k + k0 * tile_columns : packed_b + j * kc;
        for (index_t i = 0; i < m; i += tile_rows) multiply_tile(n - j, kc, packed_a + i * kc, panel, c + i * blocks.columns + j, blocks.columns, k0 > 0);
      }
    }
    for (index_t i = 0; i < m; ++i) store(i0 + i, j0, n, static_cast<float const*>(c + i * blocks.columns));
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
