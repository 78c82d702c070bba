// SPDX-License-Identifier: Apache-2.0
// AdamW's step, the sum of squares for clipping, and a scale, over flat spans of parameters in float.
// A span is pixels of one channel to the kernels that work on it.
#pragma once

#include "tadp/kernels/cuda/reduce.cuh"

#include <cmath>

namespace tadp::cuda {

/// The numbers of a step, as every parameter uses them.
struct AdamWFactors {
  float decay, beta1, one_minus_beta1, beta2, one_minus_beta2, rate, unbias, eps;
};
struct AdamW {
  AdamWFactors f;
  float* value;
  float const* gradient;
  float* m;
  float* v;
  TADP_DEVICE void operator()(index_t i, index_t) const {
    float const g = gradient[i];
    m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g;
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * g * g;
    value[i] = value[i] * f.decay - f.rate * (m[i] / (std::sqrt(v[i]) * f.unbias + f.eps));
  }
};
/// A term of PixelSums.
struct Squares {
  static constexpr int sums = 1;
  float const* x;
  TADP_DEVICE void operator()(index_t i, double* sum) const { *sum += static_cast<double>(x[i]) * static_cast<double>(x[i]); }
};
struct ScaleSpan {
  float factor;
  float* x;
  TADP_DEVICE void operator()(index_t i, index_t) const { x[i] *= factor; }
};

}  // namespace tadp::cuda
