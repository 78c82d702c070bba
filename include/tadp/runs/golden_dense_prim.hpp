// SPDX-License-Identifier: Apache-2.0
// What the dense heads add to the case `prim`: transposed convolution, both losses, the depth measures, depth's schedule.
// Templates on the device, so that a device of plain loops is held to the same numbers.
#pragma once

#include "tadp/ops/dense_loss.hpp"
#include "tadp/ops/transposed.hpp"
#include "tadp/runs/depth_metrics.hpp"
#include "tadp/runs/golden_trial.hpp"
#include "tadp/train/depth_recipe.hpp"

namespace tadp {

template <class Device>
void check_golden_transposed(GoldenCheck& check, Device const& device, std::string const& op) {
  GoldenTrial<Device, RunningStatistics> t(check, device, op, {"w"});
  int const pad = t.attribute("padding");
  ConvGeometry const g{.kernel = t.attribute("kernel"), .stride = t.attribute("stride"), .pad_top = pad, .pad_left = pad, .pad_bottom = pad, .pad_right = pad};
  auto const out = check.golden().tensor(op + ".in.w").shape.at(1);
  auto const y = t.apply(ConvTransposeOp{g, out, t.attribute("output_padding"), {t.id("w")}}, {t.input("x")})[0];
  t.result("out", y);
  t.gradients(y);
}

/// `labels`: those of the cross-entropy beside it.
template <class Device>
void check_golden_focal(GoldenCheck& check, Device const& device, std::string const& op, std::vector<std::uint8_t> const& labels) {
  GoldenTrial<Device, RunningStatistics> t(check, device, op);
  auto const loss = t.apply(FocalLossOp{labels.data()}, {t.input("x")})[0];
  t.result("out", loss);
  t.gradients(loss);
}

template <class Device>
void check_golden_silog(GoldenCheck& check, Device const& device, std::string const& op) {
  Golden const& golden = check.golden();
  GoldenTrial<Device, RunningStatistics> t(check, device, op);
  GoldenTensor const& gt = golden.tensor(op + ".gt");
  HashStream const stream("input.prim.silog.gt", golden.seed());
  std::vector<float> truth;
  for (index_t i = 0; i < gt.elements(); ++i) truth.push_back(stream.uniform(i, -1.0, 10.0));
  check.floats(gt.name, truth);
  auto const metres = t.value("x", {1, 1, gt.elements(), 1}, t.hashed("x"));
  auto const loss = t.apply(SilogOp{t.attribute("lambd"), truth.data()}, {metres})[0];
  t.result("out", loss);
  t.gradients(loss);
}

namespace golden_detail {

inline void check_measures(GoldenCheck& check, std::string const& op, DepthMeasures const& m) {
  for (auto const& field : DepthMeasures::fields()) check.scalar(op + "." + std::string(field.name), m.*field.value);
}

}  // namespace golden_detail

/// The measures of a picture of NYU's size under its protocol: `dm`.
inline void check_golden_depth_measures(GoldenCheck& check) {
  Golden const& golden = check.golden();
  GoldenTensor const& gt = golden.tensor("dm.gt");
  auto const [height, width] = std::pair{static_cast<int>(gt.shape.at(0)), static_cast<int>(gt.shape.at(1))};
  HashStream const p("input.prim.dm.pred", golden.seed()), t("input.prim.dm.gt", golden.seed());
  std::vector<float> predicted, truth;
  for (index_t i = 0; i < gt.elements(); ++i) {
    float const g = t.uniform(i, -0.5, 11.0), v = p.uniform(i, 0.3, 9.9);
    truth.push_back(g);
    predicted.push_back(g > 0.0F ? std::clamp(g, 0.3F, 9.5F) * (0.7F + 0.06F * v) : v);
  }
  check.floats("dm.gt", truth);
  check.floats("dm.pred", predicted);
  DepthScore score(DepthProtocol::nyu());
  score.add(predicted, truth, width, height);
  golden_detail::check_measures(check, "dm", score.measures());
  check.number("dm.valid_pixels", static_cast<double>(score.pixels()), golden.scalars().at("dm.valid_pixels"), 0.0);
}

/// A list of numbers of which each counts: `dmsmall`.
inline void check_golden_few_depths(GoldenCheck& check) {
  Golden const& golden = check.golden();
  HashStream const p("input.prim.dmsmall.pred", golden.seed()), t("input.prim.dmsmall.gt", golden.seed());
  index_t const count = golden.tensor("dmsmall.gt").elements();
  std::vector<float> predicted, truth;
  for (index_t i = 0; i < count; ++i) {
    predicted.push_back(p.uniform(i, 0.3, 9.9));
    truth.push_back(t.uniform(i, 0.3, 9.9));
  }
  check.floats("dmsmall.gt", truth);
  check.floats("dmsmall.pred", predicted);
  DepthScore score;
  score.add(predicted, truth, static_cast<int>(count), 1);
  golden_detail::check_measures(check, "dmsmall", score.measures());
}

/// The rate by step and the rule that it follows; rate(step) is compared by the caller.
inline DepthSchedule golden_depth_schedule(nlohmann::json const& rule) {
  auto const number = [&](char const* key) { return rule.at(key).get<double>(); };
  return {.half = number("iterations_per_epoch") * number("half_epoch"), .floor = number("min_lr") / number("max_lr"), .power = number("power")};
}

}  // namespace tadp
