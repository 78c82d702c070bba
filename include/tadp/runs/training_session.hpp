// SPDX-License-Identifier: Apache-2.0
// A model under a training policy: pictures, prompts and answers in, one optimizer step and the loss out.
// The same model text as inference, with a tape; weights are changed in place.
#pragma once

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
  Schedule schedule{};
  Groups groups{};
  double clip = 0.0;  ///< largest norm of all gradients; 0: no clipping
  LatentPolicy latent{};
  Average average = Average::all_pixels;
  bool dropout = true;
  std::uint64_t seed = 0;
};

/// One batch on the host, as the network reads it.
struct TrainingBatch {
  std::span<float const> pictures;         ///< (batch, height, width, 3), normalised
  std::span<std::int32_t const> ids;       ///< (batch, length); empty where the prompt has no text
  std::span<std::uint8_t const> labels;    ///< (batch, height, width)
};

template <class ModelType, class DeviceType, class... Policies>
class Session<ModelType, Training<DeviceType, Policies...>> {
 public:
  using Model = ModelType;
  using Device = DeviceType;
  using Decisions = TrainingDecisions<Policies...>;
  using Options = TrainingOptions<typename Decisions::Schedule, typename Decisions::Groups>;
  using Backbone = typename Model::Backbone;
  using FitType = Fit<Device, typename Decisions::Statistics>;

  /// Error(argument) where an option does not fit the model.
  Session(std::shared_ptr<Model const> model, std::shared_ptr<Weights<Device>> weights, Options options)
      : model_(std::move(model)), weights_(std::move(weights)), options_(checked(std::move(options))),
        fit_(Device(options_.threads), weights_, fit_options(options_)), embedding_(timestep_embedding(1.0F, Backbone::UNet::config.model_channels)) {}

  /// One step on a batch; returns the loss before it.
  float step(TrainingBatch const& batch) {
    return fit_.step([&](auto& ctx, int) { return loss(ctx, batch); });
  }
  /// The loss of a batch as a value of a context: what `step` minimises.
  template <class Ctx>
  typename Ctx::Value loss(Ctx& ctx, TrainingBatch const& batch) {
    require(batch);
    index_t const n = options_.batch, h = options_.image[0], w = options_.image[1];
    auto const picture = ctx.input({batch.pictures.data(), FeatureShape{n, h, w, 3}});
    auto const moments = model_->backbone().vae(ctx, picture);
    typename Ctx::Value noise;
    if (options_.latent.sample) {
      noise_.resize(static_cast<std::size_t>(moments.shape.count() / 2));
      std::uint64_t const key = random_key(options_.seed, ctx.step(), ctx.next_site());
      for (std::size_t i = 0; i < noise_.size(); ++i) noise_[i] = random_normal(key, i);
      noise = ctx.input({noise_.data(), moments.shape.with_channels(moments.shape.c() / 2)});
    }
    auto const latent = latent_of(ctx, options_.latent, moments, noise);
    auto const t = ctx.input({embedding_.data(), FeatureShape{1, 1, 1, static_cast<index_t>(embedding_.size())}});
    auto const& unet = model_->backbone().unet;
    auto const context = model_->context(ctx, batch.ids.data(), n);
    auto const features = unet(ctx, latent, {unet.time_projections(ctx, t), unet.keys_values(ctx, context), texts_.data()});
    auto const logits = model_->head()(ctx, pyramid_for<typename Model::Task>(ctx, features));
    return Model::Task::loss(ctx, logits, typename Model::Task::Target{batch.labels.data(), h, w, options_.average});
  }

  FitType& fit() { return fit_; }
  Options const& options() const { return options_; }
  Weights<Device>& weights() { return *weights_; }

 private:
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
    f.schedule = o.schedule;
    f.groups = o.groups;
    f.learns = &Decisions::learns;
    f.clip = o.clip;
    f.tape = {.checkpoint_blocks = Decisions::template has<CheckpointBlocks>, .map_gradients = Decisions::template has<MapGradients>, .dropout = o.dropout, .seed = o.seed};
    return f;
  }
  void require(TrainingBatch const& b) const {
    auto const pixels = static_cast<std::size_t>(options_.batch) * static_cast<std::size_t>(options_.image[0]) * static_cast<std::size_t>(options_.image[1]);
    auto const ids = Model::Prompt::has_text ? static_cast<std::size_t>(options_.batch) * static_cast<std::size_t>(Backbone::TextEncoder::config.length) : 0;
    struct Row {
      char const* what;
      std::size_t found, expected;
    };
    for (Row const& row : {Row{"pictures", b.pictures.size(), 3 * pixels}, Row{"ids", b.ids.size(), ids}, Row{"labels", b.labels.size(), pixels}})
      if (row.found != row.expected)
        throw Error(Errc::shape, "a training batch has another size than the session was made for",
                    {.key = row.what, .expected = std::to_string(row.expected), .found = std::to_string(row.found)});
    for (std::uint8_t const label : b.labels)
      if (label != ignore_label && label >= model_->sizes().classes)
        throw Error(Errc::argument, "a label is no class of the model", {.expected = "below " + std::to_string(model_->sizes().classes) + ", or 255", .found = std::to_string(label)});
  }

  std::shared_ptr<Model const> model_;
  std::shared_ptr<Weights<Device>> weights_;
  std::vector<std::int32_t> texts_;
  Options options_;
  FitType fit_;
  std::vector<float> embedding_, noise_;
};

}  // namespace tadp
