// SPDX-License-Identifier: Apache-2.0
// The networks that a parity certificate goes through, put together from what it says of its pass: backbone, what the prompt
// adds to the context, and the heads that the model has: of labels (mmsegmentation's, smp's), depth and detection.
#pragma once

#include "tadp/io/weights.hpp"
#include "tadp/runs/golden_depth.hpp"
#include "tadp/runs/golden_detection.hpp"
#include "tadp/runs/golden_voc.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/runs/street_stack.hpp"

namespace tadp {

using CertifiedStreet = GoldenStackOf<StreetUNet, StreetTextEncoder, 64>;

/// Sizes of a stack's heads of depth and detection.
template <class Stack>
inline constexpr DepthConfig certified_depth = golden_depth<Stack>;
template <>
inline constexpr DepthConfig certified_depth<CertifiedStreet> = street_depth;
template <class Stack>
inline constexpr DetectionConfig certified_detection = golden_detection_config<Stack>;
template <>
inline constexpr DetectionConfig certified_detection<CertifiedStreet> = street_detection;

/// What a certificate's pass consists of beside picture and UNet.
struct CertifiedParts {
  bool caption = true;           ///< the text encoder is run
  index_t class_embeddings = 0;  ///< tokens of a table in the model
  bool adapter = false;
  index_t head_classes = 0;      ///< of mmsegmentation's head; 0: no head
  index_t voc_classes = 0;       ///< of smp's
  index_t detection_classes = 0;  ///< with the background
  float max_depth = 0.0F;        ///< metres, of the depth head; 0: no head
  float latent_scale = 1.0F;
};

/// Error(format) where the manifest is no certificate's or contradicts itself.
inline CertifiedParts certified_parts(Golden const& certificate) {
  return certificate.guarded([&] {
    auto const& meta = certificate.meta();
    CertifiedParts const parts{.caption = meta.at("caption").get<bool>(),
                               .class_embeddings = meta.at("class_embeddings").get<index_t>(),
                               .adapter = meta.at("adapter").get<bool>(),
                               .head_classes = meta.at("head_classes").get<index_t>(),
                               .voc_classes = meta.value("voc_classes", index_t{0}),
                               .detection_classes = meta.value("detection_classes", index_t{0}),
                               .max_depth = meta.value("max_depth", 0.0F),
                               .latent_scale = meta.at("latent_scale").get<float>()};
    auto const within = [&](index_t count, char const* key) {
      if (count < 0 || count > 4096) throw Error(Errc::format, "a certificate has a count that no model has", {.file = certificate.path().string(), .key = key, .expected = "0 to 4096", .found = std::to_string(count)});
    };
    within(parts.class_embeddings, "class_embeddings");
    within(parts.head_classes, "head_classes");
    within(parts.voc_classes, "voc_classes");
    within(parts.detection_classes, "detection_classes");
    if (!parts.caption && parts.class_embeddings == 0) throw Error(Errc::format, "a certificate needs a text or class embeddings", {.file = certificate.path().string()});
    return parts;
  });
}

/// Stack: GoldenTiny, GoldenFull or another GoldenStackOf, whose sizes alone are read.
template <class Stack>
class CertifiedNet {
 public:
  using Backbone = typename Stack::Model::Backbone;
  using LabelsNet = typename SegmentationOf<dynamic, static_cast<int>(Stack::head_width)>::Net;
  using VocNet = typename SegmentationOf<dynamic, golden_voc<Stack>>::Net;
  using DetectionNet = typename DetectionOf<dynamic, certified_detection<Stack>>::Net;
  using DepthNet = typename DepthOf<certified_depth<Stack>>::Net;

  explicit CertifiedNet(CertifiedParts const& parts) : parts_(parts), list_(std::make_shared<ParameterList>()), backbone_(Scope(*list_)) {
    index_t const tokens = (parts.caption ? Stack::text.length : 0) + parts.class_embeddings;
    auto const& unet = Stack::unet;
    if (parts.class_embeddings > 0) class_embeddings_ = Scope(*list_).add("class_embeddings", {parts.class_embeddings, Stack::text.width}, Init::embedding, false);
    if (parts.adapter) adapter_.emplace(Scope(*list_), Stack::text.width);
    FeatureChannels const features{unet.channels(0), unet.channels(1), unet.channels(2), unet.channels(3)}, with_maps{features[0], features[1] + tokens, features[2] + tokens, features[3]};
    if (parts.head_classes > 0) labels_.emplace(Scope(*list_), with_maps, parts.head_classes);
    if (parts.voc_classes > 0) voc_.emplace(Scope(*list_), with_maps, parts.voc_classes);
    if (parts.detection_classes > 0) detection_.emplace(Scope(*list_), with_maps, parts.detection_classes);
    if (parts.max_depth <= 0.0F) return;
    if (parts.max_depth != certified_depth<Stack>.max_depth)
      throw Error(Errc::unsupported, "the certificate's depth head reaches another distance than this stack's", {.key = "max_depth", .expected = std::to_string(certified_depth<Stack>.max_depth), .found = std::to_string(parts.max_depth)});
    depth_.emplace(Scope(*list_), features, 1);
  }
  CertifiedNet(CertifiedNet const&) = delete;
  CertifiedNet& operator=(CertifiedNet const&) = delete;

  std::shared_ptr<ParameterList const> parameters() const { return list_; }
  Backbone const& backbone() const { return backbone_; }
  /// The parameters that the pass reads: neither the prediction of noise, nor a text encoder that class embeddings replace.
  ParameterFilter read() const {
    return [caption = parts_.caption](ParameterSpec const& spec) {
      return !spec.name.starts_with("model.diffusion_model.out.") && (caption || !spec.name.starts_with("cond_stage_model."));
    };
  }

  /// ids (texts x length) -> what the UNet's cross-attentions read.
  template <class Ctx>
  typename Ctx::Value context(Ctx& ctx, std::int32_t const* ids, index_t texts) const {
    typename Ctx::Value c;
    if (parts_.caption) c = backbone_.text(ctx, ids, texts);
    if (parts_.class_embeddings > 0) {
      auto const classes = ctx.apply(ParameterRowsOp{{class_embeddings_}, parts_.class_embeddings, Stack::text.width}, std::span<typename Ctx::Value const>{})[0];
      c = c ? ctx.apply(JoinTokensOp{}, {c, classes})[0] : classes;
    }
    return adapter_ ? (*adapter_)(ctx, c) : c;
  }
  /// The heads' stages are noted; detection pools from `rois`, as boxes of its own would depend on how numbers are rounded.
  template <class Ctx>
  void heads(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& features, BoxList<typename Ctx::Value> const& rois) const {
    if (labels_) (*labels_)(ctx, pyramid_of(ctx, features));
    if (voc_) (*voc_)(ctx, pyramid_of(ctx, features));
    if (detection_) detection_->box_head()(ctx, (*detection_)(ctx, pyramid_of(ctx, features)).levels, rois.rows, rois.counts);
    if (depth_) (*depth_)(ctx, features.features);
  }

 private:
  CertifiedParts parts_;
  std::shared_ptr<ParameterList> list_;
  Backbone backbone_;
  ParameterId class_embeddings_{};
  std::optional<TextAdapter> adapter_;
  std::optional<LabelsNet> labels_;
  std::optional<VocNet> voc_;
  std::optional<DetectionNet> detection_;
  std::optional<DepthNet> depth_;
};

}  // namespace tadp
