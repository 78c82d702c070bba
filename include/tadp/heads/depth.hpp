// SPDX-License-Identifier: Apache-2.0
// Monocular depth: VPD's decoder over the pyramid without attention maps, metres at 32 times level 2's grid (spec 4.3).
// Widths, deconvolutions and the largest depth are parameters; the names encoder.*, decoder.*, last_layer_depth.* the original's.
#pragma once

#include "tadp/core/channels.hpp"
#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/head.hpp"
#include "tadp/ops/dense_loss.hpp"
#include "tadp/ops/frame.hpp"
#include "tadp/ops/layers.hpp"
#include "tadp/ops/transposed.hpp"

namespace tadp {

/// What may differ from the paper's head.
struct DepthConfig {
  int embed = 192;   ///< channels of the last layers; the joined features have 8 times as many, a multiple of 16
  int filters = 32;  ///< channels of each deconvolution
  int deconvs = 3;   ///< doublings by deconvolution; two bilinear ones follow
  int kernel = 2;    ///< of the deconvolutions: 2, 3 or 4
  float max_depth = 10.0F;  ///< metres
  float lambda = 0.5F;      ///< of the loss
  /// Of the camera whose metres the network tells, in pixels of the picture that it sees; 0: whatever cameras it learned from.
  float focal = 0.0F;

  friend constexpr bool operator==(DepthConfig const&, DepthConfig const&) = default;
};

/// The task. Expected names the channels of a trained head, without maps, where they are to be checked.
template <DepthConfig Config = DepthConfig{}, class Expected = any_channels>
struct DepthOf {
  static_assert(Config.embed % 2 == 0 && Config.deconvs >= 1, "tadp: the joined features are normalised in 16 groups, and a decoder has a deconvolution");
  static constexpr DepthConfig config = Config;
  static constexpr int classes = 1;  ///< numbers a pixel
  static constexpr bool reads_maps = false;
  using expected = Expected;
  using Result = DepthMap;

  class Net {
   public:
    Net(Scope const& s, FeatureChannels const& in, index_t)
        : layer1_0_(s / "encoder" / "layer1" / 0, in[0], in[0], ConvGeometry::same(3, 2), normal(Init::embedding)),
          layer1_1_(s / "encoder" / "layer1" / 1, in[0], 16, 1e-5F, false),
          layer1_3_(s / "encoder" / "layer1" / 3, in[0], in[0], ConvGeometry::same(3, 2), normal(Init::embedding)),
          layer2_(s / "encoder" / "layer2" / 0, in[1], in[1], ConvGeometry::same(3, 2), normal(Init::embedding)),
          out_0_(s / "encoder" / "out_layer" / 0, in[0] + in[1] + in[2] + in[3], joined, ConvGeometry::same(1), normal(Init::embedding)),
          out_1_(s / "encoder" / "out_layer" / 1, joined, 16, 1e-5F, false), ups_(build(s / "decoder" / "deconv_layers")),
          conv_0_(s / "decoder" / "conv_layers" / 0, Config.filters, Config.embed, ConvGeometry::same(3), normal(Init::thousandth)),
          conv_1_(s / "decoder" / "conv_layers" / 1, Config.embed, true),
          last_0_(s / "last_layer_depth" / 0, Config.embed, Config.embed, ConvGeometry::same(3), Conv2d::Options{.init = Init::thousandth, .relu = true}),
          last_2_(s / "last_layer_depth" / 2, Config.embed, 1, ConvGeometry::same(3), normal(Init::thousandth)) {
      if (in[0] % 16 != 0)
        throw Error(Errc::shape, "the depth head normalises the finest level in 16 groups", {.key = "encoder.layer1.1", .expected = "a multiple of 16", .found = std::to_string(in[0])});
    }

    /// Metres (N, h, w, 1), 2^(deconvs + 2) pixels a side for each cell of level 2. `cells`: those that show the picture,
    /// where the others are padding; zeros: all.
    template <class Ctx>
    typename Ctx::Value operator()(Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid, std::array<index_t, 2> cells = {0, 0}) const {
      auto const features = joined_features(ctx, pyramid, cells);
      ctx.note("depth.conv_feats", features);
      auto x = features;
      for (Up const& up : ups_) x = up.bn(ctx, up.deconv(ctx, x));
      x = conv_1_(ctx, conv_0_(ctx, x));
      for (int i = 0; i < 2; ++i) x = resize_bilinear_to(ctx, x, 2 * x.shape.h(), 2 * x.shape.w());
      auto const logit = last_2_(ctx, last_0_(ctx, x));
      ctx.note("depth.logit", logit);
      auto const metres = scaled(ctx, Config.max_depth, activate(ctx, Activation::sigmoid, logit));
      ctx.note("depth.pred", metres);
      return metres;
    }

   private:
    static constexpr index_t joined = 8 * Config.embed;
    struct Up {
      ConvTranspose2d deconv;
      BatchNorm bn;
    };
    static Conv2d::Options normal(Init init) { return {.init = init}; }
    static std::vector<Up> build(Scope const& s) {
      std::vector<Up> ups;
      for (int i = 0; i < Config.deconvs; ++i)
        // The third of each is a ReLU without weights.
        ups.push_back({ConvTranspose2d(s / (3 * i), i == 0 ? joined : Config.filters, Config.filters, Config.kernel, Init::thousandth), BatchNorm(s / (3 * i + 1), Config.filters, true)});
      return ups;
    }

    /// All levels on level 2's grid, (N, h, w, 8 embed).
    template <class Ctx>
    typename Ctx::Value joined_features(Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid, std::array<index_t, 2> cells) const {
      using Value = typename Ctx::Value;
      Value const a = layer1_3_(ctx, activate(ctx, Activation::relu, layer1_1_(ctx, layer1_0_(ctx, pyramid[0]))));
      Value const b = layer2_(ctx, pyramid[1]);
      FeatureShape const& grid = pyramid[2].shape;
      Value const d = ctx.apply(ResizeNearestOp{grid.h(), grid.w()}, {pyramid[3]})[0];
      std::array<Value, 4> const parts{a, b, pyramid[2], d};
      Value const y = activate(ctx, Activation::relu, out_1_(ctx, out_0_(ctx, ctx.concatenate(parts))));
      bool const padded = cells[0] > 0 && cells[1] > 0 && (cells[0] < grid.h() || cells[1] < grid.w());
      return padded ? ctx.apply(ReframeOp{cells[0], cells[1]}, {y})[0] : y;
    }

    Conv2d layer1_0_;
    GroupNorm layer1_1_;
    Conv2d layer1_3_, layer2_, out_0_;
    GroupNorm out_1_;
    std::vector<Up> ups_;
    Conv2d conv_0_;
    BatchNorm conv_1_;
    Conv2d last_0_, last_2_;
  };

  /// What a picture's answer is: metres, (N, height, width), on the device; zero where it is not known.
  struct Target {
    float const* metres = nullptr;
    index_t height = 0, width = 0;
  };
  /// SiLog of the prediction at the size of the target (spec 5.1).
  template <class Ctx>
  static typename Ctx::Value loss(Ctx& ctx, typename Ctx::Value const& metres, Target const& target) {
    bool const same = metres.shape.h() == target.height && metres.shape.w() == target.width;
    auto const full = same ? metres : resize_bilinear_to(ctx, metres, target.height, target.width);
    return ctx.apply(SilogOp{Config.lambda, target.metres}, {full})[0];
  }
};

/// The paper's head: NYUv2, ten metres.
using Depth = DepthOf<>;

}  // namespace tadp
