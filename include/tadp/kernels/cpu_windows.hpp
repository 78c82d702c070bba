// SPDX-License-Identifier: Apache-2.0
// From a picture's bytes to windows of numbers and back: normalised windows, window results joined on the picture, labels.
// Results of windows are added at full size without a full-size copy of each: resized while they are added.
#pragma once

#include "tadp/core/preprocessing.hpp"
#include "tadp/kernels/cpu_resize.hpp"

namespace tadp {
inline namespace TADP_ISA {

/// out (1, H, W, 3) = the bytes of a picture, RGB without gaps, normalised.
inline void normalise_picture(Cpu& cpu, Normalisation const& normalisation, std::uint8_t const* rgb, Features<Cpu> out) {
  index_t const w = out.shape[2];
  cpu.threads().run(out.shape[1], [&](index_t y, int) {
    for (index_t p = y * w; p < (y + 1) * w; ++p)
      for (std::size_t c = 0; c < 3; ++c)
        out.pixel(p)[c] = (static_cast<float>(rgb[static_cast<std::size_t>(3 * p) + c]) - normalisation.mean[c]) / normalisation.deviation[c];
  });
}

/// out (1, h, w, C) = the part of x (1, H, W, C) from (top, left) on; zero past the edges of x.
inline void cut_window(Cpu& cpu, ConstFeatures<Cpu> x, index_t top, index_t left, Features<Cpu> out) {
  index_t const h = out.shape[1], w = out.shape[2], c = out.shape[3];
  cpu.threads().run(h, [&](index_t y, int) {
    index_t const inside = top + y < x.shape[1] ? std::min(w, x.shape[2] - left) : 0;
    for (index_t i = 0; i < inside; ++i) std::copy_n(x.pixel((top + y) * x.shape[2] + left + i), c, out.pixel(y * w + i));
    for (index_t i = inside; i < w; ++i) std::fill_n(out.pixel(y * w + i), c, 0.0F);
  });
}

/// sum (1, H, W, C) += factor * x (1, h, w, C) resized to the window of `height` x `width` at (top, left), cut at the
/// edges of sum; bilinear between half-pixel centres.
inline void add_window(Cpu& cpu, float factor, ConstFeatures<Cpu> x, index_t height, index_t width, index_t top, index_t left, Features<Cpu> sum) {
  index_t const h = x.shape[1], w = x.shape[2], c = x.shape[3];
  index_t const rows = std::min(height, sum.shape[1] - top), columns = std::min(width, sum.shape[2] - left);
  cpu.threads().run(rows, [&](index_t y, int) {
    auto const v = resize_detail::bilinear_tap(y, h, height, Corners::half_pixel);
    for (index_t column = 0; column < columns; ++column) {
      auto const u = resize_detail::bilinear_tap(column, w, width, Corners::half_pixel);
      float* const to = sum.pixel((top + y) * sum.shape[2] + left + column);
      map_row(c, to,
              [a = broadcast(u.weight), b = broadcast(v.weight), f = broadcast(factor)](Packet old, Packet p00, Packet p01, Packet p10, Packet p11) {
                Packet const upper = fma(a, sub(p01, p00), p00), lower = fma(a, sub(p11, p10), p10);
                return fma(f, fma(b, sub(lower, upper), upper), old);
              },
              static_cast<float const*>(to), x.pixel(v.low * w + u.low), x.pixel(v.low * w + u.high), x.pixel(v.high * w + u.low),
              x.pixel(v.high * w + u.high));
    }
  });
}

/// sum (1, H, W, C) divided at each pixel by rows[y] * columns[x], the count of windows that were added there.
inline void divide_by_windows(Cpu& cpu, float const* rows, float const* columns, Features<Cpu> sum) {
  index_t const w = sum.shape[2], c = sum.shape[3];
  cpu.threads().run(sum.shape[1], [&](index_t y, int) {
    for (index_t x = 0; x < w; ++x) {
      float const count = rows[y] * columns[x];
      float* const to = sum.pixel(y * w + x);
      for (index_t i = 0; i < c; ++i) to[i] /= count;
    }
  });
}

/// y (.., 1) = the mean of the channels of x that are listed, a duplicate counting twice.
inline void mean_of_channels(Cpu& cpu, ConstFeatures<Cpu> x, std::int32_t const* channels, index_t count, Features<Cpu> y) {
  cpu.threads().run(x.shape[0] * x.shape[1], [&](index_t line, int) {
    for (index_t p = line * x.shape[2]; p < (line + 1) * x.shape[2]; ++p) {
      float total = 0.0F;
      for (index_t i = 0; i < count; ++i) total += x.pixel(p)[channels[i]];
      y.pixel(p)[0] = total / static_cast<float>(count);
    }
  });
}

/// The class of the largest logit of each pixel (the first of equals), and its softmax where `confidence` is not null.
inline void decide(Cpu& cpu, ConstFeatures<Cpu> logits, std::uint8_t* labels, float* confidence) {
  index_t const c = logits.shape.channels(), w = logits.shape[2];
  cpu.threads().run(logits.shape[0] * logits.shape[1], [&](index_t line, int) {
    for (index_t p = line * w; p < (line + 1) * w; ++p) {
      float const* const v = logits.pixel(p);
      index_t best = 0;
      for (index_t i = 1; i < c; ++i)
        if (v[i] > v[best]) best = i;
      labels[p] = static_cast<std::uint8_t>(best);
      if (confidence == nullptr) continue;
      double total = 0.0;
      for (index_t i = 0; i < c; ++i) total += std::exp(static_cast<double>(v[i] - v[best]));
      confidence[p] = static_cast<float>(1.0 / total);
    }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
