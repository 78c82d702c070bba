// SPDX-License-Identifier: Apache-2.0
// Every stage of the small preset through the CUDA path on the host: its own kernels, and the plain device in place of the libraries.
#include "../host_libraries.hpp"
#include "golden_folder.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/runs/golden_inputs.hpp"

#include <doctest/doctest.h>

using namespace tadp;
using Device = host_cuda::WithLibraries;

namespace {

/// The device's memory is the host's.
Features<Cpu> on_host(Features<Device> v) { return {v.data, v.shape, v.pixel_stride}; }

/// Compares all stages of a case that the model announces, its pyramid and its losses; returns how many those were.
int compare_stages(Golden const& g) {
  auto check = golden::strict(g);
  auto const& meta = g.meta();
  Device device;
  GoldenTiny::Model const model(golden_sizes<GoldenTiny>(g));
  Weights<Device> weights(device, model.parameters());
  fill_by_hash(weights, g.seed());
  Plan<Device> plan(device, &weights.list(), weights.flat());
  std::vector<std::pair<std::string, PlannedValue>> stages;
  auto const note = [&](std::string const& name, PlannedValue v) {
    if (v && g.has(name)) stages.emplace_back(name, plan.keep(v));
  };
  PlanContext<Device> ctx(plan, note);
  FeatureShape const shape = golden_picture_shape(meta.at("image"), GoldenTiny::Model::Backbone::granularity);
  auto const& backbone = model.backbone();
  auto const ids = golden_tokens(meta.at("token_ids"), GoldenTiny::text);
  auto const picture = plan.input(shape), time = plan.input({shape.n(), 1, 1, GoldenTiny::unet.model_channels});
  auto const latents = latent_of(ctx, {.scale = meta.at("latent_scale").get<float>()}, backbone.vae(ctx, picture));
  note("latents", latents);
  auto const context = backbone.text(ctx, ids.data(), shape.n());
  UNetConditioning<PlannedValue> const with{backbone.unet.time_projections(ctx, time), backbone.unet.keys_values(ctx, context), nullptr};
  auto const features = backbone.unet(ctx, latents, with);
  for (std::size_t level = 1; level <= 2; ++level) note("map.level" + std::to_string(2 * level), features.cross_maps[level]);
  auto const pyramid = pyramid_of(ctx, features);
  for (std::size_t i = 0; i < 4; ++i) note("pyramid." + std::to_string(i), pyramid[i]);
  auto const resized = resize_bilinear_to(ctx, model.head()(ctx, pyramid), shape.h(), shape.w());
  note("seg.logits_resized", resized);
  auto const labels = hash_labels("input.seg_label", shape.pixels(), static_cast<int>(resized.shape.c()), g.seed(), 0.1);
  std::array<PlannedValue, 2> losses;
  for (std::size_t i = 0; i < 2; ++i)
    losses[i] = plan.keep(ctx.apply(CrossEntropyOp{i == 0 ? Average::all_pixels : Average::valid_pixels, labels.data()}, {resized})[0]);
  plan.finish();
  fill_input(hash_input_of(meta.at("image_key").get<std::string>()), g.seed(), on_host(plan.view(picture)));
  fill_timesteps(std::vector<float>(static_cast<std::size_t>(shape.n()), meta.value("timestep", 1.0F)), on_host(plan.view(time)));
  plan.run(device);
  for (auto const& [name, v] : stages) check.features(name, on_host(plan.view(v)));
  check.scalar("seg.loss_ce_mmseg", static_cast<double>(plan.view(losses[0]).data[0]));
  check.scalar("seg.loss_ce_non_ignore", static_cast<double>(plan.view(losses[1]).data[0]));
  return static_cast<int>(stages.size());
}

}  // namespace

TEST_CASE("the stages of the small preset on the CUDA kernels are the reference's") {
  golden::for_each_case(golden::fixture(), GoldenKind::stages_tiny, [](Golden const& g) { CHECK(compare_stages(g) >= 20); });
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, [](Golden const& g) { CHECK(compare_stages(g) >= 20); });
}
