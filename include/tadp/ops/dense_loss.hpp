// SPDX-License-Identifier: Apache-2.0
// The losses of depth (SiLog) and of the VOC form of segmentation (focal) as operations: each gives one number.
// Targets are views that live as long as the step.
#pragma once

#include "tadp/ops/loss.hpp"

namespace tadp {

/// Input: metres (N, H, W, 1). The spread of the log differences, `lambda` of their mean's square taken off.
struct SilogOp {
  float lambda;
  float const* truth;  ///< on the device, metres, one a pixel; zero, negative or not finite: the pixel does not count
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.in = 1, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    silog(device, lambda, a.float_in(0), truth, a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) silog_gradient(device, lambda, g.float_in(0), truth, loss_op_detail::upstream(device, g), g.float_d_in(0));
  }
};

/// Input: logits (N, H, W, K). One-vs-rest with gamma 2, summed over classes, the mean over pixels with a label.
struct FocalLossOp {
  std::uint8_t const* labels;  ///< on the device, one a pixel of the logits
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    focal_loss(device, a.in[0], labels, a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) focal_loss_gradient(device, g.in[0], labels, loss_op_detail::upstream(device, g), g.d_in[0]);
  }
};

}  // namespace tadp
