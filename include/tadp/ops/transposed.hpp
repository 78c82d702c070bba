// SPDX-License-Identifier: Apache-2.0
// The transposed convolution as an operation and a layer: a decoder's way from a coarse grid to a finer one.
// Its weight lies as the checkpoint has it, (in, out, kernel, kernel), channels-last in memory like any convolution's.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/exec/inference.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

/// torch's ConvTranspose2d without bias: `geometry` is the convolution that is transposed, `extra` rows and columns are
/// added at the bottom and right (output_padding; below the stride).
struct ConvTransposeOp {
  ConvGeometry geometry;
  index_t out_channels;
  int extra = 0;
  std::array<ParameterId, 1> weight;
  static constexpr int outputs = 1;

  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const {
    auto const side = [&](index_t length, int pads) { return (length - 1) * geometry.stride - pads + geometry.kernel + extra; };
    return {FeatureShape{in[0].n(), side(in[0].h(), geometry.pad_top + geometry.pad_bottom), side(in[0].w(), geometry.pad_left + geometry.pad_right), out_channels}};
  }
  std::span<ParameterId const> parameters() const { return weight; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    conv_transpose2d(device, geometry, a.in[0], a.element_weight(weight[0]), a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) conv_transpose2d_input_gradient(device, geometry, g.d_out[0], g.element_weight(weight[0]), g.d_in[0]);
    if (float* const d = g.d_weight(weight[0])) conv_transpose2d_weight_gradient(device, geometry, g.in[0], g.d_out[0], d);
  }
};

/// Parameter weight (in, out, kernel, kernel); doubles height and width.
class ConvTranspose2d {
 public:
  /// kernel: 2, 3 or 4.
  ConvTranspose2d(Scope const& scope, index_t in, index_t out, int kernel, Init init = Init::fan_in) : op_{doubling(kernel), out, kernel % 2, {scope.add("weight", {in, out, kernel, kernel}, init)}} {}

  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x) const {
    return ctx.apply(op_, {x})[0];
  }

 private:
  static constexpr ConvGeometry doubling(int kernel) {
    int const pad = kernel > 2 ? 1 : 0;
    return {.kernel = kernel, .stride = 2, .pad_top = pad, .pad_left = pad, .pad_bottom = pad, .pad_right = pad};
  }
  ConvTransposeOp op_;
};

}  // namespace tadp
