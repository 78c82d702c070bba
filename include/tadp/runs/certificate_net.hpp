// SPDX-License-Identifier: Apache-2.0
// The networks that a parity certificate goes through, put together from what it says of its pass: backbone, what the prompt
// adds to the context, and the head of mmsegmentation where the model has it.
#pragma once

#include "tadp/io/weights.hpp"
#include "tadp/runs/golden_inputs.hpp"

namespace tadp {

/// What a certificate's pass consists of beside picture and UNet.
struct CertifiedParts {
  bool caption = true;           ///< the text encoder is run
  index_t class_embeddings = 0;  ///< tokens of a table in the model
  bool adapter = false;
  index_t head_classes = 0;      ///< of the segmentation head; 0: no head
  float latent_scale = 1.0F;
};

/// Error(format) where the manifest is no certificate's or contradicts itself.
inline CertifiedParts certified_parts(Golden const& certificate) {
  return certificate.guarded([&] {
    auto const& meta = certificate.meta();
    CertifiedParts const parts{meta.at("caption").get<bool>(), meta.at("class_embeddings").get<index_t>(), meta.at("adapter").get<bool>(), meta.at("head_classes").get<index_t>(), meta.at("latent_scale").get<float>()};
    auto const within = [&](index_t count, char const* key) {
      if (count < 0 || count > 4096) throw Error(Errc::format, "a certificate has a count that no model has", {.file = certificate.path().string(), .key = key, .expected = "0 to 4096", .found = std::to_string(count)});
    };
    within(parts.class_embeddings, "class_embeddings");
    within(parts.head_classes, "head_classes");
    if (!parts.caption && parts.class_embeddings == 0) throw Error(Errc::format, "a certificate needs a text or class embeddings", {.file = certificate.path().string()});
    return parts;
  });
}

/// Stack: GoldenTiny, GoldenFull or another GoldenStackOf, whose sizes alone are read.
template <class Stack>
class CertifiedNet {
 public:
  using Backbone = typename Stack::Model::Backbone;
  using HeadNet = typename SegmentationOf<dynamic, static_cast<int>(Stack::head_width)>::Net;

  explicit CertifiedNet(CertifiedParts const& parts) : parts_(parts), list_(std::make_shared<ParameterList>()), backbone_(Scope(*list_)) {
    index_t const tokens = (parts.caption ? Stack::text.length : 0) + parts.class_embeddings;
    auto const& unet = Stack::unet;
    if (parts.class_embeddings > 0) class_embeddings_ = Scope(*list_).add("class_embeddings", {parts.class_embeddings, Stack::text.width}, Init::embedding, false);
    if (parts.adapter) adapter_.emplace(Scope(*list_), Stack::text.width);
    if (parts.head_classes > 0) head_.emplace(Scope(*list_), FeatureChannels{unet.channels(0), unet.channels(1) + tokens, unet.channels(2) + tokens, unet.channels(3)}, parts.head_classes);
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
  /// The head's stages are noted; nothing without a head.
  template <class Ctx>
  void head(Ctx& ctx, Pyramid<typename Ctx::Value> const& pyramid) const {
    if (head_) (*head_)(ctx, pyramid);
  }

 private:
  CertifiedParts parts_;
  std::shared_ptr<ParameterList> list_;
  Backbone backbone_;
  ParameterId class_embeddings_{};
  std::optional<TextAdapter> adapter_;
  std::optional<HeadNet> head_;
};

}  // namespace tadp
