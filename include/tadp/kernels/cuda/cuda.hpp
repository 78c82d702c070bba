// SPDX-License-Identifier: Apache-2.0
// Every operation on Cuda: include this where a model is to run on a CUDA device, and link the kernels that nvcc compiled.
// A device is complete when it has an overload of each of these functions (see docs/design.md).
#pragma once

#include "tadp/device/cuda.hpp"
#include "tadp/kernels/cuda/enqueue.hpp"
#include "tadp/kernels/cuda/own_kernels.hpp"

#include <typeinfo>

namespace tadp {

/// Puts a kernel on the device's stream; Error names the kernel and how many blocks were asked for.
template <class Kernel>
void launch(Cuda& device, index_t blocks, Kernel const& kernel) {
  cuda::CurrentDevice const here(device.index());
  auto const code = static_cast<cudaError_t>(cuda::enqueue(device.stream(), blocks, kernel));
  if (code != cudaSuccess) require_cuda(code, typeid(Kernel).name(), std::to_string(blocks) + " blocks of " + std::to_string(Kernel::threads) + " threads");
}

}  // namespace tadp
