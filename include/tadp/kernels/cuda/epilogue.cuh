// SPDX-License-Identifier: Apache-2.0
// What follows a convolution that a library could not fuse: bias, a shift a picture, the residual, ReLU, in one pass.
// Reads and writes each element once; x and y may be the same.
#pragma once

#include "tadp/kernels/cuda/element.cuh"

namespace tadp::cuda {

template <class T>
struct ConvolutionEpilogue {
  Rows<T const> x;
  T const* bias;            ///< may be null
  Rows<float const> shift;  ///< one row a picture, or one for all; may be empty
  index_t positions;        ///< pixels that share a row of shift
  Rows<T const> residual;
  Rows<T> y;
  bool relu = false;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    float v = x.get(p, c);
    if (bias != nullptr) v += to_float(bias[c]);
    if (shift.there()) v += shift.get(quotient(p, positions), c);
    if (residual.there()) v += residual.get(p, c);
    y.set(p, c, !relu || v > 0.0F ? v : 0.0F);
  }
};

}  // namespace tadp::cuda
