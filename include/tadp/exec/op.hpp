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
/// Number: float where an operation of any number is computed in float on a device of another element.
template <class Device, class Number = element_of<Device>>
struct Operands {
  std::array<View<Number const, 4, Device>, max_op_inputs> in{};
  std::array<View<Number, 4, Device>, max_op_outputs> out{};
  ParameterList const* list = nullptr;
  float const* weights = nullptr;
  element_of<Device> const* elements = nullptr;  ///< the same weights in the device's element
  float* state = nullptr;                        ///< the float weights where statistics may move; null where they must not

  /// The operands that `floats()` of the operation names.
  ConstFloats<Device> float_in(std::size_t i) const { return holding<float const>(in[i]); }
  Floats<Device> float_out(std::size_t i) const { return holding<float>(out[i]); }
  float const* weight(ParameterId id) const { return id ? weights + (*list)[id].offset : nullptr; }
  /// A weight or bias of a convolution or linear layer.
  element_of<Device> const* element_weight(ParameterId id) const { return id ? elements + (*list)[id].offset : nullptr; }
  /// All of them as float, for an operation of any number.
  Operands<Device, float> all_float() const {
    Operands<Device, float> a{.list = list, .weights = weights, .elements = elements, .state = state};
    for (std::size_t i = 0; i < in.size(); ++i) a.in[i] = float_in(i);
    for (std::size_t i = 0; i < out.size(); ++i) a.out[i] = float_out(i);
    return a;
  }
  float* moving(ParameterId id) const { return state != nullptr && id ? state + (*list)[id].offset : nullptr; }
};

/// What a backward sees. It adds to every d_in and d_weight that is not empty.
template <class Device, class Number = element_of<Device>>
struct Gradients {
  std::array<View<Number const, 4, Device>, max_op_inputs> in{};
  std::array<View<Number const, 4, Device>, max_op_outputs> out{};
  std::array<View<Number const, 4, Device>, max_op_outputs> d_out{};  ///< empty where nobody asked
  std::array<View<Number, 4, Device>, max_op_inputs> d_in{};
  ParameterList const* list = nullptr;
  float const* weights = nullptr;
  element_of<Device> const* elements = nullptr;
  float* const* d_weights = nullptr;  ///< one pointer a parameter, null where frozen

  ConstFloats<Device> float_in(std::size_t i) const { return holding<float const>(in[i]); }
  ConstFloats<Device> float_out(std::size_t i) const { return holding<float const>(out[i]); }
  ConstFloats<Device> float_d_out(std::size_t i) const { return holding<float const>(d_out[i]); }
  Floats<Device> float_d_in(std::size_t i) const { return holding<float>(d_in[i]); }
  float const* weight(ParameterId id) const { return id ? weights + (*list)[id].offset : nullptr; }
  element_of<Device> const* element_weight(ParameterId id) const { return id ? elements + (*list)[id].offset : nullptr; }
  float* d_weight(ParameterId id) const { return id ? d_weights[id.index] : nullptr; }
  Gradients<Device, float> all_float() const {
    Gradients<Device, float> g{.list = list, .weights = weights, .elements = elements, .d_weights = d_weights};
    for (std::size_t i = 0; i < in.size(); ++i) g.in[i] = float_in(i), g.d_in[i] = float_d_in(i);
    for (std::size_t i = 0; i < out.size(); ++i) g.out[i] = float_out(i), g.d_out[i] = float_d_out(i);
    return g;
  }
};

/// Which operands are float on every device, a bit each: statistics, log-sums, boxes, counts, losses. Contexts convert.
struct FloatOperands {
  unsigned in = 0, out = 0;
  static constexpr unsigned all = ~0U;
};

/// `Op::outputs`, `out_shapes(inputs)`; forward and backward are templates on the device and so checked where used.
/// `parameters()` lists what it reads, so that a tape knows whether anything of it learns.
/// Where some operands are float on every device, `floats()` names them; where `any_number` is true, the operation is
/// computed in the numbers of its first input, and forward and backward are templates on them, too.
template <class Op>
concept Operation = requires(Op const& op, std::span<FeatureShape const> in) {
  { Op::outputs } -> std::convertible_to<int>;
  { op.out_shapes(in) } -> std::same_as<std::array<FeatureShape, static_cast<std::size_t>(Op::outputs)>>;
  { op.parameters() } -> std::convertible_to<std::span<ParameterId const>>;
};

template <class Op>
concept OfAnyNumber = requires { requires Op::any_number; };

/// The float operands of an operation whose first input is float, or is not.
template <class Op>
constexpr FloatOperands float_operands(Op const& op, bool first_is_float) {
  if (OfAnyNumber<Op> && first_is_float) return {FloatOperands::all, FloatOperands::all};
  if constexpr (requires { op.floats(); })
    return op.floats();
  else
    return {};
}

/// Runs an operation in the numbers that its operands are.
template <class Op, class Device>
void run_forward(Op const& op, Device& device, Operands<Device> const& a, [[maybe_unused]] bool first_is_float) {
  if constexpr (OfAnyNumber<Op> && !computes_in_float<Device>)
    if (first_is_float) return op.forward(device, a.all_float());
  op.forward(device, a);
}
template <class Op, class Device>
void run_backward(Op const& op, Device& device, Gradients<Device> const& g, [[maybe_unused]] bool first_is_float) {
  if constexpr (OfAnyNumber<Op> && !computes_in_float<Device>)
    if (first_is_float) return op.backward(device, g.all_float());
  op.backward(device, g);
}

}  // namespace tadp
