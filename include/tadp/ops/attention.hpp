// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention as one operation: the attended values, and the heads' mean map when it is asked for.
// Keys and values may belong to fewer texts than there are pictures; an index says which text a picture reads.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/exec/inference.hpp"
#include "tadp/exec/training.hpp"

namespace tadp {

/// inputs q (N, H, W, C), k and v (T, 1, L, C). results: values like q; log-sum of exponentials (N, H, W, heads);
/// map (N, H, W, L), one channel wide and unused where no map is asked for.
struct AttentionOp {
  AttentionGeometry geometry;
  bool map = false;
  std::int32_t const* text = nullptr;  ///< on the device: the text of each picture; null: picture n reads text n
  static constexpr int outputs = 3;

  std::array<FeatureShape, 3> out_shapes(std::span<FeatureShape const> in) const {
    return {in[0], in[0].with_channels(geometry.heads), map ? in[0].with_channels(in[1].positions()) : FeatureShape{1, 1, 1, 1}};
  }
  static constexpr FloatOperands floats() { return {.out = 0b10}; }
  std::span<ParameterId const> parameters() const { return {}; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    attention(device, geometry, a.in[0], a.in[1], a.in[2], text, a.out[0], a.float_out(1), map ? a.out[2] : Features<Device>{});
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    attention_gradient(device, geometry, g.in[0], g.in[1], g.in[2], text, g.float_out(1), g.d_out[0], map ? g.d_out[2] : ConstFeatures<Device>{},
                       g.d_in[0], g.d_in[1], g.d_in[2]);
  }
};

}  // namespace tadp
