// SPDX-License-Identifier: Apache-2.0
// The autoencoder's names in CompVis checkpoints (behind first_stage_model.) and in diffusers' folder vae/.
// Shapes are equal but for the attention in the middle: [C, C, 1, 1] in CompVis, [C, C] in diffusers.
#pragma once

#include "tadp/io/layouts/names.hpp"

#include <algorithm>
#include <cstdint>

namespace tadp {

inline constexpr NamePair vae_residual_names[] = {{"nin_shortcut", "conv_shortcut"}};

/// The second half: what diffusers wrote before version 0.18; such files are read, not written.
inline constexpr NamePair vae_attention_names[] = {
    {"norm", "group_norm"}, {"q", "to_q"},  {"k", "to_k"}, {"v", "to_v"},  {"proj_out", "to_out.0"},
    {"q", "query"},         {"k", "key"},   {"v", "value"}, {"proj_out", "proj_attn"},
};

/// The decoder counts its levels from the finest in CompVis, from the coarsest in diffusers.
inline constexpr NameRow diffusers_vae_names[] = {
    {"quant_conv", "quant_conv"},
    {"post_quant_conv", "post_quant_conv"},
    {"encoder.conv_in", "encoder.conv_in"},
    {"encoder.down.{b}.block.{l}", "encoder.down_blocks.{b}.resnets.{l}", 0, vae_residual_names},
    {"encoder.down.{b}.downsample.conv", "encoder.down_blocks.{b}.downsamplers.0.conv"},
    {"encoder.mid.block_1", "encoder.mid_block.resnets.0", 0, vae_residual_names},
    {"encoder.mid.attn_1", "encoder.mid_block.attentions.0", 0, vae_attention_names},
    {"encoder.mid.block_2", "encoder.mid_block.resnets.1", 0, vae_residual_names},
    {"encoder.norm_out", "encoder.conv_norm_out"},
    {"encoder.conv_out", "encoder.conv_out"},
    {"decoder.conv_in", "decoder.conv_in"},
    {"decoder.mid.block_1", "decoder.mid_block.resnets.0", 0, vae_residual_names},
    {"decoder.mid.attn_1", "decoder.mid_block.attentions.0", 0, vae_attention_names},
    {"decoder.mid.block_2", "decoder.mid_block.resnets.1", 0, vae_residual_names},
    {"decoder.up.{r}.block.{l}", "decoder.up_blocks.{b}.resnets.{l}", 1, vae_residual_names},
    {"decoder.up.{r}.upsample.conv", "decoder.up_blocks.{b}.upsamplers.0.conv"},
    {"decoder.norm_out", "decoder.conv_norm_out"},
    {"decoder.conv_out", "decoder.conv_out"},
};

/// The counts of an autoencoder, of either half, from its names in either habit.
inline BlockCounts vae_counts(std::span<std::string const> names) {
  using layouts_detail::count_in;
  BlockCounts c;
  c.levels = std::max({count_in(names, "encoder.down_blocks.", "."), count_in(names, "encoder.down.", "."), count_in(names, "decoder.up_blocks.", "."), count_in(names, "decoder.up.", "."), 1});
  c.blocks = std::max(count_in(names, "encoder.down_blocks.0.resnets.", "."), count_in(names, "encoder.down.0.block.", "."));
  int const up = std::max(count_in(names, "decoder.up_blocks.0.resnets.", "."), count_in(names, "decoder.up.0.block.", "."));
  c.blocks = std::max({c.blocks, up - 1, 1});
  return c;
}

/// Whether a CompVis name (with first_stage_model.) is one of the matrices that CompVis stores as a 1x1 convolution.
inline bool is_vae_attention_weight(std::string_view compvis) {
  if (!compvis.starts_with("first_stage_model.") || !compvis.ends_with(".weight")) return false;
  auto const at = compvis.find(".mid.attn_1.");
  if (at == std::string_view::npos) return false;
  auto const module = compvis.substr(at + 12, compvis.size() - at - 12 - 7);
  return module == "q" || module == "k" || module == "v" || module == "proj_out";
}

/// The shape that CompVis gives it: (C, C) becomes (C, C, 1, 1).
inline std::vector<std::uint64_t> compvis_shape(std::string_view compvis, std::span<std::uint64_t const> shape) {
  std::vector<std::uint64_t> s(shape.begin(), shape.end());
  if (s.size() == 2 && is_vae_attention_weight(compvis)) s.insert(s.end(), 2, 1);
  return s;
}
/// The shape that diffusers gives it: (C, C, 1, 1) becomes (C, C).
inline std::vector<std::uint64_t> diffusers_shape(std::string_view compvis, std::span<std::uint64_t const> shape) {
  std::vector<std::uint64_t> s(shape.begin(), shape.end());
  if (s.size() == 4 && s[2] == 1 && s[3] == 1 && is_vae_attention_weight(compvis)) s.resize(2);
  return s;
}

}  // namespace tadp
