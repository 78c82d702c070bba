// SPDX-License-Identifier: Apache-2.0
// Terms and slopes of SiLog over metres and of the focal loss over labels.
// Logarithms of depths are taken in double, as the sums are.
#pragma once

#include "tadp/kernels/cuda/loss.cuh"

namespace tadp::cuda {

/// A depth below this has no logarithm that a float can tell from it; its slope is zero.
inline constexpr float least_depth = std::numeric_limits<float>::min();

/// The pixels that count have a finite truth above zero.
TADP_DEVICE inline bool has_depth(float truth) { return truth > 0.0F && truth <= std::numeric_limits<float>::max(); }
TADP_DEVICE inline double log_difference(float truth, float depth) {
  return std::log(static_cast<double>(truth)) - std::log(static_cast<double>(depth < least_depth ? least_depth : depth));
}

/// Count, and the sums of the differences and of their squares.
template <class T>
struct LogDifferences {
  static constexpr int sums = 3;
  Rows<T const> depth;
  float const* truth;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    if (!has_depth(truth[p])) return;
    double const d = log_difference(truth[p], depth.get(p, 0));
    sum[0] += 1.0;
    sum[1] += d;
    sum[2] += d * d;
  }
};
/// sqrt(mean d^2 - lambda (mean d)^2); 0 where nothing counts.
TADP_DEVICE inline double silog_of(double const* sums, float lambda) {
  if (sums[0] == 0.0) return 0.0;
  double const mean = sums[1] / sums[0], spread = sums[2] / sums[0] - static_cast<double>(lambda) * mean * mean;
  return spread > 0.0 ? std::sqrt(spread) : 0.0;
}
struct StoreSilog {
  float lambda;
  float* to;
  TADP_DEVICE void operator()(double const* sums) const { *to = static_cast<float>(silog_of(sums, lambda)); }
};
template <class T>
struct SilogGradient {
  float lambda, upstream;
  Rows<T const> depth;
  float const* truth;
  Sums<3> const* sums;
  Rows<T> d;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    double const loss = silog_of(sums->value, lambda);
    float const v = depth.get(p, 0);
    if (loss == 0.0 || !has_depth(truth[p]) || v < least_depth) return;
    double const middle = static_cast<double>(lambda) * sums->value[1] / sums->value[0];
    double const slope = (log_difference(truth[p], v) - middle) / (sums->value[0] * loss * static_cast<double>(v));
    d.add(p, 0, static_cast<float>(-static_cast<double>(upstream) * slope));
  }
};

TADP_DEVICE inline float softplus(float x) { return (x > 0.0F ? x : 0.0F) + std::log1p(std::exp(-std::abs(x))); }
/// sigmoid(x)^2 softplus(x): what a class costs that the pixel is not, and with -x what the class costs that it is.
TADP_DEVICE inline float focal(float x) { return sigmoid(x) * sigmoid(x) * softplus(x); }
TADP_DEVICE inline float focal_slope(float x) {
  float const p = sigmoid(x);
  return p * p * (2.0F * sigmoid(-x) * softplus(x) + p);
}

template <class T>
struct FocalLoss {
  static constexpr int sums = 2;
  LabelWeights labels;
  Rows<T const> logits;
  index_t classes;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    if (!labels.valid(p)) return;
    float total = 0.0F;
    for (index_t c = 0; c < classes; ++c) total += focal(c == labels.labels[p] ? -logits.get(p, c) : logits.get(p, c));
    sum[0] += static_cast<double>(total);
    sum[1] += 1.0;
  }
};
template <class T>
struct FocalLossGradient {
  LabelWeights labels;
  Rows<T const> logits;
  float upstream;
  Sums<1> const* count;
  Rows<T> d;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    if (!labels.valid(p)) return;
    float const weight = upstream / static_cast<float>(count->value[0]), z = logits.get(p, c);
    d.add(p, c, c == labels.labels[p] ? -weight * focal_slope(-z) : weight * focal_slope(z));
  }
};

}  // namespace tadp::cuda
