// SPDX-License-Identifier: Apache-2.0
// A training case of a golden over one model: gradients of every parameter, statistics, and steps of AdamW, held to the
// reference. What is learned is the user's, a function from a context to a loss.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_inputs.hpp"
#include "tadp/train/fit.hpp"

namespace tadp {

/// Stack: GoldenTiny or GoldenFull; ModelType: a model over its backbone; Device: one whose memory the host reads.
template <class Stack, class ModelType, class Device = Cpu>
class GoldenGradientCase {
 public:
  using Change = std::function<void(Weights<Device>&)>;

 protected:
  using Task = typename ModelType::Task;

  /// `checkpoint_blocks`: the same numbers, with blocks forgotten and computed again.
  GoldenGradientCase(Golden const& golden, Device device, bool checkpoint_blocks, ModelSizes sizes)
      : golden_(&golden), device_(std::move(device)), model_(sizes), checkpoint_blocks_(checkpoint_blocks) {
    golden.guarded([&] {
      auto const& meta = golden.meta();
      shape_ = golden_picture_shape(meta.at("image"), ModelType::Backbone::granularity);
      picture_ = hash_input_of(meta.at("image_key").template get<std::string>());
      scale_ = meta.at("latent_scale").template get<float>();
      ids_ = golden_tokens(meta.at("token_ids"), Stack::text);
    });
    if (ids_.size() != static_cast<std::size_t>(shape_.n() * Stack::text.length))
      throw Error(Errc::shape, "there is not one text a picture", {.file = golden.path().string()});
  }

  static bool part_of(ParameterSpec const& spec, std::string_view part) { return spec.name.starts_with(part); }
  static bool learns(ParameterSpec const& spec) { return !part_of(spec, "first_stage_model."); }

  std::shared_ptr<Weights<Device>> fresh_weights() {
    auto weights = std::make_shared<Weights<Device>>(device_, model_.parameters());
    fill_golden_weights(device_, *weights, golden_->seed());
    if (change_) change_(*weights);
    return weights;
  }
  TapeOptions tape(bool map_gradients) const { return {.checkpoint_blocks = checkpoint_blocks_, .map_gradients = map_gradients, .dropout = false}; }

  // ---- what is learned

  template <class Ctx>
  typename Ctx::Value hashed(Ctx& ctx, HashInput const& input, FeatureShape const& shape) const {
    auto const v = ctx.empty(shape);
    fill_input(input, golden_->seed(), host_view(v.slot->data()));
    return v;
  }
  template <class Ctx>
  typename Ctx::Value times(Ctx& ctx, std::vector<float> const& t) const {
    auto const v = ctx.empty({shape_.n(), 1, 1, Stack::unet.model_channels});
    fill_timesteps(t, host_view(v.slot->data()));
    return v;
  }
  template <class Ctx>
  typename Ctx::Value latents(Ctx& ctx) const {
    return latent_of(ctx, {.scale = scale_}, model_.backbone().vae(ctx, hashed(ctx, picture_, shape_)));
  }
  /// What the head gives for the case's pictures and texts.
  template <class Ctx>
  typename Ctx::Value answer(Ctx& ctx) const {
    auto const& unet = model_.backbone().unet;
    auto const context = model_.context(ctx, ids_.data(), shape_.n());
    auto const time = times(ctx, std::vector<float>(static_cast<std::size_t>(shape_.n()), 1.0F));
    auto const features = unet(ctx, latents(ctx), {unet.time_projections(ctx, time), unet.keys_values(ctx, context), nullptr});
    return model_.head()(ctx, pyramid_for<Task>(ctx, features));
  }

  // ---- gradients

  /// `more`(weights, gradients) follows the comparison.
  template <class Statistics, class Loss>
  void gradients(GoldenCheck& check, Control const& control, std::string const& name, bool map_gradients, Loss const& loss,
                 std::function<void(Weights<Device>&, GradientBuffer<Device> const&)> const& more = {}) {
    if (!golden_->tables().contains(name + ".grads")) return;
    control.check();
    auto const weights = fresh_weights();
    GradientBuffer<Device> buffer(device_, weights->list(), learns);
    TapeContext<Device, Statistics> ctx(device_, *weights, buffer.pointers(), tape(map_gradients));
    ctx.begin_step(0);
    auto const value = loss(ctx, 0);
    check.scalar(name + ".loss", static_cast<double>(value.slot->data().data[0]));
    ctx.backward(value);
    control.check();
    compare_gradients(check, name, *weights, buffer);
    compare_statistics(check, name, *weights);
    if (more) more(*weights, buffer);
  }

  static std::vector<float> checkpoint_order(ParameterSpec const& spec, float const* memory) {
    std::vector<float> values(static_cast<std::size_t>(spec.count));
    to_checkpoint_order(spec, memory, values.data());
    return values;
  }
  struct Sizes {
    double l2 = 0.0, sum = 0.0, absmax = 0.0;
    explicit Sizes(std::span<float const> g) {
      for (float v : g) {
        auto const d = static_cast<double>(v);
        l2 += d * d;
        sum += d;
        take_worse(absmax, std::abs(d));
      }
      l2 = std::sqrt(l2);
    }
  };
  double largest_l2(std::string const& name) const {
    double largest = 0.0;
    for (auto const& row : golden_->table(name + ".grads"))
      if (!row.contains("none")) largest = std::max(largest, row.at("l2").template get<double>());
    return largest;
  }
  static double allowed(double l2, double err32_l2, double largest) {
    return std::max({golden_bounds::gradient * l2, golden_bounds::gradient_err32 * err32_l2, golden_bounds::gradient_floor * largest});
  }
  /// The largest part of what is allowed that a comparison used, and where.
  struct Worst {
    double error = 0.0;
    std::string key{};
    std::size_t failed = 0;
    void take(double used, std::string const& of) {
      failed += used <= 1.0 ? 0 : 1;
      double const before = error;
      take_worse(error, used);
      if (error != before) key = of;
    }
    GoldenRow row(std::string entry) const {
      return {.entry = std::move(entry), .error = error, .bound = 1.0, .ok = failed == 0,
              .note = "of what is allowed; worst " + key + (failed == 0 ? "" : "; " + std::to_string(failed) + " beyond")};
    }
  };

  void compare_gradients(GoldenCheck& check, std::string const& name, Weights<Device> const& weights, GradientBuffer<Device> const& buffer) const {
    constexpr std::size_t shown = 64;
    auto const& rows = golden_->table(name + ".grads");
    GoldenTensor const& first = golden_->tensor(name + ".grad_first64");
    if (first.stride != 1 || first.elements() != static_cast<index_t>(rows.size() * shown))
      throw Error(Errc::shape, "there are not 64 numbers a gradient", {.file = golden_->path().string(), .key = first.name});
    auto const stored = golden_->values(first);
    double const largest = largest_l2(name);
    Worst sizes, numbers;
    std::set<std::string> known;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      auto const key = rows[r].at("key").template get<std::string>();
      known.insert(key);
      ParameterId const id = weights.list().find(key);
      float const* const memory = id ? buffer.pointers()[static_cast<std::size_t>(id.index)] : nullptr;
      if (memory == nullptr) {
        sizes.take(std::numeric_limits<double>::infinity(), key + " (nothing of that name learns)");
        continue;
      }
      auto const g = checkpoint_order(weights.list()[id], memory);
      Sizes const found(g);
      if (rows[r].contains("none")) {
        sizes.take(found.absmax == 0.0 ? 0.0 : std::numeric_limits<double>::infinity(), key);
        continue;
      }
      auto const number = [&](char const* field) { return rows[r].at(field).template get<double>(); };
      double const most = std::max(allowed(number("l2"), number("err32_l2"), largest), 1e-30);
      sizes.take(std::abs(found.l2 - number("l2")) / most, key);
      // Both follow from the bound of the whole vector.
      sizes.take(std::abs(found.absmax - number("absmax")) / most, key);
      sizes.take(std::abs(found.sum - number("sum")) / (most * std::sqrt(static_cast<double>(g.size()))), key);
      double squares = 0.0;
      for (std::size_t i = 0; i < shown; ++i) {
        double const d = (i < g.size() ? static_cast<double>(g[i]) : 0.0) - static_cast<double>(stored[r * shown + i]);
        squares += d * d;
      }
      numbers.take(std::sqrt(squares) / most, key);
    }
    if (!golden_->meta().value("some_gradients", false)) require_all(sizes, known, weights.list(), buffer);
    check.row(sizes.row(name + ".grads"));
    check.row(numbers.row(name + ".grad_first64"));
  }
  /// A parameter that the golden does not list has no gradient.
  static void require_all(Worst& worst, std::set<std::string> const& known, ParameterList const& list, GradientBuffer<Device> const& buffer) {
    for (ParameterId id : buffer.ids()) {
      ParameterSpec const& spec = list[id];
      float const* const g = buffer.pointers()[static_cast<std::size_t>(id.index)];
      if (!known.contains(spec.name) && std::any_of(g, g + spec.count, [](float v) { return v != 0.0F; }))
        worst.take(std::numeric_limits<double>::infinity(), spec.name + " (not in the golden)");
    }
  }
  void compare_statistics(GoldenCheck& check, std::string const& name, Weights<Device> const& weights) const {
    for (char const* which : {"running_mean", "running_var"}) {
      std::string const prefix = name + ".bn_" + which + ".";
      for (auto const& [entry, unused] : golden_->tensors())
        if (entry.starts_with(prefix)) check.floats(entry, values_of(weights, entry.substr(prefix.size()) + "." + which));
    }
  }
  /// Numbers of a parameter in checkpoint order; none where there is no such parameter.
  static std::vector<float> values_of(Weights<Device> const& weights, std::string const& key) {
    ParameterId const id = weights.list().find(key);
    return id ? checkpoint_order(weights.list()[id], weights.data(id)) : std::vector<float>{};
  }
  static double rms_difference(std::span<float const> a, std::span<float const> b) {
    if (a.size() > b.size()) return std::numeric_limits<double>::infinity();
    double squares = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) squares += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    return std::sqrt(squares / static_cast<double>(std::max<std::size_t>(1, a.size())));
  }

  // ---- steps

  /// Three steps on the same batch; the losses before each and after the last. `between` follows every step.
  template <class Statistics, class Loss>
  std::vector<double> three_steps(Fit<Device, Statistics>& fit, Control const& control, Loss const& loss, std::function<void()> const& between = {}) const {
    std::vector<double> losses;
    for (int step = 0; step < 3; ++step) {
      control.check();
      losses.push_back(static_cast<double>(fit.step(loss)));
      if (between) between();
    }
    fit.context().begin_step(3);
    losses.push_back(static_cast<double>(loss(fit.context(), 0).slot->data().data[0]));
    return losses;
  }
  void compare_losses(GoldenCheck& check, std::string const& entry, std::vector<double> const& losses) const {
    if (!golden_->has(entry)) return;
    auto const expected = golden_->table(entry).at("float64").template get<std::vector<double>>();
    GoldenRow r{.entry = entry, .bound = golden_bounds::loss};
    if (expected.size() != losses.size()) r.error = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(expected.size(), losses.size()); ++i)
      take_worse(r.error, std::abs(losses[i] - expected[i]) / std::max(std::abs(expected[i]), 1e-30));
    r.ok = r.error <= r.bound;
    check.row(std::move(r));
  }
  /// rms of the difference; the bound follows from the learning rate, or from what the reference itself loses.
  void compare_updated(GoldenCheck& check, GoldenTensor const& t, double lr, std::span<float const> values) const {
    double const bound = std::max(golden_bounds::adamw_rate * lr, golden_bounds::adamw_err32 * t.err32_rms * t.absmax);
    GoldenRow r{.entry = t.name, .bound = bound};
    take_worse(r.error, rms_difference(golden_->values(t), values));
    r.ok = r.error <= r.bound;
    check.row(std::move(r));
  }

  template <class Rule, class Loss>
  void adamw(GoldenCheck& check, Control const& control, std::string const& name, AdamW const& numbers, Rule const& rule, Loss const& loss) {
    if (!golden_->tables().contains(name + ".groups")) return;
    FitOptions options{.adamw = numbers, .groups = rule, .learns = [](ParameterSpec const& s) { return learns(s) && !part_of(s, "cond_stage_model."); }, .tape = tape(true)};
    Fit<Device, BatchStatistics> fit(device_, fresh_weights(), std::move(options));
    compare_losses(check, name + ".losses", three_steps(fit, control, loss));
    GoldenRow groups{.entry = name + ".groups", .bound = 1e-12};
    for (auto const& [key, lr_decay] : golden_->table(name + ".groups").items()) {
      GroupFactors const factors = rule(key);
      auto const expected = lr_decay.template get<std::array<double, 2>>();
      double const found[] = {numbers.lr * factors.lr, numbers.weight_decay * factors.decay};
      for (std::size_t i = 0; i < 2; ++i) take_worse(groups.error, std::abs(found[i] - expected[i]) / std::max(expected[i], 1e-9));
      if (GoldenTensor const* const t = golden_->find(name + "." + key)) compare_updated(check, *t, expected[0], values_of(fit.weights(), key));
    }
    groups.ok = groups.error <= groups.bound;
    check.row(std::move(groups));
  }

  Golden const* golden_;
  Device device_;
  ModelType model_;
  bool checkpoint_blocks_;
  Change change_{};
  FeatureShape shape_{};
  HashInput picture_{};
  float scale_ = 1.0F;
  std::vector<std::int32_t> ids_;
};

}  // namespace tadp
