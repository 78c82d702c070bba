// SPDX-License-Identifier: Apache-2.0
// Normalisations with the activation that follows them. Their statistics are a second result, which the backward reads.
// Batch normalisation comes twice: by running statistics, and by those of the batch (then the running ones move).
#pragma once

#include "tadp/exec/inference.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

struct GroupNormOp {
  int groups;
  float eps;
  bool silu;
  std::array<ParameterId, 2> weight_bias;
  static constexpr int outputs = 2;

  std::array<FeatureShape, 2> out_shapes(std::span<FeatureShape const> in) const { return {in[0], FeatureShape{in[0].n(), 1, 1, 2 * in[0].c()}}; }
  static constexpr FloatOperands floats() { return {.out = 0b10}; }
  std::span<ParameterId const> parameters() const { return weight_bias; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    group_norm(device, groups, eps, silu, a.in[0], a.weight(weight_bias[0]), a.weight(weight_bias[1]), a.out[0], a.float_out(1));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    group_norm_gradient(device, groups, silu, g.in[0], g.weight(weight_bias[0]), g.weight(weight_bias[1]), g.float_out(1), g.d_out[0], g.d_in[0],
                        g.d_weight(weight_bias[0]), g.d_weight(weight_bias[1]));
  }
};

struct LayerNormOp {
  float eps;
  std::array<ParameterId, 2> weight_bias;
  static constexpr int outputs = 2;

  std::array<FeatureShape, 2> out_shapes(std::span<FeatureShape const> in) const { return {in[0], in[0].with_channels(2)}; }
  static constexpr FloatOperands floats() { return {.out = 0b10}; }
  std::span<ParameterId const> parameters() const { return weight_bias; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    layer_norm(device, eps, a.in[0], a.weight(weight_bias[0]), a.weight(weight_bias[1]), a.out[0], a.float_out(1));
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    layer_norm_gradient(device, g.in[0], g.weight(weight_bias[0]), g.float_out(1), g.d_out[0], g.d_in[0], g.d_weight(weight_bias[0]),
                        g.d_weight(weight_bias[1]));
  }
};

/// Statistics: RunningStatistics or BatchStatistics; weight, bias, running mean, running variance.
template <class Statistics>
struct BatchNormOp {
  float eps;
  float momentum;
  bool relu;
  std::array<ParameterId, 4> weight_bias_mean_var;
  static constexpr int outputs = 2;
  static constexpr bool fixed = std::same_as<Statistics, RunningStatistics>;

  std::array<FeatureShape, 2> out_shapes(std::span<FeatureShape const> in) const { return {in[0], FeatureShape{1, 1, 1, 2 * in[0].c()}}; }
  static constexpr FloatOperands floats() { return {.out = 0b10}; }
  std::span<ParameterId const> parameters() const { return std::span(weight_bias_mean_var).first(2); }

  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    index_t const c = a.in[0].shape.channels();
    float const* mean = a.weight(weight_bias_mean_var[2]);
    float const* var = a.weight(weight_bias_mean_var[3]);
    if constexpr (!fixed) {
      batch_statistics(device, a.in[0], a.float_out(1));
      mean = a.float_out(1).data;
      var = mean + c;
      if (float* const running = a.moving(weight_bias_mean_var[2]))
        move_statistics(device, momentum, a.in[0].shape.pixels(), c, mean, running, a.moving(weight_bias_mean_var[3]));
    }
    batch_norm(device, eps, relu, a.in[0], a.weight(weight_bias_mean_var[0]), a.weight(weight_bias_mean_var[1]), mean, var, a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    float const* const mean = fixed ? g.weight(weight_bias_mean_var[2]) : g.float_out(1).data;
    float const* const var = fixed ? g.weight(weight_bias_mean_var[3]) : mean + g.in[0].shape.channels();
    batch_norm_gradient(device, eps, relu, fixed, g.in[0], g.weight(weight_bias_mean_var[0]), g.weight(weight_bias_mean_var[1]), mean, var,
                        g.d_out[0], g.d_in[0], g.d_weight(weight_bias_mean_var[0]), g.d_weight(weight_bias_mean_var[1]));
  }
};

}  // namespace tadp
