// SPDX-License-Identifier: Apache-2.0
// Losses as operations: each gives one number, (1, 1, 1, 1), a float on every device, and its backward the slope of it.
// Targets are views that live as long as the step.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

namespace loss_op_detail {
inline constexpr FeatureShape one_number{1, 1, 1, 1};

/// The upstream gradient of a loss, read from the device.
template <class Device>
float upstream(Device& device, Gradients<Device> const& g) {
  float value = 0.0F;
  device.copy_to_host(&value, g.float_d_out(0).data, sizeof value);
  return value;
}
}  // namespace loss_op_detail

struct CrossEntropyOp {
  Average average;
  std::uint8_t const* labels;             ///< on the device, one a pixel of the logits
  float const* class_weights = nullptr;   ///< on the device, a factor for each class; null for ones
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    cross_entropy(device, average, a.in[0], labels, class_weights, a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) cross_entropy_gradient(device, average, g.in[0], labels, class_weights, loss_op_detail::upstream(device, g), g.d_in[0]);
  }
};

/// Mean of (input 0 - input 1)^2; input 1 is the target and gets no gradient.
struct MeanSquaredErrorOp {
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.in = 0b11, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    mean_squared_error(device, a.float_in(0), a.float_in(1), a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) mean_squared_error_gradient(device, g.float_in(0), g.float_in(1), loss_op_detail::upstream(device, g), g.float_d_in(0));
  }
};

/// Mean of |input 0 - input 1| plus `edges` times that of its horizontal and vertical differences, plus `colour` times
/// that of its differences between neighbouring channels.
struct AbsoluteErrorOp {
  float edges;
  float colour = 0.0F;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.in = 0b11, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    absolute_error(device, edges, colour, a.float_in(0), a.float_in(1), a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) absolute_error_gradient(device, edges, colour, g.float_in(0), g.float_in(1), loss_op_detail::upstream(device, g), g.float_d_in(0));
  }
};

/// Divergence of the posterior of the moments from a standard normal, a latent element.
struct GaussianDivergenceOp {
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    gaussian_divergence(device, a.in[0], a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) gaussian_divergence_gradient(device, g.in[0], loss_op_detail::upstream(device, g), g.d_in[0]);
  }
};

}  // namespace tadp
