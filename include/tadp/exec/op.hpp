// SPDX-License-Identifier: Apache-2.0
// What an operation is: attributes, a rule for the shapes of its results, a forward and a backward that name kernels.
// Contexts know this concept and never an operation; operations know views and never a context.
#pragma once

#include "tadp/core/tensor.hpp"
#include "tadp/exec/parameters.hpp"

#include <array>
#include <concepts>
#include <span>

namespace tadp {

inline constexpr int max_op_inputs = 8, max_op_outputs = 3;

/// What a forward sees. An input that was left out is an empty view; so is a parameter that a layer does not have.
template <class Device>
struct Operands {
  std::array<ConstFeatures<Device>, max_op_inputs> in{};
  std::array<Features<Device>, max_op_outputs> out{};
  ParameterList const* list = nullptr;
  float const* weights = nullptr;
  float* state = nullptr;  ///< the same buffer where statistics may move; null where they must not

  float const* weight(ParameterId id) const { return id ? weights + (*list)[id].offset : nullptr; }
  float* moving(ParameterId id) const { return state != nullptr && id ? state + (*list)[id].offset : nullptr; }
};

/// What a backward sees. It adds to every d_in and d_weight that is not empty.
template <class Device>
struct Gradients {
  std::array<ConstFeatures<Device>, max_op_inputs> in{};
  std::array<ConstFeatures<Device>, max_op_outputs> out{};
  std::array<ConstFeatures<Device>, max_op_outputs> d_out{};  ///< empty where nobody asked
  std::array<Features<Device>, max_op_inputs> d_in{};
  ParameterList const* list = nullptr;
  float const* weights = nullptr;
  float* const* d_weights = nullptr;  ///< one pointer a parameter, null where frozen

  float const* weight(ParameterId id) const { return id ? weights + (*list)[id].offset : nullptr; }
  float* d_weight(ParameterId id) const { return id ? d_weights[id.index] : nullptr; }
};

/// `Op::outputs`, `out_shapes(inputs)`; forward and backward are templates on the device and so checked where used.
/// `parameters()` lists what it reads, so that a tape knows whether anything of it learns.
template <class Op>
concept Operation = requires(Op const& op, std::span<FeatureShape const> in) {
  { Op::outputs } -> std::convertible_to<int>;
  { op.out_shapes(in) } -> std::same_as<std::array<FeatureShape, static_cast<std::size_t>(Op::outputs)>>;
  { op.parameters() } -> std::convertible_to<std::span<ParameterId const>>;
};

}  // namespace tadp
