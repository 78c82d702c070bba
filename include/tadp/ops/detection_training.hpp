// SPDX-License-Identifier: Apache-2.0
// What detection learns from, as operations: matching, sampling, rows picked from a list, and the losses over them.
// Matching and sampling are constants of a step; gradients flow through the picked rows and the losses only.
#pragma once

#include "tadp/core/boxes.hpp"
#include "tadp/ops/loss.hpp"

namespace tadp {

/// Kept boxes with their counts, true boxes with theirs -> both in one list (N, 1, K + T, 4), and its counts.
struct AppendBoxesOp {
  static constexpr int outputs = 2;
  std::array<FeatureShape, 2> out_shapes(std::span<FeatureShape const> in) const {
    return {FeatureShape{in[0].n(), 1, in[0].w() + in[2].w(), 4}, FeatureShape{in[0].n(), 1, 1, 1}};
  }
  static constexpr FloatOperands floats() { return {.in = 0b1111, .out = 0b11}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    append_boxes(device, a.float_in(0), a.float_in(1), a.float_in(2), a.float_in(3), a.float_out(0), a.float_out(1));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Boxes, their counts (or none), true boxes, their counts -> a match a box (N, 1, R, 1).
struct MatchBoxesOp {
  MatchRule rule;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {FeatureShape{in[2].n(), 1, in[0].w(), 1}}; }
  static constexpr FloatOperands floats() { return {.in = 0b1111, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    match_boxes(device, rule, a.float_in(0), a.float_in(1), a.float_in(2), a.float_in(3), a.float_out(0));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Matches and counts (or none) -> picks (N, 1, count, 2) of row and match, and how many they are.
struct SampleRowsOp {
  SampleRule rule;
  static constexpr int outputs = 2;
  std::array<FeatureShape, 2> out_shapes(std::span<FeatureShape const> in) const {
    return {FeatureShape{in[0].n(), 1, rule.count, 2}, FeatureShape{in[0].n(), 1, 1, 1}};
  }
  static constexpr FloatOperands floats() { return {.in = 0b11, .out = 0b11}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    sample_rows(device, rule, a.float_in(0), a.float_in(1), a.float_out(0), a.float_out(1));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// Picks, the boxes that they were picked from, true boxes, labels (or none) -> targets (N, 1, B, 5).
struct TargetsOfRowsOp {
  BoxCode code;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0].with_channels(5)}; }
  static constexpr FloatOperands floats() { return {.in = 0b1111, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    targets_of_rows(device, code, a.float_in(0), a.float_in(1), a.float_in(2), a.float_in(3), a.float_out(0));
  }
  template <class Device>
  void backward(Device&, Gradients<Device> const&) const {}
};

/// A list (N, 1, R, C) and picks -> the picked rows (N, 1, B, C).
struct GatherRowsOp {
  static constexpr int outputs = 1;
  static constexpr bool any_number = true;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[1].with_channels(in[0].c())}; }
  static constexpr FloatOperands floats() { return {.in = 0b10}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device, class Number>
  void forward(Device& device, Operands<Device, Number> const& a) const {
    gather_rows(device, a.in[0], a.float_in(1), a.out[0]);
  }
  template <class Device, class Number>
  void backward(Device& device, Gradients<Device, Number> const& g) const {
    if (g.d_in[0]) gather_rows_gradient(device, g.d_out[0], g.float_in(1), g.d_in[0]);
  }
};

/// Logits (rows, 1) and targets -> the mean binary cross-entropy.
struct BinaryCrossEntropyOp {
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.in = 0b10, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    binary_cross_entropy(device, a.in[0], a.float_in(1), a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) binary_cross_entropy_gradient(device, g.in[0], g.float_in(1), loss_op_detail::upstream(device, g), g.d_in[0]);
  }
};

/// Logits (rows, C) and targets -> the mean cross-entropy.
struct RowCrossEntropyOp {
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.in = 0b10, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    row_cross_entropy(device, a.in[0], a.float_in(1), a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) row_cross_entropy_gradient(device, g.in[0], g.float_in(1), loss_op_detail::upstream(device, g), g.d_in[0]);
  }
};

/// Codes (rows, 4 or 4 C) and targets -> the smooth absolute error of the rows with a class, over all rows.
struct SmoothL1Op {
  float beta;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {loss_op_detail::one_number}; }
  static constexpr FloatOperands floats() { return {.in = 0b10, .out = 1}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    smooth_l1(device, beta, a.in[0], a.float_in(1), a.float_out(0));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) smooth_l1_gradient(device, beta, g.in[0], g.float_in(1), loss_op_detail::upstream(device, g), g.d_in[0]);
  }
};

}  // namespace tadp
