// SPDX-License-Identifier: Apache-2.0
// The JSON files of a diffusers folder, by which diffusers and transformers build the networks before they load weights.
// Written beside converted weights, from the configurations that were recognised.
#pragma once

#include "tadp/core/config.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace tadp {

/// unet/config.json of a UNet2DConditionModel.
inline nlohmann::ordered_json diffusers_unet_config(UNetConfig const& c) {
  std::vector<int> channels;
  std::vector<std::string> down, up;
  for (int level = 0; level < UNetConfig::levels; ++level) {
    bool const attention = c.attention[static_cast<std::size_t>(level)];
    channels.push_back(c.channels(level));
    down.emplace_back(attention ? "CrossAttnDownBlock2D" : "DownBlock2D");
    up.insert(up.begin(), attention ? "CrossAttnUpBlock2D" : "UpBlock2D");
  }
  return {{"_class_name", "UNet2DConditionModel"},
          {"_diffusers_version", "0.6.0"},
          {"act_fn", "silu"},
          {"attention_head_dim", c.num_heads},  // the name is diffusers' mistake: it counts the heads
          {"block_out_channels", channels},
          {"center_input_sample", false},
          {"cross_attention_dim", c.context_dim},
          {"down_block_types", down},
          {"downsample_padding", 1},
          {"flip_sin_to_cos", true},
          {"freq_shift", 0},
          {"in_channels", c.in_channels},
          {"layers_per_block", c.num_res_blocks},
          {"mid_block_scale_factor", 1},
          {"norm_eps", 1e-05},
          {"norm_num_groups", c.norm_groups},
          {"out_channels", c.out_channels},
          {"sample_size", 64},
          {"up_block_types", up}};
}

/// vae/config.json of an AutoencoderKL.
inline nlohmann::ordered_json diffusers_vae_config(VaeConfig const& c) {
  std::vector<int> channels;
  for (int level = 0; level < c.levels; ++level) channels.push_back(c.channels(level));
  std::vector<std::string> const down(channels.size(), "DownEncoderBlock2D"), up(channels.size(), "UpDecoderBlock2D");
  return {{"_class_name", "AutoencoderKL"},
          {"_diffusers_version", "0.6.0"},
          {"act_fn", "silu"},
          {"block_out_channels", channels},
          {"down_block_types", down},
          {"in_channels", c.in_channels},
          {"latent_channels", c.z_channels},
          {"layers_per_block", c.num_res_blocks},
          {"mid_block_add_attention", c.mid_attention},
          {"norm_num_groups", c.norm_groups},
          {"out_channels", c.in_channels},
          {"sample_size", 512},
          {"scaling_factor", static_cast<int>(c.latent_scale * 1e5F + 0.5F) / 1e5},  // 0.18215, not its nearest float
          {"up_block_types", up}};
}

/// text_encoder/config.json of a CLIPTextModel; `vocabulary`: rows of the token embedding, learned tokens included.
inline nlohmann::ordered_json diffusers_text_config(TextEncoderConfig const& c, int vocabulary) {
  return {{"architectures", {"CLIPTextModel"}},
          {"attention_dropout", 0.0},
          {"bos_token_id", c.begin_token},
          {"dropout", 0.0},
          {"eos_token_id", c.end_token},
          {"hidden_act", "quick_gelu"},
          {"hidden_size", c.width},
          {"initializer_factor", 1.0},
          {"initializer_range", 0.02},
          {"intermediate_size", c.mlp},
          {"layer_norm_eps", 1e-05},
          {"max_position_embeddings", c.length},
          {"model_type", "clip_text_model"},
          {"num_attention_heads", c.heads},
          {"num_hidden_layers", c.layers},
          {"pad_token_id", c.end_token},
          {"projection_dim", c.width},
          {"vocab_size", vocabulary}};
}

/// scheduler/scheduler_config.json: the noise schedule of Stable Diffusion.
inline nlohmann::ordered_json diffusers_scheduler_config() {
  return {{"_class_name", "PNDMScheduler"}, {"_diffusers_version", "0.6.0"}, {"beta_end", 0.012},         {"beta_schedule", "scaled_linear"}, {"beta_start", 0.00085}, {"clip_sample", false},
          {"num_train_timesteps", 1000},    {"set_alpha_to_one", false},     {"skip_prk_steps", true},    {"steps_offset", 1},                {"trained_betas", nullptr}};
}

/// model_index.json, which lists the parts that the folder has.
inline nlohmann::ordered_json diffusers_index(bool unet, bool vae, bool text, bool tokenizer) {
  using nlohmann::ordered_json;
  ordered_json const none = {nullptr, nullptr};
  auto const part = [&](bool present, char const* library, char const* name) { return present ? ordered_json{library, name} : none; };
  return {{"_class_name", "StableDiffusionPipeline"},
          {"_diffusers_version", "0.6.0"},
          {"feature_extractor", none},
          {"requires_safety_checker", false},
          {"safety_checker", none},
          {"scheduler", {"diffusers", "PNDMScheduler"}},
          {"text_encoder", part(text, "transformers", "CLIPTextModel")},
          {"tokenizer", part(tokenizer, "transformers", "CLIPTokenizer")},
          {"unet", part(unet, "diffusers", "UNet2DConditionModel")},
          {"vae", part(vae, "diffusers", "AutoencoderKL")}};
}

}  // namespace tadp
