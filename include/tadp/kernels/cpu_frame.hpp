// SPDX-License-Identifier: Apache-2.0
// Pictures of a batch placed in another frame on the processor: cut or padded at the right and bottom, and mirrored.
// What a pass over padded and mirrored windows needs before and after the network.
#pragma once

#include "tadp/kernels/cpu_pointwise.hpp"

namespace tadp {
inline namespace TADP_ISA {

/// y (N, h, w, C) = x (N, H, W, C) with the same top left corner: cut where y is smaller, zero where it is larger.
inline void reframe(Cpu& cpu, ConstFeatures<Cpu> x, Features<Cpu> y) {
  FeatureShape const in = x.shape, out = y.shape;
  auto const c = static_cast<std::size_t>(out.c());
  cpu.threads().run(out.n() * out.h(), [&](index_t line, int) {
    index_t const row = line % out.h(), inside = row < in.h() ? std::min(in.w(), out.w()) : 0, from = (line / out.h() * in.h() + row) * in.w();
    for (index_t i = 0; i < inside; ++i) std::memcpy(y.pixel(line * out.w() + i), x.pixel(from + i), c * sizeof(float));
    for (index_t i = inside; i < out.w(); ++i) std::fill_n(y.pixel(line * out.w() + i), c, 0.0F);
  });
}

/// dx += the part of dy that came from x.
inline void reframe_gradient(Cpu& cpu, ConstFeatures<Cpu> dy, Features<Cpu> dx) {
  FeatureShape const in = dx.shape, out = dy.shape;
  index_t const rows = std::min(in.h(), out.h()), columns = std::min(in.w(), out.w());
  cpu.threads().run(in.n() * rows, [&](index_t line, int) {
    index_t const n = line / rows, row = line % rows;
    for (index_t i = 0; i < columns; ++i) {
      float* const d = dx.pixel((n * in.h() + row) * in.w() + i);
      map_row(in.c(), d, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(d), dy.pixel((n * out.h() + row) * out.w() + i));
    }
  });
}

/// y = x with left and right exchanged.
inline void mirror(Cpu& cpu, ConstFeatures<Cpu> x, Features<Cpu> y) {
  index_t const w = y.shape[2], c = y.shape[3];
  cpu.threads().run(y.shape[0] * y.shape[1], [&](index_t line, int) {
    for (index_t i = 0; i < w; ++i) std::memcpy(y.pixel(line * w + i), x.pixel(line * w + w - 1 - i), static_cast<std::size_t>(c) * sizeof(float));
  });
}

inline void mirror_gradient(Cpu& cpu, ConstFeatures<Cpu> dy, Features<Cpu> dx) {
  index_t const w = dx.shape[2], c = dx.shape[3];
  cpu.threads().run(dx.shape[0] * dx.shape[1], [&](index_t line, int) {
    for (index_t i = 0; i < w; ++i) {
      float* const d = dx.pixel(line * w + i);
      map_row(c, d, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(d), dy.pixel(line * w + w - 1 - i));
    }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
