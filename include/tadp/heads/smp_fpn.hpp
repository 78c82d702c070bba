// SPDX-License-Identifier: Apache-2.0
// The VOC form of segmentation: the FPN decoder of segmentation_models_pytorch and its focal loss (spec 4.2, 5.1).
// Names decode_head.decoder.* and decode_head.segmentation_head.0 are the original's; corners are aligned throughout (Q38).
#pragma once

#include "tadp/heads/segmentation.hpp"
#include "tadp/ops/dense_loss.hpp"

namespace tadp {

/// Widths of the decoder. SegmentationOf<21, SmpFpn> is the paper's; SegmentationOf<21, SmpFpnOf{64, 64}> a smaller one.
struct SmpFpnOf {
  int pyramid = 256;
  int segmentation = 128;  ///< a multiple of the 32 groups of its norms
  int enlarge = 8;         ///< from the finest level to the logits

  friend constexpr bool operator==(SmpFpnOf const&, SmpFpnOf const&) = default;
};
inline constexpr SmpFpnOf SmpFpn{};

template <int Classes, SmpFpnOf Decoder, class Expected>
struct SegmentationOf<Classes, Decoder, Expected> {
  static_assert(Decoder.segmentation % 32 == 0, "tadp: the decoder's norms have 32 groups");
  static constexpr int classes = Classes;
  using expected = Expected;
  using Target = SegmentationTarget;

  class Net {
   public:
    Net(Scope const& s, FeatureChannels const& in, index_t class_count)
        : p5_(s / "decode_head" / "decoder" / "p5", in[3], Decoder.pyramid, ConvGeometry::same(1), Conv2d::Options{.init = Init::he}),
          skips_(build_skips(s / "decode_head" / "decoder", in)), blocks_(build_blocks(s / "decode_head" / "decoder" / "seg_blocks")),
          head_(s / "decode_head" / "segmentation_head" / 0, Decoder.segmentation, class_count, ConvGeometry::same(1), Conv2d::Options{.init = Init::xavier}) {}

    /// Logits (N, h, w, classes), `enlarge` times the finest level's size.
    template <class Ctx>
    typename Ctx::Value operator()(Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid) const {
      using Value = typename Ctx::Value;
      std::array<Value, 4> levels;  // coarse to fine
      levels[0] = p5_(ctx, pyramid[3]);
      for (std::size_t i = 0; i < 3; ++i) levels[i + 1] = ctx.apply(ResizeNearestAddOp{}, {levels[i], skips_[i](ctx, pyramid[2 - i])})[0];
      Value sum;
      for (std::size_t i = 0; i < 4; ++i) {
        Value h = levels[i];
        for (Unit const& unit : blocks_[i]) {
          h = activate(ctx, Activation::relu, unit.norm(ctx, unit.conv(ctx, h)));
          if (i < 3) h = resize_bilinear_to(ctx, h, 2 * h.shape.h(), 2 * h.shape.w(), Corners::aligned);
        }
        sum = i == 0 ? h : plus(ctx, sum, h);
      }
      ctx.note("voc.decoder", sum);
      Value const small = head_(ctx, dropout2d(ctx, 0.2F, sum));
      Value const logits = resize_bilinear_to(ctx, small, Decoder.enlarge * small.shape.h(), Decoder.enlarge * small.shape.w(), Corners::aligned);
      ctx.note("voc.logits", logits);
      return logits;
    }

   private:
    struct Unit {
      Conv2d conv;
      GroupNorm norm;
    };
    static std::vector<Conv2d> build_skips(Scope const& s, FeatureChannels const& in) {
      std::vector<Conv2d> skips;
      for (int level = 2; level >= 0; --level)
        skips.emplace_back(s / ("p" + std::to_string(2 + level)) / "skip_conv", in[static_cast<std::size_t>(level)], Decoder.pyramid, ConvGeometry::same(1), Conv2d::Options{.init = Init::he});
      return skips;
    }
    static std::vector<std::vector<Unit>> build_blocks(Scope const& s) {
      std::vector<std::vector<Unit>> blocks(4);
      for (int i = 0; i < 4; ++i)
        for (int unit = 0; unit < std::max(1, 3 - i); ++unit) {
          Scope const at = s / i / "block" / unit / "block";
          blocks[static_cast<std::size_t>(i)].push_back(
              {Conv2d(at / 0, unit == 0 ? Decoder.pyramid : Decoder.segmentation, Decoder.segmentation, ConvGeometry::same(3), Conv2d::Options{.bias = false, .init = Init::he}),
               GroupNorm(at / 1, Decoder.segmentation, 32, 1e-5F, false)});
        }
      return blocks;
    }

    Conv2d p5_;
    std::vector<Conv2d> skips_;
    std::vector<std::vector<Unit>> blocks_;
    Conv2d head_;
  };

  /// Focal loss summed over the classes, the mean over pixels with a label (Q28); `average` and weights are not for it.
  template <class Ctx>
  static typename Ctx::Value loss(Ctx& ctx, typename Ctx::Value const& logits, Target const& target) {
    bool const same = logits.shape.h() == target.height && logits.shape.w() == target.width;
    auto const full = same ? logits : resize_bilinear_to(ctx, logits, target.height, target.width);
    return ctx.apply(FocalLossOp{target.labels}, {full})[0];
  }
};

}  // namespace tadp
