// SPDX-License-Identifier: Apache-2.0
// The patches under a convolution's taps, a row each: what makes of it one matrix product with the weight as it lies there.
// For devices whose library multiplies faster than it convolves.
#pragma once

#include "tadp/kernels/cuda/conv.cuh"

namespace tadp::cuda {

/// Row p of `patches`: what lies under the taps of output pixel first + p, (k, k, Cin) as a weight has it, zero in the padding.
/// A thread copies `Step` channels of all taps.
template <class T, int Step>
struct Unfold {
  ConvShape s;
  Rows<T const> x;
  index_t first;
  Rows<T> patches;

  bool fits() const { return s.in.c % Step == 0 && x.moves_by(Step) && patches.moves_by(Step); }
  TADP_DEVICE void operator()(index_t p, index_t group) const {
    index_t const line = quotient(first + p, s.out.w), n = quotient(line, s.out.h), c = group * Step;
    index_t const top = (line - n * s.out.h) * s.g.stride - s.g.pad_top, left = (first + p - line * s.out.w) * s.g.stride - s.g.pad_left;
    index_t to = c;
    for (index_t y = top; y < top + s.g.kernel; ++y)
      for (index_t x_at = left; x_at < left + s.g.kernel; ++x_at, to += s.in.c) {
        Together<float, Step> v{};
        if (y >= 0 && x_at >= 0 && y < s.in.h * s.up() && x_at < s.in.w * s.up())
          v = x.template get_together<Step>(s.g.upsample ? (n * s.in.h + y / 2) * s.in.w + x_at / 2 : (n * s.in.h + y) * s.in.w + x_at, c);
        patches.set_together(p, to, v);
      }
  }
};

}  // namespace tadp::cuda
