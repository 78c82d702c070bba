// SPDX-License-Identifier: Apache-2.0
// A golden's pass on a device that runs the CUDA kernels, in its element: stages and losses as float numbers on the host.
// For the CUDA device itself, and for the host of the tests in its place.
#pragma once

#include "golden_folder.hpp"
#include "tadp/heads/depth.hpp"
#include "tadp/exec/session_device.hpp"
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
  void read(Device& device, std::vector<Stage>& into) const {
    for (auto const& [name, v] : noted_) {
      auto const view = plan_->float_view(v);
      tadp::Tensor<float, 4, Device> packed(device, view.shape);
      copy(device, tadp::ConstFloats<Device>(view), packed.view());
      Stage s{name, view.shape, std::vector<float>(static_cast<std::size_t>(view.shape.count()))};
      device.copy_to_host(s.values.data(), packed.data(), s.values.size() * sizeof(float));
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
void head_stages(tadp::Golden const& g, Device device, tadp::Plan<Device> const& of, std::array<tadp::PlannedValue, 4> const& pyramid, tadp::index_t classes, Call const& call, std::vector<Stage>& into) {
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
  stages.read(device, into);
}

/// All stages that the model announces, its pyramid, its logits; `heads`: those of depth and detection, too.
template <class Device>
std::vector<Stage> stages_of(tadp::Golden const& g, bool heads, Device device = {}) {
  using namespace tadp;
  auto const& meta = g.meta();
  GoldenTiny::Model const model(golden_sizes<GoldenTiny>(g));
  HashWeights<Device> const weights(device, model.parameters(), g.seed());
  Plan<Device> plan(device, weights.elements.view());
  Stages<Device> stages(g, plan);
  PlanContext<Device> ctx(plan, [&](std::string const& name, PlannedValue v) { stages.note(name, v); });
  FeatureShape const shape = golden_picture_shape(meta.at("image"), GoldenTiny::Model::Backbone::granularity);
  auto const& backbone = model.backbone();
  auto const ids = golden_tokens(meta.at("token_ids"), GoldenTiny::text);
  Uploaded<std::int32_t, Device> uploaded_ids;
  Uploaded<std::uint8_t, Device> uploaded_labels;
  auto const picture = plan.input(shape), time = plan.input({shape.n(), 1, 1, GoldenTiny::unet.model_channels});
  auto const latents = latent_of(ctx, {.scale = meta.at("latent_scale").get<float>()}, backbone.vae(ctx, picture));
  stages.note("latents", latents);
  auto const context = backbone.text(ctx, uploaded_ids(device, ids), shape.n());
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
  auto const* const labels_there = uploaded_labels(device, labels);
  std::array<PlannedValue, 2> losses;
  for (std::size_t i = 0; i < 2; ++i) losses[i] = plan.keep(ctx.apply(CrossEntropyOp{i == 0 ? Average::all_pixels : Average::valid_pixels, labels_there}, {resized})[0]);
  plan.finish();
  auto const fill = [&](PlannedValue v, auto const& numbers_of) {
    std::vector<float> numbers(static_cast<std::size_t>(v.shape.count()));
    numbers_of(Features<Cpu>{numbers.data(), v.shape});
    device.copy_from_host(plan.float_view(v).data, numbers.data(), numbers.size() * sizeof(float));
  };
  fill(picture, [&](Features<Cpu> v) { fill_input(hash_input_of(meta.at("image_key").get<std::string>()), g.seed(), v); });
  fill(time, [&](Features<Cpu> v) { fill_timesteps(std::vector<float>(static_cast<std::size_t>(shape.n()), meta.value("timestep", 1.0F)), v); });
  plan.run(device);
  std::vector<Stage> all;
  stages.read(device, all);
  for (std::size_t i = 0; i < 2; ++i) {
    float loss = 0.0F;
    device.copy_to_host(&loss, plan.float_view(losses[i]).data, sizeof loss);
    all.push_back({i == 0 ? "seg.loss_ce_mmseg" : "seg.loss_ce_non_ignore", {1, 1, 1, 1}, {loss}});
  }
  if (!heads) return all;
  constexpr DetectionConfig boxes{.width = 32, .representation = 64};
  head_stages<DepthOf<golden_depth<GoldenTiny>>>(g, device, plan, features.features, 1, [](auto& c, auto const& net, auto const& levels) { net(c, levels); }, all);
  head_stages<DetectionOf<dynamic, boxes>>(g, device, plan, pyramid, meta.at("heads").at("det").at("classes").get<index_t>(), [](auto& c, auto const& net, auto const& levels) { net(c, levels); }, all);
  return all;
}

}  // namespace golden
