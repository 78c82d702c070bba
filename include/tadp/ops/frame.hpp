// SPDX-License-Identifier: Apache-2.0
// Operations that change a picture's frame: cut or padded at the right and bottom, resized by the nearest pixel.
// Heads whose input was padded drop with them what the padding made.
#pragma once

#include "tadp/exec/inference.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

/// To height x width with the same top left corner.
struct ReframeOp {
  index_t height, width;
  static constexpr int outputs = 1;

  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {FeatureShape{in[0].n(), height, width, in[0].c()}}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    reframe(device, a.in[0], a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) reframe_gradient(device, g.d_out[0], g.d_in[0]);
  }
};

/// Nearest to a given size.
struct ResizeNearestOp {
  index_t height, width;
  static constexpr int outputs = 1;

  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {FeatureShape{in[0].n(), height, width, in[0].c()}}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    resize_nearest(device, a.in[0], ConstFeatures<Device>{}, a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (g.d_in[0]) resize_nearest_gradient(device, g.d_out[0], g.d_in[0]);
  }
};

}  // namespace tadp
