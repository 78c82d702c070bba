// SPDX-License-Identifier: Apache-2.0
// Terms and slopes of the losses of detection. A target row is (label, four codes): a label of -1 is no row, 0 background.
// Gradients add upstream * slope over the count of rows.
#pragma once

#include "tadp/kernels/cuda/loss.cuh"

namespace tadp::cuda {

/// A term of PixelSums: how many rows there are.
struct CountRows {
  static constexpr int sums = 1;
  Rows<float const> targets;
  TADP_DEVICE void operator()(index_t p, double* sum) const { *sum += targets.get(p, 0) >= 0.0F ? 1.0 : 0.0; }
};

template <class T>
struct BinaryCrossEntropy {
  static constexpr int sums = 2;
  Rows<T const> logits;
  Rows<float const> targets;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    if (targets.get(p, 0) < 0.0F) return;
    auto const z = static_cast<double>(logits.get(p, 0));
    sum[0] += (z > 0.0 ? z : 0.0) - (targets.get(p, 0) > 0.0F ? z : 0.0) + std::log1p(std::exp(-std::abs(z)));
    sum[1] += 1.0;
  }
};
template <class T>
struct BinaryCrossEntropyGradient {
  Rows<T const> logits;
  Rows<float const> targets;
  float upstream;
  Sums<1> const* count;
  Rows<T> d;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    float const label = targets.get(p, 0);
    if (label >= 0.0F) d.add(p, 0, upstream / static_cast<float>(count->value[0]) * (sigmoid(logits.get(p, 0)) - (label > 0.0F ? 1.0F : 0.0F)));
  }
};

template <class T>
struct RowCrossEntropy {
  static constexpr int sums = 2;
  Rows<T const> logits;
  index_t classes;
  Rows<float const> targets;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    auto const label = static_cast<index_t>(targets.get(p, 0));
    if (label < 0) return;
    Softmax const s = softmax_of(logits, p, classes);
    sum[0] += static_cast<double>(s.top - logits.get(p, label)) + std::log(static_cast<double>(s.sum));
    sum[1] += 1.0;
  }
};
template <class T>
struct RowCrossEntropyGradient {
  Rows<T const> logits;
  index_t classes;
  Rows<float const> targets;
  float upstream;
  Sums<1> const* count;
  Rows<T> d;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    auto const label = static_cast<index_t>(targets.get(p, 0));
    if (label < 0) return;
    float const share = upstream / static_cast<float>(count->value[0]);
    Softmax const s = softmax_of(logits, p, classes);
    for (index_t c = 0; c < classes; ++c) d.add(p, c, share * (std::exp(logits.get(p, c) - s.top) / s.sum - (c == label ? 1.0F : 0.0F)));
  }
};

/// The codes that a row with a class reads: all four, or four of 4 C that its label picks.
template <class T>
struct Codes {
  Rows<T const> codes;
  index_t channels;
  Rows<float const> targets;
  TADP_DEVICE bool learn(index_t p) const { return targets.get(p, 0) > 0.0F; }
  TADP_DEVICE index_t first(index_t p) const { return channels == 4 ? 0 : 4 * static_cast<index_t>(targets.get(p, 0)); }
};
template <class T>
struct SmoothL1 {
  static constexpr int sums = 2;
  Codes<T> x;
  float beta;
  TADP_DEVICE void operator()(index_t p, double* sum) const {
    sum[1] += x.targets.get(p, 0) >= 0.0F ? 1.0 : 0.0;
    if (!x.learn(p)) return;
    auto const b = static_cast<double>(beta);
    for (index_t i = 0; i < 4; ++i) {
      double const d = std::abs(static_cast<double>(x.codes.get(p, x.first(p) + i)) - static_cast<double>(x.targets.get(p, 1 + i)));
      sum[0] += d < b ? 0.5 * d * d / b : d - 0.5 * b;
    }
  }
};
template <class T>
struct SmoothL1Gradient {
  Codes<T> x;
  float beta, upstream;
  Sums<1> const* count;
  Rows<T> d;
  TADP_DEVICE void operator()(index_t p, index_t i) const {
    if (!x.learn(p)) return;
    float const slope = (x.codes.get(p, x.first(p) + i) - x.targets.get(p, 1 + i)) / beta;
    d.add(p, x.first(p) + i, upstream / static_cast<float>(count->value[0]) * (slope < -1.0F ? -1.0F : slope > 1.0F ? 1.0F : slope));
  }
};

}  // namespace tadp::cuda
