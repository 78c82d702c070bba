// SPDX-License-Identifier: Apache-2.0
// Bilinear and nearest resizing of features on the processor, and their gradients.
// Pictures of bytes are resized elsewhere (io/resize.hpp): these are layers.
#pragma once

#include "tadp/kernels/cpu_pointwise.hpp"

namespace tadp {
inline namespace TADP_ISA {
namespace resize_detail {

/// The two source positions of an output position and the weight of the second.
struct Tap {
  index_t low, high;
  float weight;
};

inline Tap bilinear_tap(index_t at, index_t in, index_t out, Corners corners) {
  double source;
  if (corners == Corners::aligned)
    source = out > 1 ? static_cast<double>(at) * static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0.0;
  else
    source = std::max(0.0, (static_cast<double>(at) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
  index_t const low = std::min(static_cast<index_t>(source), in - 1);
  return {low, std::min(low + 1, in - 1), static_cast<float>(source - static_cast<double>(low))};
}

/// torch's nearest: floor(out index * in / out).
inline index_t nearest_source(index_t at, index_t in, index_t out) { return std::min(at * in / out, in - 1); }

}  // namespace resize_detail

/// y (N, H', W', C) from x (N, H, W, C).
inline void resize_bilinear(Cpu& cpu, Corners corners, ConstFeatures<Cpu> x, Features<Cpu> y) {
  FeatureShape const in = x.shape, out = y.shape;
  cpu.threads().run(out.n() * out.h(), [&](index_t line, int) {
    index_t const n = line / out.h();
    auto const v = resize_detail::bilinear_tap(line % out.h(), in.h(), out.h(), corners);
    index_t const top = (n * in.h() + v.low) * in.w(), bottom = (n * in.h() + v.high) * in.w();
    for (index_t column = 0; column < out.w(); ++column) {
      auto const u = resize_detail::bilinear_tap(column, in.w(), out.w(), corners);
      map_row(out.c(), y.pixel(line * out.w() + column),
              [a = broadcast(u.weight), b = broadcast(v.weight)](Packet p00, Packet p01, Packet p10, Packet p11) {
                Packet const upper = fma(a, sub(p01, p00), p00), lower = fma(a, sub(p11, p10), p10);
                return fma(b, sub(lower, upper), upper);
              },
              x.pixel(top + u.low), x.pixel(top + u.high), x.pixel(bottom + u.low), x.pixel(bottom + u.high));
    }
  });
}

/// dx += ; one task a picture, for neighbouring outputs add to the same input.
inline void resize_bilinear_gradient(Cpu& cpu, Corners corners, ConstFeatures<Cpu> dy, Features<Cpu> dx) {
  FeatureShape const in = dx.shape, out = dy.shape;
  cpu.threads().run(in.n(), [&](index_t n, int) {
    for (index_t line = 0; line < out.h(); ++line) {
      auto const v = resize_detail::bilinear_tap(line, in.h(), out.h(), corners);
      for (index_t column = 0; column < out.w(); ++column) {
        auto const u = resize_detail::bilinear_tap(column, in.w(), out.w(), corners);
        float const* const g = dy.pixel((n * out.h() + line) * out.w() + column);
        auto const spread = [&](index_t row, index_t at, float weight) {
          float* const d = dx.pixel((n * in.h() + row) * in.w() + at);
          map_row(in.c(), d, [w = broadcast(weight)](Packet a, Packet old) { return fma(w, a, old); }, g, static_cast<float const*>(d));
        };
        spread(v.low, u.low, (1 - v.weight) * (1 - u.weight));
        spread(v.low, u.high, (1 - v.weight) * u.weight);
        spread(v.high, u.low, v.weight * (1 - u.weight));
        spread(v.high, u.high, v.weight * u.weight);
      }
    }
  });
}

/// y = nearest(x) + addend (addend: shape of y, or empty).
inline void resize_nearest(Cpu& cpu, ConstFeatures<Cpu> x, ConstFeatures<Cpu> addend, Features<Cpu> y) {
  FeatureShape const in = x.shape, out = y.shape;
  cpu.threads().run(out.n() * out.h(), [&](index_t line, int) {
    index_t const source = ((line / out.h()) * in.h() + resize_detail::nearest_source(line % out.h(), in.h(), out.h())) * in.w();
    for (index_t column = 0; column < out.w(); ++column) {
      float const* const from = x.pixel(source + resize_detail::nearest_source(column, in.w(), out.w()));
      index_t const p = line * out.w() + column;
      if (addend)
        map_row(out.c(), y.pixel(p), [](Packet a, Packet b) { return add(a, b); }, from, addend.pixel(p));
      else
        std::memcpy(y.pixel(p), from, static_cast<std::size_t>(out.c()) * sizeof(float));
    }
  });
}

inline void resize_nearest_gradient(Cpu& cpu, ConstFeatures<Cpu> dy, Features<Cpu> dx) {
  FeatureShape const in = dx.shape, out = dy.shape;
  cpu.threads().run(in.n(), [&](index_t n, int) {
    for (index_t line = 0; line < out.h(); ++line)
      for (index_t column = 0; column < out.w(); ++column) {
        float* const d = dx.pixel((n * in.h() + resize_detail::nearest_source(line, in.h(), out.h())) * in.w() +
                                  resize_detail::nearest_source(column, in.w(), out.w()));
        map_row(in.c(), d, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(d),
                dy.pixel((n * out.h() + line) * out.w() + column));
      }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
