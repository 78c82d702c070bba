// SPDX-License-Identifier: Apache-2.0
// Numbers of a device as a list on the host, for answers that are given as values.
// In the order of the view's own memory, which must have no gaps.
#pragma once

#include "tadp/core/tensor.hpp"

#include <vector>

namespace tadp {

template <class Device>
std::vector<float> values_on_host(Device const& device, Floats<Device> v) {
  std::vector<float> host(static_cast<std::size_t>(v.shape.count()));
  device.copy_to_host(host.data(), v.data, host.size() * sizeof(float));
  return host;
}

}  // namespace tadp
