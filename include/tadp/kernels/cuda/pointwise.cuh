// SPDX-License-Identifier: Apache-2.0
// Elementwise works: activations, GEGLU, sums, copies into slices, the text adapter's gate, table look-ups, dropout.
// A gradient adds to its result.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/core/random.hpp"
#include "tadp/kernels/cuda/for_each.cuh"

#include <cmath>

namespace tadp::cuda {

TADP_DEVICE inline float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }
TADP_DEVICE inline float normal_cdf(float x) { return 0.5F * (1.0F + std::erf(x * 0.70710678118654752F)); }
/// sigmoid(-x) is 1 - sigmoid(x) without the rounding of a difference.
TADP_DEVICE inline float swish_slope(float x, float beta) { return sigmoid(beta * x) * (1.0F + beta * x * sigmoid(-beta * x)); }
TADP_DEVICE inline float gelu_slope(float x) { return normal_cdf(x) + x * 0.39894228040143268F * std::exp(-0.5F * x * x); }

TADP_DEVICE inline float value_of(Activation kind, float x) {
  switch (kind) {
    case Activation::silu: return x * sigmoid(x);
    case Activation::gelu: return x * normal_cdf(x);
    case Activation::quick_gelu: return x * sigmoid(1.702F * x);
    case Activation::relu: return x > 0.0F ? x : 0.0F;
    case Activation::sigmoid: return sigmoid(x);
  }
  return 0.0F;
}
TADP_DEVICE inline float slope_of(Activation kind, float x) {
  switch (kind) {
    case Activation::silu: return swish_slope(x, 1.0F);
    case Activation::gelu: return gelu_slope(x);
    case Activation::quick_gelu: return swish_slope(x, 1.702F);
    case Activation::relu: return x > 0.0F ? 1.0F : 0.0F;
    case Activation::sigmoid: return sigmoid(x) * sigmoid(-x);
  }
  return 0.0F;
}

template <class T>
struct Activate {
  Activation kind;
  Rows<T const> x;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.set(p, c, value_of(kind, x.get(p, c))); }
};
template <class T>
struct ActivateGradient {
  Activation kind;
  Rows<T const> x, dy;
  Rows<T> dx;
  TADP_DEVICE void operator()(index_t p, index_t c) const { dx.add(p, c, slope_of(kind, x.get(p, c)) * dy.get(p, c)); }
};

/// First half of x's channels times gelu of the second.
template <class T>
struct Geglu {
  Rows<T const> x;
  Rows<T> y;
  index_t half;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    float const gate = x.get(p, half + c);
    y.set(p, c, x.get(p, c) * gate * normal_cdf(gate));
  }
};
template <class T>
struct GegluGradient {
  Rows<T const> x, dy;
  Rows<T> dx;
  index_t half;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    float const value = x.get(p, c), gate = x.get(p, half + c), g = dy.get(p, c);
    dx.add(p, c, g * gate * normal_cdf(gate));
    dx.add(p, half + c, g * value * gelu_slope(gate));
  }
};

template <class T>
struct AddTwo {
  Rows<T const> a, b;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.set(p, c, a.get(p, c) + b.get(p, c)); }
};
template <class T>
struct Scale {
  float factor;
  Rows<T const> x;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.set(p, c, factor * x.get(p, c)); }
};
/// Also between numbers of two types: gradients of weights are float, whatever they are added from.
template <class T, class To = T>
struct Accumulate {
  float factor;
  Rows<T const> x;
  Rows<To> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.add(p, c, factor * x.get(p, c)); }
};
template <class T>
struct Copy {
  Rows<T const> x;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.pixel(p)[c] = x.pixel(p)[c]; }
};
/// The nearest number of another type.
template <class T, class To>
struct Convert {
  Rows<T const> x;
  Rows<To> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.set(p, c, x.get(p, c)); }
};

template <class T>
struct GatedSum {
  Rows<T const> x, f;
  float const* gamma;
  Rows<T> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.set(p, c, x.get(p, c) + gamma[c] * f.get(p, c)); }
};
template <class T>
struct GatedSumGradient {
  float const* gamma;
  Rows<T const> dy;
  Rows<T> df;
  TADP_DEVICE void operator()(index_t p, index_t c) const { df.add(p, c, gamma[c] * dy.get(p, c)); }
};
/// A term of ChannelSums.
template <class T>
struct Products {
  static constexpr int sums = 1;
  Rows<T const> a, b;
  TADP_DEVICE void operator()(index_t p, index_t c, double* sum) const { *sum += static_cast<double>(a.get(p, c)) * static_cast<double>(b.get(p, c)); }
};

template <class T>
struct Embed {
  std::int32_t const* ids;
  float const* table;
  float const* positions;
  Rows<T> y;
  index_t length, width;
  TADP_DEVICE void operator()(index_t p, index_t c) const { y.set(p, c, table[ids[p] * width + c] + positions[p % length * width + c]); }
};
/// The first of equal tokens adds for all of them, in order.
template <class T>
struct EmbedGradient {
  std::int32_t const* ids;
  Rows<T const> dy;
  float* table;
  index_t tokens, width;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    for (index_t before = 0; before < p; ++before)
      if (ids[before] == ids[p]) return;
    float total = 0.0F;
    for (index_t q = p; q < tokens; ++q)
      if (ids[q] == ids[p]) total += dy.get(q, c);
    table[ids[p] * width + c] += total;
  }
};
template <class T>
struct PositionGradient {
  Rows<T const> dy;
  float* positions;
  index_t tokens, length, width;
  TADP_DEVICE void operator()(index_t l, index_t c) const {
    float total = 0.0F;
    for (index_t p = l; p < tokens; p += length) total += dy.get(p, c);
    positions[l * width + c] += total;
  }
};

TADP_DEVICE inline bool varies(float log_variance) { return log_variance > -30.0F && log_variance < 20.0F; }
TADP_DEVICE inline float clamped_variance(float log_variance) { return log_variance < -30.0F ? -30.0F : log_variance > 20.0F ? 20.0F : log_variance; }

/// factor * (mean + exp(log variance / 2) * noise); moments hold mean and log variance side by side.
template <class T>
struct PosteriorSample {
  float factor;
  Rows<T const> moments, noise;
  Rows<T> z;
  index_t half;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    z.set(p, c, factor * (moments.get(p, c) + std::exp(0.5F * clamped_variance(moments.get(p, half + c))) * noise.get(p, c)));
  }
};
template <class T>
struct PosteriorSampleGradient {
  float factor;
  Rows<T const> moments, noise, dz;
  Rows<T> dmoments;
  index_t half;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    float const log_variance = moments.get(p, half + c), g = factor * dz.get(p, c);
    dmoments.add(p, c, g);
    if (varies(log_variance)) dmoments.add(p, half + c, g * noise.get(p, c) * 0.5F * std::exp(0.5F * log_variance));
  }
};

template <class T>
struct ChannelDropout {
  float p, factor;
  std::uint64_t key;
  Rows<T const> x;
  Rows<T> y;
  index_t positions, channels;
  TADP_DEVICE void operator()(index_t pixel, index_t c) const {
    if (random_unit(key, static_cast<std::uint64_t>(pixel / positions * channels + c)) >= p) y.add(pixel, c, factor * x.get(pixel, c));
  }
};

}  // namespace tadp::cuda
