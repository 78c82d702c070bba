// SPDX-License-Identifier: Apache-2.0
// A model under a training policy: pictures, prompts and answers in, one optimizer step and the loss out.
// The same model text as inference, with a tape; weights are changed in place. Heads learn together, each loss weighted.
#pragma once

#include "tadp/heads/detection_target.hpp"
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
  std::vector<float> loss_weights{};  ///< one a head; missing ones are 1
};

/// One batch on the host, as the network reads it.
struct TrainingBatch {
  std::span<float const> pictures;         ///< (batch, height, width, 3), normalised
  std::span<std::int32_t const> ids;       ///< (batch, length); empty where the prompt has no text
  std::span<std::uint8_t const> labels{};  ///< (batch, height, width), of segmentation
  std::span<float const> depths{};         ///< (batch, height, width) metres, zero where unknown, of depth
  std::span<std::vector<TrueBox> const> boxes{};  ///< one list a picture, in its pixels, of detection
};

namespace training_detail {
template <class List>
struct Targets;
template <class... Tasks>
struct Targets<TaskList<Tasks...>> {
  using type = std::tuple<typename Tasks::Target...>;
};
template <class Task>
inline constexpr bool learns_labels = std::is_same_v<typename Task::Target, SegmentationTarget>;
template <class Task>
inline constexpr bool learns_boxes = std::is_same_v<typename Task::Target, DetectionTarget>;
template <class Task>
inline constexpr bool learns_depth = std::is_same_v<result_of<Task>, DepthMap>;

/// The loss of a head over a pyramid.
template <class Task, class Ctx>
typename Ctx::Value loss_of(Ctx& ctx, typename Task::Net const& net, Pyramid<typename Ctx::Value> const& pyramid, typename Task::Target const& target) {
  if constexpr (finds_boxes<Task>)
    return Task::loss(ctx, net, net(ctx, pyramid), target);
  else
    return Task::loss(ctx, net(ctx, pyramid), target);
}
}  // namespace training_detail

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

  /// What every head learns from, one target a task.
  using Targets = typename training_detail::Targets<typename Model::Tasks>::type;

  /// One step on a batch; returns the loss before it.
  float step(TrainingBatch const& batch) {
    return fit_.step([&](auto& ctx, int) { return loss(ctx, batch); });
  }
  /// The same with targets of the caller's, for heads whose answers are neither labels, depths nor boxes.
  float step(TrainingBatch const& batch, Targets const& targets) {
    return fit_.step([&](auto& ctx, int) { return loss(ctx, batch, targets); });
  }
  /// The loss of a batch as a value of a context: what `step` minimises.
  template <class Ctx>
  typename Ctx::Value loss(Ctx& ctx, TrainingBatch const& batch) {
    return loss(ctx, batch, targets_of(batch, typename Model::Tasks{}));
  }
  template <class Ctx>
  typename Ctx::Value loss(Ctx& ctx, TrainingBatch const& batch, Targets const& targets) {
    auto const features = features_of(ctx, batch);
    return sum_of_losses(ctx, features, targets, typename Model::Tasks{});
  }

  FitType& fit() { return fit_; }
  Options const& options() const { return options_; }
  Weights<Device>& weights() { return *weights_; }

 private:
  template <class Ctx>
  UNetFeatures<typename Ctx::Value> features_of(Ctx& ctx, TrainingBatch const& batch) {
    require(batch);
    index_t const n = options_.batch;
    auto const picture = ctx.input({batch.pictures.data(), FeatureShape{n, options_.image[0], options_.image[1], 3}});
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
    return unet(ctx, latent, {unet.time_projections(ctx, t), unet.keys_values(ctx, context), texts_.data()});
  }
  template <class Ctx, class... Tasks>
  typename Ctx::Value sum_of_losses(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& features, Targets const& targets, TaskList<Tasks...>) const {
    typename Ctx::Value sum;
    for (auto const& value : {weighted_loss<Tasks>(ctx, features, targets)...}) sum = sum ? plus(ctx, sum, value) : value;
    return sum;
  }
  template <class Task, class Ctx>
  typename Ctx::Value weighted_loss(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& features, Targets const& targets) const {
    constexpr std::size_t place = Model::Tasks::template position<Task>;
    auto const value = training_detail::loss_of<Task>(ctx, model_->template head<Task>(), pyramid_for<Task>(ctx, features), std::get<place>(targets));
    bool const weighted = place < options_.loss_weights.size() && options_.loss_weights[place] != 1.0F;
    return weighted ? scaled(ctx, options_.loss_weights[place], value) : value;
  }
  template <class... Tasks>
  Targets targets_of(TrainingBatch const& batch, TaskList<Tasks...>) {
    static_assert(((training_detail::learns_labels<Tasks> || training_detail::learns_boxes<Tasks> || training_detail::learns_depth<Tasks>) && ...),
                  "tadp: a head of this model learns from a Target of its own: call step(batch, targets)");
    return {target_of<Tasks>(batch)...};
  }
  template <class Task>
  typename Task::Target target_of(TrainingBatch const& batch) {
    index_t const h = options_.image[0], w = options_.image[1], classes = model_->template classes<Model::Tasks::template position<Task>>();
    auto const pixels = static_cast<std::size_t>(options_.batch * h * w);
    if constexpr (training_detail::learns_labels<Task>) {
      require_size("labels", batch.labels.size(), pixels);
      for (std::uint8_t const label : batch.labels)
        if (label != ignore_label && label >= classes)
          throw Error(Errc::argument, "a label is no class of the model", {.expected = "below " + std::to_string(classes) + ", or 255", .found = std::to_string(label)});
      return {batch.labels.data(), h, w, options_.average};
    } else if constexpr (training_detail::learns_depth<Task>) {
      require_size("depths", batch.depths.size(), pixels);
      return {batch.depths.data(), h, w};
    } else {
      require_size("boxes", batch.boxes.size(), static_cast<std::size_t>(options_.batch));
      boxes_.emplace(batch.boxes, classes, static_cast<float>(h), static_cast<float>(w));
      return boxes_->target();
    }
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
    f.schedule = o.schedule;
    f.groups = o.groups;
    f.learns = &Decisions::learns;
    f.clip = o.clip;
    f.tape = {.checkpoint_blocks = Decisions::template has<CheckpointBlocks>, .map_gradients = Decisions::template has<MapGradients>, .dropout = o.dropout, .seed = o.seed};
    return f;
  }
  static void require_size(char const* what, std::size_t found, std::size_t expected) {
    if (found != expected)
      throw Error(Errc::shape, "a training batch has another size than the session was made for", {.key = what, .expected = std::to_string(expected), .found = std::to_string(found)});
  }
  void require(TrainingBatch const& b) const {
    auto const pixels = static_cast<std::size_t>(options_.batch) * static_cast<std::size_t>(options_.image[0]) * static_cast<std::size_t>(options_.image[1]);
    require_size("pictures", b.pictures.size(), 3 * pixels);
    require_size("ids", b.ids.size(), Model::Prompt::has_text ? static_cast<std::size_t>(options_.batch) * static_cast<std::size_t>(Backbone::TextEncoder::config.length) : 0);
  }

  std::shared_ptr<Model const> model_;
  std::shared_ptr<Weights<Device>> weights_;
  std::vector<std::int32_t> texts_;
  Options options_;
  FitType fit_;
  std::vector<float> embedding_, noise_;
  std::optional<PackedBoxes> boxes_;
};

}  // namespace tadp
