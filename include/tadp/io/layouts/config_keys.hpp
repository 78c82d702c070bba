// SPDX-License-Identifier: Apache-2.0
// What diffusers and transformers read of config.json beside a part's weights, and what this library computes with: one
// table a part. A file that says otherwise is another network, though its shapes may be the same.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/io/diffusers_config.hpp"

#include <nlohmann/json.hpp>

#include <string_view>
#include <vector>

namespace tadp {

/// A key of config.json, and the values with which the network is this library's; the first is what it is called by.
/// For a single value the file may have a list of them, one a level. A key that the file lacks is the network's own.
struct ConfigKey {
  std::string_view name;
  std::vector<nlohmann::json> allowed;
};

/// unet/config.json. Not in the table is what shapes tell, and what leaves the numbers as they are: use_linear_projection
/// (a matrix or a convolution of one by one), upcast_attention, dropout, sample_size, and time_cond_proj_dim, whose input
/// is never given.
inline std::vector<ConfigKey> config_keys(UNetConfig const& c) {
  auto const written = diffusers_unet_config(c);
  return {
      // --- what the shapes of a preset leave open ---
      {"attention_head_dim", {c.num_heads}},  // diffusers' name for how many heads there are
      {"num_attention_heads", {c.num_heads, nullptr}},
      {"norm_num_groups", {c.norm_groups}},
      {"norm_eps", {1e-5}},
      {"act_fn", {"silu", "swish"}},  // two names of one function
      // --- how many blocks of the file are used ---
      {"layers_per_block", {c.num_res_blocks}},
      {"transformer_layers_per_block", {1}},
      {"reverse_transformer_layers_per_block", {nullptr}},
      {"down_block_types", {nlohmann::json(written.at("down_block_types"))}},
      {"mid_block_type", {"UNetMidBlock2DCrossAttn"}},
      {"up_block_types", {nlohmann::json(written.at("up_block_types"))}},
      {"only_cross_attention", {false}},
      {"mid_block_only_cross_attention", {nullptr, false}},
      {"dual_cross_attention", {false}},
      // --- the time ---
      {"flip_sin_to_cos", {true}},
      {"freq_shift", {0}},
      {"time_embedding_type", {"positional"}},
      {"time_embedding_act_fn", {nullptr}},
      {"timestep_post_act", {nullptr}},
      {"resnet_time_scale_shift", {"default"}},
      {"resnet_skip_time_act", {false}},
      // --- other inputs than picture, time and text ---
      {"class_embed_type", {nullptr}},
      {"num_class_embeds", {nullptr}},
      {"class_embeddings_concat", {false}},
      {"addition_embed_type", {nullptr}},
      {"encoder_hid_dim", {nullptr}},
      {"encoder_hid_dim_type", {nullptr}},
      {"attention_type", {"default"}},
      {"cross_attention_norm", {nullptr}},
      // --- scales and edges ---
      {"center_input_sample", {false}},
      {"downsample_padding", {1}},
      {"mid_block_scale_factor", {1}},
      {"resnet_out_scale_factor", {1}},
  };
}

/// vae/config.json. Not in the table: what shapes tell, sample_size, force_upcast, and what concerns tiles.
inline std::vector<ConfigKey> config_keys(VaeConfig const& c) {
  auto const written = diffusers_vae_config(c);
  return {
      {"norm_num_groups", {c.norm_groups}},
      {"act_fn", {"silu", "swish"}},
      {"scaling_factor", {nlohmann::json(written.at("scaling_factor"))}},
      {"shift_factor", {nullptr, 0}},
      {"latents_mean", {nullptr}},
      {"latents_std", {nullptr}},
      {"layers_per_block", {c.num_res_blocks}},
      {"down_block_types", {nlohmann::json(written.at("down_block_types"))}},
      {"up_block_types", {nlohmann::json(written.at("up_block_types"))}},
      {"mid_block_add_attention", {c.mid_attention}},
      {"use_quant_conv", {true}},
  };
}

/// text_encoder/config.json, or that of a folder with CLIP. Not in the table: what shapes tell, dropout, what concerns the
/// projection and training, and the ids of tokens, which old files have wrong.
inline std::vector<ConfigKey> config_keys(TextEncoderConfig const& c) {
  return {
      {"hidden_act", {"quick_gelu"}},  // OpenAI's; LAION's towers of the same shapes have gelu
      {"num_attention_heads", {c.heads}},
      {"layer_norm_eps", {1e-5}},
      {"num_hidden_layers", {c.layers}},  // fewer than the file has: the last are skipped
  };
}

}  // namespace tadp
