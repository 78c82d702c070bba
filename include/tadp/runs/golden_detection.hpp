// SPDX-License-Identifier: Apache-2.0
// The detection entries of a golden: the pyramid's features first, then stage by stage from what the golden stores, as the
// order of proposals depends on rounding; and what training matches, draws and minimises.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/golden_heads.hpp"

namespace tadp {

/// Widths of the detection head that stands beside a golden's stack.
template <class Stack>
inline constexpr DetectionConfig golden_detection_config =
    Stack::head_width == DetectionConfig{}.width ? DetectionConfig{} : DetectionConfig{.width = Stack::head_width, .representation = 2 * Stack::head_width};

/// Device: one whose memory the host reads.
template <class Stack, class Device = Cpu>
class GoldenDetection {
 public:
  static constexpr DetectionConfig config = golden_detection_config<Stack>;
  using Net = typename DetectionOf<dynamic, config>::Net;
  using Context = TapeContext<Device>;
  using Value = typename Context::Value;

  /// `pyramid`: (N, h, w, C) each, fine to coarse.
  GoldenDetection(GoldenCheck& check, Device device, GoldenPyramid<Device> const& pyramid)
      : check_(&check), list_(std::make_shared<ParameterList>()), classes_(classes_of(golden())), net_(Scope(*list_), channels_of(pyramid), classes_),
        weights_(device, list_), ctx_(device, weights_, std::vector<float*>(list_->specs().size()), {.dropout = false}, [this](std::string const& name, Value const& v) { noted(name, v); }) {
    fill_golden_weights(device, weights_, golden().seed());
    for (std::size_t l = 0; l < 4; ++l) pyramid_[l] = ctx_.input(pyramid[l]);
    pictures_ = pyramid[0].shape[0];
  }
  GoldenDetection(GoldenDetection const&) = delete;

  void run(Control const& control = {}) {
    golden().guarded([&] {
      ctx_.begin_step(0);
      auto const f = net_(ctx_, pyramid_);
      anchors(f.anchors);
      if (!golden().has("det.proposals.0")) return;
      auto const stored = stored_scores(f.anchors);
      proposals("det.", net_.rpn().proposals(ctx_, stored, false));
      control.check();
      detections(f);
      control.check();
      training(f, stored);
    });
  }

 private:
  Golden const& golden() const { return check_->golden(); }
  static index_t classes_of(Golden const& golden) {
    if (!golden.meta().contains("heads")) return DetectionOf<21>::classes;
    auto const& det = golden.meta().at("heads").at("det");
    for (auto const& [key, expected] : {std::pair{"out", config.width}, std::pair{"representation", config.representation}})
      if (det.at(key).template get<int>() != expected)
        throw Error(Errc::unsupported, "the detection head has another width", {.file = golden.path().string(), .key = key, .expected = std::to_string(expected), .found = det.at(key).dump()});
    return det.at("classes").template get<index_t>();
  }
  static FeatureChannels channels_of(GoldenPyramid<Device> const& pyramid) {
    FeatureChannels c{};
    for (std::size_t l = 0; l < 4; ++l) c[l] = pyramid[l].shape.channels();
    return c;
  }
  static std::string numbered(std::string const& prefix, index_t n, std::string const& rest = {}) { return prefix + std::to_string(n) + rest; }
  static ConstFeatures<Cpu> view(Value const& v) { return host_view(v.slot->data()); }

  /// Stages that model text announces under the golden's names.
  void noted(std::string const& name, Value const& v) {
    if (name == "det.rpn.decoded") check_->floats(name, {view(v).data, static_cast<std::size_t>(v.shape.count())});
    else if (name.starts_with("det.fpn.") || name.starts_with("det.rpn.")) check_->features(name, view(v));
    else if (name == "det.roi_pooled") pooled_ = v;
  }
  void anchors(AnchorScores<Value> const& all) {
    check_->floats("det.anchors", {view(all.anchors).data, static_cast<std::size_t>(all.anchors.shape.count())});
    if (!golden().tables().contains("det.anchors_per_level")) return;
    auto const expected = golden().table("det.anchors_per_level").template get<std::vector<index_t>>();
    auto const found = all.grid.counts();
    check_->row({.entry = "det.anchors_per_level", .ok = std::equal(expected.begin(), expected.end(), found.begin(), found.end())});
  }

  // ---- lists

  Value value(FeatureShape const& shape, std::vector<float> const& numbers) {
    if (shape.count() != static_cast<index_t>(numbers.size())) throw Error(Errc::shape, "the golden's boxes do not fit each other", {.file = golden().path().string()});
    auto const v = ctx_.empty(shape);
    std::copy(numbers.begin(), numbers.end(), v.slot->data().data);
    return v;
  }
  std::vector<float> stored(std::string const& entry) const {
    GoldenTensor const& t = golden().tensor(entry);
    if (t.stride != 1) throw Error(Errc::format, "a list of boxes is not stored whole", {.file = golden().path().string(), .key = entry});
    return golden().values(t);
  }
  /// Lists of the pictures, entry prefix + picture + rest, padded to one capacity; and their lengths.
  struct Lists {
    BoxList<Value> padded;
    std::vector<index_t> counts;
    index_t capacity = 1;
  };
  Lists lists(std::string const& prefix, std::string const& rest = {}) {
    Lists all;
    for (index_t n = 0; n < pictures_; ++n) all.counts.push_back(golden().tensor(numbered(prefix, n, rest)).shape.at(0));
    all.capacity = std::max<index_t>(1, *std::max_element(all.counts.begin(), all.counts.end()));
    std::vector<float> rows;
    for (index_t n = 0; n < pictures_; ++n) {
      auto const own = stored(numbered(prefix, n, rest));
      rows.insert(rows.end(), own.begin(), own.end());
      rows.resize(static_cast<std::size_t>((n + 1) * all.capacity * 4));
    }
    all.padded = {value({pictures_, 1, all.capacity, 4}, rows), value({pictures_, 1, 1, 1}, {all.counts.begin(), all.counts.end()})};
    return all;
  }
  /// The rows of a value (1, 1, pictures * capacity, C) that are there.
  std::vector<float> packed(Value const& v, Lists const& of) const {
    std::vector<float> rows;
    for (index_t n = 0; n < pictures_; ++n)
      for (index_t r = 0; r < of.counts[static_cast<std::size_t>(n)]; ++r) {
        float const* const row = view(v).pixel(n * of.capacity + r);
        rows.insert(rows.end(), row, row + v.shape.c());
      }
    return rows;
  }
  /// The reverse: rows of all pictures, padded.
  Value padded(std::vector<float> const& rows, index_t channels, Lists const& of) {
    auto const v = ctx_.empty({1, 1, pictures_ * of.capacity, channels});
    std::fill_n(v.slot->data().data, v.shape.count(), 0.0F);
    auto from = rows.begin();
    for (index_t n = 0; n < pictures_; ++n) {
      auto const count = of.counts[static_cast<std::size_t>(n)] * channels;
      if (rows.end() - from < count) throw Error(Errc::shape, "the golden's boxes do not fit each other", {.file = golden().path().string()});
      std::copy_n(from, count, v.slot->data().pixel(n * of.capacity));
      from += count;
    }
    return v;
  }
  /// Channels [first, first + count) of the rows that a picture has.
  std::vector<float> columns(BoxList<Value> const& list, index_t n, index_t first, index_t count) const {
    std::vector<float> out;
    for (index_t r = 0; r < static_cast<index_t>(view(list.counts).data[n]); ++r) {
      float const* const row = view(list.rows).pixel(n * list.rows.shape.w() + r) + first;
      out.insert(out.end(), row, row + count);
    }
    return out;
  }

  // ---- inference

  /// The golden's own scores and codes in the place of ours.
  AnchorScores<Value> stored_scores(AnchorScores<Value> const& ours) {
    AnchorScores<Value> all = ours;
    std::array<Value, 4> scores, codes;
    for (std::size_t l = 0; l < 4; ++l) {
      scores[l] = stored_level("det.rpn.objectness." + std::to_string(l));
      codes[l] = stored_level("det.rpn.deltas." + std::to_string(l));
    }
    all.objectness = ctx_.apply(JoinRowsOp{1, 4}, std::span<Value const>(scores))[0];
    all.codes = ctx_.apply(JoinRowsOp{4, 4}, std::span<Value const>(codes))[0];
    if (all.objectness.shape != ours.objectness.shape || all.codes.shape != ours.codes.shape)
      throw Error(Errc::shape, "the golden has other anchors", {.file = golden().path().string(), .expected = to_string(ours.objectness.shape), .found = to_string(all.objectness.shape)});
    return all;
  }
  /// (N, C, H, W) turned.
  Value stored_level(std::string const& entry) {
    auto const plain = stored(entry);
    auto const& s = golden().tensor(entry).shape;
    if (s.size() != 4) throw Error(Errc::shape, "this is no feature map", {.file = golden().path().string(), .key = entry});
    auto const v = ctx_.empty({s[0], s[2], s[3], s[1]});
    index_t const positions = s[2] * s[3];
    for (index_t i = 0; i < static_cast<index_t>(plain.size()); ++i)
      v.slot->data().pixel(i / (positions * s[1]) * positions + i % positions)[i / positions % s[1]] = plain[static_cast<std::size_t>(i)];
    return v;
  }
  void proposals(std::string const& prefix, BoxList<Value> const& kept) {
    for (index_t n = 0; n < pictures_; ++n) {
      check_->floats(numbered(prefix + "proposals.", n), columns(kept, n, 0, 4));
      check_->floats(numbered(prefix + "proposal_scores.", n), columns(kept, n, 4, 1));
    }
  }
  void detections(DetectionFeatures<Value> const& f) {
    auto const boxes = lists("det.proposals.");
    std::vector<std::int32_t> levels;
    RoiGeometry const pool{.first_level = config.first_level()};
    for (index_t n = 0; n < pictures_; ++n)
      for (index_t r = 0; r < boxes.counts[static_cast<std::size_t>(n)]; ++r) levels.push_back(pool.level_of(box_at(view(boxes.padded.rows).pixel(n * boxes.capacity + r)), 4));
    check_->integers("det.roi_level_of_box", levels);
    auto const said = net_.box_head()(ctx_, f.levels, boxes.padded.rows, boxes.padded.counts);
    auto pooled = packed(pooled_, boxes);
    pooled.resize(std::min(pooled.size(), static_cast<std::size_t>(16 * pooled_.shape.c())));
    check_->floats("det.roi_pooled_first16", pooled);
    check_->floats("det.class_logits", packed(said[0], boxes));
    check_->floats("det.box_regression", packed(said[1], boxes));
    std::array<Value, 2> const as_stored{padded(stored("det.class_logits"), classes_, boxes), padded(stored("det.box_regression"), 4 * classes_, boxes)};
    auto const found = net_.box_head().detections(ctx_, as_stored, boxes.padded, f.anchors.height, f.anchors.width);
    for (index_t n = 0; n < pictures_; ++n) {
      check_->floats(numbered("det.detections.", n, ".boxes"), columns(found, n, 0, 4));
      check_->floats(numbered("det.detections.", n, ".scores"), columns(found, n, 4, 1));
      auto const labels = columns(found, n, 5, 1);
      check_->integers(numbered("det.detections.", n, ".labels"), std::vector<std::int32_t>(labels.begin(), labels.end()));
    }
  }

  // ---- training

  /// The reference's boxes of a batch: whole pixels, by the hash rule.
  PackedBoxes truths(float height, float width) const {
    index_t const each = golden().tensor("det.target.0.boxes").shape.at(0);
    HashStream const stream("input.boxes.tiny", golden().seed());
    auto const labels = hash_labels("input.boxlabels.tiny", pictures_ * each, static_cast<int>(classes_) - 1, golden().seed(), 0.0);
    std::vector<std::vector<TrueBox>> all(static_cast<std::size_t>(pictures_));
    auto const h = static_cast<double>(height), w = static_cast<double>(width);
    for (index_t i = 0; i < pictures_ * each; ++i) {
      auto const u = [&](index_t k) { return stream.unit(4 * i + k) + 0.5; };
      double const x = u(0) * 0.6 * w, y = u(1) * 0.6 * h, right = x + (0.15 + 0.25 * u(2)) * w, bottom = y + (0.15 + 0.25 * u(3)) * h;
      auto const whole = [](double v) { return static_cast<float>(std::floor(v)); };
      all[static_cast<std::size_t>(i / each)].push_back({{whole(x), whole(y), whole(right), whole(bottom)}, labels[static_cast<std::size_t>(i)] + 1, false});
    }
    PackedBoxes const packed(all, classes_, height, width);
    for (index_t n = 0; n < pictures_; ++n) {
      auto const of = [&](std::span<float const> list, index_t c) { return list.subspan(static_cast<std::size_t>(n * packed.most() * c), static_cast<std::size_t>(each * c)); };
      check_->floats(numbered("det.target.", n, ".boxes"), of(packed.boxes(), 4));
      auto const l = of(packed.labels(), 1);
      check_->integers(numbered("det.target.", n, ".labels"), std::vector<std::int32_t>(l.begin(), l.end()));
    }
    return packed;
  }
  void training(DetectionFeatures<Value> const& f, AnchorScores<Value> const& stored_anchors) {
    proposals("det.train.", net_.rpn().proposals(ctx_, stored_anchors, true));
    auto const target = truths(f.anchors.height, f.anchors.width);
    auto const list = [&](std::span<float const> numbers, index_t rows, index_t c) { return value({pictures_, 1, rows, c}, {numbers.begin(), numbers.end()}); };
    Value const boxes = list(target.boxes(), target.most(), 4), labels = list(target.labels(), target.most(), 1), counts = list(target.counts(), 1, 1);
    anchor_losses(f.anchors, boxes, counts);
    box_losses(f, boxes, labels, counts);
  }
  void anchor_losses(AnchorScores<Value> const& all, Value const& truths, Value const& counts) {
    auto const matches = ctx_.apply(MatchBoxesOp{detection_rules::anchors}, {all.anchors, {}, truths, counts})[0];
    SampleRule const rule{config.anchor_samples, config.anchor_samples / 2, 0, true};
    auto const picks = ctx_.apply(SampleRowsOp{rule}, {matches, {}});
    index_t const anchors = all.anchors.shape.w();
    for (index_t n = 0; n < pictures_; ++n) {
      std::vector<std::int32_t> found;
      for (index_t a = 0; a < anchors; ++a) {
        float const m = view(matches).pixel(n * anchors + a)[0];
        found.push_back(m >= 0.0F ? 1 : m == match_nothing ? 0 : -1);
      }
      check_->integers(numbered("det.train.rpn.labels.", n), found);
      drawn({picks[0], picks[1]}, n, numbered("det.train.rpn.pos.", n), numbered("det.train.rpn.neg.", n));
    }
    auto const losses = net_.rpn().losses(ctx_, all, truths, counts, rule);
    loss("objectness", losses[0]);
    loss("rpn_box_reg", losses[1]);
  }
  void drawn(BoxList<Value> const& picks, index_t n, std::string const& positive, std::string const& negative) {
    std::vector<std::int32_t> found[2];
    auto const rows = columns(picks, n, 0, 2);
    for (std::size_t i = 0; i < rows.size(); i += 2) found[rows[i + 1] >= 0.0F ? 1 : 0].push_back(static_cast<std::int32_t>(rows[i]));
    check_->integers(positive, found[1]);
    check_->integers(negative, found[0]);
  }
  void loss(char const* name, Value const& v) { check_->scalar(std::string("det.train.loss_") + name, static_cast<double>(view(v).data[0])); }

  void box_losses(DetectionFeatures<Value> const& f, Value const& truths, Value const& labels, Value const& counts) {
    auto const proposals = lists("det.train.proposals.");
    auto const both = ctx_.apply(AppendBoxesOp{}, {proposals.padded.rows, proposals.padded.counts, truths, counts});
    auto const matches = ctx_.apply(MatchBoxesOp{detection_rules::boxes}, {both[0], both[1], truths, counts})[0];
    auto const picks = ctx_.apply(SampleRowsOp{{config.box_samples, config.box_samples / 4, 0, true}}, {matches, both[1]});
    auto const targets = ctx_.apply(TargetsOfRowsOp{detection_rules::box_code}, {picks[0], both[0], truths, labels})[0];
    auto const sampled = ctx_.apply(GatherRowsOp{}, {both[0], picks[0]})[0];
    for (index_t n = 0; n < pictures_; ++n) {
      drawn({picks[0], picks[1]}, n, numbered("det.train.roi.drawn_pos.", n), numbered("det.train.roi.drawn_neg.", n));
      check_->floats(numbered("det.train.roi.sampled.", n), columns({sampled, picks[1]}, n, 0, 4));
      auto const l = columns({targets, picks[1]}, n, 0, 1);
      check_->integers(numbered("det.train.roi.labels.", n), std::vector<std::int32_t>(l.begin(), l.end()));
      codes(numbered("det.train.roi.targets.", n), {sampled, picks[1]}, {targets, picks[1]}, truths, n);
    }
    auto const rows = lists("det.train.roi.sampled.");
    auto const said = net_.box_head()(ctx_, f.levels, rows.padded.rows, rows.padded.counts);
    check_->floats("det.train.roi.class_logits", packed(said[0], rows));
    check_->floats("det.train.roi.box_regression", packed(said[1], rows));
    auto const again = net_.box_head()(ctx_, f.levels, sampled, picks[1]);
    loss("classifier", ctx_.apply(RowCrossEntropyOp{}, {again[0], targets})[0]);
    loss("box_reg", ctx_.apply(SmoothL1Op{detection_rules::beta}, {again[1], targets})[0]);
  }
  /// Codes of the drawn boxes, each number relative to itself: those of background boxes, which no loss reads, are huge. The
  /// reference writes them relative to the first true box.
  void codes(std::string const& entry, BoxList<Value> const& boxes, BoxList<Value> const& targets, Value const& truths, index_t n) {
    auto const expected = stored(entry), from = columns(boxes, n, 0, 4), rows = columns(targets, n, 0, 5);
    GoldenRow r{.entry = entry, .bound = golden_bounds::tiny};
    bool const fits = expected.size() == from.size();
    if (!fits) r.error = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; fits && i < from.size() / 4; ++i) {
      auto numbers = detection_rules::box_code.encode(box_at(view(truths).pixel(n * truths.shape.w())), box_at(&from[4 * i]));
      if (rows[5 * i] > 0.0F) std::copy_n(&rows[5 * i + 1], 4, numbers.begin());
      for (std::size_t k = 0; k < 4; ++k) {
        auto const e = static_cast<double>(expected[4 * i + k]);
        take_worse(r.error, std::abs(static_cast<double>(numbers[k]) - e) / std::max(1.0, std::abs(e)));
      }
    }
    r.ok = r.error <= r.bound;
    check_->row(std::move(r));
  }

  GoldenCheck* check_;
  std::shared_ptr<ParameterList> list_;
  index_t classes_;
  Net net_;
  Weights<Device> weights_;
  Context ctx_;
  std::array<Value, 4> pyramid_;
  Value pooled_{};
  index_t pictures_ = 0;
};

/// Compares what a golden has of detection; `pyramid`: the levels that the head reads, fine to coarse.
template <class Stack, class Device>
void check_golden_detection(GoldenCheck& check, Device const& device, GoldenPyramid<Device> const& pyramid, Control const& control) {
  if (check.golden().has("det.fpn.0")) GoldenDetection<Stack, Device>(check, device, pyramid).run(control);
}

}  // namespace tadp
