// SPDX-License-Identifier: Apache-2.0
// What a device is that runs the kernels of kernels/cuda: by its base class, so that their overloads pass over others.
// The CUDA device is one; so is the host device of the tests. Each can compute in half or bfloat16, too.
#pragma once

#include "tadp/core/element.hpp"

#include <concepts>
#include <utility>

namespace tadp {

/// Beside memory and copies such a device offers
///   launch(device, blocks, kernel)   beside its type: in order with all other launches of the device
///   device.scratch(bytes)            memory for one operation, aligned to 64 bytes: the next operation gets it again
struct RunsKernels {};
template <class Device>
concept KernelDevice = std::derived_from<Device, RunsKernels>;

/// One that leaves convolutions and attention to libraries says so by a member, and has beside its type
///   library_multiply(device, product, operands)
///   library_convolve(device, kind, operands), library_attend(device, kind, operands)   false: the library cannot
///   library_unfolds(device, kind)   how many elements a convolution may be unfolded to, to be a product; 0: it is convolved
template <class Device>
concept LibraryDevice = KernelDevice<Device> && requires { requires Device::has_libraries; };

/// The same device with features in another element: memory, stream and kernels are Base's.
template <KernelDevice Base, class ElementType>
class InElement : public Base {
 public:
  using Element = ElementType;
  using Home = Base;

  InElement() = default;
  explicit InElement(Base base) : Base(std::move(base)) {}
};

}  // namespace tadp
