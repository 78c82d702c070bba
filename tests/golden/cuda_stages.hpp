// SPDX-License-Identifier: Apache-2.0
// A golden's pass through the CUDA path on the host, in the element of the device: its stages and losses as float numbers.
// Own kernels, and the plain device in place of the libraries.
#pragma once

#include "../host_libraries.hpp"
#include "golden_folder.hpp"
#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/runs/golden_depth.hpp"
#include "tadp/runs/golden_inputs.hpp"

#include <string>
#include <vector>

namespace golden {

/// Numbers under the reference's name, (N, H, W, C) on the host.
struct Stage {
  std::string name;
  tadp::FeatureShape shape;
  std::vector<float> values;
  tadp::ConstFeatures<tadp::Cpu> view() const { return {values.data(), shape}; }
};

/// Listens to model text; what the golden has is kept and read after the run, in float.
template <class Device>
class Stages {
 public:
  Stages(tadp::Golden const& g, tadp::Plan<Device>& plan) : golden_(&g), plan_(&plan) {}
  void note(std::string const& name, tadp::PlannedValue v) {
    if (v && golden_->has(name)) noted_.emplace_back(name, plan_->keep(plan_->in_float(v)));
  }
  void read(std::vector<Stage>& into) const {
    for (auto const& [name, v] : noted_) {
      auto const view = plan_->float_view(v);  // the device's memory is the host's
      Stage s{name, view.shape, {}};
      for (tadp::index_t p = 0; p < view.shape.pixels(); ++p) s.values.insert(s.values.end(), view.pixel(p), view.pixel(p) + view.shape.channels());
      into.push_back(std::move(s));
    }
  }

 private:
  tadp::Golden const* golden_;
  tadp::Plan<Device>* plan_;
  std::vector<std::pair<std::string, tadp::PlannedValue>> noted_;
};

/// Weights by the hash rule, and what the device computes with.
template <class Device>
struct HashWeights {
  HashWeights(Device const& device, std::shared_ptr<tadp::ParameterList const> list, std::uint64_t seed) : floats(device, std::move(list)), elements((fill_by_hash(floats, seed), device), floats) {}
  tadp::Weights<tadp::home_of<Device>> floats;
  tadp::ElementWeights<Device> elements;
};

/// The stages of one more head over a pyramid that a pass has computed; call(context, net, pyramid).
template <class Task, class Device, class Call>
void head_stages(tadp::Golden const& g, tadp::Plan<Device> const& of, std::array<tadp::PlannedValue, 4> const& pyramid, tadp::index_t classes, Call const& call, std::vector<Stage>& into) {
  Device device;
  auto const list = std::make_shared<tadp::ParameterList>();
  tadp::FeatureChannels channels{};
  for (std::size_t i = 0; i < 4; ++i) channels[i] = pyramid[i].shape.c();
  typename Task::Net const net(tadp::Scope(*list), channels, classes);
  HashWeights<Device> const weights(device, list, g.seed());
  tadp::Plan<Device> plan(device, weights.elements.view());
  Stages<Device> stages(g, plan);
  tadp::PlanContext<Device> ctx(plan, [&](std::string const& name, tadp::PlannedValue v) { stages.note(name, v); });
  std::array<tadp::PlannedValue, 4> levels;
  for (std::size_t i = 0; i < 4; ++i) levels[i] = plan.bound(tadp::ConstFeatures<Device>(of.view(pyramid[i])));
  call(ctx, net, levels);
  plan.finish();
  plan.run(device);
  stages.read(into);
}

/// All stages that the model announces, its pyramid, its logits; `heads`: those of depth and detection, too.
template <class Device>
std::vector<Stage> stages_of(tadp::Golden const& g, bool heads) {
  using namespace tadp;
  auto const& meta = g.meta();
  Device device;
  GoldenTiny::Model const model(golden_sizes<GoldenTiny>(g));
  HashWeights<Device> const weights(device, model.parameters(), g.seed());
  Plan<Device> plan(device, weights.elements.view());
  Stages<Device> stages(g, plan);
  PlanContext<Device> ctx(plan, [&](std::string const& name, PlannedValue v) { stages.note(name, v); });
  FeatureShape const shape = golden_picture_shape(meta.at("image"), GoldenTiny::Model::Backbone::granularity);
  auto const& backbone = model.backbone();
  auto const ids = golden_tokens(meta.at("token_ids"), GoldenTiny::text);
  auto const picture = plan.input(shape), time = plan.input({shape.n(), 1, 1, GoldenTiny::unet.model_channels});
  auto const latents = latent_of(ctx, {.scale = meta.at("latent_scale").get<float>()}, backbone.vae(ctx, picture));
  stages.note("latents", latents);
  auto const context = backbone.text(ctx, ids.data(), shape.n());
  UNetConditioning<PlannedValue> const with{backbone.unet.time_projections(ctx, time), backbone.unet.keys_values(ctx, context), nullptr};
  auto const features = backbone.unet(ctx, latents, with);
  for (std::size_t level = 1; level <= 2; ++level) stages.note("map.level" + std::to_string(2 * level), features.cross_maps[level]);
  auto const pyramid = pyramid_of(ctx, features);
  for (std::size_t i = 0; i < 4; ++i) {
    stages.note("pyramid." + std::to_string(i), pyramid[i]);
    plan.keep(pyramid[i]), plan.keep(features.features[i]);
  }
  auto const resized = resize_bilinear_to(ctx, model.head()(ctx, pyramid), shape.h(), shape.w());
  stages.note("seg.logits_resized", resized);
  auto const labels = hash_labels("input.seg_label", shape.pixels(), static_cast<int>(resized.shape.c()), g.seed(), 0.1);
  std::array<PlannedValue, 2> losses;
  for (std::size_t i = 0; i < 2; ++i) losses[i] = plan.keep(ctx.apply(CrossEntropyOp{i == 0 ? Average::all_pixels : Average::valid_pixels, labels.data()}, {resized})[0]);
  plan.finish();
  auto const on_host = [&](PlannedValue v) { return Features<Cpu>{plan.float_view(v).data, v.shape}; };
  fill_input(hash_input_of(meta.at("image_key").get<std::string>()), g.seed(), on_host(picture));
  fill_timesteps(std::vector<float>(static_cast<std::size_t>(shape.n()), meta.value("timestep", 1.0F)), on_host(time));
  plan.run(device);
  std::vector<Stage> all;
  stages.read(all);
  for (std::size_t i = 0; i < 2; ++i) all.push_back({i == 0 ? "seg.loss_ce_mmseg" : "seg.loss_ce_non_ignore", {1, 1, 1, 1}, {*plan.float_view(losses[i]).data}});
  if (!heads) return all;
  constexpr DetectionConfig boxes{.width = 32, .representation = 64};
  head_stages<DepthOf<golden_depth<GoldenTiny>>>(g, plan, features.features, 1, [](auto& c, auto const& net, auto const& levels) { net(c, levels); }, all);
  head_stages<DetectionOf<dynamic, boxes>>(g, plan, pyramid, meta.at("heads").at("det").at("classes").get<index_t>(), [](auto& c, auto const& net, auto const& levels) { net(c, levels); }, all);
  return all;
}

}  // namespace golden
