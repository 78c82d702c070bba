// SPDX-License-Identifier: Apache-2.0
// A model under a training policy: pictures, prompts and answers in, one optimizer step and the loss out.
// The same model text as inference, with a tape; weights are changed in place. Heads learn together, each loss weighted.
#pragma once

#include "tadp/exec/session_device.hpp"
#include "tadp/runs/uploaded_targets.hpp"
#include "tadp/session.hpp"
#include "tadp/train/fit.hpp"
#include "tadp/train/policies.hpp"

namespace tadp {

template <class Schedule, class Groups>
struct TrainingOptions {
  std::array<int, 2> image{512, 512};  ///< height and width of every picture; multiples of Backbone::granularity
  int batch = 1;
  int threads = 1;
  AdamW adamw{};
  std::optional<Muon> muon{};  ///< steps the hidden matrices in place of AdamW
  Schedule schedule{};
  Groups groups{};
  double clip = 0.0;  ///< largest norm of all gradients; 0: no clipping
  LossScale loss_scale{};  ///< where to start, under fp16
  LatentPolicy latent{};
  Average average = Average::all_pixels;
  bool dropout = true;
  std::uint64_t seed = 0;
  std::vector<float> loss_weights{};  ///< one a head; missing ones are 1
};

template <class ModelType, class DeviceType, class... Policies>
class Session<ModelType, Training<DeviceType, Policies...>> {
 public:
  using Model = ModelType;
  using Device = typename Training<DeviceType, Policies...>::Device;
  using Decisions = TrainingDecisions<Policies...>;
  using Options = TrainingOptions<typename Decisions::Schedule, typename Decisions::Groups>;
  using Backbone = typename Model::Backbone;
  using FitType = Fit<Device, typename Decisions::Statistics>;

  /// Error(argument) where an option does not fit the model.
  Session(std::shared_ptr<Model const> model, std::shared_ptr<Weights<DeviceType>> weights, Options options)
      : model_(std::move(model)), weights_(std::move(weights)), options_(checked(std::move(options))),
        fit_(Device(session_device(weights_->device(), options_.threads)), weights_, fit_options(options_)), targets_(target_sizes(*model_, options_)), embedding_(timestep_embedding(1.0F, Backbone::UNet::config.model_channels)) {}

  /// What every head learns from, one target a task.
  using Targets = typename BatchTargets<typename Model::Tasks>::Targets;

  /// One step on a batch; returns the loss before it.
  float step(TrainingBatch const& batch) {
    return fit_.step([&](auto& ctx, int) { return loss(ctx, batch); });
  }
  /// The same with targets of the caller's, on the device, for heads whose answers are neither labels, depths nor boxes.
  float step(TrainingBatch const& batch, Targets const& targets) {
    return fit_.step([&](auto& ctx, int) { return loss(ctx, batch, targets); });
  }
  /// The loss of a batch as a value of a context: what `step` minimises.
  template <class Ctx>
  typename Ctx::Value loss(Ctx& ctx, TrainingBatch const& batch) {
    return loss(ctx, batch, uploaded_targets_(ctx.device(), targets_(batch), options_.batch));
  }
  template <class Ctx>
  typename Ctx::Value loss(Ctx& ctx, TrainingBatch const& batch, Targets const& targets) {
    auto const features = features_of(ctx, batch);
    return sum_of_losses(ctx, features, targets, typename Model::Tasks{});
  }

  FitType& fit() { return fit_; }
  Options const& options() const { return options_; }
  Weights<DeviceType>& weights() { return *weights_; }

 private:
  template <class Ctx>
  UNetFeatures<typename Ctx::Value> features_of(Ctx& ctx, TrainingBatch const& batch) {
    require(batch);
    index_t const n = options_.batch;
    auto const picture = ctx.input({pictures_(ctx.device(), batch.pictures), FeatureShape{n, options_.image[0], options_.image[1], 3}});
    auto const moments = model_->backbone().vae(ctx, picture);
    typename Ctx::Value noise;
    if (options_.latent.sample) {
      noise_.resize(static_cast<std::size_t>(moments.shape.count() / 2));
      std::uint64_t const key = random_key(options_.seed, ctx.step(), ctx.next_site());
      for (std::size_t i = 0; i < noise_.size(); ++i) noise_[i] = random_normal(key, i);
      noise = ctx.input({uploaded_noise_(ctx.device(), noise_), moments.shape.with_channels(moments.shape.c() / 2)});
    }
    auto const latent = latent_of(ctx, options_.latent, moments, noise);
    auto const t = ctx.input({uploaded_embedding_(ctx.device(), embedding_), FeatureShape{1, 1, 1, static_cast<index_t>(embedding_.size())}});
    auto const& unet = model_->backbone().unet;
    auto const context = model_->context(ctx, ids_(ctx.device(), batch.ids), n);
    return unet(ctx, latent, {unet.time_projections(ctx, t), unet.keys_values(ctx, context), uploaded_texts_(ctx.device(), texts_)});
  }
  template <class Ctx, class... Tasks>
  typename Ctx::Value sum_of_losses(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& features, Targets const& targets, TaskList<Tasks...>) const {
    return training_detail::sum_of(ctx, {loss_of<Tasks>(ctx, features, targets)...});
  }
  template <class Task, class Ctx>
  typename Ctx::Value loss_of(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& features, Targets const& targets) const {
    constexpr std::size_t place = Model::Tasks::template position<Task>;
    return training_detail::weighted_loss<Task>(ctx, training_detail::weight_at(options_.loss_weights, place), model_->template head<Task>(), pyramid_for<Task>(ctx, features), std::get<place>(targets));
  }
  static TargetSizes target_sizes(Model const& model, Options const& o) {
    return {.batch = o.batch, .height = o.image[0], .width = o.image[1], .classes = class_counts(model, typename Model::Tasks{}), .average = o.average};
  }
  Options checked(Options o) {
    for (int const side : o.image)
      if (side <= 0 || side % Backbone::granularity != 0)
        throw Error(Errc::argument, "the picture size does not fit the network", {.key = "image", .expected = "a multiple of " + std::to_string(Backbone::granularity), .found = std::to_string(side)});
    if (o.batch < 1) throw Error(Errc::argument, "a batch needs a picture", {.key = "batch", .expected = "at least 1", .found = std::to_string(o.batch)});
    // A prompt without text has one context for all; else each picture reads its own.
    for (int n = 0; n < o.batch; ++n) texts_.push_back(Model::Prompt::has_text ? n : 0);
    return o;
  }
  static FitOptions fit_options(Options const& o) {
    FitOptions f;
    f.adamw = o.adamw;
    f.muon = o.muon;
    f.schedule = o.schedule;
    f.groups = o.groups;
    f.learns = &Decisions::learns;
    f.clip = o.clip;
    f.loss_scale = o.loss_scale;
    f.tape = {.checkpoint_blocks = Decisions::template has<CheckpointBlocks>, .map_gradients = Decisions::template has<MapGradients>, .dropout = o.dropout, .seed = o.seed};
    return f;
  }
  void require(TrainingBatch const& b) const {
    auto const pixels = static_cast<std::size_t>(options_.batch) * static_cast<std::size_t>(options_.image[0]) * static_cast<std::size_t>(options_.image[1]);
    training_detail::require_size("pictures", b.pictures.size(), 3 * pixels);
    training_detail::require_size("ids", b.ids.size(), Model::Prompt::has_text ? static_cast<std::size_t>(options_.batch) * static_cast<std::size_t>(Backbone::TextEncoder::config.length) : 0);
  }

  std::shared_ptr<Model const> model_;
  std::shared_ptr<Weights<DeviceType>> weights_;
  std::vector<std::int32_t> texts_;
  Options options_;
  FitType fit_;
  BatchTargets<typename Model::Tasks> targets_;
  std::vector<float> embedding_, noise_;
  Uploaded<float, Device> pictures_, uploaded_embedding_, uploaded_noise_;
  Uploaded<std::int32_t, Device> ids_, uploaded_texts_;
  UploadedTargets<Device, typename Model::Tasks> uploaded_targets_;
};

}  // namespace tadp
