// SPDX-License-Identifier: Apache-2.0
// The street model's own small stack, and what each of its three trainings minimises: autoencoder, text-conditioned
// diffusion, segmentation. The data are rendered; every draw is keyed by (seed, step), so a run resumes exactly.
#pragma once

#include "tadp/data/scene_source.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/model.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/text/word_tokenizer.hpp"
#include "tadp/train/noise_schedule.hpp"

namespace tadp {

using StreetUNet = UNetOf<street_unet>;
using StreetTextEncoder = TextEncoderOf<street_text>;
using StreetBackbone = Backbone<StreetUNet, StreetTextEncoder>;
/// The form of the embedded model; the class count is read from its file.
using StreetSegmentation = Model<StreetBackbone, PromptPolicy<Caption>, Head<SegmentationOf<dynamic, 64>>>;

inline WordTokenizer street_tokenizer() { return WordTokenizer(street_vocabulary(), street_text); }

/// Encoder and decoder under the checkpoint's names.
struct StreetAutoencoder {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  VaeEncoderOf<street_vae> encoder{Scope(*list) / "first_stage_model"};
  VaeDecoderOf<street_vae> decoder{Scope(*list) / "first_stage_model"};
};

/// Autoencoder, text encoder and UNet: what a text-conditioned latent diffusion model consists of.
struct StreetDiffusion {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  StreetBackbone backbone{Scope(*list)};
  VaeDecoderOf<street_vae> decoder{Scope(*list) / "first_stage_model"};
};

/// Numbers of the recipe that its losses read.
struct StreetRecipe {
  std::uint64_t seed = 1;
  int batch = 8;
  CropOptions crop{};
  float latent_scale = 1.0F;
  float divergence_weight = 1e-6F;
  float edge_weight = 0.5F;
  float colour_weight = 1.0F;  ///< streets are nearly grey: without it the shortest way to a small error has no colour
  float square_weight = 2.0F;
  double caption_dropout = 0.1;
};

/// What the losses of one run keep between the call and the backward pass that follows it.
class StreetBatches {
 public:
  StreetBatches(StreetRecipe const& recipe, StreetScenes& scenes, Cpu device) : recipe_(recipe), scenes_(scenes), device_(std::move(device)), tokenizer_(street_tokenizer()), alphas_(alphas_cumprod()) {}

  /// Draws the batch of a step: pictures, labels, captions.
  Batch const& draw(std::uint64_t step) {
    batch_ = {};
    auto const key = [&](int i) { return random_key(recipe_.seed, step, static_cast<std::uint64_t>(i)); };
    std::vector<std::size_t> drawn;
    for (int i = 0; i < recipe_.batch; ++i) drawn.push_back(random_below(key(i), 100, scenes_.size()));
    scenes_.prepare(drawn, device_.threads());
    for (int i = 0; i < recipe_.batch; ++i) add_crop(batch_, scenes_[drawn[static_cast<std::size_t>(i)]], recipe_.crop, key(i));
    return batch_;
  }
  FeatureShape picture_shape() const { return {recipe_.batch, recipe_.crop.height, recipe_.crop.width, 3}; }

  template <class Ctx>
  typename Ctx::Value pictures(Ctx& ctx) {
    return ctx.input({batch_.pictures.data(), picture_shape()});
  }
  /// Standard normal numbers of a shape, another set for each `use`.
  template <class Ctx>
  typename Ctx::Value noise(Ctx& ctx, FeatureShape const& shape, std::uint64_t step, std::uint64_t use) {
    std::uint64_t const key = random_key(recipe_.seed, step, 1000 + use);
    auto& store = noise_[use];
    store.resize(static_cast<std::size_t>(shape.count()));
    for (std::size_t i = 0; i < store.size(); ++i) store[i] = random_normal(key, i);
    return ctx.input({store.data(), shape});
  }
  /// Token ids of the batch. Of ten captions, `dropped` share is empty; the others are the rule's and the freer ones in turn.
  std::int32_t const* ids(std::uint64_t step, double dropped, double fixed) {
    ids_.clear();
    for (int i = 0; i < recipe_.batch; ++i) {
      std::uint64_t const key = random_key(recipe_.seed, step, 2000 + static_cast<std::uint64_t>(i));
      double const u = static_cast<double>(random_unit(key, 0));
      auto const at = static_cast<std::size_t>(i);
      std::string const text = u < dropped ? "" : u < dropped + fixed ? "a street photo" : random_unit(key, 1) < 0.5F ? batch_.captions[at] : batch_.varied_captions[at];
      auto const tokens = tokenizer_(text);
      ids_.insert(ids_.end(), tokens.ids.begin(), tokens.ids.end());
    }
    return ids_.data();
  }
  std::uint8_t const* labels() const { return batch_.labels.data(); }
  StreetRecipe const& recipe() const { return recipe_; }
  std::vector<double> const& alphas() const { return alphas_; }
  std::vector<float>& embedding() { return embedding_; }
  std::vector<float>& noisy() { return noisy_; }

 private:
  StreetRecipe recipe_;
  StreetScenes& scenes_;
  Cpu device_;
  WordTokenizer tokenizer_;
  std::vector<double> alphas_;
  Batch batch_;
  std::vector<std::int32_t> ids_;
  std::array<std::vector<float>, 2> noise_;
  std::vector<float> embedding_, noisy_;
};

/// L1 of the reconstruction, of its edges and of its colour, its squared error, and a small divergence of the posterior.
template <class Ctx>
typename Ctx::Value autoencoder_loss(Ctx& ctx, StreetAutoencoder const& model, StreetBatches& data, std::uint64_t step) {
  data.draw(step);
  auto const picture = data.pictures(ctx);
  auto const moments = model.encoder(ctx, picture);
  auto const noise = data.noise(ctx, moments.shape.with_channels(moments.shape.c() / 2), step, 0);
  auto const latent = latent_of(ctx, LatentPolicy{.sample = true, .scale = 1.0F}, moments, noise);
  auto const decoded = model.decoder(ctx, latent);
  auto const error = ctx.apply(AbsoluteErrorOp{data.recipe().edge_weight, data.recipe().colour_weight}, {decoded, picture})[0];
  auto const square = ctx.apply(MeanSquaredErrorOp{}, {decoded, picture})[0];
  auto const divergence = ctx.apply(GaussianDivergenceOp{}, {moments})[0];
  return plus(ctx, plus(ctx, error, scaled(ctx, data.recipe().square_weight, square)), scaled(ctx, data.recipe().divergence_weight, divergence));
}

/// Mean squared error of the predicted noise at a random timestep; captions are dropped for guidance.
template <class Ctx>
typename Ctx::Value diffusion_loss(Ctx& ctx, StreetDiffusion const& model, StreetBatches& data, std::uint64_t step) {
  data.draw(step);
  auto const& b = model.backbone;
  auto const latent = latent_of(ctx, LatentPolicy{.scale = data.recipe().latent_scale}, b.vae(ctx, data.pictures(ctx)));
  auto const noise = data.noise(ctx, latent.shape, step, 1);
  auto const count = static_cast<std::size_t>(latent.shape.count() / latent.shape.n());
  data.noisy().resize(static_cast<std::size_t>(latent.shape.count()));
  data.embedding().clear();
  for (int n = 0; n < data.recipe().batch; ++n) {
    auto const t = static_cast<int>(random_below(random_key(data.recipe().seed, step, 3000 + static_cast<std::uint64_t>(n)), 0, 1000));
    auto const at = static_cast<std::size_t>(n) * count;
    add_noise(data.alphas()[static_cast<std::size_t>(t)], {latent.slot->data().data + at, count}, {noise.slot->data().data + at, count}, {data.noisy().data() + at, count});
    auto const e = timestep_embedding(static_cast<float>(t), street_unet.model_channels);
    data.embedding().insert(data.embedding().end(), e.begin(), e.end());
  }
  auto const noisy = ctx.input({data.noisy().data(), latent.shape});
  auto const embedding = ctx.input({data.embedding().data(), FeatureShape{data.recipe().batch, 1, 1, street_unet.model_channels}});
  auto const context = b.text(ctx, data.ids(step, data.recipe().caption_dropout, 0.0), data.recipe().batch);
  auto const features = b.unet(ctx, noisy, {b.unet.time_projections(ctx, embedding), b.unet.keys_values(ctx, context), nullptr});
  return ctx.apply(MeanSquaredErrorOp{}, {b.unet.noise(ctx, features), noise})[0];
}

/// share^-0.2 of each class in the rendered world: without it a short run hardly answers pole, sign or fence.
inline std::array<float, 11> const& street_class_weights() {
  static std::array<float, 11> const weights = [] {
    // Shares of pixels over 200 scenes, in the order of street_class_names().
    std::array<float, 11> w{0.195F, 0.223F, 0.0126F, 0.332F, 0.0456F, 0.113F, 0.0097F, 0.0091F, 0.0509F, 0.0071F, 0.0021F};
    for (float& v : w) v = std::pow(v, -0.2F);
    return w;
  }();
  return weights;
}

/// Weighted cross-entropy over the valid pixels at the size of the picture, one pass at t = 1.
template <class Ctx>
typename Ctx::Value segmentation_loss(Ctx& ctx, StreetSegmentation const& model, StreetBatches& data, std::uint64_t step) {
  data.draw(step);
  auto const& b = model.backbone();
  auto const latent = latent_of(ctx, LatentPolicy{.scale = data.recipe().latent_scale}, b.vae(ctx, data.pictures(ctx)));
  data.embedding() = timestep_embedding(1.0F, street_unet.model_channels);
  auto const embedding = ctx.input({data.embedding().data(), FeatureShape{1, 1, 1, street_unet.model_channels}});
  auto const context = model.context(ctx, data.ids(step, data.recipe().caption_dropout, 0.4), data.recipe().batch);
  auto const features = b.unet(ctx, latent, {b.unet.time_projections(ctx, embedding), b.unet.keys_values(ctx, context), nullptr});
  auto const logits = model.head()(ctx, pyramid_of(ctx, features));
  auto const full = resize_bilinear_to(ctx, logits, data.recipe().crop.height, data.recipe().crop.width);
  return ctx.apply(CrossEntropyOp{Average::valid_pixels, data.labels(), street_class_weights().data()}, {full})[0];
}

}  // namespace tadp
