// SPDX-License-Identifier: Apache-2.0
// Detection: torchvision's Faster R-CNN over the pyramid, without its resizing and without an extra level (spec 4.4).
// Names fpn.* and decode_head.{rpn,roi_heads}.* are the original's; boxes are in pixels of what the network sees.
#pragma once

#include "tadp/heads/box_head.hpp"
#include "tadp/heads/detection_result.hpp"
#include "tadp/heads/detection_target.hpp"
#include "tadp/heads/fpn.hpp"
#include "tadp/heads/head.hpp"

namespace tadp {

/// What detecting and learning have in common: the pyramid, and what the proposal network says of it.
template <class Value>
struct DetectionFeatures {
  std::array<Value, 4> levels{};
  AnchorScores<Value> anchors{};
};

/// One number each; total is their sum.
template <class Value>
struct DetectionLosses {
  Value classes{}, boxes{}, objectness{}, anchors{}, total{};
};

/// The task. Classes count the background and may be dynamic; Expected names the channels of a trained head, where they
/// are to be checked.
template <int Classes, DetectionConfig Config = DetectionConfig{}, class Expected = any_channels>
struct DetectionOf {
  static constexpr int classes = Classes;
  static constexpr DetectionConfig config = Config;
  using expected = Expected;
  using Target = DetectionTarget;
  using Result = DetectionResult;

  class Net {
   public:
    Net(Scope const& s, FeatureChannels const& in, index_t class_count)
        : fpn_(s / "fpn", in, Config.width, torchvision_fpn), rpn_(s / "decode_head" / "rpn", Config), box_head_(s / "decode_head" / "roi_heads", Config, class_count) {}

    template <class Ctx>
    DetectionFeatures<typename Ctx::Value> operator()(Ctx& ctx, std::array<typename Ctx::Value, 4> const& pyramid) const {
      auto const levels = fpn_(ctx, pyramid);
      for (std::size_t i = 0; i < 4; ++i) ctx.note("det.fpn." + std::to_string(i), levels[i]);
      return {levels, rpn_(ctx, levels)};
    }
    /// Detections at capacity: rows (N, 1, Config.detections, 7) of corners, score, class and candidate, best first, and
    /// their counts (N, 1, 1, 1).
    template <class Ctx>
    BoxList<typename Ctx::Value> detections(Ctx& ctx, DetectionFeatures<typename Ctx::Value> const& f) const {
      auto const proposals = rpn_.proposals(ctx, f.anchors, false);
      return box_head_.detections(ctx, box_head_(ctx, f.levels, proposals.rows, proposals.counts), proposals, f.anchors.height, f.anchors.width);
    }
    /// The four losses of a batch; what is drawn is keyed by seed, step and site.
    template <class Ctx>
    DetectionLosses<typename Ctx::Value> losses(Ctx& ctx, DetectionFeatures<typename Ctx::Value> const& f, Target const& target) const {
      using View = ConstFloats<typename Ctx::Device>;
      index_t const n = f.anchors.objectness.shape.n();
      auto const boxes = ctx.input(View{target.boxes, FeatureShape{n, 1, target.most, 4}});
      auto const labels = ctx.input(View{target.labels, FeatureShape{n, 1, target.most, 1}});
      auto const counts = ctx.input(View{target.counts, FeatureShape{n, 1, 1, 1}});
      auto const draw = [&](index_t count, index_t positives) {
        return SampleRule{count, positives, random_key(ctx.options().seed, ctx.step(), ctx.next_site()), target.even};
      };
      auto const proposals = rpn_.proposals(ctx, f.anchors, true);
      auto const [objectness, anchors] = rpn_.losses(ctx, f.anchors, boxes, counts, draw(Config.anchor_samples, Config.anchor_samples / 2));
      auto const [found, moved] = box_head_.losses(ctx, f.levels, proposals, boxes, labels, counts, draw(Config.box_samples, Config.box_samples / 4));
      return {found, moved, objectness, anchors, plus(ctx, plus(ctx, found, moved), plus(ctx, objectness, anchors))};
    }

    Rpn const& rpn() const { return rpn_; }
    BoxHead const& box_head() const { return box_head_; }

   private:
    Fpn fpn_;
    Rpn rpn_;
    BoxHead box_head_;
  };

  /// What a step minimises: the plain sum of the four losses.
  template <class Ctx>
  static typename Ctx::Value loss(Ctx& ctx, Net const& net, DetectionFeatures<typename Ctx::Value> const& f, Target const& target) {
    return net.losses(ctx, f, target).total;
  }
};

/// The paper's default: the 20 classes of VOC and the background.
using Detection = DetectionOf<21>;

}  // namespace tadp
