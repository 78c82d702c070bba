// SPDX-License-Identifier: Apache-2.0
// The CUDA device's convolutions, linear layers and self-attention: cuDNN's and cuBLASLt's. They go before the kernels of
// conv.hpp and attention.hpp. What each function means stands there.
#pragma once

#include "tadp/kernels/cuda/cublaslt.hpp"
#include "tadp/kernels/cuda/cuda.hpp"
#include "tadp/kernels/cuda/cudnn_attention.hpp"
#include "tadp/kernels/cuda/cudnn_convolution.hpp"
#include "tadp/kernels/cuda/library_attention.hpp"
#include "tadp/kernels/cuda/library_conv.hpp"

namespace tadp {

inline void library_multiply(Cuda& device, cuda::Product const& product, cuda::ProductOperands const& o) { device.library<cuda::CublasLt>().multiply(device, product, o); }
inline bool library_convolve(Cuda& device, cuda::ConvolutionKind const& kind, cuda::ConvolutionOperands const& o) {
  return device.library<cuda::Cudnn>().convolve(device, kind, o);
}
/// In float without tensor cores cuDNN has no engine for channels-last memory: it lays input and weights out anew in every
/// call, and is slower than an unfolded product. 256 MiB, as cuDNN's own workspaces have.
inline index_t library_unfolds(Cuda& device, cuda::ConvolutionKind const& kind) {
  return kind.number == cuda::Number::float32 && device.math() == CudaMath::float32 ? index_t{1} << 26 : 0;
}
inline bool library_attend(Cuda& device, cuda::AttentionKind const& kind, cuda::AttentionOperands const& o) {
  return device.library<cuda::CudnnAttention>().attend(device, kind, o);
}

}  // namespace tadp
