// SPDX-License-Identifier: Apache-2.0
// Convolutions as matrix products over gathered patches, and their gradients; a linear layer is a kernel of one.
// No atomics: a weight's gradient runs over all pixels in one block, in order.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/kernels/cuda/element.cuh"
#include "tadp/kernels/cuda/multiply.cuh"

namespace tadp::cuda {

/// Where the taps of a convolution fall. `in` and `out` are the extents of its input and of its result.
struct ConvShape {
  ConvGeometry g;
  Extents in, out;

  TADP_DEVICE index_t up() const { return g.upsample ? 2 : 1; }
  TADP_DEVICE index_t taps() const { return index_t{g.kernel} * g.kernel; }
  /// The input pixel under a tap of an output pixel; -1 in the padding.
  TADP_DEVICE index_t input_of(index_t p, index_t tap) const {
    index_t const y = p / out.w % out.h * g.stride + tap / g.kernel - g.pad_top, x = p % out.w * g.stride + tap % g.kernel - g.pad_left;
    if (y < 0 || x < 0 || y >= in.h * up() || x >= in.w * up()) return -1;
    return (p / out.positions() * in.h + y / up()) * in.w + x / up();
  }
  /// The output pixel that has (y, x) of picture n, doubled where the input is, under a tap; -1 where there is none.
  TADP_DEVICE index_t output_of(index_t n, index_t y, index_t x, index_t tap) const {
    index_t const v = y + g.pad_top - tap / g.kernel, u = x + g.pad_left - tap % g.kernel;
    if (v < 0 || u < 0 || v % g.stride != 0 || u % g.stride != 0 || v / g.stride >= out.h || u / g.stride >= out.w) return -1;
    return (n * out.h + v / g.stride) * out.w + u / g.stride;
  }
};

inline constexpr int conv_threads = 128, conv_columns = 64;
struct ConvShared {
  ProductTiles tiles;
};

/// y = relu?(conv(x) + bias + shift + residual): 16 pixels and a tile of channels a block. weight [Cout, k, k, Cin].
template <class T>
struct Conv2d {
  static constexpr int threads = conv_threads;
  using Shared = ConvShared;
  ConvShape s;
  Rows<T const> x;
  T const* weight;
  T const* bias;            ///< may be null
  Rows<float const> shift;  ///< may be empty: a vector a picture, or one for all
  bool one_shift;
  Rows<T const> residual;  ///< may be empty
  Rows<T> y;
  bool relu = false;

  index_t blocks() const { return blocks_for(s.out.n * s.out.h * s.out.w, ProductTiles::rows) * blocks_for(s.out.c, conv_columns); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const across = (s.out.c + conv_columns - 1) / conv_columns, all = s.out.n * s.out.positions(), depth = s.taps() * s.in.c;
    index_t const first = block.index() / across * ProductTiles::rows, column = block.index() % across * conv_columns;
    multiply(
        block, block.shared().tiles, all - first < ProductTiles::rows ? all - first : ProductTiles::rows,
        s.out.c - column < conv_columns ? s.out.c - column : conv_columns, depth,
        [&](index_t r, index_t k) {
          index_t const from = s.input_of(first + r, k / s.in.c);
          return from < 0 ? 0.0F : x.get(from, k % s.in.c);
        },
        [&](index_t c, index_t k) { return to_float(weight[(column + c) * depth + k]); },
        [&](index_t r, index_t c, float sum) {
          index_t const p = first + r, o = column + c;
          if (bias != nullptr) sum += to_float(bias[o]);
          if (shift.there()) sum += shift.get(one_shift ? 0 : p / s.out.positions(), o);
          if (residual.there()) sum += residual.get(p, o);
          y.set(p, o, !relu || sum > 0.0F ? sum : 0.0F);
        });
  }
};

/// dx (+)= the gradient of the input. Where the input was doubled, the taps of all four of its copies.
template <class T>
struct Conv2dInputGradient {
  static constexpr int threads = conv_threads;
  using Shared = ConvShared;
  ConvShape s;
  Rows<T const> dy;
  T const* weight;
  Rows<T> dx;
  bool add;

  index_t blocks() const { return blocks_for(s.in.n * s.in.h * s.in.w, ProductTiles::rows) * blocks_for(s.in.c, conv_columns); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const across = (s.in.c + conv_columns - 1) / conv_columns, all = s.in.n * s.in.positions(), taps = s.taps(), copies = s.up() * s.up();
    index_t const first = block.index() / across * ProductTiles::rows, column = block.index() % across * conv_columns;
    multiply(
        block, block.shared().tiles, all - first < ProductTiles::rows ? all - first : ProductTiles::rows,
        s.in.c - column < conv_columns ? s.in.c - column : conv_columns, copies * taps * s.out.c,
        [&](index_t r, index_t k) {
          index_t const p = first + r, copy = k / s.out.c / taps;
          index_t const from = s.output_of(p / s.in.positions(), p / s.in.w % s.in.h * s.up() + copy / s.up(), p % s.in.w * s.up() + copy % s.up(), k / s.out.c % taps);
          return from < 0 ? 0.0F : dy.get(from, k % s.out.c);
        },
        [&](index_t c, index_t k) { return to_float(weight[(k % s.out.c * taps + k / s.out.c % taps) * s.in.c + column + c]); },
        [&](index_t r, index_t c, float sum) { add ? dx.add(first + r, column + c, sum) : dx.set(first + r, column + c, sum); });
  }
};

/// dweight +=: 16 output channels and a tile of (tap, input channel) a block.
template <class T>
struct Conv2dWeightGradient {
  static constexpr int threads = conv_threads;
  using Shared = ConvShared;
  ConvShape s;
  Rows<T const> x, dy;
  float* dweight;

  index_t blocks() const { return blocks_for(s.out.c, ProductTiles::rows) * blocks_for(g_taps() * s.in.c, ProductTiles::columns); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const width = s.taps() * s.in.c, across = (width + ProductTiles::columns - 1) / ProductTiles::columns;
    index_t const first = block.index() / across * ProductTiles::rows, column = block.index() % across * ProductTiles::columns;
    multiply(
        block, block.shared().tiles, s.out.c - first < ProductTiles::rows ? s.out.c - first : ProductTiles::rows,
        width - column < ProductTiles::columns ? width - column : ProductTiles::columns, s.out.n * s.out.positions(),
        [&](index_t o, index_t p) { return dy.get(p, first + o); },
        [&](index_t c, index_t p) {
          index_t const from = s.input_of(p, (column + c) / s.in.c);
          return from < 0 ? 0.0F : x.get(from, (column + c) % s.in.c);
        },
        [&](index_t o, index_t c, float sum) { dweight[(first + o) * width + column + c] += sum; });
  }

 private:
  index_t g_taps() const { return s.g.taps(); }
};

}  // namespace tadp::cuda
