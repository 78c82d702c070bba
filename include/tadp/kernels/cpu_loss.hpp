// SPDX-License-Identifier: Apache-2.0
// Losses on the processor. Each writes one number, the mean, and its gradient kernel adds upstream * slope.
// Sums are taken in double over fixed chunks, in order.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/kernels/cpu_pointwise.hpp"

namespace tadp {
inline namespace TADP_ISA {
namespace loss_detail {

/// Sum over pixels of term(p), in double, in fixed chunks.
template <class Term>
double pixel_sum(Cpu& cpu, index_t pixels, Term const& term) {
  index_t const block = 4096, blocks = (pixels + block - 1) / block;
  double* const partial = reinterpret_cast<double*>(cpu.threads().shared_scratch(2 * blocks));
  cpu.threads().run(blocks, [&](index_t task, int) {
    double total = 0.0;
    for (index_t p = task * block; p < std::min(pixels, (task + 1) * block); ++p) total += term(p);
    partial[task] = total;
  });
  double total = 0.0;
  for (index_t t = 0; t < blocks; ++t) total += partial[t];
  return total;
}

inline float weight_of(float const* class_weights, std::uint8_t label) { return class_weights == nullptr ? 1.0F : class_weights[label]; }

/// All pixels, or the sum of the weights of those with a label.
inline double divisor(Average average, std::uint8_t const* labels, float const* class_weights, index_t pixels) {
  if (average == Average::all_pixels) return static_cast<double>(pixels);
  if (class_weights == nullptr) return static_cast<double>(pixels - std::count(labels, labels + pixels, ignore_label));
  double sum = 0.0;
  for (index_t p = 0; p < pixels; ++p)
    if (labels[p] != ignore_label) sum += static_cast<double>(class_weights[labels[p]]);
  return sum;
}

}  // namespace loss_detail

/// Mean cross-entropy of logits (N, H, W, K) with one label a pixel; `ignore_label` adds nothing. class_weights: K
/// factors, or null for ones.
inline void cross_entropy(Cpu& cpu, Average average, ConstFeatures<Cpu> logits, std::uint8_t const* labels, float const* class_weights,
                          Features<Cpu> loss) {
  index_t const classes = logits.shape.channels(), pixels = logits.shape.pixels();
  double const total = loss_detail::pixel_sum(cpu, pixels, [&](index_t p) {
    if (labels[p] == ignore_label) return 0.0;
    float const* const z = logits.pixel(p);
    float const top = max_of_row(classes, z);
    float const sum = sum_of_row(classes, [t = broadcast(top)](Packet v) { return exp(sub(v, t)); }, z);
    double const entropy = static_cast<double>(top - z[labels[p]]) + std::log(static_cast<double>(sum));
    return entropy * static_cast<double>(loss_detail::weight_of(class_weights, labels[p]));
  });
  double const count = loss_detail::divisor(average, labels, class_weights, pixels);
  loss.data[0] = count == 0.0 ? 0.0F : static_cast<float>(total / count);
}

inline void cross_entropy_gradient(Cpu& cpu, Average average, ConstFeatures<Cpu> logits, std::uint8_t const* labels, float const* class_weights,
                                   float upstream, Features<Cpu> dlogits) {
  index_t const classes = logits.shape.channels(), pixels = logits.shape.pixels();
  double const count = loss_detail::divisor(average, labels, class_weights, pixels);
  if (count == 0.0) return;
  float const share = upstream / static_cast<float>(count);
  pointwise_detail::for_pixels(cpu, pixels, classes, [&](index_t p) {
    if (labels[p] == ignore_label) return;
    float const weight = share * loss_detail::weight_of(class_weights, labels[p]);
    float const* const z = logits.pixel(p);
    float* const d = dlogits.pixel(p);
    float const top = max_of_row(classes, z);
    float const sum = sum_of_row(classes, [t = broadcast(top)](Packet v) { return exp(sub(v, t)); }, z);
    map_row(classes, d, [t = broadcast(top), s = broadcast(weight / sum)](Packet v, Packet old) { return fma(exp(sub(v, t)), s, old); }, z,
            static_cast<float const*>(d));
    d[labels[p]] -= weight;
  });
}

/// Mean of (a - b)^2.
inline void mean_squared_error(Cpu& cpu, ConstFeatures<Cpu> a, ConstFeatures<Cpu> b, Features<Cpu> loss) {
  index_t const c = a.shape.channels();
  double const total = loss_detail::pixel_sum(cpu, a.shape.pixels(), [&](index_t p) {
    return static_cast<double>(sum_of_row(c, [](Packet u, Packet v) { Packet const d = sub(u, v); return mul(d, d); }, a.pixel(p), b.pixel(p)));
  });
  loss.data[0] = static_cast<float>(total / static_cast<double>(a.shape.count()));
}

inline void mean_squared_error_gradient(Cpu& cpu, ConstFeatures<Cpu> a, ConstFeatures<Cpu> b, float upstream, Features<Cpu> da) {
  index_t const c = a.shape.channels();
  float const weight = 2.0F * upstream / static_cast<float>(a.shape.count());
  pointwise_detail::for_pixels(cpu, a.shape.pixels(), c, [&](index_t p) {
    map_row(c, da.pixel(p), [w = broadcast(weight)](Packet u, Packet v, Packet old) { return fma(w, sub(u, v), old); }, a.pixel(p), b.pixel(p),
            static_cast<float const*>(da.pixel(p)));
  });
}

/// Mean of |a - b|, plus `edges` times the mean of |horizontal and vertical differences of (a - b)|, plus `colour` times
/// that of |differences between neighbouring channels of (a - b)|.
inline void absolute_error(Cpu& cpu, float edges, float colour, ConstFeatures<Cpu> a, ConstFeatures<Cpu> b, Features<Cpu> loss) {
  FeatureShape const s = a.shape;
  auto const error = [&](index_t p, index_t i) { return static_cast<double>(a.pixel(p)[i]) - static_cast<double>(b.pixel(p)[i]); };
  double const total = loss_detail::pixel_sum(cpu, s.pixels(), [&](index_t p) {
    bool const right = p % s.w() + 1 < s.w(), below = p / s.w() % s.h() + 1 < s.h();
    double sum = 0.0;
    for (index_t i = 0; i < s.c(); ++i) {
      double const e = error(p, i);
      sum += std::abs(e);
      if (i + 1 < s.c()) sum += static_cast<double>(colour) * std::abs(error(p, i + 1) - e);
      if (right) sum += static_cast<double>(edges) * std::abs(error(p + 1, i) - e);
      if (below) sum += static_cast<double>(edges) * std::abs(error(p + s.w(), i) - e);
    }
    return sum;
  });
  loss.data[0] = static_cast<float>(total / static_cast<double>(s.count()));
}

inline void absolute_error_gradient(Cpu& cpu, float edges, float colour, ConstFeatures<Cpu> a, ConstFeatures<Cpu> b, float upstream, Features<Cpu> da) {
  FeatureShape const s = a.shape;
  float const weight = upstream / static_cast<float>(s.count());
  // In double: a difference of differences that rounds to nothing would lose its sign.
  auto const error = [&](index_t p, index_t i) { return static_cast<double>(a.pixel(p)[i]) - static_cast<double>(b.pixel(p)[i]); };
  auto const sign = [](double v) { return v > 0.0 ? 1.0F : v < 0.0 ? -1.0F : 0.0F; };
  pointwise_detail::for_pixels(cpu, s.pixels(), s.c(), [&](index_t p) {
    index_t const x = p % s.w(), y = p / s.w() % s.h();
    for (index_t i = 0; i < s.c(); ++i) {
      double const e = error(p, i);
      float slope = sign(e);
      if (i > 0) slope += colour * sign(e - error(p, i - 1));
      if (i + 1 < s.c()) slope += colour * sign(e - error(p, i + 1));
      if (x > 0) slope += edges * sign(e - error(p - 1, i));
      if (x + 1 < s.w()) slope += edges * sign(e - error(p + 1, i));
      if (y > 0) slope += edges * sign(e - error(p - s.w(), i));
      if (y + 1 < s.h()) slope += edges * sign(e - error(p + s.w(), i));
      da.pixel(p)[i] += weight * slope;
    }
  });
}

/// Mean over elements of the divergence of N(mean, exp(log variance)) from N(0, 1); moments hold both side by side.
inline void gaussian_divergence(Cpu& cpu, ConstFeatures<Cpu> moments, Features<Cpu> loss) {
  index_t const c = moments.shape.channels() / 2;
  double const total = loss_detail::pixel_sum(cpu, moments.shape.pixels(), [&](index_t p) {
    double sum = 0.0;
    for (index_t i = 0; i < c; ++i) {
      double const mean = static_cast<double>(moments.pixel(p)[i]);
      double const log_variance = std::clamp(static_cast<double>(moments.pixel(p)[c + i]), -30.0, 20.0);
      sum += 0.5 * (mean * mean + std::exp(log_variance) - 1.0 - log_variance);
    }
    return sum;
  });
  loss.data[0] = static_cast<float>(total / static_cast<double>(moments.shape.pixels() * c));
}

inline void gaussian_divergence_gradient(Cpu& cpu, ConstFeatures<Cpu> moments, float upstream, Features<Cpu> dmoments) {
  index_t const c = moments.shape.channels() / 2;
  float const weight = upstream / static_cast<float>(moments.shape.pixels() * c);
  pointwise_detail::for_pixels(cpu, moments.shape.pixels(), c, [&](index_t p) {
    for (index_t i = 0; i < c; ++i) {
      float const log_variance = moments.pixel(p)[c + i];
      dmoments.pixel(p)[i] += weight * moments.pixel(p)[i];
      if (log_variance > -30.0F && log_variance < 20.0F) dmoments.pixel(p)[c + i] += weight * 0.5F * (std::exp(log_variance) - 1.0F);
    }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
