// SPDX-License-Identifier: Apache-2.0
// Execution policies as types: what a session does with a model, on which device, and the decisions it makes.
// The same model text runs under both; a policy is named, never constructed.
#pragma once

#include <type_traits>

namespace tadp {

/// Planned passes without gradient state.
template <class DeviceType, class... Policies>
struct Inference {
  using Device = DeviceType;
  template <class Policy>
  static constexpr bool has = (std::is_same_v<Policy, Policies> || ...);
};

/// Recorded passes that learn; optimizer, schedule, freezing and the like are further policies.
template <class DeviceType, class... Policies>
struct Training {
  using Device = DeviceType;
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
