// SPDX-License-Identifier: Apache-2.0
// The features of a picture as a safetensors file, under the names that the goldens give them: the latent, the text states,
// the UNet's four levels, the averaged maps, and the pyramid that heads read.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/io/safetensors_write.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/golden_inputs.hpp"

namespace tadp {

/// What features are computed of.
struct FeaturesInput {
  FeatureShape shape{};                    ///< (N, H, W, 3), sides multiples of Backbone::granularity
  std::vector<float> picture{};            ///< normalised, in the order of the shape
  std::vector<std::int32_t> ids{};         ///< (1 or N texts, length); unused where the prompt policy has no text
  LatentPolicy latent{};                   ///< of a sample, the noise is `noise`
  std::vector<float> noise{};
};

/// A picture's bytes as an input. Error(shape) later, where its sides do not fit.
inline FeaturesInput features_input(PictureView picture, std::vector<std::int32_t> ids, Normalisation const& normalisation = {}, LatentPolicy const& latent = {}) {
  FeaturesInput input{.shape = {1, picture.height, picture.width, 3}, .ids = std::move(ids), .latent = latent};
  input.picture.reserve(static_cast<std::size_t>(input.shape.count()));
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x)
      for (std::size_t c = 0; c < 3; ++c) {
        auto const from = picture.order == PixelOrder::rgb ? c : 2 - c;
        float const value = picture.row(y)[3 * x + static_cast<std::ptrdiff_t>(from)];
        input.picture.push_back((value - normalisation.mean[c]) / normalisation.deviation[c]);
      }
  return input;
}

namespace features_detail {

inline TensorToWrite describe(std::string name, FeatureShape const& s, bool tokens, std::vector<float> const& values) {
  auto const u = [](index_t v) { return static_cast<std::uint64_t>(v); };
  std::vector<std::uint64_t> shape = tokens ? std::vector<std::uint64_t>{u(s.n()), u(s.positions()), u(s.c())} : std::vector<std::uint64_t>{u(s.n()), u(s.c()), u(s.h()), u(s.w())};
  return {.name = std::move(name), .dtype = Dtype::F32, .shape = std::move(shape), .values = values};
}
/// (N, C, H, W), or (N, positions, C) for tokens, from channels-last.
inline std::vector<float> in_reference_order(ConstFeatures<Cpu> v, bool tokens) {
  FeatureShape const s = v.shape;
  std::vector<float> out(static_cast<std::size_t>(s.count()));
  for (index_t p = 0; p < s.pixels(); ++p)
    for (index_t c = 0; c < s.c(); ++c) {
      index_t const at = tokens ? p * s.c() + c : (p / s.positions() * s.c() + c) * s.positions() + p % s.positions();
      out[static_cast<std::size_t>(at)] = v.pixel(p)[c];
    }
  return out;
}

}  // namespace features_detail

/// Writes latents, clip.last_hidden, feature.{1,4,7,11} (named by the output block that they come from), map.level{2,4} and
/// pyramid.{0..3}, float32 in the goldens' order of axes, whole or not at all. `plain_text`: the UNet reads the text as the
/// encoder gives it, as in the goldens, even where the model has an adapter. Error(shape) for a picture that the network
/// does not take, Error(argument) for the wrong count of ids; errors of write_safetensors; Error(cancelled).
template <class Model>
void write_features(std::filesystem::path const& path, Model const& model, Weights<Cpu> const& weights, FeaturesInput const& input, int threads = 0,
                    Control const& control = {}, bool plain_text = false) {
  using Backbone = typename Model::Backbone;
  auto const& s = input.shape;
  golden_picture_shape({s.n(), s.c(), s.h(), s.w()}, Backbone::granularity);
  constexpr index_t length = Backbone::TextEncoder::config.length;
  auto const texts = static_cast<index_t>(input.ids.size()) / length;
  if (Model::Prompt::has_text && (static_cast<index_t>(input.ids.size()) != texts * length || (texts != s.n() && texts != 1)))
    throw Error(Errc::argument, "features need one text, or one a picture", {.expected = std::to_string(length) + " ids a text", .found = std::to_string(input.ids.size())});
  if (input.picture.size() != static_cast<std::size_t>(s.count())) throw Error(Errc::shape, "the picture has another count of numbers", {.expected = to_string(s)});

  Cpu cpu(golden_threads(threads));
  Plan<Cpu> plan(cpu, &weights.list(), weights.flat());
  std::vector<std::tuple<std::string, PlannedValue, bool>> kept;
  auto const keep = [&](std::string name, PlannedValue v, bool tokens = false) {
    if (v) kept.emplace_back(std::move(name), plan.keep(v), tokens);
  };
  PlannedValue hidden;
  // Listening to the text alone: a listener would ask the UNet for every map.
  PlanContext<Cpu> text(plan, [&](std::string const& name, PlannedValue v) {
    if (name == "clip.last_hidden") hidden = v;
  });
  PlanContext<Cpu> ctx(plan);
  auto const& unet = model.backbone().unet;
  auto const picture = plan.input(s), time = plan.input({1, 1, 1, Backbone::UNet::config.model_channels});
  auto const moments = model.backbone().vae(ctx, picture);
  PlannedValue noise;
  if (input.latent.sample) noise = plan.input(moments.shape.with_channels(moments.shape.c() / 2));
  if (noise && input.noise.size() != static_cast<std::size_t>(noise.shape.count())) throw Error(Errc::shape, "the noise has another count of numbers", {.expected = to_string(noise.shape)});
  auto const latents = latent_of(ctx, input.latent, moments, noise);
  keep("latents", latents);
  auto context = model.context(text, input.ids.data(), texts);
  keep("clip.last_hidden", hidden, true);
  if (plain_text && hidden) context = hidden;
  std::vector<std::int32_t> const first(static_cast<std::size_t>(s.n()), 0);
  auto const f = unet(ctx, latents, {unet.time_projections(ctx, time), unet.keys_values(ctx, context), context.shape.n() == s.n() ? nullptr : first.data()});
  auto const pyramid = pyramid_of(ctx, f);
  // A level's block: the last of its level that does not double the size, counted from the coarsest.
  constexpr int blocks = Backbone::UNet::config.num_res_blocks + 1;
  for (std::size_t level = 4; level-- > 0;) {
    int const from = 3 - static_cast<int>(level);
    keep("feature." + std::to_string(from * blocks + (level > 0 ? blocks - 2 : blocks - 1)), f.features[level]);
  }
  for (std::size_t level = 1; level <= 2; ++level) keep("map.level" + std::to_string(2 * level), f.cross_maps[level]);
  for (std::size_t level = 0; level < 4; ++level) keep("pyramid." + std::to_string(level), pyramid[level]);
  plan.finish();

  std::copy(input.picture.begin(), input.picture.end(), plan.view(picture).data);
  if (noise) std::copy(input.noise.begin(), input.noise.end(), plan.view(noise).data);
  float const t = 1.0F;
  fill_timesteps({&t, 1}, plan.view(time));
  plan.run(cpu, [&](std::size_t done, std::size_t total) { control.step(done, total); });

  std::vector<std::vector<float>> values;
  values.reserve(kept.size());
  std::vector<TensorToWrite> tensors;
  for (auto const& [name, value, tokens] : kept) {
    values.push_back(features_detail::in_reference_order(plan.view(value), tokens));
    tensors.push_back(features_detail::describe(name, value.shape, tokens, values.back()));
  }
  write_safetensors(path, tensors);
}

/// The same for the input and the hash weights of a golden of stages, so that its own comparison may be run on the file.
/// Errors of Golden; Error(unsupported) where it is of another kind.
inline void write_golden_features(std::filesystem::path const& manifest, std::filesystem::path const& path, int threads = 0, Control const& control = {}) {
  Golden const golden(manifest);
  auto const write = [&]<class Stack>(Stack) {
    typename Stack::Model const model(golden_sizes<Stack>(golden));
    Cpu cpu(golden_threads(threads));
    Weights<Cpu> weights(cpu, model.parameters());
    fill_by_hash(weights, golden.seed(), cpu.threads());
    auto const input = golden.guarded([&] {
      auto const& meta = golden.meta();
      FeaturesInput in{.shape = golden_picture_shape(meta.at("image"), Stack::Model::Backbone::granularity), .ids = golden_tokens(meta.at("token_ids"), Stack::text)};
      in.latent.scale = meta.at("latent_scale").template get<float>();
      in.picture.resize(static_cast<std::size_t>(in.shape.count()));
      fill_input(hash_input_of(meta.at("image_key").template get<std::string>()), golden.seed(), {in.picture.data(), in.shape});
      return in;
    });
    write_features(path, model, weights, input, threads, control, true);
  };
  switch (golden.kind()) {
    case GoldenKind::stages_tiny: return write(GoldenTiny{});
    case GoldenKind::stages_full: return write(GoldenFull{});
    default: throw Error(Errc::unsupported, "this golden has no stages", {.file = manifest.string(), .expected = "a case like tiny_square or full_512x512"});
  }
}

}  // namespace tadp
