// SPDX-License-Identifier: Apache-2.0
// The case `prim`: single operations, forward and backward, and the schedules, metrics and colours that stand beside them.
// What each entry means is one row of a table; what no row means is on the list of golden_compare.hpp, or fails.
#pragma once

#include "tadp/diffusion/unet.hpp"
#include "tadp/exec/control.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/runs/golden_dense_prim.hpp"
#include "tadp/runs/golden_detection_prim.hpp"
#include "tadp/runs/golden_pixels.hpp"
#include "tadp/runs/golden_trial.hpp"
#include "tadp/train/noise_schedule.hpp"
#include "tadp/train/schedule.hpp"

namespace tadp {

/// The operations of the case `prim`, by name.
template <class Device>
class GoldenPrimitives {
 public:
  explicit GoldenPrimitives(Device device) : device_(std::move(device)) {}

  void run(GoldenCheck& check, Control const& control = {}) {
    Golden const& golden = check.golden();
    golden.guarded([&] {
      for (std::string const& name : names(golden)) {
        control.check();
        for (Row const& row : table())
          if (row.means(name)) {
            (this->*row.run)(check, name);
            if (golden.tables().contains(name)) check.mark(name);  // attributes: the operation ran with them
            break;
          }
      }
    });
    check.finish();
  }

 private:
  using Run = void (GoldenPrimitives::*)(GoldenCheck&, std::string const&);
  struct Row {
    std::string_view name;  ///< a star ends a prefix
    Run run;
    bool means(std::string_view entry) const { return name.ends_with('*') ? entry.starts_with(name.substr(0, name.size() - 1)) : entry == name; }
  };
  static std::span<Row const> table() {
    using P = GoldenPrimitives;
    static constexpr Row rows[] = {{"conv*", &P::convolution},
                                   {"linear*", &P::linear},
                                   {"group_norm*", &P::group_norm},
                                   {"layer_norm", &P::layer_norm},
                                   {"batch_norm_eval", &P::template batch_norm<RunningStatistics>},
                                   {"batch_norm_train", &P::template batch_norm<BatchStatistics>},
                                   {"gelu", &P::template activation<Activation::gelu>},
                                   {"silu", &P::template activation<Activation::silu>},
                                   {"quick_gelu", &P::template activation<Activation::quick_gelu>},
                                   {"relu", &P::template activation<Activation::relu>},
                                   {"sigmoid", &P::template activation<Activation::sigmoid>},
                                   {"geglu", &P::geglu},
                                   {"softmax*", &P::softmax},
                                   {"text_adapter", &P::text_adapter},
                                   {"attn_*", &P::attention},
                                   {"bilinear_*", &P::bilinear},
                                   {"nearest_*", &P::nearest},
                                   {"ce", &P::cross_entropy},
                                   {"ce_resized", &P::cross_entropy_resized},
                                   {"mse", &P::squared_error},
                                   {"timestep_embedding*", &P::time},
                                   {"alphas_cumprod", &P::noise_schedule},
                                   {"lr_mmseg_poly", &P::poly_schedule},
                                   {"deconv*", &P::transposed},
                                   {"focal", &P::focal},
                                   {"silog", &P::log_differences},
                                   {"dm", &P::depth_measures},
                                   {"dmsmall", &P::few_depths},
                                   {"lr_depth", &P::depth_schedule},
                                   {"roi_align_*", &P::pooled},
                                   {"msroi", &P::pooled_levels},
                                   {"iou", &P::overlaps},
                                   {"nms", &P::suppression},
                                   {"coder", &P::codes},
                                   {"anchors", &P::anchor_boxes},
                                   {"match", &P::matches},
                                   {"ap", &P::precision},
                                   {"smooth_l1", &P::smooth_error},
                                   {"bce_logits", &P::binary},
                                   {"miou", &P::metrics},
                                   {"pmd", &P::colours}};
    return rows;
  }
  /// What stands before the first dot of a tensor, table or scalar.
  static std::set<std::string> names(Golden const& golden) {
    std::set<std::string> all;
    auto const add = [&](std::string const& name) { all.insert(name.substr(0, name.find('.'))); };
    for (auto const& [name, unused] : golden.tensors()) add(name);
    for (auto const& [name, unused] : golden.tables()) add(name);
    return all;
  }

  using Trial = GoldenTrial<Device, RunningStatistics>;
  template <class TrialType, class Value>
  static void finish(TrialType& t, Value const& y) {
    t.result("out", y);
    t.gradients(y);
  }
  void convolution(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op, {"w", "b"});
    ConvGeometry g{.kernel = t.attribute("kernel"), .stride = t.attribute("stride")};
    if (check.golden().table(op).contains("padding")) {
      g.pad_top = g.pad_left = g.pad_bottom = g.pad_right = t.attribute("padding");
    } else {
      std::array<int, 4> const pad = t.attribute("pad_left_right_top_bottom");
      g.pad_left = pad[0], g.pad_right = pad[1], g.pad_top = pad[2], g.pad_bottom = pad[3];
    }
    convolve(t, g);
  }
  void linear(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op, {"w", "b"});
    convolve(t, ConvGeometry::same(1));
  }
  static void convolve(Trial& t, ConvGeometry const& g) { finish(t, t.apply(ConvolutionOp{g, t.rows_of("w"), {t.id("w"), t.id("b")}}, {t.input("x"), {}, {}})[0]); }
  void group_norm(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op, {"w", "b"});
    finish(t, t.apply(GroupNormOp{t.attribute("groups"), t.attribute("eps"), op.ends_with("_silu"), {t.id("w"), t.id("b")}}, {t.input("x")})[0]);
  }
  void layer_norm(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op, {"w", "b"});
    finish(t, t.apply(LayerNormOp{t.attribute("eps"), {t.id("w"), t.id("b")}}, {t.input("x")})[0]);
  }
  template <class Statistics>
  void batch_norm(GoldenCheck& check, std::string const& op) {
    GoldenTrial<Device, Statistics> t(check, device_, op, {"w", "b", "mean", "var"});
    float const momentum = check.golden().table(op).value("momentum", 0.1F);
    auto const y = t.apply(BatchNormOp<Statistics>{t.attribute("eps"), momentum, false, {t.id("w"), t.id("b"), t.id("mean"), t.id("var")}}, {t.input("x")})[0];
    t.parameter_is("out.1", "mean");
    t.parameter_is("out.2", "var");
    finish(t, y);
  }
  template <Activation Kind>
  void activation(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    finish(t, t.apply(ActivationOp{Kind}, {t.input("x")})[0]);
  }
  void geglu(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    finish(t, t.apply(GegluOp{}, {t.input("x")})[0]);
  }
  /// No layer has a bare softmax: rows are the keys, one channel wide, of a query that is 1, and the map is read.
  void softmax(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    auto const s = check.golden().tensor(op + ".in.x").shape;
    auto const ones = t.value("query", {s.at(0), 1, 1, 1}, std::vector<float>(static_cast<std::size_t>(s[0]), 1.0F));
    auto const x = t.value("x", {s[0], 1, s.at(1), 1}, t.hashed("x"));
    finish(t, t.apply(AttentionOp{{1, false}, true}, {ones, x, x})[2]);
  }
  void text_adapter(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op, {"w0", "b0", "w1", "b1", "gamma"});
    auto const x = t.input("x");
    auto const layer = [&](auto const& v, char const* w, char const* b) {
      return t.apply(ConvolutionOp{ConvGeometry::same(1), t.rows_of(w), {t.id(w), t.id(b)}}, {v, {}, {}})[0];
    };
    auto const f = layer(activate(t.ctx(), Activation::gelu, layer(x, "w0", "b0")), "w1", "b1");
    finish(t, t.apply(GatedSumOp{{t.id("gamma")}}, {x, f})[0]);
  }
  void attention(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    bool const through_map = op == "attn_map_gradient", map = through_map || check.golden().has(op + ".out.1");
    AttentionGeometry const g{t.attribute("heads"), check.golden().table(op).value("causal", false)};
    auto const y = t.apply(AttentionOp{g, map}, {t.input("q"), t.input("k"), t.input("v")});
    t.result(through_map ? "out.1" : "out", y[0]);
    if (map) t.result(through_map ? "out" : "out.1", y[2]);
    t.gradients(y[through_map ? 2 : 0]);
  }
  void bilinear(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    std::array<index_t, 2> const size = t.attribute("size");
    Corners const corners = t.attribute("align_corners").template get<bool>() ? Corners::aligned : Corners::half_pixel;
    finish(t, resize_bilinear_to(t.ctx(), t.input("x"), size[0], size[1], corners));
  }
  void nearest(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    auto const& s = check.golden().tensor(op + ".out").shape;
    FeatureShape const shape{s.at(0), s.at(2), s.at(3), s.at(1)};
    auto const nothing = t.value("addend", shape, std::vector<float>(static_cast<std::size_t>(shape.count())));
    finish(t, t.apply(ResizeNearestAddOp{}, {t.input("x"), nothing})[0]);
  }
  static std::vector<std::uint8_t> labels(GoldenCheck& check) {
    auto const& golden = check.golden();
    GoldenTensor const& t = golden.tensor("ce.label");
    auto const classes = golden.tensor("ce.in.x").shape.at(1);
    auto const made = hash_labels("input.prim.ce.label", t.elements(), static_cast<int>(classes), golden.seed(), 0.2);
    check.integers(t.name, std::vector<std::int32_t>(made.begin(), made.end()));
    return made;
  }
  void cross_entropy(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    auto const target = labels(check);
    auto const x = t.input("x");
    auto const loss = t.apply(CrossEntropyOp{Average::all_pixels, target.data()}, {x})[0];
    t.result("out.1", t.apply(CrossEntropyOp{Average::valid_pixels, target.data()}, {x})[0]);
    finish(t, loss);
  }
  void cross_entropy_resized(GoldenCheck& check, std::string const& op) {
    Trial t(check, device_, op);
    auto const target = labels(check);
    auto const& size = check.golden().tensor("ce.label").shape;
    finish(t, t.apply(CrossEntropyOp{Average::all_pixels, target.data()}, {resize_bilinear_to(t.ctx(), t.input("x"), size.at(1), size.at(2))})[0]);
  }
  /// The second operand is a target and has no gradient; it gets one when the two change places.
  void squared_error(GoldenCheck& check, std::string const& op) {
    for (bool const swapped : {false, true}) {
      Trial t(check, device_, op);
      auto const x = t.input("x"), y = t.input("y");
      auto const loss = swapped ? t.apply(MeanSquaredErrorOp{}, {y, x})[0] : t.apply(MeanSquaredErrorOp{}, {x, y})[0];
      t.result("out", loss);
      t.gradients(loss, swapped ? "x" : "y");
    }
  }
  /// A frequency is a float, and the exp that the reference took it from does not always round to the nearest one: at
  /// t = 999 its last bit alone turns an angle by 6e-5. So each frequency may be the float beside ours, the same one at
  /// every time; the numbers then have to agree within the bound of any operation.
  void time(GoldenCheck& check, std::string const& op) {
    GoldenTensor const* const t = check.golden().find(op);
    if (t == nullptr) return;  // the table of times
    auto const times = check.golden().table("timestep_embedding").template get<std::vector<float>>();
    auto const stored = check.golden().values(*t);
    auto const dim = static_cast<std::size_t>(t->shape.at(1)), half = dim / 2;
    if (t->stride != 1 || stored.size() != times.size() * dim) throw Error(Errc::shape, "there is not one embedding a time", {.key = op});
    std::vector<float> found;
    for (float at : times) {
      auto const row = timestep_embedding(at, static_cast<int>(dim));
      found.insert(found.end(), row.begin(), row.end());
    }
    for (std::size_t j = 0; j < half; ++j) {
      float const exponent = -9.210340371976184F * static_cast<float>(j) / static_cast<float>(half), w = std::exp(exponent);
      auto const error = [&](auto const& number) {
        double worst = 0.0;
        for (std::size_t r = 0; r < times.size(); ++r)
          for (std::size_t k : {j, half + j}) take_worse(worst, std::abs(static_cast<double>(number(r, k)) - static_cast<double>(stored[r * dim + k])));
        return worst;
      };
      double best = error([&](std::size_t r, std::size_t k) { return found[r * dim + k]; });
      for (float beside : {std::nextafter(w, 0.0F), std::nextafter(w, 2.0F)}) {
        auto const number = [&](std::size_t r, std::size_t k) { return k < half ? std::cos(times[r] * beside) : std::sin(times[r] * beside); };
        if (double const e = error(number); e < best) {
          best = e;
          for (std::size_t r = 0; r < times.size(); ++r)
            for (std::size_t k : {j, half + j}) found[r * dim + k] = number(r, k);
        }
      }
    }
    check.floats(op, found);
  }
  void noise_schedule(GoldenCheck& check, std::string const& op) {
    auto const alphas = alphas_cumprod();
    check.floats(op, std::vector<float>(alphas.begin(), alphas.end()));
    worst_of(check, op, [&](std::uint64_t step) { return step < alphas.size() ? alphas[step] : 0.0; });
  }
  void poly_schedule(GoldenCheck& check, std::string const& op) {
    auto const& rule = check.golden().table(op + "_rule");
    PolySchedule const schedule{.total = rule.at("total"), .warmup = rule.at("warmup"), .power = rule.at("power"), .warmup_ratio = rule.at("warmup_ratio")};
    worst_of(check, op, [&](std::uint64_t step) { return rule.at("base").template get<double>() * schedule(step); });
    check.mark(op + "_rule");
  }
  void transposed(GoldenCheck& check, std::string const& op) { check_golden_transposed(check, device_, op); }
  void focal(GoldenCheck& check, std::string const& op) { check_golden_focal(check, device_, op, labels(check)); }
  void log_differences(GoldenCheck& check, std::string const& op) { check_golden_silog(check, device_, op); }
  void depth_measures(GoldenCheck& check, std::string const&) { check_golden_depth_measures(check); }
  void few_depths(GoldenCheck& check, std::string const&) { check_golden_few_depths(check); }
  void depth_schedule(GoldenCheck& check, std::string const& op) {
    auto const& rule = check.golden().table(op + "_rule");
    auto const schedule = golden_depth_schedule(rule);
    worst_of(check, op, [&](std::uint64_t step) { return rule.at("max_lr").template get<double>() * schedule.at(static_cast<double>(step)); });
    check.mark(op + "_rule");
  }
  void pooled(GoldenCheck& check, std::string const& op) { check_golden_roi_align(check, device_, op); }
  void pooled_levels(GoldenCheck& check, std::string const& op) { check_golden_pyramid_align(check, device_, op); }
  void overlaps(GoldenCheck& check, std::string const&) { check_golden_overlaps(check); }
  void suppression(GoldenCheck& check, std::string const& op) { check_golden_suppression(check, device_, op); }
  void codes(GoldenCheck& check, std::string const& op) { check_golden_codes(check, device_, op); }
  void anchor_boxes(GoldenCheck& check, std::string const& op) { check_golden_anchors(check, device_, op); }
  void matches(GoldenCheck& check, std::string const& op) { check_golden_matches(check, device_, op); }
  void precision(GoldenCheck& check, std::string const&) { check_golden_precision(check); }
  void smooth_error(GoldenCheck& check, std::string const& op) { check_golden_smooth_l1(check, device_, op); }
  void binary(GoldenCheck& check, std::string const& op) { check_golden_binary(check, device_, op); }
  void metrics(GoldenCheck& check, std::string const&) { check_golden_metrics(check); }
  void colours(GoldenCheck& check, std::string const&) { check_golden_colours(check); }
  /// A table of numbers by step.
  template <class Number>
  static void worst_of(GoldenCheck& check, std::string const& entry, Number const& number) {
    GoldenRow r{.entry = entry, .bound = golden_bounds::primitive};
    for (auto const& [step, expected] : check.golden().table(entry).items()) {
      auto const e = expected.template get<double>();
      take_worse(r.error, std::abs(number(std::stoull(step)) - e) / std::max(std::abs(e), 1e-30));
    }
    r.ok = r.error <= r.bound;
    check.row(std::move(r));
  }

  Device device_;
};

}  // namespace tadp
