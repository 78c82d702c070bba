// SPDX-License-Identifier: Apache-2.0
// Terms and slopes of the losses: cross-entropy, squared and absolute error, divergence from a standard normal.
// A term adds a loss and what it counts for; the mean is the ratio of both sums. Gradients add upstream * slope.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/kernels/cuda/pointwise.cuh"
#include "tadp/kernels/cuda/reduce.cuh"

namespace tadp::cuda {

/// First sum over second; 0 where nothing counted.
struct StoreRatio {
  float* to;
  TADP_DEVICE void operator()(double const* sums) const { *to = sums[1] == 0.0 ? 0.0F : static_cast<float>(sums[0] / sums[1]); }
};

/// Largest logit of a pixel, and the sum of the exponentials about it.
struct Softmax {
  float top, sum;
};
template <class T>
TADP_DEVICE Softmax softmax_of(Rows<T const> z, index_t p, index_t classes) {
  Softmax s{-std::numeric_limits<float>::infinity(), 0.0F};
  for (index_t c = 0; c < classes; ++c) s.top = Largest{}(s.top, z.get(p, c));
  for (index_t c = 0; c < classes; ++c) s.sum += std::exp(z.get(p, c) - s.top);
  return s;
}

/// The labels that a loss reads, a factor for each class (null: ones), and whether ignored pixels count as well.
struct LabelWeights {
  std::uint8_t const* labels;
  float const* of_class;
  bool all_count;

  TADP_DEVICE bool valid(index_t p) const { return labels[p] != ignore_label; }
  TADP_DEVICE float weight(index_t p) const { return of_class == nullptr ? 1.0F : of_class[labels[p]]; }
  TADP_DEVICE double count(index_t p) const { return all_count ? 1.0 : valid(p) ? static_cast<double>(weight(p)) : 0.0; }
};
/// A term of PixelSums: what all pixels count for.
struct CountLabels {
  static constexpr int sums = 1;
  LabelWeights labels;
  TADP_DEVICE void operator()(index_t p, double* sum) const { *sum += labels.count(p); }
};

template <class T>
struct CrossEntropy {
  static constexpr int sums = 2;
  LabelWeights labels;
  Rows<T const> logits;
  index_t classes;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    sum[1] += labels.count(p);
    if (!labels.valid(p)) return;
    Softmax const s = softmax_of(logits, p, classes);
    double const entropy = static_cast<double>(s.top - logits.get(p, labels.labels[p])) + std::log(static_cast<double>(s.sum));
    sum[0] += entropy * static_cast<double>(labels.weight(p));
  }
};
/// A whole pixel at a time.
template <class T>
struct CrossEntropyGradient {
  LabelWeights labels;
  Rows<T const> logits;
  index_t classes;
  float upstream;
  Sums<1> const* count;
  Rows<T> d;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    if (!labels.valid(p) || count->value[0] == 0.0) return;
    float const weight = upstream / static_cast<float>(count->value[0]) * labels.weight(p);
    Softmax const s = softmax_of(logits, p, classes);
    for (index_t c = 0; c < classes; ++c)
      d.add(p, c, weight * (std::exp(logits.get(p, c) - s.top) / s.sum - (c == labels.labels[p] ? 1.0F : 0.0F)));
  }
};

template <class T>
struct SquaredError {
  static constexpr int sums = 2;
  Rows<T const> a, b;
  index_t channels;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    float total = 0.0F;
    for (index_t c = 0; c < channels; ++c) {
      float const d = a.get(p, c) - b.get(p, c);
      total += d * d;
    }
    sum[0] += static_cast<double>(total);
    sum[1] += static_cast<double>(channels);
  }
};
template <class T>
struct SquaredErrorGradient {
  float weight;
  Rows<T const> a, b;
  Rows<T> da;
  TADP_DEVICE void operator()(index_t p, index_t c) const { da.add(p, c, weight * (a.get(p, c) - b.get(p, c))); }
};

/// a - b in double: a difference of differences that rounds to nothing would lose its sign.
template <class T>
struct Difference {
  Rows<T const> a, b;
  Extents e;
  float edges, colour;
  TADP_DEVICE double operator()(index_t p, index_t c) const { return static_cast<double>(a.get(p, c)) - static_cast<double>(b.get(p, c)); }
  TADP_DEVICE bool right(index_t p) const { return p % e.w + 1 < e.w; }
  TADP_DEVICE bool below(index_t p) const { return p / e.w % e.h + 1 < e.h; }
};
template <class T>
struct AbsoluteError {
  static constexpr int sums = 2;
  Difference<T> error;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    Extents const& e = error.e;
    double const edges = static_cast<double>(error.edges), colour = static_cast<double>(error.colour);
    for (index_t c = 0; c < e.c; ++c) {
      double const at = error(p, c);
      sum[0] += std::abs(at);
      if (c + 1 < e.c) sum[0] += colour * std::abs(error(p, c + 1) - at);
      if (error.right(p)) sum[0] += edges * std::abs(error(p + 1, c) - at);
      if (error.below(p)) sum[0] += edges * std::abs(error(p + e.w, c) - at);
    }
    sum[1] += static_cast<double>(e.c);
  }
};
template <class T>
struct AbsoluteErrorGradient {
  float weight;
  Difference<T> error;
  Rows<T> da;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    Extents const& e = error.e;
    double const at = error(p, c);
    auto const sign = [](double v) { return v > 0.0 ? 1.0F : v < 0.0 ? -1.0F : 0.0F; };
    float slope = sign(at);
    if (c > 0) slope += error.colour * sign(at - error(p, c - 1));
    if (c + 1 < e.c) slope += error.colour * sign(at - error(p, c + 1));
    if (p % e.w > 0) slope += error.edges * sign(at - error(p - 1, c));
    if (error.right(p)) slope += error.edges * sign(at - error(p + 1, c));
    if (p / e.w % e.h > 0) slope += error.edges * sign(at - error(p - e.w, c));
    if (error.below(p)) slope += error.edges * sign(at - error(p + e.w, c));
    da.add(p, c, weight * slope);
  }
};

/// Moments hold mean and log variance side by side.
template <class T>
struct GaussianDivergence {
  static constexpr int sums = 2;
  Rows<T const> moments;
  index_t half;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    for (index_t c = 0; c < half; ++c) {
      double const mean = static_cast<double>(moments.get(p, c)), v = static_cast<double>(clamped_variance(moments.get(p, half + c)));
      sum[0] += 0.5 * (mean * mean + std::exp(v) - 1.0 - v);
    }
    sum[1] += static_cast<double>(half);
  }
};
template <class T>
struct GaussianDivergenceGradient {
  float weight;
  Rows<T const> moments;
  index_t half;
  Rows<T> d;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    float const v = moments.get(p, half + c);
    d.add(p, c, weight * moments.get(p, c));
    if (varies(v)) d.add(p, half + c, weight * 0.5F * (std::exp(v) - 1.0F));
  }
};

}  // namespace tadp::cuda
