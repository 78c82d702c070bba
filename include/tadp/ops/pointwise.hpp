// SPDX-License-Identifier: Apache-2.0
// Elementwise operations: activations, GEGLU, sums and means, the text adapter's gate, table look-ups, posterior, dropout.
// A gradient that nobody wants is an empty view and costs nothing.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/core/random.hpp"
#include "tadp/exec/inference.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

struct ActivationOp {
  Activation kind;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0]}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    activation(device, kind, a.in[0], a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) activation_gradient(device, kind, g.in[0], g.d_out[0], g.d_in[0]);
  }
};

/// First half of the channels times gelu of the second.
struct GegluOp {
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0].with_channels(in[0].c() / 2)}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    geglu(device, a.in[0], a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) geglu_gradient(device, g.in[0], g.d_out[0], g.d_in[0]);
  }
};

struct AddOp {
  static constexpr int outputs = 1;
  static constexpr bool any_number = true;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0]}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device, class Number>
  void forward(Device& device, Operands<Device, Number> const& a) const {
    sum(device, a.in[0], a.in[1], a.out[0]);
  }
  template <class Device, class Number>
  void backward(Device& device, Gradients<Device, Number> const& g) const {
    for (std::size_t i = 0; i < 2; ++i)
      if (g.d_in[i]) accumulate(device, 1.0F, g.d_out[0], g.d_in[i]);
  }
};

/// factor * (sum of the inputs): a mean, or a scale of one.
struct ScaledSumOp {
  float factor;
  int count;
  static constexpr int outputs = 1;
  static constexpr bool any_number = true;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0]}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device, class Number>
  void forward(Device& device, Operands<Device, Number> const& a) const {
    scale(device, factor, a.in[0], a.out[0]);
    for (int i = 1; i < count; ++i) accumulate(device, factor, a.in[static_cast<std::size_t>(i)], a.out[0]);
  }
  template <class Device, class Number>
  void backward(Device& device, Gradients<Device, Number> const& g) const {
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
      if (g.d_in[i]) accumulate(device, factor, g.d_out[0], g.d_in[i]);
  }
};

/// x + gamma * f(x): inputs x and f(x), gamma one number a channel.
struct GatedSumOp {
  std::array<ParameterId, 1> gamma;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0]}; }
  std::span<ParameterId const> parameters() const { return gamma; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    gated_sum(device, a.in[0], a.in[1], a.weight(gamma[0]), a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) accumulate(device, 1.0F, g.d_out[0], g.d_in[0]);
    gated_sum_gradient(device, g.in[1], g.weight(gamma[0]), g.d_out[0], g.d_in[1], g.d_weight(gamma[0]));
  }
};

/// Rows of a token table plus positions: (texts, 1, length, width).
struct EmbedOp {
  std::int32_t const* ids;  ///< on the device, texts * length of them
  index_t texts, length, width;
  std::array<ParameterId, 2> table_positions;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {FeatureShape{texts, 1, length, width}}; }
  std::span<ParameterId const> parameters() const { return table_positions; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    embed(device, ids, a.weight(table_positions[0]), a.weight(table_positions[1]), a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    embed_gradient(device, ids, g.d_out[0], g.d_weight(table_positions[0]), g.d_weight(table_positions[1]));
  }
};

/// factor * a sample of the posterior: inputs moments (.., 2 C) and standard noise (.., C).
struct PosteriorSampleOp {
  float factor;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[1]}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    posterior_sample(device, factor, a.in[0], a.in[1], a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) posterior_sample_gradient(device, factor, g.in[0], g.in[1], g.d_out[0], g.d_in[0]);
  }
};

/// Whole channels of a picture set to zero with probability p, the others scaled by 1 / (1 - p).
struct Dropout2dOp {
  float p;
  std::uint64_t key;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0]}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    device.zero(a.out[0].data, a.out[0].shape.count());
    channel_dropout(device, p, key, a.in[0], a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) channel_dropout(device, p, key, g.d_out[0], g.d_in[0]);
  }
};

template <class Ctx>
typename Ctx::Value activate(Ctx& ctx, Activation kind, typename Ctx::Value const& x) {
  return ctx.apply(ActivationOp{kind}, {x})[0];
}
template <class Ctx>
typename Ctx::Value plus(Ctx& ctx, typename Ctx::Value const& a, typename Ctx::Value const& b) {
  return ctx.apply(AddOp{}, {a, b})[0];
}
template <class Ctx>
typename Ctx::Value scaled(Ctx& ctx, float factor, typename Ctx::Value const& x) {
  return ctx.apply(ScaledSumOp{factor, 1}, {x})[0];
}
template <class Ctx>
typename Ctx::Value mean(Ctx& ctx, std::span<typename Ctx::Value const> values) {
  return ctx.apply(ScaledSumOp{1.0F / static_cast<float>(values.size()), static_cast<int>(values.size())}, values)[0];
}

/// Nothing is dropped where nothing learns.
template <class Device>
PlannedValue dropout2d(PlanContext<Device>&, float, PlannedValue const& x) {
  return x;
}
template <class Device, class Statistics>
TapeValue<Device> dropout2d(TapeContext<Device, Statistics>& ctx, float p, TapeValue<Device> const& x) {
  if (!ctx.options().dropout) return x;
  return ctx.apply(Dropout2dOp{p, random_key(ctx.options().seed, ctx.step(), ctx.next_site())}, {x})[0];
}

}  // namespace tadp
