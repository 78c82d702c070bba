// SPDX-License-Identifier: Apache-2.0
// Operations over the picture plane: convolution (a linear layer is one with a kernel of one) and resizing.
// A convolution takes the time projection, the residual and the ReLU that follow it, so that a device may fuse them.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/core/geometry.hpp"
#include "tadp/exec/inference.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

/// inputs x (N, H, W, Cin), shift (N or 1, 1, 1, Cout; float) or none, residual (shape of the result) or none.
/// `relu`: of the sum of them all.
struct ConvolutionOp {
  ConvGeometry geometry;
  index_t out_channels;
  std::array<ParameterId, 2> weight_bias;
  bool relu = false;
  static constexpr int outputs = 1;

  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {geometry.out_shape(in[0], out_channels)}; }
  static constexpr FloatOperands floats() { return {.in = 0b10}; }
  std::span<ParameterId const> parameters() const { return weight_bias; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    conv2d(device, geometry, a.in[0], a.element_weight(weight_bias[0]), a.element_weight(weight_bias[1]), a.float_in(1), a.in[2], a.out[0], relu);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (!relu) return sum_backward(device, g, g.d_out[0]);
    // The slope of ReLU at the sum is that at its result: the sum need not be kept.
    Tensor<element_of<Device>, 4, Device> sum(device, g.out[0].shape);
    device.zero(sum.data(), sum.shape().count());
    activation_gradient(device, Activation::relu, g.out[0], g.d_out[0], sum.view());
    sum_backward(device, g, std::as_const(sum).view());
  }

 private:
  template <class Device>
  void sum_backward(Device& device, Gradients<Device> const& g, ConstFeatures<Device> dy) const {
    if (g.d_in[0]) conv2d_input_gradient(device, geometry, dy, g.element_weight(weight_bias[0]), g.d_in[0]);
    conv2d_weight_gradient(device, geometry, g.in[0], dy, g.d_weight(weight_bias[0]), g.d_weight(weight_bias[1]));
    if (g.d_in[1]) {
      // A vector a picture gets the sum over that picture: the bias gradient of each alone.
      bool const shared = g.d_in[1].shape[0] == 1;
      index_t const batch = shared ? 1 : dy.shape[0], positions = dy.shape.pixels() / batch;
      for (index_t n = 0; n < batch; ++n)
        conv2d_weight_gradient(device, geometry, {}, ConstFeatures<Device>{dy.pixel(n * positions), FeatureShape{1, 1, positions, out_channels}, dy.pixel_stride},
                               nullptr, g.float_d_in(1).pixel(n));
    }
    if (g.d_in[2]) accumulate(device, 1.0F, dy, g.d_in[2]);
  }
};

/// Bilinear to a given size.
struct ResizeBilinearOp {
  index_t height, width;
  Corners corners = Corners::half_pixel;
  static constexpr int outputs = 1;

  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {FeatureShape{in[0].n(), height, width, in[0].c()}}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    resize_bilinear(device, corners, a.in[0], a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) resize_bilinear_gradient(device, corners, g.d_out[0], g.d_in[0]);
  }
};

/// Nearest to the size of the second input, and added to it: the top-down path of a feature pyramid.
struct ResizeNearestAddOp {
  static constexpr int outputs = 1;

  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[1]}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    resize_nearest(device, a.in[0], a.in[1], a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) resize_nearest_gradient(device, g.d_out[0], g.d_in[0]);
    if (g.d_in[1]) accumulate(device, 1.0F, g.d_out[0], g.d_in[1]);
  }
};

template <class Ctx>
typename Ctx::Value resize_bilinear_to(Ctx& ctx, typename Ctx::Value const& x, index_t height, index_t width, Corners corners = Corners::half_pixel) {
  return ctx.apply(ResizeBilinearOp{height, width, corners}, {x})[0];
}

}  // namespace tadp
