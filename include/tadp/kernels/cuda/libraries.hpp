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

}  // namespace tadp
