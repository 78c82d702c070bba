// SPDX-License-Identifier: Apache-2.0
// The CUDA device's convolutions and linear layers: cuDNN's and cuBLASLt's. They go before the kernels of conv.hpp.
// What each function means stands there.
#pragma once

#include "tadp/kernels/cuda/cublaslt.hpp"
#include "tadp/kernels/cuda/cuda.hpp"
#include "tadp/kernels/cuda/cudnn_convolution.hpp"
#include "tadp/kernels/cuda/library_conv.hpp"

namespace tadp {

inline void library_multiply(Cuda& device, cuda::Product const& product, cuda::ProductOperands const& o) { device.library<cuda::CublasLt>().multiply(device, product, o); }
inline bool library_convolve(Cuda& device, cuda::ConvolutionKind const& kind, cuda::ConvolutionOperands const& o) {
  return device.library<cuda::Cudnn>().convolve(device, kind, o);
}

inline void conv2d(Cuda& device, ConvGeometry const& g, ConstFeatures<Cuda> x, float const* weight, float const* bias, ConstFeatures<Cuda> shift,
                   ConstFeatures<Cuda> residual, Features<Cuda> y) {
  cuda::library_conv2d(device, g, x, weight, bias, shift, residual, y);
}
inline void conv2d_input_gradient(Cuda& device, ConvGeometry const& g, ConstFeatures<Cuda> dy, float const* weight, Features<Cuda> dx) {
  cuda::library_conv2d_input_gradient(device, g, dy, weight, dx);
}
inline void conv2d_weight_gradient(Cuda& device, ConvGeometry const& g, ConstFeatures<Cuda> x, ConstFeatures<Cuda> dy, float* dweight, float* dbias) {
  cuda::library_conv2d_weight_gradient(device, g, x, dy, dweight, dbias);
}
inline void conv_transpose2d(Cuda& device, ConvGeometry const& g, ConstFeatures<Cuda> x, float const* weight, Features<Cuda> y) {
  cuda::library_conv_transpose2d(device, g, x, weight, y);
}
inline void conv_transpose2d_input_gradient(Cuda& device, ConvGeometry const& g, ConstFeatures<Cuda> dy, float const* weight, Features<Cuda> dx) {
  cuda::library_conv_transpose2d_input_gradient(device, g, dy, weight, dx);
}
inline void conv_transpose2d_weight_gradient(Cuda& device, ConvGeometry const& g, ConstFeatures<Cuda> x, ConstFeatures<Cuda> dy, float* dweight) {
  cuda::library_conv_transpose2d_weight_gradient(device, g, x, dy, dweight);
}

}  // namespace tadp
