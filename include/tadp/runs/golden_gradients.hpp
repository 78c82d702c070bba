// SPDX-License-Identifier: Apache-2.0
// The training cases of tiny_grads: gradients of every parameter, batch-norm statistics after a step, three steps of AdamW
// under both rules of groups, and Textual Inversion's one row.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_inputs.hpp"
#include "tadp/train/fit.hpp"
#include "tadp/train/noise_schedule.hpp"

namespace tadp {

template <class Stack>
class GoldenGradients {
 public:
  /// `checkpoint_blocks`: the same numbers, with blocks forgotten and computed again.
  GoldenGradients(Golden const& golden, int threads, bool checkpoint_blocks = false)
      : golden_(&golden), cpu_(golden_threads(threads)), model_(golden_sizes<Stack>(golden)), checkpoint_blocks_(checkpoint_blocks) {
    golden.guarded([&] {
      auto const& meta = golden.meta();
      shape_ = golden_picture_shape(meta.at("image"), Stack::Model::Backbone::granularity);
      picture_ = hash_input_of(meta.at("image_key").template get<std::string>());
      scale_ = meta.at("latent_scale").template get<float>();
      ids_ = golden_tokens(meta.at("token_ids"), Stack::text);
      diffusion_ids_ = golden_tokens(meta.at("diffusion").at("token_ids"), Stack::text);
      diffusion_times_ = meta.at("diffusion").at("t").template get<std::vector<int>>();
      placeholder_ = meta.at("diffusion").at("placeholder").template get<index_t>();
    });
    auto const texts = static_cast<std::size_t>(shape_.n() * Stack::text.length);
    if (ids_.size() != texts || diffusion_ids_.size() != texts || diffusion_times_.size() != static_cast<std::size_t>(shape_.n()) || placeholder_ < 0 ||
        placeholder_ >= Stack::text.vocabulary)
      throw Error(Errc::shape, "texts, times or placeholder do not fit the pictures", {.file = golden.path().string()});
    labels_ = hash_labels("input.seg_label", shape_.pixels(), static_cast<int>(model_.sizes().classes), golden.seed(), 0.1);
  }

  using Change = std::function<void(Weights<Cpu>&)>;
  /// `change` may alter the weights that every case starts from.
  void run(GoldenCheck& check, Control const& control = {}, Change const& change = {}) {
    change_ = change;
    golden_->guarded([&] {
      gradients<RunningStatistics>(check, control, "seg_eval", true, segmentation());
      gradients<BatchStatistics>(check, control, "seg_train", true, segmentation());
      gradients<BatchStatistics>(check, control, "seg_train_detached", false, segmentation());
      gradients<RunningStatistics>(check, control, "diffusion", false, diffusion());
      adamw(check, control, "seg_train.adamw.mmcv", MmcvGroups{});
      adamw(check, control, "seg_train.adamw.plain", PlainGroups{});
      textual_inversion(check, control);
    });
    check.finish();
  }

 private:
  static bool part_of(ParameterSpec const& spec, std::string_view part) { return spec.name.starts_with(part); }
  static bool learns(ParameterSpec const& spec) { return !part_of(spec, "first_stage_model."); }
  static constexpr char const* token_table = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";

  std::shared_ptr<Weights<Cpu>> fresh_weights() {
    auto weights = std::make_shared<Weights<Cpu>>(cpu_, model_.parameters());
    fill_by_hash(*weights, golden_->seed(), cpu_.threads());
    if (change_) change_(*weights);
    return weights;
  }
  TapeOptions tape(bool map_gradients) const { return {.checkpoint_blocks = checkpoint_blocks_, .map_gradients = map_gradients, .dropout = false}; }

  // ---- what is learned

  template <class Ctx>
  typename Ctx::Value hashed(Ctx& ctx, HashInput const& input, FeatureShape const& shape) const {
    auto const v = ctx.empty(shape);
    fill_input(input, golden_->seed(), v.slot->data());
    return v;
  }
  template <class Ctx>
  typename Ctx::Value times(Ctx& ctx, std::vector<float> const& t) const {
    auto const v = ctx.empty({shape_.n(), 1, 1, Stack::unet.model_channels});
    fill_timesteps(t, v.slot->data());
    return v;
  }
  template <class Ctx>
  typename Ctx::Value latents(Ctx& ctx) const {
    return latent_of(ctx, {.scale = scale_}, model_.backbone().vae(ctx, hashed(ctx, picture_, shape_)));
  }
  auto segmentation() const {
    return [this](auto& ctx, int) {
      auto const& unet = model_.backbone().unet;
      auto const context = model_.context(ctx, ids_.data(), shape_.n());
      auto const time = times(ctx, std::vector<float>(static_cast<std::size_t>(shape_.n()), 1.0F));
      auto const features = unet(ctx, latents(ctx), {unet.time_projections(ctx, time), unet.keys_values(ctx, context), nullptr});
      auto const logits = resize_bilinear_to(ctx, model_.head()(ctx, pyramid_of(ctx, features)), shape_.h(), shape_.w());
      return ctx.apply(CrossEntropyOp{Average::all_pixels, labels_.data()}, {logits})[0];
    };
  }
  auto diffusion() const {
    return [this](auto& ctx, int) {
      auto const& unet = model_.backbone().unet;
      auto const z = latents(ctx);
      auto const noise = hashed(ctx, hash_noise("input.diff_noise"), z.shape);
      auto const noised = ctx.empty(z.shape);
      auto const alphas = alphas_cumprod();
      auto const count = static_cast<std::size_t>(z.shape.positions() * z.shape.c());
      for (std::size_t n = 0; n < diffusion_times_.size(); ++n) {
        auto const of = [&](auto const& v) { return std::span(v.slot->data().data + n * count, count); };
        add_noise(alphas.at(static_cast<std::size_t>(diffusion_times_[n])), of(z), of(noise), of(noised));
      }
      auto const context = model_.backbone().text(ctx, diffusion_ids_.data(), shape_.n());
      auto const time = times(ctx, {diffusion_times_.begin(), diffusion_times_.end()});
      auto const features = unet(ctx, noised, {unet.time_projections(ctx, time), unet.keys_values(ctx, context), nullptr});
      return ctx.apply(MeanSquaredErrorOp{}, {unet.noise(ctx, features), noise})[0];
    };
  }

  // ---- gradients

  template <class Statistics, class Loss>
  void gradients(GoldenCheck& check, Control const& control, std::string const& name, bool map_gradients, Loss const& loss) {
    if (!golden_->tables().contains(name + ".grads")) return;
    control.check();
    auto const weights = fresh_weights();
    GradientBuffer<Cpu> buffer(cpu_, weights->list(), learns);
    TapeContext<Cpu, Statistics> ctx(cpu_, *weights, buffer.pointers(), tape(map_gradients));
    ctx.begin_step(0);
    auto const value = loss(ctx, 0);
    check.scalar(name + ".loss", static_cast<double>(value.slot->data().data[0]));
    ctx.backward(value);
    control.check();
    compare_gradients(check, name, *weights, buffer);
    compare_statistics(check, name, *weights);
    if (name == "diffusion") compare_placeholder(check, *weights, buffer);
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

  void compare_gradients(GoldenCheck& check, std::string const& name, Weights<Cpu> const& weights, GradientBuffer<Cpu> const& buffer) const {
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
  static void require_all(Worst& worst, std::set<std::string> const& known, ParameterList const& list, GradientBuffer<Cpu> const& buffer) {
    for (ParameterId id : buffer.ids()) {
      ParameterSpec const& spec = list[id];
      float const* const g = buffer.pointers()[static_cast<std::size_t>(id.index)];
      if (!known.contains(spec.name) && std::any_of(g, g + spec.count, [](float v) { return v != 0.0F; }))
        worst.take(std::numeric_limits<double>::infinity(), spec.name + " (not in the golden)");
    }
  }
  void compare_statistics(GoldenCheck& check, std::string const& name, Weights<Cpu> const& weights) const {
    for (char const* which : {"running_mean", "running_var"}) {
      std::string const prefix = name + ".bn_" + which + ".";
      for (auto const& [entry, unused] : golden_->tensors())
        if (entry.starts_with(prefix)) check.floats(entry, values_of(weights, entry.substr(prefix.size()) + "." + which));
    }
  }
  /// Numbers of a parameter in checkpoint order; none where there is no such parameter.
  static std::vector<float> values_of(Weights<Cpu> const& weights, std::string const& key) {
    ParameterId const id = weights.list().find(key);
    return id ? checkpoint_order(weights.list()[id], weights.data(id)) : std::vector<float>{};
  }
  void compare_placeholder(GoldenCheck& check, Weights<Cpu> const& weights, GradientBuffer<Cpu> const& buffer) const {
    GoldenTensor const* const t = golden_->find("diffusion.grad_placeholder_row");
    if (t == nullptr) return;
    auto const stored = golden_->values(*t);
    float const* const table = buffer.pointers()[static_cast<std::size_t>(weights.list().find(token_table).index)];
    double const root = std::sqrt(static_cast<double>(t->elements()));
    double const most = allowed(t->rms * root, t->err32_rms * t->absmax * root, largest_l2("diffusion"));
    Worst worst;
    worst.take(root * rms_difference(stored, {table + placeholder_ * Stack::text.width, static_cast<std::size_t>(Stack::text.width)}) / most, t->name);
    check.row(worst.row(t->name));
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
  std::vector<double> three_steps(Fit<Cpu, Statistics>& fit, Control const& control, Loss const& loss, std::function<void()> const& between = {}) const {
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

  template <class Rule>
  void adamw(GoldenCheck& check, Control const& control, std::string const& name, Rule const& rule) {
    if (!golden_->tables().contains(name + ".groups")) return;
    AdamW const numbers{};
    FitOptions options{.adamw = numbers, .groups = rule, .learns = [](ParameterSpec const& s) { return learns(s) && !part_of(s, "cond_stage_model."); }, .tape = tape(true)};
    Fit<Cpu, BatchStatistics> fit(cpu_, fresh_weights(), std::move(options));
    compare_losses(check, name + ".losses", three_steps(fit, control, segmentation()));
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

  /// AdamW over the whole table of tokens; the other rows are put back after each step.
  void textual_inversion(GoldenCheck& check, Control const& control) {
    constexpr std::string_view prefix = "diffusion.ti_row_after_3_adamw_";
    for (auto const& [entry, t] : golden_->tensors()) {
      AdamW numbers{};
      if (!entry.starts_with(prefix) || std::sscanf(entry.c_str() + prefix.size(), "lr%lf_wd%lf", &numbers.lr, &numbers.weight_decay) != 2) continue;
      FitOptions options{.adamw = numbers, .groups = UniformGroups{}, .learns = [](ParameterSpec const& s) { return s.name == token_table; }, .tape = tape(false)};
      Fit<Cpu, RunningStatistics> fit(cpu_, fresh_weights(), std::move(options));
      ParameterId const id = fit.weights().list().find(token_table);
      index_t const count = fit.weights().list()[id].count, width = Stack::text.width;
      float* const table = fit.weights().data(id);
      float* const row = table + placeholder_ * width;
      std::vector<float> const before(table, table + count);
      auto const losses = three_steps(fit, control, diffusion(), [&] {
        std::vector<float> const learned(row, row + width);
        std::copy(before.begin(), before.end(), table);
        std::copy(learned.begin(), learned.end(), row);
      });
      compare_updated(check, t, numbers.lr, {row, static_cast<std::size_t>(width)});
      compare_losses(check, "diffusion.ti.losses", losses);
    }
  }

  Golden const* golden_;
  Cpu cpu_;
  typename Stack::Model model_;
  bool checkpoint_blocks_;
  Change change_{};
  FeatureShape shape_{};
  HashInput picture_{};
  float scale_ = 1.0F;
  std::vector<std::int32_t> ids_, diffusion_ids_;
  std::vector<int> diffusion_times_;
  index_t placeholder_ = 0;
  std::vector<std::uint8_t> labels_;
};

}  // namespace tadp
