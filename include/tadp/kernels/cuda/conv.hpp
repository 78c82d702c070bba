// SPDX-License-Identifier: Apache-2.0
// Convolutions and transposed convolutions of a device that runs kernels; a linear layer is a convolution of one pixel.
// They need no library: right for every shape, and slower. Weights and biases are elements, and their gradients float.
#pragma once

#include "tadp/kernels/cuda/conv.cuh"
#include "tadp/kernels/cuda/launch.hpp"

namespace tadp {
namespace cuda {

inline ConvShape conv_shape(ConvGeometry const& g, FeatureShape const& in, FeatureShape const& out) { return {g, extents(in), extents(out)}; }

}  // namespace cuda

/// y = conv(x) + bias + shift + residual. weight [Cout, k, k, Cin]; bias [Cout] or null; shift (N or 1, 1, 1, Cout) or
/// empty: a vector a picture (the time projection); residual: shape of y or empty. `relu`: of all that.
template <KernelDevice D, class T>
void conv2d(D& device, ConvGeometry const& g, View<T const, 4, D> x, Weight<T> const* weight, Weight<T> const* bias, Reads<float, D> shift,
            Reads<T, D> residual, Writes<T, D> y, bool relu = false) {
  cuda::start(device, cuda::Conv2d<T>{cuda::conv_shape(g, x.shape, y.shape), cuda::rows(x), weight, bias, cuda::rows(shift), shift.shape[0] == 1,
                                      cuda::rows(residual), cuda::rows(y), relu});
}
/// dx += the gradient of the input; dx has the shape of x.
template <KernelDevice D, class T>
void conv2d_input_gradient(D& device, ConvGeometry const& g, View<T const, 4, D> dy, Weight<T> const* weight, Writes<T, D> dx) {
  cuda::start(device, cuda::Conv2dInputGradient<T>{cuda::conv_shape(g, dx.shape, dy.shape), cuda::rows(dy), weight, cuda::rows(dx), true});
}
/// dweight += and dbias += (each may be null); x may be empty where dweight is null.
template <KernelDevice D, class T>
void conv2d_weight_gradient(D& device, ConvGeometry const& g, Reads<T, D> x, View<T const, 4, D> dy, float* dweight, float* dbias) {
  if (dweight != nullptr)
    cuda::start(device, cuda::Conv2dWeightGradient<T>{cuda::conv_shape(g, x.shape, dy.shape), cuda::rows(x), cuda::rows(dy), dweight});
  if (dbias == nullptr) return;
  using Term = cuda::Values<T>;
  index_t const pixels = dy.shape.pixels(), c = dy.shape.channels();
  cuda::Scratch scratch(device, cuda::channel_sum_bytes<Term>(1, pixels, c));
  cuda::sum_channels(device, scratch, 1, pixels, c, Term{cuda::rows(dy)}, cuda::AddSums{dbias});
}

/// y = the transposed convolution of x. weight [Cx, k, k, Cy]; g without a doubling, and g.out_shape(y) is x.
template <KernelDevice D, class T>
void conv_transpose2d(D& device, ConvGeometry const& g, View<T const, 4, D> x, Weight<T> const* weight, Writes<T, D> y) {
  cuda::start(device, cuda::Conv2dInputGradient<T>{cuda::conv_shape(g, y.shape, x.shape), cuda::rows(x), weight, cuda::rows(y), false});
}
/// dx += the convolution of dy.
template <KernelDevice D, class T>
void conv_transpose2d_input_gradient(D& device, ConvGeometry const& g, View<T const, 4, D> dy, Weight<T> const* weight, Writes<T, D> dx) {
  cuda::start(device, cuda::Conv2d<T>{cuda::conv_shape(g, dy.shape, dx.shape), cuda::rows(dy), weight, nullptr, {}, false,
                                      cuda::rows(Reads<T, D>(dx)), cuda::rows(dx)});
}
/// dweight +=.
template <KernelDevice D, class T>
void conv_transpose2d_weight_gradient(D& device, ConvGeometry const& g, View<T const, 4, D> x, Reads<T, D> dy, float* dweight) {
  conv2d_weight_gradient<D, T>(device, g, dy, x, dweight, nullptr);
}

}  // namespace tadp
