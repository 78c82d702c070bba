// SPDX-License-Identifier: Apache-2.0
// Execution policies as types: what a session does with a model, on which device, and the decisions it makes.
// The same model text runs under both; a policy is named, never constructed.
#pragma once

#include "tadp/core/require.hpp"
#include "tadp/device/kernel_device.hpp"

#include <type_traits>

namespace tadp {

namespace policy_detail {
template <class Device, class Element>
struct In : device_computes_in_halves<Device, KernelDevice<Device>> {
  using type = Device;
};
template <KernelDevice Device, class Element>
struct In<Device, Element> {
  using type = InElement<Device, Element>;
};
/// The device of a policy: in half or bfloat16 where one of them is among the policies.
template <class Device, class... Policies>
struct DeviceOf {
  using type = Device;
};
template <class Device, class First, class... Rest>
struct DeviceOf<Device, First, Rest...> : DeviceOf<Device, Rest...> {};
template <class Device, class... Rest>
struct DeviceOf<Device, Half, Rest...> : In<Device, Half> {};
template <class Device, class... Rest>
struct DeviceOf<Device, BFloat16, Rest...> : In<Device, BFloat16> {};
}  // namespace policy_detail

/// Planned passes without gradient state. `fp16` or `bf16` among the policies: features in that element; norms, softmax,
/// statistics, boxes and what a session answers are float.
template <class DeviceType, class... Policies>
struct Inference {
  using Device = typename policy_detail::DeviceOf<DeviceType, Policies...>::type;
  template <class Policy>
  static constexpr bool has = (std::is_same_v<Policy, Policies> || ...);
};

/// Recorded passes that learn; optimizer, schedule, freezing and the like are further policies. Under `fp16` or `bf16` the
/// weights, their gradients and the optimizer stay float.
template <class DeviceType, class... Policies>
struct Training {
  using Device = typename policy_detail::DeviceOf<DeviceType, Policies...>::type;
  template <class Policy>
  static constexpr bool has = (std::is_same_v<Policy, Policies> || ...);
};

/// Training forgets the insides of blocks and computes them again on the way back.
struct CheckpointBlocks {};
/// Gradients flow through the attention maps; the original lets none through.
struct MapGradients {};
/// Batch normalisation by the running statistics while training.
struct FixedStatistics {};

}  // namespace tadp
