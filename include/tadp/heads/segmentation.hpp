// SPDX-License-Identifier: Apache-2.0
// Semantic segmentation: FPN and FPNHead of mmsegmentation over the pyramid, logits at the finest level (spec 4.1).
// Widths and class count are parameters; the names neck.* and decode_head.* are the original's.
#pragma once

#include "tadp/heads/fpn.hpp"
#include "tadp/heads/head.hpp"
#include "tadp/ops/loss.hpp"

#include <cmath>

namespace tadp {

/// What a picture's answer is: one label a pixel of the batch, (N, height, width), on the device.
struct SegmentationTarget {
  std::uint8_t const* labels = nullptr;
  index_t height = 0, width = 0;
  Average average = Average::all_pixels;
  float const* class_weights = nullptr;  ///< on the device, a factor for each class; null for ones
};

/// The task. Classes may be dynamic; Decoder is the width of mmsegmentation's decoder, or SmpFpn (heads/smp_fpn.hpp);
/// Expected names the channels of a trained head, where they are to be checked.
template <int Classes, auto Decoder = 256, class Expected = any_channels>
struct SegmentationOf;

template <int Classes, int Width, class Expected>
struct SegmentationOf<Classes, Width, Expected> {
  static constexpr int classes = Classes;
  using expected = Expected;

  class Net {
   public:
    Net(Scope const& s, FeatureChannels const& in, index_t class_count)
        : neck_(s / "neck", in, Width), scales_(build(s / "decode_head" / "scale_heads")),
          conv_seg_(s / "decode_head" / "conv_seg", Width, class_count, ConvGeometry::same(1)) {}

    /// Logits (N, h, w, classes) at the size of the finest level.
    template <class Ctx>
    typename Ctx::Value operator()(Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid) const {
      auto const neck = neck_(ctx, pyramid);
      for (std::size_t i = 0; i < 4; ++i) ctx.note("seg.neck." + std::to_string(i), neck[i]);
      typename Ctx::Value sum;
      for (std::size_t i = 0; i < 4; ++i) {
        auto h = neck[i];
        for (Unit const& unit : scales_[i]) {
          h = unit.bn(ctx, unit.conv(ctx, h));
          if (i > 0) h = resize_bilinear_to(ctx, h, 2 * h.shape.h(), 2 * h.shape.w());
        }
        FeatureShape const& fine = neck[0].shape;
        if (h.shape.h() != fine.h() || h.shape.w() != fine.w()) h = resize_bilinear_to(ctx, h, fine.h(), fine.w());
        sum = i == 0 ? h : plus(ctx, sum, h);
      }
      auto const logits = conv_seg_(ctx, dropout2d(ctx, 0.1F, sum));
      ctx.note("seg.logits", logits);
      return logits;
    }

   private:
    struct Unit {
      Conv2d conv;
      BatchNorm bn;
    };
    static std::vector<std::vector<Unit>> build(Scope const& s) {
      std::vector<std::vector<Unit>> scales(4);
      for (int i = 0; i < 4; ++i)
        // Every second module is an upsampling without weights, hence the even indices.
        for (int unit = 0; unit < std::max(1, i); ++unit)
          scales[static_cast<std::size_t>(i)].push_back(
              {Conv2d(s / i / (2 * unit) / "conv", Width, Width, ConvGeometry::same(3), Conv2d::Options{.bias = false}),
               BatchNorm(s / i / (2 * unit) / "bn", Width, true)});
      return scales;
    }

    Fpn neck_;
    std::vector<std::vector<Unit>> scales_;
    Conv2d conv_seg_;
  };

  using Target = SegmentationTarget;
  /// Cross-entropy of the logits resized to the labels (spec 5.1).
  template <class Ctx>
  static typename Ctx::Value loss(Ctx& ctx, typename Ctx::Value const& logits, Target const& target) {
    auto const full = resize_bilinear_to(ctx, logits, target.height, target.width);
    ctx.note("seg.logits_resized", full);
    return ctx.apply(CrossEntropyOp{target.average, target.labels, target.class_weights}, {full})[0];
  }
};

/// The paper's default: ADE20K's 150 classes.
using Segmentation = SegmentationOf<150>;

}  // namespace tadp
