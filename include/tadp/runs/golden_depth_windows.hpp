// SPDX-License-Identifier: Apache-2.0
// Depth in tiny_windows: a picture padded after its normalisation, stage by stage and by a session; shifted and mirrored
// windows by a session, as any picture is run.
#pragma once

#include "tadp/runs/golden_depth.hpp"
#include "tadp/session.hpp"

namespace tadp {

/// Device: one whose memory the host reads.
template <class Stack, class Device = Cpu>
class GoldenDepthWindows {
 public:
  using Model = GoldenDepthModel<Stack, PromptPolicy<Caption>>;
  using Change = std::function<void(Weights<Device>&)>;

  GoldenDepthWindows(Golden const& golden, Device device, int threads) : golden_(&golden), device_(std::move(device)), threads_(threads) {
    golden.guarded([&] {
      ids_ = golden_tokens(golden.meta().at("token_ids"), Stack::text);
      latent_.scale = golden.meta().at("latent_scale").template get<float>();
    });
  }

  void run(GoldenCheck& check, Control const& control = {}, Change const& change = {}) {
    auto const& meta = golden_->meta();
    if (!golden_has_any(*golden_, "depth_")) return;
    weights_ = std::make_shared<Weights<Device>>(device_, model_->parameters());
    fill_golden_weights(device_, *weights_, golden_->seed());
    if (change) change(*weights_);
    Case const padded = case_of(meta.at("depth_pad")), shifted = case_of(meta.at("depth_tta"));
    check_stages(check, padded, meta.at("depth_pad").at("pad").template get<index_t>(), control);
    auto const shifts = meta.at("depth_tta").at("shifts").template get<int>();
    auto const side = static_cast<int>(std::min(shifted.shape.h(), shifted.shape.w()));
    check_session(check, "depth_tta.pred", shifted, {.window = {side, side}, .shifts = shifts, .flip = true, .batch = 2, .threads = threads_, .latent = latent_}, control);
  }

 private:
  struct Case {
    FeatureShape shape;
    std::vector<float> picture;  // normalised
  };
  /// The case's picture is in [0, 1), and is brought to [-1, 1).
  Case case_of(nlohmann::json const& entry) const {
    auto const image = entry.at("image").get<std::array<index_t, 4>>();
    Case c{{image[0], image[2], image[3], image[1]}, {}};
    if (c.shape.n() != 1 || c.shape.c() != 3 || c.shape.h() < 1 || c.shape.w() < 1)
      throw Error(Errc::shape, "windows of depth take one picture", {.file = golden_->path().string(), .found = to_string(c.shape)});
    c.picture.resize(static_cast<std::size_t>(c.shape.count()));
    fill_input(hash_input_of(entry.at("key").get<std::string>()), golden_->seed(), {c.picture.data(), c.shape});
    for (float& v : c.picture) v = 2.0F * v - 1.0F;
    return c;
  }

  void check_session(GoldenCheck& check, std::string const& entry, Case const& c, SessionOptions const& options, Control const& control) const {
    Session<Model, Inference<Device>> session(model_, weights_, options);
    auto const map = session.depth(NormalisedView{c.picture.data(), static_cast<int>(c.shape.w()), static_cast<int>(c.shape.h())}, {.ids = ids_}, control);
    check.features(entry, {map.metres.data(), c.shape.with_channels(1)});
  }

  /// One pass that a listener follows; the session's answer for the same picture has to be its last stage.
  void check_stages(GoldenCheck& check, Case const& c, index_t pad, Control const& control) {
    Plan<Device> plan(device_, &weights_->list(), weights_->flat());
    std::vector<std::pair<std::string, PlannedValue>> stages;
    PlanContext<Device> ctx(plan, [&](std::string const& name, PlannedValue v) {
      if (name.starts_with("depth.")) stages.emplace_back("depth_pad." + name.substr(6), plan.keep(v));
    });
    auto const& b = model_->backbone();
    auto const picture = plan.input({1, c.shape.h() + pad, c.shape.w() + pad, 3});
    auto const time = plan.input({1, 1, 1, Stack::unet.model_channels});
    auto const latent = latent_of(ctx, latent_, b.vae(ctx, picture));
    auto const context = model_->context(ctx, ids_.data(), 1);
    auto const pyramid = pyramid_for<typename Model::Task>(ctx, b.unet(ctx, latent, {b.unet.time_projections(ctx, time), b.unet.keys_values(ctx, context), nullptr}));
    constexpr index_t cell = Model::Backbone::granularity / 2;
    model_->head()(ctx, pyramid, {c.shape.h() / cell, c.shape.w() / cell});
    plan.finish();
    reframe(device_, ConstFeatures<Device>{c.picture.data(), c.shape}, plan.view(picture));
    fill_timesteps(std::vector<float>{1.0F}, host_view(plan.view(time)));
    plan.run(device_, [&](std::size_t done, std::size_t total) { control.step(done, total); });
    for (auto const& [name, v] : stages)
      if (name != "depth_pad.pred") check.features(name, host_view(plan.view(v)));
    check_session(check, "depth_pad.pred", c, {.window = {static_cast<int>(c.shape.h()), static_cast<int>(c.shape.w())}, .threads = threads_, .latent = latent_}, control);
  }

  Golden const* golden_;
  Device device_;
  int threads_;
  std::shared_ptr<Model const> model_ = std::make_shared<Model const>();
  std::shared_ptr<Weights<Device>> weights_;
  std::vector<std::int32_t> ids_;
  LatentPolicy latent_{};
};

}  // namespace tadp
