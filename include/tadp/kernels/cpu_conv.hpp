// SPDX-License-Identifier: Apache-2.0
// Convolutions on the processor as matrix products whose operands gather themselves from the pictures (no im2col buffer).
// A linear layer is the convolution with a kernel of one.
#pragma once

#include "tadp/kernels/cpu_conv_direct.hpp"

namespace tadp {
inline namespace TADP_ISA {
namespace conv_detail {

/// Where the values of a kernel tap come from: rows are output pixels, k runs over (tap, input channel).
struct Patches {
  ConstFeatures<Cpu> x;
  FeatureShape in, out;
  ConvGeometry g;

  /// Between the sources of two pixels side by side.
  index_t step() const { return g.stride * x.pixel_stride; }
  float const* source(index_t n, index_t oy, index_t ox, index_t ky, index_t kx) const {
    int const up = g.upsample ? 1 : 0;
    index_t const y = oy * g.stride + ky - g.pad_top, x_ = ox * g.stride + kx - g.pad_left;
    if (y < 0 || x_ < 0 || y >= in.h() << up || x_ >= in.w() << up) return gemm_detail::zeros;
    return x.pixel((n * in.h() + (y >> up)) * in.w() + (x_ >> up));
  }
};

/// The same for the gradient with respect to the input: rows are input pixels, k runs over (tap, output channel).
struct GradientPatches {
  ConstFeatures<Cpu> x;  // the gradient of the output
  FeatureShape in, out;  // `in` is where it is gathered from (the convolution's output), `out` the convolution's input
  ConvGeometry g;

  index_t step() const { return x.pixel_stride; }
  float const* source(index_t n, index_t iy, index_t ix, index_t ky, index_t kx) const {
    index_t const y = iy + g.pad_top - ky, x_ = ix + g.pad_left - kx;
    if (y < 0 || x_ < 0 || y % g.stride != 0 || x_ % g.stride != 0) return gemm_detail::zeros;
    index_t const oy = y / g.stride, ox = x_ / g.stride;
    if (oy >= in.h() || ox >= in.w()) return gemm_detail::zeros;
    return x.pixel((n * in.h() + oy) * in.w() + ox);
  }
};

/// A of the product: pixels by (tap, channel).
template <class Gather>
struct PixelRows {
  Gather gather;

  template <int R>
  void pack(index_t first, index_t count, index_t k0, index_t k, float* dst) const {
    index_t n[R], y[R], x[R];
    for (index_t r = 0; r < R; ++r) {
      index_t const p = std::min(first + r, first + count - 1);
      x[r] = p % gather.out.w();
      y[r] = p / gather.out.w() % gather.out.h();
      n[r] = p / gather.out.positions();
    }
    index_t const channels = gather.in.c();
    while (k > 0) {
      index_t const tap = k0 / channels, c = k0 % channels, length = std::min(channels - c, k);
      index_t const ky = tap / gather.g.kernel, kx = tap % gather.g.kernel;
      float const* rows[R];
      for (int r = 0; r < R; ++r) {
        float const* const s = r < count ? gather.source(n[r], y[r], x[r], ky, kx) : gemm_detail::zeros;
        rows[r] = s == gemm_detail::zeros ? s : s + c;
      }
      gemm_detail::interleave<R>(rows, length, dst);
      dst += length * R;
      k0 += length;
      k -= length;
    }
  }
};

/// B of the weights' gradient: k runs over pixels, columns over (tap, channel).
struct PatchColumns {
  Patches gather;

  template <int R>
  void pack(index_t first, index_t count, index_t k0, index_t k, float* dst) const {
    index_t const channels = gather.in.c();
    index_t x = k0 % gather.out.w(), y = k0 / gather.out.w() % gather.out.h(), n = k0 / gather.out.positions();
    for (index_t p = 0; p < k; ++p, dst += R) {
      for (index_t r = 0; r < R;) {
        index_t const column = first + r;
        if (r >= count) {
          dst[r++] = 0.0F;
          continue;
        }
        index_t const tap = column / channels, c = column % channels;
        index_t const length = std::min({channels - c, R - r, count - r});
        float const* const s = gather.source(n, y, x, tap / gather.g.kernel, tap % gather.g.kernel);
        std::memcpy(dst + r, s == gemm_detail::zeros ? s : s + c, static_cast<std::size_t>(length) * sizeof(float));
        r += length;
      }
      if (++x == gather.out.w()) {
        x = 0;
        if (++y == gather.out.h()) y = 0, ++n;
      }
    }
  }
};

/// B of the input's gradient: k runs over (tap, output channel), columns over input channels.
struct TurnedWeights {
  float const* weight;
  index_t in_channels, out_channels, taps;

  template <int R>
  void pack(index_t first, index_t count, index_t k0, index_t k, float* dst) const {
    for (index_t p = 0; p < k; ++p, dst += R) {
      index_t const tap = (k0 + p) / out_channels, co = (k0 + p) % out_channels;
      float const* const s = weight + (co * taps + tap) * in_channels + first;
      for (index_t r = 0; r < R; ++r) dst[r] = r < count ? s[r] : 0.0F;
    }
  }
};

inline void add_rows(index_t count, float* target, float const* values) {
  map_row(count, target, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(target), values);
}

/// store(row, first, count, values) for pieces of the product of patches with B.
template <class Gather, class B, class Store>
void multiply(ThreadPool& pool, index_t rows, index_t columns, Gather const& gather, B const& b, Store const& store) {
  index_t const channels = gather.in.c(), taps = gather.g.taps();
  if (few_channels(columns, channels, taps))
    multiply_patches(pool, rows, columns, gather, b, store);
  else
    gemm(pool, rows, columns, taps * channels, PixelRows<Gather>{gather}, b, store);
}

}  // namespace conv_detail

/// y = conv(x) + bias + shift + residual. weight [Cout, k, k, Cin]; bias [Cout] or null; shift (N or 1, 1, 1, Cout) or
/// empty: a vector a picture (the time projection); residual: shape of y or empty. `relu`: of all that.
inline void conv2d(Cpu& cpu, ConvGeometry const& g, ConstFeatures<Cpu> x, float const* weight, float const* bias,
                   ConstFeatures<Cpu> shift, ConstFeatures<Cpu> residual, Features<Cpu> y, bool relu = false) {
  FeatureShape const in = x.shape, out = y.shape;
  index_t const k = g.taps() * in.c();
  conv_detail::multiply(cpu.threads(), out.pixels(), out.c(), conv_detail::Patches{x, in, out, g}, RowsOf{weight, k},
                        [&](index_t row, index_t first, index_t count, float const* values) {
                          float* const target = y.pixel(row) + first;
                          auto const plus = [](Packet p, Packet q) { return add(p, q); };
                          if (bias != nullptr)
                            map_row(count, target, plus, values, bias + first);
                          else
                            std::memcpy(target, values, static_cast<std::size_t>(count) * sizeof(float));
                          if (shift) {
                            index_t const n = shift.shape[0] == 1 ? 0 : row / out.positions();
                            conv_detail::add_rows(count, target, shift.pixel(n) + first);
                          }
                          if (residual) conv_detail::add_rows(count, target, residual.pixel(row) + first);
                          if (relu) map_row(count, target, [](Packet p) { return max(p, broadcast(0.0F)); }, static_cast<float const*>(target));
                        });
}

/// dx += the gradient of the input; dx has the shape of x.
inline void conv2d_input_gradient(Cpu& cpu, ConvGeometry const& g, ConstFeatures<Cpu> dy, float const* weight, Features<Cpu> dx) {
  FeatureShape in = dx.shape;
  FeatureShape const out = dy.shape;
  if (g.upsample) in = {in.n(), in.h() * 2, in.w() * 2, in.c()};
  ConvGeometry plain = g;
  plain.upsample = false;
  conv_detail::GradientPatches const a{dy, out, in, plain};
  conv_detail::TurnedWeights const b{weight, in.c(), out.c(), g.taps()};
  if (!g.upsample) {
    conv_detail::multiply(cpu.threads(), in.pixels(), in.c(), a, b, [&](index_t row, index_t first, index_t count, float const* values) {
      conv_detail::add_rows(count, dx.pixel(row) + first, values);
    });
    return;
  }
  float* const doubled = cpu.threads().shared_scratch(in.count());
  conv_detail::multiply(cpu.threads(), in.pixels(), in.c(), a, b, [&](index_t row, index_t first, index_t count, float const* values) {
    std::memcpy(doubled + row * in.c() + first, values, static_cast<std::size_t>(count) * sizeof(float));
  });
  cpu.threads().run(in.n() * in.h() / 2, [&](index_t line, int) {
    for (index_t column = 0; column < in.w() / 2; ++column)
      for (index_t corner = 0; corner < 4; ++corner)
        conv_detail::add_rows(in.c(), dx.pixel(line * (in.w() / 2) + column),
                              doubled + ((2 * line + corner / 2) * in.w() + 2 * column + corner % 2) * in.c());
  });
}

/// dweight += and dbias += (each may be null).
inline void conv2d_weight_gradient(Cpu& cpu, ConvGeometry const& g, ConstFeatures<Cpu> x, ConstFeatures<Cpu> dy, float* dweight,
                                   float* dbias) {
  FeatureShape const in = x.shape, out = dy.shape;
  index_t const k = g.taps() * in.c();
  if (dweight != nullptr && conv_detail::outer_products_fit(g, in.c(), out.c()))
    conv_detail::add_outer_product_gradient(cpu, g, x, dy, dweight);
  else if (dweight != nullptr)
    gemm(cpu.threads(), out.c(), k, out.pixels(), ColumnsOf{dy.data, dy.pixel_stride},
         conv_detail::PatchColumns{{x, in, out, g}}, [&](index_t row, index_t first, index_t count, float const* values) {
           conv_detail::add_rows(count, dweight + row * k + first, values);
         });
  if (dbias == nullptr) return;
  // Columns are shared out in fixed blocks; a column's sum runs over the pixels in order.
  index_t const block = 64;
  cpu.threads().run((out.c() + block - 1) / block, [&](index_t task, int) {
    index_t const first = task * block, count = std::min(block, out.c() - first);
    double sum[64] = {};
    for (index_t p = 0; p < out.pixels(); ++p)
      for (index_t c = 0; c < count; ++c) sum[c] += static_cast<double>(dy.pixel(p)[first + c]);
    for (index_t c = 0; c < count; ++c) dbias[first + c] += static_cast<float>(sum[c]);
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
