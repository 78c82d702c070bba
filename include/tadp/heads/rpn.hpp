// SPDX-License-Identifier: Apache-2.0
// The region proposal network: how much an object each anchor looks like, how it should move, and the best that remain.
// Names rpn.head.conv.0.0, rpn.head.cls_logits, rpn.head.bbox_pred (spec 4.4).
#pragma once

#include "tadp/heads/detection_config.hpp"
#include "tadp/ops/detection.hpp"
#include "tadp/ops/detection_training.hpp"
#include "tadp/ops/layers.hpp"

namespace tadp {

/// What the network says of all anchors of a batch.
template <class Value>
struct AnchorScores {
  AnchorGrid grid{};
  float height = 0.0F, width = 0.0F;  ///< of the picture that the anchors lie in
  Value anchors{};                    ///< (1, 1, A, 4)
  Value objectness{};                 ///< (N, 1, A, 1), logits
  Value codes{};                      ///< (N, 1, A, 4)
};

/// Rows of kept_channels, (N, 1, capacity, 7), and counts (N, 1, 1, 1).
template <class Value>
struct BoxList {
  Value rows{}, counts{};
};

/// Anchors of a pyramid whose finest level has cells of `stride` pixels.
template <class Value>
AnchorGrid anchor_grid(std::array<Value, 4> const& levels, DetectionConfig const& config) {
  FeatureShape const& fine = levels[0].shape;
  AnchorGrid grid;
  for (std::size_t l = 0; l < 4; ++l) {
    FeatureShape const& s = levels[l].shape;
    grid.level[l] = {s.h(), s.w(), fine.h() * config.stride / s.h(), fine.w() * config.stride / s.w(), config.anchor_sizes[l]};
  }
  return grid;
}

class Rpn {
 public:
  Rpn(Scope const& s, DetectionConfig const& config)
      : config_(config), conv_(s / "head" / "conv" / 0 / 0, config.width, config.width, ConvGeometry::same(3), Conv2d::Options{.init = Init::hundredth, .relu = true}),
        scores_(s / "head" / "cls_logits", config.width, AnchorGrid::shapes, ConvGeometry::same(1), Conv2d::Options{.init = Init::hundredth}),
        codes_(s / "head" / "bbox_pred", config.width, 4 * AnchorGrid::shapes, ConvGeometry::same(1), Conv2d::Options{.init = Init::hundredth}) {}

  template <class Ctx>
  AnchorScores<typename Ctx::Value> operator()(Ctx& ctx, std::array<typename Ctx::Value, 4> const& levels) const {
    using Value = typename Ctx::Value;
    std::array<Value, 4> scores, codes;
    for (std::size_t l = 0; l < 4; ++l) {
      auto const h = conv_(ctx, levels[l]);
      scores[l] = scores_(ctx, h);
      codes[l] = codes_(ctx, h);
      ctx.note("det.rpn.objectness." + std::to_string(l), scores[l]);
      ctx.note("det.rpn.deltas." + std::to_string(l), codes[l]);
    }
    AnchorScores<Value> all{.grid = anchor_grid(levels, config_)};
    all.height = static_cast<float>(levels[0].shape.h() * config_.stride);
    all.width = static_cast<float>(levels[0].shape.w() * config_.stride);
    all.anchors = ctx.apply(AnchorsOp{all.grid}, std::span<Value const>{})[0];
    all.objectness = ctx.apply(JoinRowsOp{1, 4}, std::span<Value const>(scores))[0];
    all.codes = ctx.apply(JoinRowsOp{4, 4}, std::span<Value const>(codes))[0];
    return all;
  }

  /// The best boxes, as constants. `training`: as many as learning looks at.
  template <class Ctx>
  BoxList<typename Ctx::Value> proposals(Ctx& ctx, AnchorScores<typename Ctx::Value> const& all, bool training) const {
    index_t const most = training ? config_.training_best_of_level : config_.best_of_level;
    auto const segments = all.grid.counts();
    CandidateRule const rule{all.height, all.width, detection_rules::smallest_proposal};
    auto const boxes = ctx.apply(DecodeBoxesOp{detection_rules::proposal_code}, {ctx.detached(all.codes), all.anchors})[0];
    if (!training) ctx.note("det.rpn.decoded", boxes);
    auto const top = ctx.apply(TopRowsOp{segments, most}, {ctx.detached(all.objectness)})[0];
    auto const candidates = ctx.apply(ProposalCandidatesOp{rule, segments, most}, {top, boxes})[0];
    auto const kept = ctx.apply(SuppressOp{detection_rules::proposals, training ? config_.training_proposals : config_.proposals}, {candidates});
    return {kept[0], kept[1]};
  }

  /// Losses of objectness and of the codes, over anchors that are drawn by `rule`.
  template <class Ctx>
  std::array<typename Ctx::Value, 2> losses(Ctx& ctx, AnchorScores<typename Ctx::Value> const& all, typename Ctx::Value const& truths,
                                            typename Ctx::Value const& counts, SampleRule const& rule) const {
    auto const matches = ctx.apply(MatchBoxesOp{detection_rules::anchors}, {all.anchors, {}, truths, counts})[0];
    ctx.note("det.train.rpn.matches", matches);
    auto const picks = ctx.apply(SampleRowsOp{rule}, {matches, {}})[0];
    ctx.note("det.train.rpn.picks", picks);
    auto const targets = ctx.apply(TargetsOfRowsOp{detection_rules::proposal_code}, {picks, all.anchors, truths, {}})[0];
    return {ctx.apply(BinaryCrossEntropyOp{}, {ctx.apply(GatherRowsOp{}, {all.objectness, picks})[0], targets})[0],
            ctx.apply(SmoothL1Op{detection_rules::beta}, {ctx.apply(GatherRowsOp{}, {all.codes, picks})[0], targets})[0]};
  }

 private:
  DetectionConfig config_;
  Conv2d conv_, scores_, codes_;
};

}  // namespace tadp
