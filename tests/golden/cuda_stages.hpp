// SPDX-License-Identifier: Apache-2.0
// A golden's pass on a device that runs the CUDA kernels, in its element: stages and losses as float numbers on the host.
// For the CUDA device itself, and for the host of the tests in its place.
#pragma once

#include "golden_folder.hpp"
#include "tadp/exec/session_device.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/runs/golden_depth.hpp"
#include "tadp/runs/golden_detection.hpp"
#include "tadp/runs/golden_voc.hpp"
#include "tadp/train/noise_schedule.hpp"

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

/// Weights by the hash rule, made on all threads of the machine (the real model has 1e9), and what the device computes with.
template <class Device>
struct HashWeights {
  HashWeights(Device const& device, std::shared_ptr<tadp::ParameterList const> list, std::uint64_t seed) : floats(device, std::move(list)), elements((fill(floats, seed), device), floats) {}
  static void fill(tadp::Weights<tadp::home_of<Device>>& weights, std::uint64_t seed) {
    tadp::Cpu cpu(tadp::golden_threads(0));
    tadp::Weights<tadp::Cpu> made(cpu, weights.shared_list());
    fill_by_hash(made, seed, cpu.threads());
    weights.device().copy_from_host(weights.flat(), made.flat(), static_cast<std::size_t>(weights.list().floats()) * sizeof(float));
  }
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

/// One pass of a case, its inputs filled by the rule, before it is planned to the end.
template <class Stack, class Device>
class Pass {
 public:
  using Value = tadp::PlannedValue;
  using Context = tadp::PlanContext<Device>;

  Pass(tadp::Golden const& g, Device device)
      : golden_(&g), device_(std::move(device)), model_(tadp::golden_sizes<Stack>(g)), weights_(device_, model_.parameters(), g.seed()), plan_(device_, weights_.elements.view()), stages_(g, plan_),
        shape_(tadp::golden_picture_shape(g.meta().at("image"), Stack::Model::Backbone::granularity)), ids_(tadp::golden_tokens(g.meta().at("token_ids"), Stack::text)) {
    note_pass();
    plan_.finish();
  }
  Pass(Pass const&) = delete;

  /// `heads`: those beside the model's own, too.
  std::vector<Stage> run(bool heads) {
    std::vector<Stage> all;
    for (Input const& input : inputs_) {
      Stage filled{input.name, input.value.shape, std::vector<float>(static_cast<std::size_t>(input.value.shape.count()))};
      input.fill({filled.values.data(), filled.shape});
      device_.copy_from_host(plan_.float_view(input.value).data, filled.values.data(), filled.values.size() * sizeof(float));
      if (golden_->has(input.name)) all.push_back(std::move(filled));
    }
    plan_.run(device_);
    stages_.read(device_, all);
    for (auto const& [name, v] : losses_) {
      float loss = 0.0F;
      device_.copy_to_host(&loss, plan_.float_view(v).data, sizeof loss);
      all.push_back({name, {1, 1, 1, 1}, {loss}});
    }
    if (!heads) return all;
    auto const call = [](auto& ctx, auto const& net, auto const& levels) { net(ctx, levels); };
    using namespace tadp;
    auto const& sizes = golden_->meta().at("heads");
    if (golden_has_any(*golden_, "voc.")) head_stages<SegmentationOf<dynamic, golden_voc<Stack>>>(*golden_, device_, plan_, pyramid_, sizes.at("voc").at("classes").template get<index_t>(), call, all);
    head_stages<DepthOf<golden_depth<Stack>>>(*golden_, device_, plan_, features_, 1, call, all);
    head_stages<DetectionOf<dynamic, golden_detection_config<Stack>>>(*golden_, device_, plan_, pyramid_, sizes.at("det").at("classes").template get<index_t>(), call, all);
    return all;
  }

 private:
  struct Input {
    std::string name;
    Value value;
    std::function<void(tadp::Features<tadp::Cpu>)> fill;
  };

  Value input(std::string name, tadp::FeatureShape const& shape, std::function<void(tadp::Features<tadp::Cpu>)> fill) {
    inputs_.push_back({std::move(name), plan_.input(shape), std::move(fill)});
    return inputs_.back().value;
  }
  Value hashed(std::string name, tadp::FeatureShape const& shape, tadp::HashInput rule) {
    return input(std::move(name), shape, [rule = std::move(rule), seed = golden_->seed()](tadp::Features<tadp::Cpu> v) { fill_input(rule, seed, v); });
  }
  Value timestep(float t) {
    return input({}, {shape_.n(), 1, 1, Stack::unet.model_channels}, [t](tadp::Features<tadp::Cpu> v) { tadp::fill_timesteps(std::vector<float>(static_cast<std::size_t>(v.shape[0]), t), v); });
  }

  void note_pass() {
    auto const& meta = golden_->meta();
    auto const& backbone = model_.backbone();
    Context ctx(plan_, [this](std::string const& name, Value v) { stages_.note(name, v); });
    auto const picture = hashed("input.image", shape_, tadp::hash_input_of(meta.at("image_key").template get<std::string>()));
    auto const latents = latent_of(ctx, {.scale = meta.at("latent_scale").template get<float>()}, backbone.vae(ctx, picture));
    stages_.note("latents", latents);
    auto const context = backbone.text(ctx, uploaded_ids_(device_, ids_), shape_.n());
    tadp::UNetConditioning<Value> const with{backbone.unet.time_projections(ctx, timestep(meta.value("timestep", 1.0F))), backbone.unet.keys_values(ctx, context), nullptr};
    auto const features = backbone.unet(ctx, latents, with);
    constexpr int block[] = {11, 7, 4, 1};
    for (std::size_t level = 0; level < 4; ++level) stages_.note("feature." + std::to_string(block[level]), features.features[level]);
    for (std::size_t level = 1; level <= 2; ++level) stages_.note("map.level" + std::to_string(2 * level), features.cross_maps[level]);
    auto const pyramid = pyramid_of(ctx, features);
    for (std::size_t i = 0; i < 4; ++i) {
      stages_.note("pyramid." + std::to_string(i), pyramid[i]);
      pyramid_[i] = plan_.keep(pyramid[i]), features_[i] = plan_.keep(features.features[i]);
    }
    note_losses(ctx, model_.head()(ctx, pyramid));
    note_noise(latents, with);
  }
  void note_losses(Context& ctx, Value logits) {
    if (!golden_->has("seg.logits_resized")) return;
    auto const resized = resize_bilinear_to(ctx, logits, shape_.h(), shape_.w());
    stages_.note("seg.logits_resized", resized);
    labels_ = tadp::hash_labels("input.seg_label", shape_.pixels(), static_cast<int>(resized.shape.c()), golden_->seed(), 0.1);
    auto const* const labels = uploaded_labels_(device_, labels_);
    for (auto const& [name, average] : {std::pair{"seg.loss_ce_mmseg", tadp::Average::all_pixels}, std::pair{"seg.loss_ce_non_ignore", tadp::Average::valid_pixels}})
      losses_.emplace_back(name, plan_.keep(ctx.apply(tadp::CrossEntropyOp{average, labels}, {resized})[0]));
  }
  /// eps_at_t500: the prediction of the noise in a latent that was noised to that step.
  void note_noise(Value latents, tadp::UNetConditioning<Value> with) {
    if (!golden_->has("eps_at_t500")) return;
    Context quiet(plan_);
    auto const& unet = model_.backbone().unet;
    auto const alpha = static_cast<float>(tadp::alphas_cumprod()[500]);
    auto const noise = hashed({}, latents.shape, tadp::hash_noise("input.diff_noise"));
    auto const noised = plus(quiet, scaled(quiet, std::sqrt(alpha), latents), scaled(quiet, std::sqrt(1.0F - alpha), noise));
    with.time = unet.time_projections(quiet, timestep(500.0F));
    stages_.note("eps_at_t500", unet.noise(quiet, unet(quiet, noised, with)));
  }

  tadp::Golden const* golden_;
  Device device_;
  typename Stack::Model model_;
  HashWeights<Device> weights_;
  tadp::Plan<Device> plan_;
  Stages<Device> stages_;
  tadp::FeatureShape shape_;
  std::vector<std::int32_t> ids_;
  std::vector<std::uint8_t> labels_;
  tadp::Uploaded<std::int32_t, Device> uploaded_ids_;
  tadp::Uploaded<std::uint8_t, Device> uploaded_labels_;
  std::vector<Input> inputs_;
  std::array<Value, 4> pyramid_{}, features_{};  // for the other heads, with and without maps
  std::vector<std::pair<std::string, Value>> losses_;
};

/// All stages of a pass, its inputs, its losses; `heads`: of the heads of VOC, depth and detection, too.
template <class Stack, class Device>
std::vector<Stage> stages_of(tadp::Golden const& g, bool heads, Device device) {
  return Pass<Stack, Device>(g, std::move(device)).run(heads);
}

/// Compares what a pass gives with the golden; returns how many stages there were.
inline int compare(tadp::GoldenCheck& check, std::vector<Stage> const& stages) {
  for (Stage const& s : stages) s.name.starts_with("seg.loss") ? check.scalar(s.name, static_cast<double>(s.values[0])) : check.features(s.name, s.view());
  return static_cast<int>(stages.size());
}

}  // namespace golden
