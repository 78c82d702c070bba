// SPDX-License-Identifier: Apache-2.0
// The one file of the library that nvcc compiles.
#include "tadp/device/cuda_code.hpp"
#include "tadp/kernels/cuda/kernels.cuh"

/// nvcc lists what it compiles for as 800, 900: in rising order.
tadp::cuda::CompiledCode tadp::cuda::compiled_code() {
  CompiledCode code{__CUDACC_VER_MAJOR__ * 1000 + __CUDACC_VER_MINOR__ * 10, {}};
  for (int listed : {__CUDA_ARCH_LIST__}) code.capabilities.push_back({listed / 100, listed / 10 % 10});
  return code;
}
