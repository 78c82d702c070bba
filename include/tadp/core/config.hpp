// SPDX-License-Identifier: Apache-2.0
// The configurations of the networks, as constexpr values that a model's type carries: Stable Diffusion v1.5,
// the reference's `tiny`, and `street`, the small stack that this library trains on its own rendered world.
#pragma once

#include <array>

namespace tadp {

/// The denoising UNet. Levels are halvings of the latent; transformers stand at the levels that `attention` marks.
struct UNetConfig {
  int in_channels = 4;
  int out_channels = 4;
  int model_channels = 320;
  std::array<int, 4> channel_mult{1, 2, 4, 4};
  int num_res_blocks = 2;
  std::array<bool, 4> attention{true, true, true, false};
  int num_heads = 8;
  int context_dim = 768;
  int norm_groups = 32;

  constexpr int channels(int level) const { return model_channels * channel_mult[static_cast<std::size_t>(level)]; }
  constexpr int time_dim() const { return 4 * model_channels; }
  static constexpr int levels = 4;
  friend constexpr bool operator==(UNetConfig const&, UNetConfig const&) = default;
};

/// The autoencoder. `levels` entries of channel_mult are used; each but the last halves the picture.
struct VaeConfig {
  int in_channels = 3;
  int base_channels = 128;
  std::array<int, 4> channel_mult{1, 2, 4, 4};
  int levels = 4;
  int num_res_blocks = 2;
  int z_channels = 4;
  int norm_groups = 32;
  bool mid_attention = true;  ///< mid.attn_1, whose cost grows with the square of the latent's size
  float latent_scale = 0.18215F;

  constexpr int channels(int level) const { return base_channels * channel_mult[static_cast<std::size_t>(level)]; }
  /// Picture pixels per latent cell and side.
  constexpr int stride() const { return 1 << (levels - 1); }
  friend constexpr bool operator==(VaeConfig const&, VaeConfig const&) = default;
};

/// The CLIP text encoder and its token ids.
struct TextEncoderConfig {
  int vocabulary = 49408;
  int width = 768;
  int layers = 12;
  int heads = 12;
  int mlp = 3072;
  int length = 77;
  int begin_token = 49406;
  int end_token = 49407;  ///< ends a text, and pads it

  friend constexpr bool operator==(TextEncoderConfig const&, TextEncoderConfig const&) = default;
};

/// Stable Diffusion v1.5.
inline constexpr UNetConfig sd15_unet{};
inline constexpr VaeConfig sd15_vae{};
inline constexpr TextEncoderConfig clip_vit_l14{};

/// The reference's small preset: every stage of the real one at a width that a test can afford.
inline constexpr UNetConfig tiny_unet{.model_channels = 32, .num_heads = 4, .context_dim = 64};
inline constexpr VaeConfig tiny_vae{.base_channels = 16, .norm_groups = 8};
inline constexpr TextEncoderConfig tiny_text{.vocabulary = 512, .width = 64, .layers = 2, .heads = 4, .mlp = 256, .begin_token = 510, .end_token = 511};

/// The stack of the embedded street model: a latent cell is 4 pixels wide and has 8 channels, so that what is thin
/// survives in it; a text has at most 30 words of its own vocabulary.
inline constexpr UNetConfig street_unet{.in_channels = 8,
                                        .out_channels = 8,
                                        .model_channels = 48,
                                        .channel_mult = {1, 2, 2, 2},
                                        .num_res_blocks = 1,
                                        .attention = {false, true, true, false},
                                        .num_heads = 3,
                                        .context_dim = 64,
                                        .norm_groups = 8};
inline constexpr VaeConfig street_vae{.base_channels = 16,
                                      .channel_mult = {1, 2, 4, 4},
                                      .levels = 3,
                                      .num_res_blocks = 1,
                                      .z_channels = 8,
                                      .norm_groups = 2,
                                      .mid_attention = false,
                                      .latent_scale = 1.0F};
inline constexpr TextEncoderConfig street_text{
    .vocabulary = 512, .width = 64, .layers = 2, .heads = 4, .mlp = 256, .length = 32, .begin_token = 510, .end_token = 511};

}  // namespace tadp
