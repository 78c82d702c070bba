// SPDX-License-Identifier: Apache-2.0
// Every operation on Cuda: include this where a model is to run on a CUDA device, and link the kernels that nvcc compiled.
// A device is complete when it has an overload of each of these functions (see docs/design.md).
#pragma once

#include "tadp/device/cuda.hpp"
#include "tadp/kernels/cuda/enqueue.hpp"
#include "tadp/kernels/cuda/own_kernels.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>

namespace tadp {

namespace cuda {

/// As one would write it: "tadp::cuda::ForEach<tadp::cuda::Scale<float> >".
inline std::string readable_name(std::type_info const& type) {
  std::unique_ptr<char, decltype(&std::free)> const name(abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr), &std::free);
  return name == nullptr ? type.name() : name.get();
}

}  // namespace cuda

/// Puts a kernel on the device's stream; Error names the kernel and how many blocks were asked for.
template <class Kernel>
void launch(Cuda& device, index_t blocks, Kernel const& kernel) {
  cuda::CurrentDevice const here(device.index());
  auto const code = static_cast<cudaError_t>(cuda::enqueue(device.stream(), blocks, kernel));
  if (code != cudaSuccess) require_cuda(code, cuda::readable_name(typeid(Kernel)), std::to_string(blocks) + " blocks of " + std::to_string(Kernel::threads) + " threads");
}

}  // namespace tadp
