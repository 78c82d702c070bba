// SPDX-License-Identifier: Apache-2.0
// The recipe of the street model as one run that resumes: autoencoder, diffusion, segmentation, one after the other.
// Leaves two model files in the folder: street.safetensors segments, street-diffusion.safetensors makes pictures of texts.
#pragma once

#include "tadp/io/description.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/runs/head_only.hpp"
#include "tadp/runs/street_autoencoder.hpp"
#include "tadp/runs/trainer.hpp"
#include "tadp/train/initialize.hpp"

#include <string_view>

namespace tadp {

enum class StreetStage : std::uint8_t { autoencoder, diffusion, segmentation };

struct StreetTrainingOptions {
  std::filesystem::path folder;
  std::uint64_t seed = 1;
  int threads = 2;
  std::size_t scenes = 6000;
  std::uint64_t autoencoder_steps = 1000, diffusion_steps = 1500, segmentation_steps = 4500;
  StreetStage first = StreetStage::autoencoder;  ///< the stages before it are taken from `from`
  std::filesystem::path from{};                  ///< a street-diffusion.safetensors
  std::function<void(std::string_view stage, TrainingProgress const&)> on_progress{};
  std::stop_token stop{};
};

/// What the segmentation model's file says about itself.
inline ModelDescription street_description() {
  ModelDescription d = describe<StreetSegmentation>();
  d.head_width = 64;
  for (std::size_t i = 0; i < street_class_names().size(); ++i) d.classes.push_back({std::string(street_class_names()[i]), street_class_colours()[i]});
  d.latent = {.sample = false, .scale = 1.0F};
  d.window = {256, 320};
  d.fit = {2048, 240};
  d.vocabulary = street_vocabulary();
  d.default_caption = "a street photo";
  return d;
}
/// The same for the text-to-image model: autoencoder, text encoder and UNet.
inline ModelDescription street_diffusion_description() {
  ModelDescription d = street_description();
  d.task = "diffusion";
  d.classes.clear();
  return d;
}

/// Runs what is missing of the three stages. Throws Error(cancelled) after saving when stopped.
class StreetTraining {
 public:
  explicit StreetTraining(StreetTrainingOptions options)
      : options_(std::move(options)), device_(options_.threads), scenes_(options_.seed * 1'000'000, options_.scenes) {
    std::filesystem::create_directories(options_.folder);
  }

  void run() {
    if (options_.first != StreetStage::autoencoder) take_from(options_.from);
    if (options_.first == StreetStage::autoencoder) autoencoder();
    if (options_.first != StreetStage::segmentation) {
      diffusion();
      save_weights(*previous_, options_.folder / "street-diffusion.safetensors", Dtype::F16, to_metadata(street_diffusion_description()));
    }
    segmentation();
    save_weights(*previous_, options_.folder / "street.safetensors", Dtype::F16, to_metadata(street_description()));
  }

 private:
  /// What the stages before the first one would have left.
  void take_from(std::filesystem::path const& file) {
    StreetDiffusion const model;
    previous_ = std::make_shared<Weights<Cpu>>(device_, model.list);
    load_weights(*previous_, {file});
    from_ = weights_fingerprint(*previous_);
    if (options_.first == StreetStage::segmentation) return;
    StreetAutoencoder const autoencoder;
    auto const begun = std::make_shared<Weights<Cpu>>(device_, autoencoder.list);
    copy_same_names(*previous_, *begun);
    previous_ = begun;
  }
  void autoencoder() {
    StreetAutoencoder const model;
    auto weights = std::make_shared<Weights<Cpu>>(device_, model.list);
    initialize(*weights, options_.seed, [](ParameterSpec const&) { return true; });
    start_in_colour(*weights);
    StreetRecipe const recipe{.seed = options_.seed, .batch = 8, .crop = {.width = 96, .height = 96, .min_scale = 0.8F, .max_scale = 1.3F, .photometric = true, .min_saturation = 0.0F, .max_saturation = 3.0F}};
    StreetBatches data(recipe, scenes_, device_);
    train("autoencoder", weights, options_.autoencoder_steps,
          {.adamw = {.lr = 2e-3, .weight_decay = 0.0, .beta2 = 0.99}, .schedule = CosineSchedule{options_.autoencoder_steps, 50, 0.02}, .clip = 1.0},
          [&](auto& ctx, std::uint64_t step, int) { return autoencoder_loss(ctx, model, data, step); });
    normalise_latents(*weights, latent_statistics(device_, model, *weights, scenes_));
    previous_ = std::move(weights);
  }
  void diffusion() {
    StreetDiffusion const model;
    auto weights = std::make_shared<Weights<Cpu>>(device_, model.list);
    initialize(*weights, options_.seed + 1, [](ParameterSpec const&) { return true; });
    copy_same_names(*previous_, *weights);
    StreetRecipe const recipe{.seed = options_.seed + 1, .batch = 8, .crop = {.width = 192, .height = 128, .min_scale = 0.6F, .max_scale = 1.0F}};
    StreetBatches data(recipe, scenes_, device_);
    train("diffusion", weights, options_.diffusion_steps,
          {.adamw = {.lr = 1e-3, .weight_decay = 0.01, .beta2 = 0.99},
           .muon = Muon{.lr = 2e-3, .weight_decay = 0.05},
           .schedule = CosineSchedule{options_.diffusion_steps, 100, 0.05},
           .learns = [](ParameterSpec const& p) { return !p.name.starts_with("first_stage_model"); },
           .clip = 1.0},
          [&](auto& ctx, std::uint64_t step, int) { return diffusion_loss(ctx, model, data, step); });
    previous_ = std::move(weights);
  }
  void segmentation() {
    StreetSegmentation const model({.classes = static_cast<index_t>(street_class_names().size())});
    auto weights = std::make_shared<Weights<Cpu>>(device_, model.parameters());
    initialize(*weights, options_.seed + 2, [](ParameterSpec const&) { return true; });
    copy_same_names(*previous_, *weights);
    StreetRecipe const recipe{.seed = options_.seed + 2, .batch = 4, .crop = {.width = 256, .height = 192, .min_scale = 0.8F, .max_scale = 1.3F, .photometric = true, .min_saturation = 0.5F, .max_saturation = 1.5F}};
    StreetScenes scenes((options_.seed + 1) * 1'000'000, 4 * options_.scenes);  // hardly one is drawn twice
    StreetBatches data(recipe, scenes, device_);
    train("segmentation", weights, options_.segmentation_steps,
          {.adamw = {.lr = 1e-3, .weight_decay = 0.01},
           .muon = Muon{.lr = 2e-3, .weight_decay = 0.05},
           .schedule = CosineSchedule{options_.segmentation_steps, 100, 0.01},
           .learns =
               [](ParameterSpec const& p) {
                 return !p.name.starts_with("first_stage_model") && !p.name.starts_with("cond_stage_model") && !p.name.starts_with("model.diffusion_model.out.");
               },
           .clip = 1.0},
          [&](auto& ctx, std::uint64_t step, int) { return segmentation_loss(ctx, model, data, step); });
    previous_ = std::move(weights);
  }

  template <class Loss>
  void train(std::string const& stage, std::shared_ptr<Weights<Cpu>> const& weights, std::uint64_t steps, FitOptions fit_options, Loss const& loss) {
    fit_options.tape.seed = options_.seed;
    std::string const optimizer = optimizer_name(fit_options.muon);
    Fit<Cpu> fit(device_, weights, std::move(fit_options));
    TrainerOptions run;
    run.steps = steps;
    run.checkpoint = options_.folder / (stage + ".checkpoint.safetensors");
    run.log = options_.folder / (stage + ".log.jsonl");
    run.stop = options_.stop;
    if (options_.on_progress) run.on_progress = [&](TrainingProgress const& p) { options_.on_progress(stage, p); };
    std::map<std::string, std::string> const notes{{"from", from_}, {"stage", stage}, {"seed", std::to_string(options_.seed)}, {"total", std::to_string(steps)}, {"scenes", std::to_string(options_.scenes)}, {"optimizer", optimizer}};
    run_training(fit, run, notes, loss);
  }

  StreetTrainingOptions options_;
  Cpu device_;
  StreetScenes scenes_;
  std::shared_ptr<Weights<Cpu>> previous_;
  std::string from_ = "nothing";  ///< the weights of the file that stands in for earlier stages
};

}  // namespace tadp
