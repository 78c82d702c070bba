// SPDX-License-Identifier: Apache-2.0
// Trains the head of a model on cached features: minutes where the whole model takes hours.
// Only the head's parameters are held, saved and changed; the trained ones are put into the model's weights at the end.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/runs/feature_cache.hpp"
#include "tadp/runs/head_only.hpp"
#include "tadp/runs/trainer.hpp"
#include "tadp/train/initialize.hpp"

namespace tadp {

struct HeadTrainingOptions {
  TrainerOptions run{};
  int batch = 8;
  int threads = 2;
  AdamW adamw{.lr = 1e-3, .weight_decay = 0.01};
  std::optional<Muon> muon{};  ///< steps the hidden matrices in place of AdamW
  std::uint64_t warmup = 50;
  double clip = 1.0;
  Average average = Average::valid_pixels;
  std::uint64_t seed = 0;
  bool fresh = true;  ///< the head starts at random; false: where the weights have it
  std::map<std::string, std::string> notes{};  ///< what else a checkpoint must have been made with to be resumed
};

namespace detail {

/// Items of a cache as the batch of a step.
class CachedBatches {
 public:
  CachedBatches(FeatureCache const& cache, int batch, std::uint64_t seed) : cache_(cache), batch_(batch), seed_(seed) {}

  /// Draws the items of a step and reads them into buffers that live until the next one.
  template <class Ctx>
  std::array<typename Ctx::Value, 4> pyramid(Ctx& ctx, std::uint64_t step, std::uint64_t part) {
    labels_.clear();
    std::vector<std::size_t> items;
    for (int i = 0; i < batch_; ++i) {
      items.push_back(random_below(random_key(seed_, step, part, static_cast<std::uint64_t>(i)), 0, cache_.size()));
      auto const labels = cache_.labels(items.back());
      labels_.insert(labels_.end(), labels.begin(), labels.end());
    }
    std::array<typename Ctx::Value, 4> pyramid;
    for (std::size_t l = 0; l < 4; ++l) {
      auto const [h, w, c] = cache_.layout().levels[l];
      auto const count = static_cast<std::size_t>(h * w * c);
      levels_[l].resize(count * items.size());
      for (std::size_t i = 0; i < items.size(); ++i) cache_.read(items[i], l, levels_[l].data() + i * count);
      pyramid[l] = ctx.input({levels_[l].data(), FeatureShape{batch_, h, w, c}});
    }
    return pyramid;
  }
  std::vector<std::uint8_t> const& labels() const { return labels_; }

 private:
  FeatureCache const& cache_;
  int batch_;
  std::uint64_t seed_;
  std::array<std::vector<float>, 4> levels_;
  std::vector<std::uint8_t> labels_;
};

template <class Model>
void require_cache_fits(Model const& model, FeatureCache const& cache) {
  auto const channels = head_channels<typename Model::Task>(model);
  for (std::size_t l = 0; l < 4; ++l)
    if (cache.layout().levels[l][2] != channels[l])
      throw Error(Errc::shape, std::string(sentence_head_accepts_features),
                  {.file = cache.path().string(), .key = "level " + std::to_string(l), .expected = std::to_string(channels[l]), .found = std::to_string(cache.layout().levels[l][2])});
  for (std::size_t i = 0; i < cache.size(); ++i)
    for (std::uint8_t const label : cache.labels(i))
      if (label != ignore_label && label >= model.sizes().classes)
        throw Error(Errc::argument, "a label is no class of the model", {.file = cache.path().string(), .expected = "below " + std::to_string(model.sizes().classes) + ", or 255", .found = std::to_string(label)});
}

}  // namespace detail

/// Trains the head; resumes from options.run.checkpoint. Error(shape or argument) where cache and model do not fit,
/// Error(cancelled) after saving when stopped.
template <class Model, class Device>
void train_head(Model const& model, Weights<Device>& weights, FeatureCache const& cache, HeadTrainingOptions const& options) {
  detail::require_cache_fits(model, cache);
  if (options.batch < 1) throw Error(Errc::argument, "a batch needs an item", {.found = std::to_string(options.batch)});
  HeadsOnly<Model, TaskList<typename Model::Task>> const head(model);
  Device const device(options.threads);
  auto const own = std::make_shared<Weights<Device>>(device, head.list);
  if (options.fresh)
    initialize(*own, options.seed, [](ParameterSpec const&) { return true; });
  else
    copy_same_names(weights, *own);
  FitOptions fitting{.adamw = options.adamw, .muon = options.muon, .schedule = PolySchedule{.total = options.run.steps, .warmup = options.warmup, .power = 0.9, .warmup_ratio = 1e-3}, .clip = options.clip};
  fitting.tape.seed = options.seed;
  Fit<Device> fit(device, own, fitting);
  detail::CachedBatches data(cache, options.batch, options.seed);
  std::ostringstream rate;
  rate << options.adamw.lr;
  std::map<std::string, std::string> notes{
      {"stage", "head"}, {"seed", std::to_string(options.seed)}, {"total", std::to_string(options.run.steps)}, {"batch", std::to_string(options.batch)}, {"items", std::to_string(cache.size())},
      {"optimizer", optimizer_name(options.muon)}, {"rate", rate.str()}, {"features", cache.fingerprint()}};
  for (auto const& [key, value] : options.notes) notes[key] = value;
  run_training(fit, options.run, notes, [&](auto& ctx, std::uint64_t step, int part) {
    auto const pyramid = data.pyramid(ctx, step, static_cast<std::uint64_t>(part));
    auto const logits = head.net()(ctx, pyramid);
    return Model::Task::loss(ctx, logits, typename Model::Task::Target{data.labels().data(), cache.layout().labels[0], cache.layout().labels[1], options.average});
  });
  copy_same_names(*own, weights);
}

}  // namespace tadp
