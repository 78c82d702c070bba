// SPDX-License-Identifier: Apache-2.0
// The CLIP text encoder: token ids in, the last hidden states of all positions out (after the final layer norm).
// A causal mask, no padding mask: padding tokens are real context (spec 1.4).
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/ops/attention.hpp"
#include "tadp/ops/layers.hpp"

namespace tadp {

/// One pre-norm transformer layer.
class ClipLayer {
 public:
  ClipLayer(Scope const& s, TextEncoderConfig const& c)
      : heads_(c.heads), layer_norm1_(s / "layer_norm1", c.width), q_(s / "self_attn" / "q_proj", c.width, c.width),
        k_(s / "self_attn" / "k_proj", c.width, c.width), v_(s / "self_attn" / "v_proj", c.width, c.width),
        out_(s / "self_attn" / "out_proj", c.width, c.width), layer_norm2_(s / "layer_norm2", c.width),
        fc1_(s / "mlp" / "fc1", c.width, c.mlp), fc2_(s / "mlp" / "fc2", c.mlp, c.width) {}

  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value x) const {  // (T, 1, length, width)
    auto const h = layer_norm1_(ctx, x);
    auto const attended = ctx.apply(AttentionOp{{heads_, true}}, {q_(ctx, h), k_(ctx, h), v_(ctx, h)})[0];
    x = out_(ctx, attended, {}, x);
    auto const inner = activate(ctx, Activation::quick_gelu, fc1_(ctx, layer_norm2_(ctx, x)));
    return fc2_(ctx, inner, {}, x);
  }

 private:
  int heads_;
  LayerNorm layer_norm1_;
  Linear q_, k_, v_, out_;
  LayerNorm layer_norm2_;
  Linear fc1_, fc2_;
};

template <TextEncoderConfig Config>
class TextEncoderOf {
 public:
  static constexpr TextEncoderConfig config = Config;

  /// Names start at `scope`, the checkpoint's cond_stage_model.transformer.text_model. `learned`: rows of learned tokens,
  /// behind those of the vocabulary (spec 3.5).
  explicit TextEncoderOf(Scope const& s, index_t learned = 0)
      : learned_(learned),
        table_positions_{(s / "embeddings" / "token_embedding").add("weight", {Config.vocabulary + learned, Config.width}, Init::embedding),
                         (s / "embeddings" / "position_embedding").add("weight", {Config.length, Config.width}, Init::embedding)},
        final_layer_norm_(s / "final_layer_norm", Config.width) {
    for (int i = 0; i < Config.layers; ++i) layers_.emplace_back(s / "encoder" / "layers" / i, Config);
  }

  /// The configuration whose vocabulary counts the learned tokens, too.
  TextEncoderConfig with_learned() const {
    TextEncoderConfig c = Config;
    c.vocabulary += static_cast<int>(learned_);
    return c;
  }

  /// ids: `texts` * length token ids on the device -> (texts, 1, length, width). A `length` below the encoder's gives the
  /// first positions of longer texts: the mask is causal.
  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, std::int32_t const* ids, index_t texts, index_t length = Config.length) const {
    auto x = ctx.apply(EmbedOp{ids, texts, length, Config.width, table_positions_}, std::span<typename Ctx::Value const>{})[0];
    ctx.note("clip.embed", x);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      x = layers_[i](ctx, x);
      ctx.note("clip.layer." + std::to_string(i), x);
    }
    x = final_layer_norm_(ctx, x);
    ctx.note("clip.last_hidden", x);
    return x;
  }

 private:
  index_t learned_;
  std::array<ParameterId, 2> table_positions_;
  std::vector<ClipLayer> layers_;
  LayerNorm final_layer_norm_;
};

/// The text encoder of Stable Diffusion v1.5.
using TextEncoder = TextEncoderOf<clip_vit_l14>;

/// c + gamma * (W2 gelu(W1 c + b1) + b2): the text adapter of VPD and TADP; names text_adapter.fc.{0,2} and gamma.
class TextAdapter {
 public:
  TextAdapter(Scope const& s, index_t width)
      : fc0_(s / "text_adapter" / "fc" / 0, width, width), fc2_(s / "text_adapter" / "fc" / 2, width, width),
        gamma_{s.add("gamma", {width}, Init::small_gamma)} {}

  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& context) const {
    auto const f = fc2_(ctx, activate(ctx, Activation::gelu, fc0_(ctx, context)));
    auto const adapted = ctx.apply(GatedSumOp{gamma_}, {context, f})[0];
    ctx.note("text.adapted", adapted);
    return adapted;
  }

 private:
  Linear fc0_, fc2_;
  std::array<ParameterId, 1> gamma_;
};

}  // namespace tadp
