// SPDX-License-Identifier: Apache-2.0
// The pass behind tiny_* and full_*: every stage from picture and tokens to logits and losses, planned once, and compared
// while it runs.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_depth.hpp"
#include "tadp/runs/golden_detection.hpp"
#include "tadp/runs/golden_inputs.hpp"
#include "tadp/runs/golden_stage_list.hpp"
#include "tadp/runs/golden_voc.hpp"
#include "tadp/train/noise_schedule.hpp"

namespace tadp {

/// Stack: GoldenTiny or GoldenFull; Device: one whose memory the host reads. Weights start as the hash rule has them, and
/// may be changed between runs.
template <class Stack, class Device = Cpu>
class GoldenStages {
 public:
  using Value = PlannedValue;
  using Context = PlanContext<Device>;

  GoldenStages(Golden const& golden, Device device)
      : golden_(&golden), device_(std::move(device)), model_(golden_sizes<Stack>(golden)), weights_(device_, model_.parameters()),
        plan_(device_, &weights_.list(), weights_.flat()), stages_(golden, plan_) {
    fill_golden_weights(device_, weights_, golden.seed());
    golden.guarded([&] { note_pass(); });
    plan_.finish();
  }
  /// On the processor: 0 for all threads of the machine.
  GoldenStages(Golden const& golden, int threads)
    requires std::same_as<Device, Cpu>
      : GoldenStages(golden, Cpu(golden_threads(threads))) {}

  Weights<Device>& weights() { return weights_; }

  /// One pass, compared as it goes. Throws Error(cancelled) on request.
  void run(GoldenCheck& check, Control const& control = {}) {
    fill_inputs();
    check_inputs(check);
    stages_.run(device_, check, control);
    golden_->guarded([&] {
      check_golden_voc<Stack>(check, device_, views(pyramid_), shape_.h(), shape_.w());
      check_golden_depth<Stack>(check, device_, views(features_), shape_.h(), shape_.w());
      check_golden_detection<Stack>(check, device_, views(pyramid_), control);
    });
    check.finish();
  }

 private:
  struct Noise {
    Value value;
    HashInput input;
  };
  struct Time {
    Value value;
    float t;
  };

  void note_pass() {
    auto const& meta = golden_->meta();
    auto const& backbone = model_.backbone();
    shape_ = golden_picture_shape(meta.at("image"), Stack::Model::Backbone::granularity);
    picture_input_ = hash_input_of(meta.at("image_key").template get<std::string>());
    ids_ = golden_tokens(meta.at("token_ids"), Stack::text);
    if (static_cast<index_t>(ids_.size()) != shape_.n() * Stack::text.length) throw Error(Errc::shape, "there is not one text a picture", {.file = golden_->path().string()});
    auto const scale = meta.at("latent_scale").template get<float>();
    bool const self_maps = golden_->has("selfmap.level2") || golden_->has("selfmap.level4");

    Context ctx(plan_, [this](std::string const& name, Value v) { noted(name, v); });
    Context quiet(plan_);
    picture_ = plan_.input(shape_);
    auto const moments = backbone.vae(ctx, picture_);
    auto const latents = latent_of(ctx, {.scale = scale}, moments);
    stages_.add("latents", latents);
    variants_of(quiet, moments, scale);
    auto const context = text(ctx);
    auto const time = timestep(meta.value("timestep", 1.0F));
    UNetConditioning<Value> const with{backbone.unet.time_projections(ctx, time), backbone.unet.keys_values(ctx, context), nullptr};
    auto const features = backbone.unet(ctx, latents, with, self_maps);
    late_features("feature.", features);
    for (std::size_t level = 1; level <= 2; ++level) {
      std::string const name = "map.level" + std::to_string(2 * level);
      stages_.add_late(name, features.cross_maps[level]);
      stages_.add_late("self" + name, features.self_maps[level]);
    }
    // The pyramid of the goldens has no self-attention maps.
    auto const pyramid = pyramid_of(ctx, UNetFeatures<Value>{features.features, features.cross_maps, {}, features.last});
    for (std::size_t i = 0; i < 4; ++i) stages_.add_late("pyramid." + std::to_string(i), pyramid[i]);
    for (std::size_t i = 0; i < 4; ++i) pyramid_[i] = plan_.keep(pyramid[i]), features_[i] = plan_.keep(features.features[i]);
    auto const logits = model_.head()(ctx, pyramid);
    losses(ctx, logits);
    if (golden_->has("unscaled.feature.1"))
      late_features("unscaled.feature.", backbone.unet(quiet, latent_of(quiet, {.scale = 1.0F}, moments), with));
    noise_prediction(quiet, latents, with);
  }

  GoldenPyramid<Device> views(std::array<Value, 4> const& levels) const {
    GoldenPyramid<Device> all;
    for (std::size_t i = 0; i < 4; ++i) all[i] = plan_.view(levels[i]);
    return all;
  }
  void noted(std::string const& name, Value v) {
    stages_.noted(name, v);
    if (name == "clip.last_hidden")
      stages_.add(v, [this](GoldenCheck& check, ConstFeatures<Cpu> view) { pooled(check, view); });
  }
  /// The embedding at the first occurrence of the largest id, which is the text's end (spec 3.3).
  void pooled(GoldenCheck& check, ConstFeatures<Cpu> hidden) const {
    index_t const length = Stack::text.length, width = Stack::text.width;
    std::vector<float> rows;
    for (index_t n = 0; n < hidden.shape[0]; ++n) {
      auto const first = ids_.begin() + n * length;
      float const* const row = hidden.pixel(n * length + (std::max_element(first, first + length) - first));
      rows.insert(rows.end(), row, row + width);
    }
    check.floats("text.pooled_eos", rows);
  }
  /// The context that the UNet reads is the plain one; the adapted one is a stage of its own.
  Value text(Context& ctx) {
    if (!golden_->has("text.adapted")) return model_.backbone().text(ctx, ids_.data(), shape_.n());
    Value plain;
    Context listening(plan_, [&](std::string const& name, Value v) {
      noted(name, v);
      if (name == "clip.last_hidden") plain = v;
    });
    model_.context(listening, ids_.data(), shape_.n());
    return plain;
  }
  void variants_of(Context& ctx, Value moments, float scale) {
    if (golden_->has("latent_mode_unscaled")) stages_.add("latent_mode_unscaled", ctx.slice(moments, 0, moments.shape.c() / 2));
    if (!golden_->has("latent_sample_scaled")) return;
    Value const noise = noise_of("input.vae_noise", moments.shape.with_channels(moments.shape.c() / 2));
    stages_.add("latent_sample_scaled", latent_of(ctx, {.sample = true, .scale = scale}, moments, noise));
  }
  /// Features by the number of the output block that they come from.
  void late_features(std::string const& prefix, UNetFeatures<Value> const& f) {
    constexpr int block[] = {11, 7, 4, 1};
    for (std::size_t level = 4; level-- > 0;) stages_.add_late(prefix + std::to_string(block[level]), f.features[level]);
  }
  void losses(Context& ctx, Value logits) {
    struct Loss {
      char const* name;
      Average average;
    };
    static constexpr Loss all[] = {{"seg.loss_ce_mmseg", Average::all_pixels}, {"seg.loss_ce_non_ignore", Average::valid_pixels}};
    if (!golden_->has("seg.logits_resized") && !golden_->has(all[0].name) && !golden_->has(all[1].name)) return;
    auto const resized = resize_bilinear_to(ctx, logits, shape_.h(), shape_.w());
    stages_.add("seg.logits_resized", resized);
    labels_ = hash_labels("input.seg_label", shape_.pixels(), static_cast<int>(logits.shape.c()), golden_->seed(), 0.1);
    for (Loss const& loss : all) {
      auto const value = ctx.apply(CrossEntropyOp{loss.average, labels_.data()}, {resized})[0];
      stages_.add(value, [name = loss.name](GoldenCheck& check, ConstFeatures<Cpu> v) { check.scalar(name, static_cast<double>(v.data[0])); });
    }
  }
  /// eps_at_t<T>: the prediction of the noise in a latent that was noised to step T.
  void noise_prediction(Context& ctx, Value latents, UNetConditioning<Value> with) {
    constexpr std::string_view prefix = "eps_at_t";
    for (auto const& [name, unused] : golden_->tensors()) {
      if (!name.starts_with(prefix)) continue;
      auto const t = std::strtoul(name.c_str() + prefix.size(), nullptr, 10);
      auto const alphas = alphas_cumprod();
      if (t >= alphas.size()) throw Error(Errc::argument, "there is no such step of the noise schedule", {.file = golden_->path().string(), .key = name});
      auto const alpha = static_cast<float>(alphas[t]);
      Value const noise = noise_of("input.diff_noise", latents.shape);
      auto const noised = plus(ctx, scaled(ctx, std::sqrt(alpha), latents), scaled(ctx, std::sqrt(1.0F - alpha), noise));
      with.time = model_.backbone().unet.time_projections(ctx, timestep(static_cast<float>(t)));
      stages_.add(name, model_.backbone().unet.noise(ctx, model_.backbone().unet(ctx, noised, with)));
    }
  }

  Value timestep(float t) {
    times_.push_back({plan_.input({shape_.n(), 1, 1, Stack::unet.model_channels}), t});
    return times_.back().value;
  }
  Value noise_of(std::string key, FeatureShape const& shape) {
    noises_.push_back({plan_.input(shape), hash_noise(std::move(key))});
    return noises_.back().value;
  }
  void fill_inputs() {
    fill_input(picture_input_, golden_->seed(), host_view(plan_.view(picture_)));
    for (Noise const& noise : noises_) fill_input(noise.input, golden_->seed(), host_view(plan_.view(noise.value)));
    for (Time const& time : times_) fill_timesteps(std::vector<float>(static_cast<std::size_t>(shape_.n()), time.t), host_view(plan_.view(time.value)));
  }
  void check_inputs(GoldenCheck& check) const {
    check.features("input.image", host_view(plan_.view(picture_)));
    check.integers("input.token_ids", ids_);
  }

  Golden const* golden_;
  Device device_;
  typename Stack::Model model_;
  Weights<Device> weights_;
  Plan<Device> plan_;
  GoldenStageList<Device> stages_;
  FeatureShape shape_{};
  HashInput picture_input_{};
  Value picture_{};
  std::array<Value, 4> pyramid_{}, features_{};  // for the other heads, with and without maps
  std::vector<Noise> noises_;
  std::vector<Time> times_;
  std::vector<std::int32_t> ids_;
  std::vector<std::uint8_t> labels_;
};

}  // namespace tadp
