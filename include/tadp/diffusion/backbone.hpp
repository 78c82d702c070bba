// SPDX-License-Identifier: Apache-2.0
// UNet, text encoder and autoencoder together: pictures and texts to the feature pyramid that heads read.
// The pyramid: fine to coarse, with the averaged cross-attention maps appended to levels 1 and 2 (spec 2.2).
#pragma once

#include "tadp/core/require.hpp"
#include "tadp/diffusion/unet.hpp"
#include "tadp/diffusion/vae.hpp"
#include "tadp/text/prompt.hpp"

namespace tadp {

/// The autoencoder that belongs to a UNet.
constexpr VaeConfig vae_of(UNetConfig const& unet) {
  if (unet == tiny_unet) return tiny_vae;
  if (unet == street_unet) return street_vae;
  return sd15_vae;
}

template <class UNetType, class TextEncoderType, class VaeEncoderType = VaeEncoderOf<vae_of(UNetType::config)>>
class Backbone {
 public:
  using UNet = UNetType;
  using TextEncoder = TextEncoderType;
  using VaeEncoder = VaeEncoderType;
  static_assert(text_width_is_what_the_unet_takes<TextEncoder::config.width, UNet::config.context_dim>::met);

  /// Channels of the pyramid with `tokens` map channels on levels 1 and 2.
  template <int Tokens>
  using features = channels<UNet::config.channels(0), add_counts(UNet::config.channels(1), Tokens), add_counts(UNet::config.channels(2), Tokens),
                            UNet::config.channels(3)>;
  /// Side of a picture that the network takes: a multiple of this.
  static constexpr int granularity = VaeEncoder::config.stride() * 8;

  /// `learned_tokens`: rows of the token embedding behind those of the vocabulary.
  explicit Backbone(Scope const& s, index_t learned_tokens = 0)
      : unet(s / "model" / "diffusion_model"), vae(s / "first_stage_model"), text(s / "cond_stage_model" / "transformer" / "text_model", learned_tokens) {}

  UNet unet;
  VaeEncoder vae;
  TextEncoder text;
};

/// The four levels that a head reads: (N, h, w, C) each, fine to coarse.
template <class Value>
using Pyramid = std::array<Value, 4>;

/// Features with their maps appended; `self`: the self-attention maps, too (their channels depend on the picture's size).
template <class Ctx>
Pyramid<typename Ctx::Value> pyramid_of(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& f) {
  using Value = typename Ctx::Value;
  Pyramid<Value> pyramid;
  for (std::size_t level = 0; level < 4; ++level) {
    std::vector<Value> parts{f.features[level]};
    for (auto const* map : {&f.cross_maps[level], &f.self_maps[level]})
      if (*map) parts.push_back(*map);
    pyramid[level] = parts.size() == 1 ? parts[0] : ctx.concatenate(parts);
  }
  return pyramid;
}

}  // namespace tadp
