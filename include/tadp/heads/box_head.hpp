// SPDX-License-Identifier: Apache-2.0
// The second stage of detection: what is pooled from each proposal becomes a class and one moved box a class.
// Names box_head.fc6, box_head.fc7, box_predictor.cls_score, box_predictor.bbox_pred (spec 4.4).
#pragma once

#include "tadp/heads/rpn.hpp"

namespace tadp {

class BoxHead {
 public:
  BoxHead(Scope const& s, DetectionConfig const& config, index_t classes)
      : config_(config), pool_{.first_level = config.first_level()},
        fc6_(s / "box_head" / "fc6", config.width * pool_.cells(), config.representation, Linear::Options{.relu = true}),
        fc7_(s / "box_head" / "fc7", config.representation, config.representation, Linear::Options{.relu = true}),
        classes_(s / "box_predictor" / "cls_score", config.representation, classes), boxes_(s / "box_predictor" / "bbox_pred", config.representation, 4 * classes) {}

  /// Logits (1, 1, rows, C) and codes (1, 1, rows, 4 C) of boxes (N, 1, R, 4 or more), rows = N R.
  template <class Ctx>
  std::array<typename Ctx::Value, 2> operator()(Ctx& ctx, std::array<typename Ctx::Value, 4> const& levels, typename Ctx::Value const& boxes,
                                                typename Ctx::Value const& counts) const {
    auto const pooled = ctx.apply(RoiAlignOp{pool_, 4}, {levels[0], levels[1], levels[2], levels[3], boxes, counts})[0];
    ctx.note("det.roi_pooled", pooled);
    auto const h = fc7_(ctx, fc6_(ctx, pooled));
    auto const logits = classes_(ctx, h);
    ctx.note("det.class_logits", logits);
    auto const codes = boxes_(ctx, h);
    ctx.note("det.box_regression", codes);
    return {logits, codes};
  }

  /// The best of each class, of a picture of height x width.
  template <class Ctx>
  BoxList<typename Ctx::Value> detections(Ctx& ctx, std::array<typename Ctx::Value, 2> const& said, BoxList<typename Ctx::Value> const& proposals,
                                          float height, float width) const {
    CandidateRule const rule{height, width, detection_rules::smallest_detection, detection_rules::lowest_score};
    auto const boxes = ctx.apply(DecodeBoxesOp{detection_rules::box_code}, {said[1], proposals.rows})[0];
    auto const candidates = ctx.apply(DetectionCandidatesOp{rule}, {said[0], boxes, proposals.counts})[0];
    auto const kept = ctx.apply(SuppressOp{detection_rules::detections, config_.detections}, {candidates});
    return {kept[0], kept[1]};
  }

  /// Losses of classes and of codes: true boxes join the proposals, and rows are drawn by `rule`.
  template <class Ctx>
  std::array<typename Ctx::Value, 2> losses(Ctx& ctx, std::array<typename Ctx::Value, 4> const& levels, BoxList<typename Ctx::Value> const& proposals,
                                            typename Ctx::Value const& truths, typename Ctx::Value const& labels, typename Ctx::Value const& truth_counts,
                                            SampleRule const& rule) const {
    auto const [boxes, counts] = ctx.apply(AppendBoxesOp{}, {proposals.rows, proposals.counts, truths, truth_counts});
    auto const matches = ctx.apply(MatchBoxesOp{detection_rules::boxes}, {boxes, counts, truths, truth_counts})[0];
    auto const [picks, picked] = ctx.apply(SampleRowsOp{rule}, {matches, counts});
    ctx.note("det.train.roi.picks", picks);
    auto const targets = ctx.apply(TargetsOfRowsOp{detection_rules::box_code}, {picks, boxes, truths, labels})[0];
    auto const said = (*this)(ctx, levels, ctx.apply(GatherRowsOp{}, {boxes, picks})[0], picked);
    return {ctx.apply(RowCrossEntropyOp{}, {said[0], targets})[0], ctx.apply(SmoothL1Op{detection_rules::beta}, {said[1], targets})[0]};
  }

 private:
  DetectionConfig config_;
  RoiGeometry pool_;
  Linear fc6_, fc7_, classes_, boxes_;
};

}  // namespace tadp
