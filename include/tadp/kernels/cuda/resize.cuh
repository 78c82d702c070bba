// SPDX-License-Identifier: Apache-2.0
// Bilinear and nearest resizing, their gradients, and pictures placed in another frame.
// A gradient is gathered: each input adds up the outputs that read it, in order.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/kernels/cuda/for_each.cuh"

namespace tadp::cuda {

TADP_DEVICE inline index_t least_of(index_t a, index_t b) { return b < a ? b : a; }

/// One axis of a resize.
struct Axis {
  index_t in, out;
  bool aligned;

  /// The two source positions of an output position and the weight of the second.
  struct Tap {
    index_t low, high;
    float weight;
    /// What of the output is read from a source position.
    TADP_DEVICE float share(index_t at) const { return (low == at ? 1.0F - weight : 0.0F) + (high == at ? weight : 0.0F); }
  };
  TADP_DEVICE Tap tap(index_t at) const {
    double source = 0.0;
    if (!aligned)
      source = (static_cast<double>(at) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
    else if (out > 1)
      source = static_cast<double>(at) * static_cast<double>(in - 1) / static_cast<double>(out - 1);
    if (source < 0.0) source = 0.0;
    index_t const low = least_of(static_cast<index_t>(source), in - 1);
    return {low, least_of(low + 1, in - 1), static_cast<float>(source - static_cast<double>(low))};
  }
  /// Outputs [first, last) of which some may read a source position; the others read nothing of it.
  struct Range {
    index_t first, last;
  };
  TADP_DEVICE Range readers(index_t at) const {
    double const from = static_cast<double>(aligned ? in - 1 : in), to = static_cast<double>(aligned ? out - 1 : out);
    if (from <= 0.0 || to <= 0.0) return {0, out};
    double const centre = aligned ? 0.0 : 0.5, low = (static_cast<double>(at) - 1.0 + centre) * to / from - centre - 1.0,
                 high = (static_cast<double>(at) + 1.0 + centre) * to / from - centre + 2.0;
    return {low < 0.0 ? 0 : static_cast<index_t>(low), least_of(out, static_cast<index_t>(high) + 1)};
  }
  /// torch's nearest: floor(out index * in / out).
  TADP_DEVICE index_t nearest(index_t at) const { return least_of(at * in / out, in - 1); }
  TADP_DEVICE Range nearest_readers(index_t at) const { return {(at * out + in - 1) / in, least_of(out, ((at + 1) * out + in - 1) / in)}; }
};

struct Grid {
  Axis y, x;
};

/// The bilinear sample of a picture, its first pixel given.
template <class T>
TADP_DEVICE float bilinear(Rows<T const> x, index_t first, index_t width, Axis::Tap const& v, Axis::Tap const& u, index_t c) {
  float const p00 = x.get(first + v.low * width + u.low, c), p01 = x.get(first + v.low * width + u.high, c);
  float const p10 = x.get(first + v.high * width + u.low, c), p11 = x.get(first + v.high * width + u.high, c);
  float const upper = p00 + u.weight * (p01 - p00), lower = p10 + u.weight * (p11 - p10);
  return upper + v.weight * (lower - upper);
}

template <class T>
struct ResizeBilinear {
  Grid g;
  Rows<T const> x;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / (g.y.out * g.x.out);
    y.set(p, c, bilinear(x, n * g.y.in * g.x.in, g.x.in, g.y.tap(p / g.x.out % g.y.out), g.x.tap(p % g.x.out), c));
  }
};
template <class T>
struct ResizeBilinearGradient {
  Grid g;
  Rows<T const> dy;
  Rows<T> dx;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / (g.y.in * g.x.in), row = p / g.x.in % g.y.in, column = p % g.x.in;
    auto const down = g.y.readers(row), across = g.x.readers(column);
    float total = 0.0F;
    for (index_t i = down.first; i < down.last; ++i) {
      float const share = g.y.tap(i).share(row);
      if (share == 0.0F) continue;
      for (index_t j = across.first; j < across.last; ++j)
        if (float const part = share * g.x.tap(j).share(column); part != 0.0F) total += part * dy.get((n * g.y.out + i) * g.x.out + j, c);
    }
    dx.add(p, c, total);
  }
};

template <class T>
struct ResizeNearest {
  Grid g;
  Rows<T const> x, addend;  ///< addend may be empty
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / (g.y.out * g.x.out);
    index_t const from = (n * g.y.in + g.y.nearest(p / g.x.out % g.y.out)) * g.x.in + g.x.nearest(p % g.x.out);
    y.set(p, c, x.get(from, c) + (addend.there() ? addend.get(p, c) : 0.0F));
  }
};
template <class T>
struct ResizeNearestGradient {
  Grid g;
  Rows<T const> dy;
  Rows<T> dx;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / (g.y.in * g.x.in);
    auto const down = g.y.nearest_readers(p / g.x.in % g.y.in), across = g.x.nearest_readers(p % g.x.in);
    float total = 0.0F;
    for (index_t i = down.first; i < down.last; ++i)
      for (index_t j = across.first; j < across.last; ++j) total += dy.get((n * g.y.out + i) * g.x.out + j, c);
    dx.add(p, c, total);
  }
};

/// The same top left corner: cut where y is smaller, zero where it is larger.
template <class T>
struct Reframe {
  Grid g;
  Rows<T const> x;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / (g.y.out * g.x.out), row = p / g.x.out % g.y.out, column = p % g.x.out;
    y.set(p, c, row < g.y.in && column < g.x.in ? x.get((n * g.y.in + row) * g.x.in + column, c) : 0.0F);
  }
};
template <class T>
struct ReframeGradient {
  Grid g;
  Rows<T const> dy;
  Rows<T> dx;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / (g.y.in * g.x.in), row = p / g.x.in % g.y.in, column = p % g.x.in;
    if (row < g.y.out && column < g.x.out) dx.add(p, c, dy.get((n * g.y.out + row) * g.x.out + column, c));
  }
};

/// Left and right exchanged; a gradient adds.
template <class T, bool Adds>
struct Mirror {
  index_t width;
  Rows<T const> x;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    float const v = x.get(p - p % width + width - 1 - p % width, c);
    Adds ? y.add(p, c, v) : y.set(p, c, v);
  }
};
template <class T>
using MirrorTo = Mirror<T, false>;
template <class T>
using MirrorGradient = Mirror<T, true>;

}  // namespace tadp::cuda
