// SPDX-License-Identifier: Apache-2.0
// What a device is that runs the kernels of kernels/cuda: by its base class, so that their overloads pass over others.
// The CUDA device is one; so is the host device of the tests.
#pragma once

#include <concepts>

namespace tadp {

/// Beside memory and copies such a device offers
///   launch(device, blocks, kernel)   beside its type: in order with all other launches of the device
///   device.scratch(bytes)            memory for one operation, aligned to 64 bytes: the next operation gets it again
struct RunsKernels {};
template <class Device>
concept KernelDevice = std::derived_from<Device, RunsKernels>;

}  // namespace tadp
