// SPDX-License-Identifier: Apache-2.0
// Every layout of a checkpoint that people hold: by which names it is recognised, and where each part of the model
// stands in it. The names on the right are this library's, which are those of the CompVis checkpoint.
#pragma once

#include "tadp/io/layouts/diffusers_unet.hpp"
#include "tadp/io/layouts/diffusers_vae.hpp"

namespace tadp {

/// The names within a part of a model.
enum class InnerNames : std::uint8_t { compvis, diffusers_unet, diffusers_vae };

/// Where a part stands. The first row for a part is how the layout is written; the others are read, too.
struct PartRow {
  std::string_view stored{};   ///< the begin of its names in the file; empty: all names that no other row takes
  std::string_view compvis{};  ///< the begin of its names here
  InnerNames inner = InnerNames::compvis;
};

struct Layout {
  std::string_view name{};                      ///< as the program calls it
  std::string_view title{};
  std::span<std::string_view const> signs{};    ///< a name that begins with one of these decides
  std::span<PartRow const> parts{};
};

namespace layouts_detail {

// --- names of CompVis: Stable Diffusion's .ckpt, DreamBooth models made from it, and this library's own files ---
inline constexpr std::string_view compvis_signs[] = {"model.diffusion_model.", "first_stage_model.", "cond_stage_model.",  "model_ema.diffusion_model",
                                                      "neck.",                  "decode_head.",       "fpn.",               "encoder.layer1.",
                                                      "last_layer_depth.",      "text_adapter."};
inline constexpr PartRow compvis_parts[] = {{"", ""}};

// --- TADP's and VPD's segmentation on mmseg. VAE: under sd_model where latents are scaled, else encoder_vq ---
inline constexpr std::string_view mmseg_signs[] = {"unet.unet.diffusion_model."};
inline constexpr PartRow mmseg_parts[] = {
    {"unet.unet.diffusion_model.", "model.diffusion_model."},
    {"sd_model.first_stage_model.", "first_stage_model."},
    {"encoder_vq.", "first_stage_model."},
    {"sd_model.cond_stage_model.", "cond_stage_model."},
    {"sd_model.model.diffusion_model.", "model.diffusion_model."},
    {"", ""},  // neck, decode_head, class_embeddings, gamma, text_adapter
};

// --- TADP's programs on Lightning: segmentation of VOC, and detection ---
inline constexpr std::string_view lightning_signs[] = {"model.unet.diffusion_model."};
inline constexpr PartRow lightning_parts[] = {
    {"model.unet.diffusion_model.", "model.diffusion_model."},
    {"sd_model.first_stage_model.", "first_stage_model."},
    {"encoder_vq.", "first_stage_model."},
    {"sd_model.cond_stage_model.", "cond_stage_model."},
    {"text_encoder.", "cond_stage_model.transformer."},  // a second copy, with textual inversion
    {"sd_model.model.diffusion_model.", "model.diffusion_model."},
    {"", ""},  // decode_head, fpn, class_embeddings, gamma, text_adapter
};

// --- depth: everything but the decoder stands within `encoder`, and TADP's files hold UNet and VAE twice ---
inline constexpr std::string_view depth_signs[] = {"encoder.unet.unet.diffusion_model."};
inline constexpr PartRow depth_parts[] = {
    {"encoder.unet.unet.diffusion_model.", "model.diffusion_model."},
    {"encoder.encoder_vq.", "first_stage_model."},
    {"encoder.sd_model.cond_stage_model.", "cond_stage_model."},
    {"encoder.sd_model.model.diffusion_model.", "model.diffusion_model."},
    {"encoder.sd_model.first_stage_model.", "first_stage_model."},
    {"encoder.class_embeddings", "class_embeddings"},
    {"encoder.gamma", "gamma"},
    {"encoder.text_adapter.", "text_adapter."},
    {"", ""},  // encoder.layer1, layer2, out_layer; decoder, last_layer_depth
};

// --- diffusers: one file a part in folders of these names, or all parts in one file behind these names ---
inline constexpr std::string_view diffusers_signs[] = {"unet.down_blocks.", "unet.mid_block.", "vae.encoder.", "vae.decoder.", "text_encoder.text_model."};
inline constexpr PartRow diffusers_parts[] = {
    {"unet.", "model.diffusion_model.", InnerNames::diffusers_unet},
    {"vae.", "first_stage_model.", InnerNames::diffusers_vae},
    {"text_encoder.text_model.", "cond_stage_model.transformer.text_model."},
    {"text_encoder.", "cond_stage_model.transformer."},
    {"", ""},
};
inline constexpr std::string_view diffusers_unet_signs[] = {"down_blocks.", "mid_block.", "up_blocks.", "time_embedding."};
inline constexpr PartRow diffusers_unet_parts[] = {{"", "model.diffusion_model.", InnerNames::diffusers_unet}};
inline constexpr std::string_view diffusers_vae_signs[] = {"encoder.down_blocks.", "encoder.mid_block.", "decoder.up_blocks.", "decoder.mid_block."};
inline constexpr PartRow diffusers_vae_parts[] = {{"", "first_stage_model.", InnerNames::diffusers_vae}};

// --- CLIP's text encoder as transformers stores it, with and without its prefix ---
inline constexpr std::string_view clip_signs[] = {"text_model.", "embeddings.token_embedding.", "encoder.layers.", "final_layer_norm."};
inline constexpr PartRow clip_parts[] = {
    {"text_model.", "cond_stage_model.transformer.text_model."},
    {"embeddings.", "cond_stage_model.transformer.text_model.embeddings."},
    {"encoder.layers.", "cond_stage_model.transformer.text_model.encoder.layers."},
    {"final_layer_norm.", "cond_stage_model.transformer.text_model.final_layer_norm."},
};

// --- one part of a CompVis checkpoint in a file of its own ---
inline constexpr std::string_view compvis_unet_signs[] = {"diffusion_model.", "input_blocks."};
inline constexpr PartRow compvis_unet_parts[] = {{"diffusion_model.", "model.diffusion_model."}, {"", "model.diffusion_model."}};
inline constexpr std::string_view compvis_vae_signs[] = {"encoder.down.", "decoder.up.", "encoder.mid.", "decoder.mid."};
inline constexpr PartRow compvis_vae_parts[] = {{"", "first_stage_model."}};

}  // namespace layouts_detail

/// All layouts, in the order in which they are looked for: what contains the names of another comes first.
inline constexpr Layout layouts[] = {
    {"depth", "TADP or VPD, depth", layouts_detail::depth_signs, layouts_detail::depth_parts},
    {"mmseg", "TADP or VPD on mmseg", layouts_detail::mmseg_signs, layouts_detail::mmseg_parts},
    {"lightning", "TADP on Lightning", layouts_detail::lightning_signs, layouts_detail::lightning_parts},
    {"diffusers", "diffusers", layouts_detail::diffusers_signs, layouts_detail::diffusers_parts},
    {"compvis", "CompVis", layouts_detail::compvis_signs, layouts_detail::compvis_parts},
    {"diffusers-unet", "the UNet of diffusers", layouts_detail::diffusers_unet_signs, layouts_detail::diffusers_unet_parts},
    {"diffusers-vae", "the autoencoder of diffusers", layouts_detail::diffusers_vae_signs, layouts_detail::diffusers_vae_parts},
    {"clip", "CLIP of transformers", layouts_detail::clip_signs, layouts_detail::clip_parts},
    {"compvis-unet", "the UNet of CompVis alone", layouts_detail::compvis_unet_signs, layouts_detail::compvis_unet_parts},
    {"compvis-vae", "the autoencoder of CompVis alone", layouts_detail::compvis_vae_signs, layouts_detail::compvis_vae_parts},
};

/// The layout of this name, or null.
inline Layout const* find_layout(std::string_view name) {
  for (Layout const& layout : layouts)
    if (layout.name == name) return &layout;
  return nullptr;
}

/// Names of heads that changed between versions of torchvision: older on the left, this library's on the right.
inline constexpr NamePair older_head_names[] = {
    {"decode_head.rpn.head.conv.weight", "decode_head.rpn.head.conv.0.0.weight"},
    {"decode_head.rpn.head.conv.bias", "decode_head.rpn.head.conv.0.0.bias"},
    {"fpn.inner_blocks.0.weight", "fpn.inner_blocks.0.0.weight"},
    {"fpn.inner_blocks.0.bias", "fpn.inner_blocks.0.0.bias"},
    {"fpn.inner_blocks.1.weight", "fpn.inner_blocks.1.0.weight"},
    {"fpn.inner_blocks.1.bias", "fpn.inner_blocks.1.0.bias"},
    {"fpn.inner_blocks.2.weight", "fpn.inner_blocks.2.0.weight"},
    {"fpn.inner_blocks.2.bias", "fpn.inner_blocks.2.0.bias"},
    {"fpn.inner_blocks.3.weight", "fpn.inner_blocks.3.0.weight"},
    {"fpn.inner_blocks.3.bias", "fpn.inner_blocks.3.0.bias"},
    {"fpn.layer_blocks.0.weight", "fpn.layer_blocks.0.0.weight"},
    {"fpn.layer_blocks.0.bias", "fpn.layer_blocks.0.0.bias"},
    {"fpn.layer_blocks.1.weight", "fpn.layer_blocks.1.0.weight"},
    {"fpn.layer_blocks.1.bias", "fpn.layer_blocks.1.0.bias"},
    {"fpn.layer_blocks.2.weight", "fpn.layer_blocks.2.0.weight"},
    {"fpn.layer_blocks.2.bias", "fpn.layer_blocks.2.0.bias"},
    {"fpn.layer_blocks.3.weight", "fpn.layer_blocks.3.0.weight"},
    {"fpn.layer_blocks.3.bias", "fpn.layer_blocks.3.0.bias"},
};

/// A tensor that no part of a model reads. `*` at an end stands for anything.
struct IgnoredRow {
  std::string_view pattern{};
  std::string_view what{};
};

inline constexpr IgnoredRow ignored_names[] = {
    {"*position_ids", "the numbers 0, 1, 2, ..."},
    {"*.betas", "noise schedule"},
    {"*.alphas_cumprod", "noise schedule"},
    {"*.alphas_cumprod_prev", "noise schedule"},
    {"*.sqrt_alphas_cumprod", "noise schedule"},
    {"*.sqrt_one_minus_alphas_cumprod", "noise schedule"},
    {"*.log_one_minus_alphas_cumprod", "noise schedule"},
    {"*.sqrt_recip_alphas_cumprod", "noise schedule"},
    {"*.sqrt_recipm1_alphas_cumprod", "noise schedule"},
    {"*.posterior_variance", "noise schedule"},
    {"*.posterior_log_variance_clipped", "noise schedule"},
    {"*.posterior_mean_coef1", "noise schedule"},
    {"*.posterior_mean_coef2", "noise schedule"},
    {"*.lvlb_weights", "noise schedule"},
    {"*.logvar", "noise schedule"},
    {"model_ema.*", "averaging of the training"},
    {"loss.*", "training of the autoencoder"},
    {"discriminator.*", "training of the autoencoder"},
    {"first_stage_model.loss.*", "training of the autoencoder"},
    {"first_stage_model.model_ema.*", "training of the autoencoder"},
    {"decode_head.backbone.*", "an unused ResNet-50"},
    {"vision_model.*", "CLIP's other half"},
    {"visual_projection.*", "CLIP's other half"},
    {"text_projection.*", "CLIP's other half"},
    {"logit_scale", "CLIP's other half"},
    {"optimizer.*", "state of the training"},
    {"optimizer_states.*", "state of the training"},
    {"lr_schedulers.*", "state of the training"},
    {"callbacks.*", "state of the training"},
    {"loops.*", "state of the training"},
    {"safety_checker.*", "the safety checker"},
};

/// What an ignored tensor is, or nothing if this is a name of a model.
inline std::optional<std::string_view> ignored_as(std::string_view name) {
  for (auto const& [pattern, what] : ignored_names) {
    std::string_view const all_dots = "*.";
    bool const fits = pattern.starts_with(all_dots) ? name.ends_with(pattern.substr(1)) || name == pattern.substr(2)
                      : pattern.starts_with('*')    ? name.ends_with(pattern.substr(1))
                      : pattern.ends_with('*')      ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                                                    : name == pattern;
    if (fits) return what;
  }
  return std::nullopt;
}

}  // namespace tadp
