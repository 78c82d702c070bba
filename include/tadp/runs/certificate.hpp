// SPDX-License-Identifier: Apache-2.0
// A parity certificate: what PyTorch computed with a model's weights, stage by stage (scripts/make_certificate.py), against
// what this library computes with them. What `tadp verify MODEL` calls.
#pragma once

#include "tadp/io/model_configs.hpp"
#include "tadp/runs/certificate_net.hpp"
#include "tadp/runs/certificate_weights.hpp"
#include "tadp/runs/golden.hpp"
#include "tadp/runs/golden_stage_list.hpp"

namespace tadp {

/// The pass of a certificate with the weights of a model. Stack: GoldenTiny, GoldenFull or CertifiedStreet.
template <class Stack>
class CertificatePass {
 public:
  /// Plans the pass; the weights are still to be loaded. Errors of certified_parts, golden_tokens and golden_picture_shape.
  CertificatePass(Golden const& certificate, int threads)
      : certificate_(&certificate), cpu_(golden_threads(threads)), parts_(certified_parts(certificate)), net_(parts_), weights_(cpu_, net_.parameters()),
        plan_(cpu_, &weights_.list(), weights_.flat()), stages_(certificate, plan_) {
    certificate.guarded([&] { note_pass(); });
    plan_.finish();
  }
  CertificatePass(CertificatePass const&) = delete;
  CertificatePass& operator=(CertificatePass const&) = delete;

  Weights<Cpu>& weights() { return weights_; }
  ParameterFilter read() const { return net_.read(); }

  /// Compares every stage as it is computed. Error(cancelled).
  void run(GoldenCheck& check, Control const& control = {}) {
    fill_picture();
    float const t = 1.0F;
    fill_timesteps({&t, 1}, plan_.view(time_));
    fill_rois(check);
    check.features(picture_name, plan_.view(picture_));
    stages_.run(cpu_, check, control);
    check.finish();
  }

 private:
  using Value = PlannedValue;
  static constexpr char const *picture_name = "input.image", *rois_name = "input.rois";

  void note_pass() {
    auto const& meta = certificate_->meta();
    auto const& backbone = net_.backbone();
    shape_ = golden_picture_shape(meta.at("image"), Stack::Model::Backbone::granularity);
    GoldenTensor const& picture = certificate_->tensor(picture_name);
    if (picture.integers || picture.stride != 1 || picture.shape != std::vector<index_t>{shape_.n(), shape_.c(), shape_.h(), shape_.w()})
      throw Error(Errc::shape, "a certificate holds its whole picture", {.file = certificate_->path().string(), .key = picture_name, .expected = "meta.image in float32, stride 1"});
    ids_ = golden_tokens(meta.at("token_ids"), Stack::text);
    if (static_cast<index_t>(ids_.size()) != shape_.n() * Stack::text.length || shape_.n() != 1)
      throw Error(Errc::shape, "a certificate has one picture and one text", {.file = certificate_->path().string()});

    PlanContext<Cpu> ctx(plan_, [this](std::string const& name, Value v) { stages_.noted(name, v); });
    picture_ = plan_.input(shape_);
    auto const latents = latent_of(ctx, {.scale = parts_.latent_scale}, backbone.vae(ctx, picture_));
    stages_.add("latents", latents);
    auto const context = net_.context(ctx, ids_.data(), 1);
    time_ = plan_.input({1, 1, 1, Stack::unet.model_channels});
    auto const features = backbone.unet(ctx, latents, {backbone.unet.time_projections(ctx, time_), backbone.unet.keys_values(ctx, context), nullptr});
    for (std::size_t level = 1; level <= 2; ++level) stages_.add_late("map.level" + std::to_string(2 * level), features.cross_maps[level]);
    if (parts_.detection_classes > 0) rois_ = {plan_.input({1, 1, roi_count(), 4}), plan_.input({1, 1, 1, 1})};
    net_.heads(ctx, features, rois_);
  }
  void fill_picture() {
    auto const values = certificate_->values(certificate_->tensor(picture_name));
    Features<Cpu> const to = plan_.view(picture_);
    index_t const c = shape_.c(), positions = shape_.positions();
    for (index_t p = 0; p < positions; ++p)
      for (index_t i = 0; i < c; ++i) to.pixel(p)[i] = values[static_cast<std::size_t>(i * positions + p)];
  }

  index_t roi_count() const {
    GoldenTensor const& rois = certificate_->tensor(rois_name);
    if (rois.integers || rois.stride != 1 || rois.shape.size() != 2 || rois.shape[0] < 1 || rois.shape[1] != 4)
      throw Error(Errc::shape, "a certificate holds all boxes that are pooled", {.file = certificate_->path().string(), .key = rois_name, .expected = "[boxes, 4] in float32, stride 1"});
    return rois.shape[0];
  }
  void fill_rois(GoldenCheck& check) {
    if (!rois_.rows) return;
    auto const corners = certificate_->values(certificate_->tensor(rois_name));
    Features<Cpu> const rows = plan_.view(rois_.rows);
    for (index_t r = 0; r < rows.shape.pixels(); ++r) std::copy_n(corners.begin() + 4 * r, 4, rows.pixel(r));
    plan_.view(rois_.counts).data[0] = static_cast<float>(rows.shape.pixels());
    check.features(rois_name, rows);
  }

  Golden const* certificate_;
  Cpu cpu_;
  CertifiedParts parts_;
  CertifiedNet<Stack> net_;
  Weights<Cpu> weights_;
  Plan<Cpu> plan_;
  GoldenStageList<> stages_;
  FeatureShape shape_{};
  Value picture_{}, time_{};
  BoxList<Value> rois_{};  ///< where there is a detection head
  std::vector<std::int32_t> ids_;
};

/// The manifest of a model's certificate where its maker puts it: MODEL without its ending, then .certificate.json.
inline std::filesystem::path certificate_of(std::filesystem::path const& model) {
  std::error_code unknown;
  auto path = model.has_filename() ? model : model.parent_path();
  if (!std::filesystem::is_directory(path, unknown)) path.replace_extension();
  return path += ".certificate.json";
}

struct CertificateOptions {
  bool any_weights = false;  ///< compare although the checksums differ
  int threads = 0;           ///< 0: all of the machine
};

namespace certificate_detail {

template <class Stack>
void verify(Golden const& certificate, ModelSource const& model, GoldenCheck& check, CertificateOptions const& options, Control const& control) {
  CertificatePass<Stack> pass(certificate, options.threads);
  load_weights_from(pass.weights(), std::span(&model, 1), model.path().string(), {.wanted = pass.read()});
  // Checksums and pass are the halves of one way.
  Control const first{control.stop, [&](std::size_t done, std::size_t total) { control.step(done, 2 * total); }};
  Control const second{control.stop, [&](std::size_t done, std::size_t total) { control.step(total + done, 2 * total); }};
  if (!options.any_weights) require_no_others(other_weights(certificate, model, pass.weights().list(), pass.read(), first), certificate, model);
  pass.run(check, second);
}

}  // namespace certificate_detail

/// Runs the pass of a certificate with a model's weights and reports a row a stage. Errors of Golden and configs_of, Error(format) where the
/// certificate is of other weights, Error(unsupported) where the networks are none of this library's or the manifest is of
/// another kind, Error(key) with the table of names that do not fit; Error(cancelled).
inline GoldenReport verify_model(std::filesystem::path const& manifest, ModelSource const& model, CertificateOptions const& options = {}, GoldenCheck::OnRow const& on_row = {}, Control const& control = {}) {
  Golden const certificate(manifest);
  if (certificate.kind() != GoldenKind::certificate)
    throw Error(Errc::unsupported, "this golden is no certificate of a model", {.file = manifest.string(), .expected = "what scripts/make_certificate.py writes"});
  auto const unet = require_unet(model, configs_of(model));
  GoldenReport report;
  collect_golden(certificate, report, on_row, [&](GoldenCheck& check) {
    if (unet == sd15_unet) return certificate_detail::verify<GoldenFull>(certificate, model, check, options, control);
    if (unet == tiny_unet) return certificate_detail::verify<GoldenTiny>(certificate, model, check, options, control);
    if (unet == street_unet) return certificate_detail::verify<CertifiedStreet>(certificate, model, check, options, control);
    throw Error(Errc::unsupported, "no certificate can be checked of networks of these sizes", {.file = model.path().string(), .key = "unet", .expected = "sd15, tiny or street", .found = "others"});
  });
  return report;
}

}  // namespace tadp
