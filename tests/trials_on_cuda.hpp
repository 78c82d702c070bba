// SPDX-License-Identifier: Apache-2.0
// The device of the kernels' trials when these run on a CUDA device: the names of host_cuda.hpp, the numbers of the device.
// Blocks and threads run as the device likes; the second run of a trial shows that this changes no byte.
#pragma once

#include "cuda_shared.hpp"
#include "tadp/kernels/cuda/host_block.hpp"

namespace host_cuda {

using namespace tadp;
using cuda::Order;

/// Without libraries: our own kernels are on trial. All of them share one stream.
struct Device : cuda_shared::Device {
  static constexpr bool has_libraries = false;
  Order order = Order::rising;

  Device() : cuda_shared::Device(shared()) {}

 private:
  static cuda_shared::Device const& shared() {
    static cuda_shared::Device const device(0);
    return device;
  }
};

/// The libraries themselves, in the place of the loops of host_libraries.hpp.
struct WithLibraries : Device {
  static constexpr bool has_libraries = true;
  WithLibraries() = default;
  explicit WithLibraries(Device const& device) : Device(device) {}
};

}  // namespace host_cuda
