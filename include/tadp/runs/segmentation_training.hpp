// SPDX-License-Identifier: Apache-2.0
// Training a segmentation model on pictures with labels: windows drawn from a source, one prompt rule, one recipe.
// A source is anything with size() and operator[] that gives a Sample: a data set, or rendered scenes.
#pragma once

#include "tadp/data/scene_source.hpp"
#include "tadp/io/resize.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/trainer.hpp"
#include "tadp/runs/training_session.hpp"

namespace tadp {

struct SegmentationTrainingOptions {
  TrainerOptions run{};
  int batch = 4;
  int threads = 2;
  CropOptions crop{.width = 256, .height = 192, .min_scale = 0.75F, .max_scale = 1.5F, .photometric = true};
  AdamW adamw{.lr = 4e-4, .weight_decay = 0.01};
  double unet_lr = 0.5;  ///< the UNet's share of the rate
  std::uint64_t warmup = 50;
  double clip = 1.0;
  LatentPolicy latent{};
  std::uint64_t seed = 0;
  std::function<std::string(Sample const&)> caption = [](Sample const& s) { return s.caption; };
  Tokenizer tokenizer{};
  std::array<int, 2> fit{0, 0};  ///< long and short side that samples are brought to before they are cut; zeros: as they are
};

/// A sample brought to a long and a short side: bilinear pixels, nearest labels.
inline Sample fitted_sample(Sample const& sample, std::array<int, 2> const& fit) {
  auto const [width, height] = keep_ratio_size(sample.picture.width, sample.picture.height, fit[0], fit[1]);
  Sample fitted{.picture = {}, .labels = {}, .caption = sample.caption, .varied_caption = sample.varied_caption};  // segmentation reads no depth or boxes
  fitted.picture = resize(sample.picture, width, height, Resize::cv2_bilinear);
  fitted.labels = resize_nearest(sample.labels, width, height);
  return fitted;
}

/// Trains UNet and head in place; resumes from options.run.checkpoint. Throws Error(cancelled) after saving when stopped.
template <class Model, class Source>
void train_segmentation(std::shared_ptr<Model const> model, std::shared_ptr<Weights<Cpu>> weights, Source& source,
                        SegmentationTrainingOptions const& options) {
  using Policy = Training<Cpu, AdamW, PolySchedule, PlainGroups, Freeze<typename Model::Backbone::TextEncoder>>;
  using Fitting = Session<Model, Policy>;
  typename Fitting::Options o;
  o.image = {options.crop.height, options.crop.width};
  o.batch = options.batch;
  o.threads = options.threads;
  o.adamw = options.adamw;
  o.schedule = {.total = options.run.steps, .warmup = options.warmup, .power = 0.9, .warmup_ratio = 1e-3};
  o.groups = {.unet_lr = options.unet_lr};
  o.clip = options.clip;
  o.latent = options.latent;
  o.average = Average::valid_pixels;
  o.seed = options.seed;
  Fitting session(std::move(model), std::move(weights), o);
  Batch batch;
  std::vector<std::int32_t> ids;
  std::map<std::string, std::string> const notes{{"seed", std::to_string(options.seed)}, {"total", std::to_string(options.run.steps)}, {"batch", std::to_string(options.batch)}};
  run_training(session.fit(), options.run, notes, [&](auto& ctx, std::uint64_t step, int) {
    batch = {};
    ids.clear();
    for (int i = 0; i < options.batch; ++i) {
      std::uint64_t const key = random_key(options.seed, step, static_cast<std::uint64_t>(i));
      Sample const& sample = source[random_below(key, 100, source.size())];
      if (options.fit[0] == 0)
        add_crop(batch, sample, options.crop, key);
      else
        add_crop(batch, fitted_sample(sample, options.fit), options.crop, key);
      if constexpr (Model::Prompt::has_text) {
        auto const tokens = options.tokenizer(options.caption(sample));
        ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
      }
    }
    return session.loss(ctx, TrainingBatch{batch.pictures, ids, batch.labels});
  });
}

}  // namespace tadp
