// SPDX-License-Identifier: Apache-2.0
// What detection adds to the case `prim`: pooled regions, overlaps, suppression, codes, anchors, matches, average precision
// and two losses. Boxes are hash inputs, as the reference makes them.
#pragma once

#include "tadp/heads/detection_config.hpp"
#include "tadp/ops/detection.hpp"
#include "tadp/ops/detection_training.hpp"
#include "tadp/ops/pointwise.hpp"
#include "tadp/runs/detection_metrics.hpp"
#include "tadp/runs/golden_trial.hpp"

namespace tadp {

namespace golden_detail {

/// n boxes about a picture of w x h, with sides of smallest to largest; flat, and compared with the entry where it is whole.
inline std::vector<float> random_boxes(GoldenCheck& check, std::string const& key, index_t n, double w, double h, double smallest, double largest) {
  HashStream const stream("input.prim." + key, check.golden().seed());
  std::vector<float> boxes;
  for (index_t i = 0; i < n; ++i) {
    auto const u = [&](index_t k) { return stream.unit(4 * i + k) + 0.5; };
    double const x = u(0) * w, y = u(1) * h, bw = smallest + (largest - smallest) * u(2), bh = smallest + (largest - smallest) * u(3);
    for (double v : {x - bw / 2, y - bh / 2, x + bw / 2, y + bh / 2}) boxes.push_back(static_cast<float>(v));
  }
  return boxes;
}
inline std::vector<float> known_boxes(GoldenCheck& check, std::string const& entry, std::string const& key, index_t n, double w, double h, double smallest, double largest) {
  auto boxes = random_boxes(check, key, n, w, h, smallest, largest);
  check.floats(entry, boxes);
  return boxes;
}
inline void append(std::vector<float>& to, std::initializer_list<double> numbers) {
  for (double v : numbers) to.push_back(static_cast<float>(v));
}
template <class Value>
std::vector<float> numbers_of(Value const& v) {
  float const* const data = v.slot->data().data;
  return {data, data + v.shape.count()};
}
inline std::vector<std::int32_t> whole_numbers(std::vector<float> const& v) { return {v.begin(), v.end()}; }

}  // namespace golden_detail

/// Two pictures, whose boxes come by turns: ours are one list a picture.
template <class Device>
void check_golden_roi_align(GoldenCheck& check, Device const& device, std::string const& op) {
  Golden const& golden = check.golden();
  GoldenTrial<Device, RunningStatistics> t(check, device, op);
  auto const scale = t.attribute("spatial_scale").template get<double>();
  auto const& s = golden.tensor(op + ".in.x").shape;
  double const w = static_cast<double>(s.at(3)) / scale, h = static_cast<double>(s.at(2)) / scale;
  auto boxes = golden_detail::random_boxes(check, op + ".boxes", 12, w, h, 0.02 * w, 0.9 * w);
  golden_detail::append(boxes, {-0.3 * w, -0.3 * h, 0.2 * w, 0.2 * h, 0.8 * w, 0.7 * h, 1.4 * w, 1.3 * h, 0.5 * w, 0.5 * h, 0.5 * w, 0.5 * h, -2 * w, -2 * h, -1.5 * w, -1.5 * h});
  std::size_t const count = boxes.size() / 4;
  std::vector<float> with_index, ours(boxes.size());
  auto const place = [&](std::size_t i) { return i % 2 * (count / 2) + i / 2; };
  for (std::size_t i = 0; i < count; ++i) {
    with_index.push_back(static_cast<float>(i % 2));
    with_index.insert(with_index.end(), &boxes[4 * i], &boxes[4 * i] + 4);
    std::copy_n(&boxes[4 * i], 4, &ours[4 * place(i)]);
  }
  check.floats(op + ".rois", with_index);
  auto const x = t.input("x");
  auto const rois = t.value("rois", {2, 1, static_cast<index_t>(count / 2), 4}, ours);
  RoiGeometry const g{t.attribute("output").template get<int>(), t.attribute("sampling_ratio").template get<int>(), -static_cast<int>(std::lround(std::log2(scale)))};
  auto const y = t.apply(RoiAlignOp{g, 1}, {x, rois, {}})[0];
  auto const each = static_cast<std::size_t>(y.shape.c());
  auto const found = golden_detail::numbers_of(y);
  std::vector<float> in_order;
  for (std::size_t i = 0; i < count; ++i) in_order.insert(in_order.end(), &found[each * place(i)], &found[each * place(i)] + each);
  check.floats(op + ".out", in_order);
  HashStream const stream("input.prim." + op + ".gout", golden.seed());
  float* const upstream = y.slot->gradient().data;
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    in_order[i] = stream.uniform(static_cast<index_t>(i), -1.0, 1.0);
    upstream[each * place(i / each) + i % each] = in_order[i];
  }
  check.floats(op + ".gout", in_order);
  t.ctx().backward(y, upstream[0]);
  auto const dx = x.slot->gradient();
  check.features(op + ".grad.x", {dx.data, dx.shape, dx.pixel_stride});
}

template <class Device>
void check_golden_pyramid_align(GoldenCheck& check, Device const& device, std::string const& op) {
  Golden const& golden = check.golden();
  GoldenTrial<Device, RunningStatistics> t(check, device, op);
  auto boxes = golden_detail::random_boxes(check, op + ".boxes", 40, 512, 512, 8, 700);
  golden_detail::append(boxes, {0, 0, 111.9, 111.9, 0, 0, 112, 112, 0, 0, 224, 224, 0, 0, 448, 448, 0, 0, 223.9, 223.9, 0, 0, 512, 512, -300, -300, 700, 700});
  check.floats(op + ".boxes", boxes);
  std::vector<typename GoldenTrial<Device, RunningStatistics>::Value> in;
  for (int l = 0; l < 4; ++l) {
    std::string const name = "x" + std::to_string(l);
    auto const& s = golden.tensor(op + ".in." + name).shape;
    auto const level = t.ctx().empty({s.at(0), s.at(2), s.at(3), s.at(1)});
    auto const on_host = host_view(level.slot->data());
    fill_input({"input.prim." + op + "." + name, -2.0, 2.0}, golden.seed(), on_host);
    check.features(op + ".in." + name, on_host);
    in.push_back(level);
  }
  RoiGeometry const g;
  std::vector<std::int32_t> levels;
  for (std::size_t i = 0; i < boxes.size(); i += 4) levels.push_back(g.level_of(box_at(&boxes[i]), 4));
  check.integers(op + ".levels", levels);
  auto const rois = t.value("rois", {1, 1, static_cast<index_t>(levels.size()), 4}, boxes);
  check.floats(op + ".out", golden_detail::numbers_of(t.apply(RoiAlignOp{g, 4}, {in[0], in[1], in[2], in[3], rois, {}})[0]));
}

inline void check_golden_overlaps(GoldenCheck& check) {
  auto const a = golden_detail::known_boxes(check, "iou.a", "iou.a", 9, 100, 100, 10, 60), b = golden_detail::known_boxes(check, "iou.b", "iou.b", 7, 100, 100, 10, 60);
  std::vector<float> found;
  for (std::size_t i = 0; i < a.size(); i += 4)
    for (std::size_t j = 0; j < b.size(); j += 4) found.push_back(overlap_of(box_at(&a[i]), box_at(&b[j])));
  check.floats("iou.out", found);
}

/// nms.keep_<overlap>, and the same by groups.
template <class Device>
void check_golden_suppression(GoldenCheck& check, Device const& device, std::string const& op) {
  Golden const& golden = check.golden();
  auto const boxes = golden_detail::known_boxes(check, "nms.boxes", "nms.boxes", 300, 200, 200, 10, 80);
  auto const labels = hash_labels("input.prim.nms.labels", 300, 5, golden.seed(), 0.0);
  HashStream const stream("input.prim.nms.scores", golden.seed());
  std::vector<float> scores;
  for (index_t i = 0; i < 300; ++i) scores.push_back(stream.uniform(i, 0.0, 1.0));
  check.floats("nms.scores", scores);
  check.integers("nms.labels", std::vector<std::int32_t>(labels.begin(), labels.end()));
  for (bool const grouped : {false, true}) {
    std::string const prefix = grouped ? "nms.batched_keep_" : "nms.keep_";
    for (auto const& [entry, unused] : golden.tensors()) {
      if (!entry.starts_with(prefix)) continue;
      std::vector<float> rows;
      for (std::size_t i = 0; i < 300; ++i) {
        rows.insert(rows.end(), &boxes[4 * i], &boxes[4 * i] + 4);
        rows.push_back(scores[i]);
        rows.push_back(grouped ? static_cast<float>(labels[i]) : 0.0F);
      }
      GoldenTrial<Device, RunningStatistics> t(check, device, op);
      auto const kept = t.apply(SuppressOp{{std::strtod(entry.c_str() + prefix.size(), nullptr)}, 300}, {t.value("rows", {1, 1, 300, candidate_channels}, rows)});
      std::vector<std::int32_t> found;
      for (index_t k = 0; k < static_cast<index_t>(kept[1].slot->data().data[0]); ++k) found.push_back(static_cast<std::int32_t>(kept[0].slot->data().pixel(k)[6]));
      check.integers(entry, found);
    }
  }
}

template <class Device>
void check_golden_codes(GoldenCheck& check, Device const& device, std::string const& op) {
  for (auto const& [name, code] : {std::pair{std::string("rpn"), detection_rules::proposal_code}, std::pair{std::string("roi"), detection_rules::box_code}}) {
    std::string const prefix = op + "." + name + ".";
    GoldenTrial<Device, RunningStatistics> t(check, device, op + "." + name);
    auto const from = golden_detail::known_boxes(check, prefix + "proposals", prefix + "prop", 20, 300, 300, 5, 150);
    auto const to = golden_detail::known_boxes(check, prefix + "gt", prefix + "gt", 20, 300, 300, 5, 150);
    HashStream const stream("input.prim." + prefix + "deltas", check.golden().seed());
    std::vector<float> codes, picks;
    for (index_t i = 0; i < 80; ++i) codes.push_back(i == 2 || i == 3 ? 200.0F : product_of(product_of(stream.uniform(i, -8.0, 8.0), code.weights[static_cast<std::size_t>(i % 4)]), 0.6F));
    for (int i = 0; i < 20; ++i) picks.insert(picks.end(), 2, static_cast<float>(i));
    check.floats(prefix + "deltas", codes);
    auto const boxes = t.value("from", {1, 1, 20, 4}, from);
    check.floats(prefix + "decoded", golden_detail::numbers_of(t.apply(DecodeBoxesOp{code}, {t.value("codes", {1, 1, 20, 4}, codes), boxes})[0]));
    auto const targets = golden_detail::numbers_of(t.apply(TargetsOfRowsOp{code}, {t.value("picks", {1, 1, 20, 2}, picks), boxes, t.value("to", {1, 1, 20, 4}, to), {}})[0]);
    std::vector<float> encoded;
    for (std::size_t i = 0; i < 20; ++i) encoded.insert(encoded.end(), &targets[5 * i + 1], &targets[5 * i + 1] + 4);
    check.floats(prefix + "encoded", encoded);
    auto const& table = check.golden().table(op + "." + name);
    bool const same = table.at("weights").template get<std::array<float, 4>>() == code.weights && table.at("clip_dw_dh").template get<float>() == BoxCode::most;
    check.row({.entry = op + "." + name, .ok = same});
  }
}

/// The anchors of a picture whose levels have strides of 8 to 64.
inline AnchorGrid golden_anchor_grid(index_t height, index_t width) {
  AnchorGrid grid;
  for (int l = 0; l < 4; ++l) grid.level[static_cast<std::size_t>(l)] = {height >> (3 + l), width >> (3 + l), 8 << l, 8 << l, 32 << l};
  return grid;
}

template <class Device>
void check_golden_anchors(GoldenCheck& check, Device const& device, std::string const& op) {
  GoldenTrial<Device, RunningStatistics> t(check, device, op);
  for (auto const& [name, h, w] : {std::tuple{".128x192", 128, 192}, std::tuple{".512x512", 512, 512}})
    check.floats(op + name, golden_detail::numbers_of(t.apply(AnchorsOp{golden_anchor_grid(h, w)}, {})[0]));
  for (int l = 0; l < 4; ++l) {
    std::vector<float> cells(12);
    for (std::size_t r = 0; r < 3; ++r) put_box(&cells[4 * r], AnchorGrid::cell(32 << l, AnchorGrid::ratios[r]));
    check.floats(op + ".cell." + std::to_string(l), cells);
  }
}

template <class Device>
void check_golden_matches(GoldenCheck& check, Device const& device, std::string const& op) {
  GoldenTrial<Device, RunningStatistics> t(check, device, op);
  auto const truths = t.value("gt", {1, 1, 6, 4}, golden_detail::known_boxes(check, op + ".gt", op + ".gt", 6, 192, 128, 20, 90));
  auto const count = t.value("count", {1, 1, 1, 1}, {6.0F});
  auto const boxes = t.apply(AnchorsOp{golden_anchor_grid(128, 192)}, {})[0];
  for (auto const& [name, rule] : {std::pair{".rpn", detection_rules::anchors}, std::pair{".roi", detection_rules::boxes}})
    check.integers(op + name, golden_detail::whole_numbers(golden_detail::numbers_of(t.apply(MatchBoxesOp{rule}, {boxes, {}, truths, count})[0])));
}

/// Six pictures of five objects and fourteen detections of one class.
inline void check_golden_precision(GoldenCheck& check) {
  constexpr std::size_t pictures = 6, objects = 5, detections = 14;
  auto const draws = [&](char const* key) {
    return [stream = HashStream(std::string("input.prim.ap.") + key, check.golden().seed())](std::size_t i) { return stream.unit(static_cast<index_t>(i)) + 0.5; };
  };
  auto const place = draws("gt"), hard = draws("difficult"), shake = draws("jitter"), pick = draws("pick"), sure = draws("score");
  DetectionScore score(2, {0.5, 0.75});
  std::vector<float> rows, boxes;
  std::vector<std::int32_t> difficult;
  for (std::size_t n = 0; n < pictures; ++n) {
    std::vector<std::array<double, 4>> corners;
    std::vector<TrueBox> truths;
    for (std::size_t k = 0; k < objects; ++k) {
      auto const u = [&](std::size_t i) { return place(4 * (n * objects + k) + i); };
      double const x = std::floor(u(0) * 300) + 1, y = std::floor(u(1) * 200) + 1;
      corners.push_back({x, y, x + 20 + std::floor(u(2) * 120), y + 20 + std::floor(u(3) * 120)});
      auto const& c = corners.back();
      truths.push_back({{static_cast<float>(c[0]), static_cast<float>(c[1]), static_cast<float>(c[2]), static_cast<float>(c[3])}, 1, hard(n * objects + k) < 0.15});
      difficult.push_back(truths.back().difficult ? 1 : 0);
      golden_detail::append(boxes, {static_cast<double>(n), c[0], c[1], c[2], c[3]});
    }
    std::vector<Detected> found;
    for (std::size_t j = 0; j < detections; ++j) {
      std::size_t const at = n * detections + j;
      auto b = corners[static_cast<std::size_t>(pick(at) * objects)];
      for (std::size_t i = 0; i < 4; ++i) b[i] += (shake(4 * at + i) - 0.5) * (j % 3 != 0 ? 30 : 120);
      for (std::size_t i = 2; i < 4; ++i) b[i] = std::max(b[i], b[i - 2] + 2);
      golden_detail::append(rows, {static_cast<double>(n), sure(at), b[0], b[1], b[2], b[3]});
      found.push_back({box_at(&rows[rows.size() - 4]), 1, rows[rows.size() - 5]});
    }
    score.add(found, truths);
  }
  check.floats("ap.detections", rows);
  check.floats("ap.gt_boxes", boxes);
  check.integers("ap.gt_difficult", difficult);
  for (auto const& [overlap, name] : {std::pair{std::size_t{0}, std::string("50")}, std::pair{std::size_t{1}, std::string("75")}}) {
    auto const curve = score.curve(1, overlap);
    check.floats("ap.recall_" + name, std::vector<float>(curve.recall.begin(), curve.recall.end()));
    check.floats("ap.precision_" + name, std::vector<float>(curve.precision.begin(), curve.precision.end()));
    check.scalar("ap.07_" + name, score.ap_eleven(1, overlap));
    check.scalar("ap.area_" + name, score.ap_area(1, overlap));
  }
}

/// A sum, where ours is a mean over rows; the target gets a gradient when the two change places.
template <class Device>
void check_golden_smooth_l1(GoldenCheck& check, Device const& device, std::string const& op) {
  for (bool const swapped : {false, true}) {
    GoldenTrial<Device, RunningStatistics> t(check, device, op);
    auto const rows = check.golden().tensor(op + ".in.x").shape.at(0);
    char const *const moved = swapped ? "y" : "x", *const fixed = swapped ? "x" : "y";
    auto const codes = t.value(moved, {1, 1, rows, 4}, t.hashed(moved));
    auto const still = t.hashed(fixed);
    std::vector<float> targets;
    for (std::size_t i = 0; i < still.size(); ++i) {
      if (i % 4 == 0) targets.push_back(1.0F);
      targets.push_back(still[i]);
    }
    auto const loss = t.apply(SmoothL1Op{t.attribute("beta").template get<float>()}, {codes, t.value("targets", {1, 1, rows, 5}, targets)})[0];
    auto const sum = scaled(t.ctx(), static_cast<float>(rows), loss);
    t.result("out", sum);
    t.gradients(sum);
  }
}

template <class Device>
void check_golden_binary(GoldenCheck& check, Device const& device, std::string const& op) {
  GoldenTrial<Device, RunningStatistics> t(check, device, op);
  auto const plain = t.hashed("x");
  auto const rows = static_cast<index_t>(plain.size());
  std::vector<float> targets;
  for (float y : t.hashed("y")) targets.insert(targets.end(), {y > 0.0F ? 1.0F : 0.0F, 0.0F, 0.0F, 0.0F, 0.0F});
  auto const loss = t.apply(BinaryCrossEntropyOp{}, {t.value("x", {1, 1, rows, 1}, plain), t.value("targets", {1, 1, rows, 5}, targets)})[0];
  t.result("out", loss);
  t.gradients(loss);
}

}  // namespace tadp
