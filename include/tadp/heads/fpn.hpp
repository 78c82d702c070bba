// SPDX-License-Identifier: Apache-2.0
// The feature pyramid network: lateral 1x1 convolutions, a nearest top-down path, 3x3 outputs.
// mmsegmentation's and torchvision's are the same but for the names of their parameters (spec 4.1, 4.4).
#pragma once

#include "tadp/core/channels.hpp"
#include "tadp/ops/layers.hpp"

namespace tadp {

struct FpnNames {
  char const *lateral, *out, *layer;
};
inline constexpr FpnNames mmseg_fpn{"lateral_convs", "fpn_convs", "conv"}, torchvision_fpn{"inner_blocks", "layer_blocks", "0"};

class Fpn {
 public:
  Fpn(Scope const& s, FeatureChannels const& in, index_t width, FpnNames const& names = mmseg_fpn) {
    for (int i = 0; i < 4; ++i)
      lateral_.emplace_back(s / names.lateral / i / names.layer, in[static_cast<std::size_t>(i)], width, ConvGeometry::same(1), Conv2d::Options{.init = Init::xavier});
    for (int i = 0; i < 4; ++i)
      out_.emplace_back(s / names.out / i / names.layer, width, width, ConvGeometry::same(3), Conv2d::Options{.init = Init::xavier});
  }

  /// Four levels in, four levels of `width` channels out, sizes unchanged.
  template <class Ctx>
  std::array<typename Ctx::Value, 4> operator()(Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid) const {
    std::array<typename Ctx::Value, 4> levels;
    for (std::size_t i = 0; i < 4; ++i) levels[i] = lateral_[i](ctx, pyramid[i]);
    for (std::size_t i = 3; i > 0; --i) levels[i - 1] = ctx.apply(ResizeNearestAddOp{}, {levels[i], levels[i - 1]})[0];
    for (std::size_t i = 0; i < 4; ++i) levels[i] = out_[i](ctx, levels[i]);
    return levels;
  }

 private:
  std::vector<Conv2d> lateral_, out_;
};

}  // namespace tadp
