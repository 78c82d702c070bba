// SPDX-License-Identifier: Apache-2.0
// The numbers that features are made of on a device: float, unless the device computes in half or bfloat16.
// A device names them by `Element`, and by `Home` the device that its weights lie on, in float.
#pragma once

#include <cstdint>
#include <type_traits>

namespace tadp {

/// IEEE half and bfloat16 as a device stores them. Also the policies that ask for them: Inference<Cuda, bf16>.
struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};
using fp16 = Half;
using bf16 = BFloat16;

namespace element_detail {
template <class Device>
struct Of {
  using Element = float;
  using Home = Device;
};
template <class Device>
  requires requires { typename Device::Element; }
struct Of<Device> {
  using Element = typename Device::Element;
  using Home = typename Device::Home;
};
}  // namespace element_detail

template <class Device>
using element_of = typename element_detail::Of<Device>::Element;
template <class Device>
using home_of = typename element_detail::Of<Device>::Home;
template <class Device>
inline constexpr bool computes_in_float = std::is_same_v<element_of<Device>, float>;

}  // namespace tadp
