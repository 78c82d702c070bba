// SPDX-License-Identifier: Apache-2.0
// The training cases of tiny_grads: gradients of every parameter, batch-norm statistics after a step, three steps of AdamW
// under the rules of groups, and Textual Inversion's one row.
#pragma once

#include "tadp/ops/loss.hpp"
#include "tadp/runs/golden_depth_gradients.hpp"
#include "tadp/train/noise_schedule.hpp"

namespace tadp {

template <class Stack, class Device = Cpu>
class GoldenGradients : GoldenGradientCase<Stack, typename Stack::Model, Device> {
  using Case = GoldenGradientCase<Stack, typename Stack::Model, Device>;

 public:
  using Change = typename Case::Change;

  /// `checkpoint_blocks`: the same numbers, with blocks forgotten and computed again.
  GoldenGradients(Golden const& golden, Device device, bool checkpoint_blocks = false)
      : Case(golden, std::move(device), checkpoint_blocks, golden_sizes<Stack>(golden)) {
    golden.guarded([&] {
      auto const& meta = golden.meta();
      diffusion_ids_ = golden_tokens(meta.at("diffusion").at("token_ids"), Stack::text);
      diffusion_times_ = meta.at("diffusion").at("t").template get<std::vector<int>>();
      placeholder_ = meta.at("diffusion").at("placeholder").template get<index_t>();
    });
    if (diffusion_ids_.size() != ids_.size() || diffusion_times_.size() != static_cast<std::size_t>(shape_.n()) || placeholder_ < 0 ||
        placeholder_ >= Stack::text.vocabulary)
      throw Error(Errc::shape, "texts, times or placeholder do not fit the pictures", {.file = golden.path().string()});
    labels_ = hash_labels("input.seg_label", shape_.pixels(), static_cast<int>(model_.sizes().classes), golden.seed(), 0.1);
  }
  /// On the processor: 0 for all threads of the machine.
  GoldenGradients(Golden const& golden, int threads, bool checkpoint_blocks = false)
    requires std::same_as<Device, Cpu>
      : GoldenGradients(golden, Cpu(golden_threads(threads)), checkpoint_blocks) {}

  /// `change` may alter the weights that every case starts from.
  void run(GoldenCheck& check, Control const& control = {}, Change const& change = {}) {
    change_ = change;
    golden_->guarded([&] {
      this->template gradients<RunningStatistics>(check, control, "seg_eval", true, segmentation());
      this->template gradients<BatchStatistics>(check, control, "seg_train", true, segmentation());
      this->template gradients<BatchStatistics>(check, control, "seg_train_detached", false, segmentation());
      this->template gradients<RunningStatistics>(check, control, "diffusion", false, diffusion(),
                                                  [&](auto const& weights, auto const& buffer) { compare_placeholder(check, weights, buffer); });
      this->adamw(check, control, "seg_train.adamw.mmcv", {}, MmcvGroups{}, segmentation());
      this->adamw(check, control, "seg_train.adamw.plain", {}, PlainGroups{}, segmentation());
      textual_inversion(check, control);
      GoldenDepthGradients<Stack, Device>(*golden_, device_, checkpoint_blocks_).run(check, control, change);
    });
    check.finish();
  }

 private:
  using Case::allowed, Case::change_, Case::checkpoint_blocks_, Case::device_, Case::golden_, Case::hashed, Case::ids_, Case::largest_l2, Case::latents, Case::model_, Case::rms_difference,
      Case::shape_, Case::times;
  using typename Case::Worst;
  static constexpr char const* token_table = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";

  // ---- what is learned

  auto segmentation() const {
    return [this](auto& ctx, int) {
      auto const logits = resize_bilinear_to(ctx, this->answer(ctx), shape_.h(), shape_.w());
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

  // ---- what only Textual Inversion has

  void compare_placeholder(GoldenCheck& check, Weights<Device> const& weights, GradientBuffer<Device> const& buffer) const {
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
  /// AdamW over the whole table of tokens; the other rows are put back after each step.
  void textual_inversion(GoldenCheck& check, Control const& control) {
    constexpr std::string_view prefix = "diffusion.ti_row_after_3_adamw_";
    for (auto const& [entry, t] : golden_->tensors()) {
      AdamW numbers{};
      if (!entry.starts_with(prefix) || std::sscanf(entry.c_str() + prefix.size(), "lr%lf_wd%lf", &numbers.lr, &numbers.weight_decay) != 2) continue;
      FitOptions options{.adamw = numbers, .groups = UniformGroups{}, .learns = [](ParameterSpec const& s) { return s.name == token_table; }, .tape = this->tape(false)};
      Fit<Device, RunningStatistics> fit(device_, this->fresh_weights(), std::move(options));
      ParameterId const id = fit.weights().list().find(token_table);
      index_t const count = fit.weights().list()[id].count, width = Stack::text.width;
      float* const table = fit.weights().data(id);
      float* const row = table + placeholder_ * width;
      std::vector<float> const before(table, table + count);
      auto const losses = this->three_steps(fit, control, diffusion(), [&] {
        std::vector<float> const learned(row, row + width);
        std::copy(before.begin(), before.end(), table);
        std::copy(learned.begin(), learned.end(), row);
      });
      this->compare_updated(check, t, numbers.lr, {row, static_cast<std::size_t>(width)});
      this->compare_losses(check, "diffusion.ti.losses", losses);
    }
  }

  std::vector<std::int32_t> diffusion_ids_;
  std::vector<int> diffusion_times_;
  index_t placeholder_ = 0;
  std::vector<std::uint8_t> labels_;
};

}  // namespace tadp
