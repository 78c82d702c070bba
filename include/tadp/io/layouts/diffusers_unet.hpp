// SPDX-License-Identifier: Apache-2.0
// The UNet's names in CompVis checkpoints (behind model.diffusion_model.) and in diffusers' folder unet/.
// A bijection of all tensors with equal shapes.
#pragma once

#include "tadp/io/layouts/names.hpp"

#include <algorithm>

namespace tadp {

inline constexpr NamePair unet_residual_names[] = {
    {"in_layers.0", "norm1"},      {"in_layers.2", "conv1"},  {"emb_layers.1", "time_emb_proj"},
    {"out_layers.0", "norm2"},     {"out_layers.3", "conv2"}, {"skip_connection", "conv_shortcut"},
};

/// Transformers have the same names inside. `resnets` of the way up are one more a level than on the way down.
inline constexpr NameRow diffusers_unet_names[] = {
    {"time_embed.0", "time_embedding.linear_1"},
    {"time_embed.2", "time_embedding.linear_2"},
    {"input_blocks.0.0", "conv_in"},
    {"input_blocks.{in}.0", "down_blocks.{b}.resnets.{l}", 0, unet_residual_names},
    {"input_blocks.{in}.1", "down_blocks.{b}.attentions.{l}"},
    {"input_blocks.{down}.0.op", "down_blocks.{b}.downsamplers.0.conv"},
    {"middle_block.0", "mid_block.resnets.0", 0, unet_residual_names},
    {"middle_block.1", "mid_block.attentions.0"},
    {"middle_block.2", "mid_block.resnets.1", 0, unet_residual_names},
    {"output_blocks.{out}.0", "up_blocks.{b}.resnets.{l}", 1, unet_residual_names},
    {"output_blocks.{out}.1", "up_blocks.{b}.attentions.{l}", 1},
    {"output_blocks.{up}.{last}.conv", "up_blocks.{b}.upsamplers.0.conv"},
    {"out.0", "conv_norm_out"},
    {"out.2", "conv_out"},
};

/// The counts of a UNet from its names in diffusers' habit.
inline BlockCounts unet_counts_of_diffusers(std::span<std::string const> names) {
  BlockCounts c;
  c.levels = std::max(1, layouts_detail::count_in(names, "down_blocks.", ".resnets."));
  c.blocks = std::max(1, layouts_detail::count_in(names, "down_blocks.0.resnets.", "."));
  for (auto const& name : names)
    if (auto const b = layouts_detail::number_in(name, "up_blocks.", ".attentions."); b && *b < c.levels) c.attention[static_cast<std::size_t>(c.levels - 1 - *b)] = true;
  return c;
}

/// The same from CompVis names (without model.diffusion_model.).
inline BlockCounts unet_counts_of_compvis(std::span<std::string const> names) {
  BlockCounts c;
  int halvings = 0, first = 0;
  for (auto const& name : names)
    if (auto const i = layouts_detail::number_in(name, "input_blocks.", ".0.op.weight")) {
      ++halvings;
      first = first == 0 ? *i : std::min(first, *i);
    }
  c.levels = std::min(halvings + 1, BlockCounts::most);
  c.blocks = std::clamp(halvings > 0 ? first - 1 : layouts_detail::count_in(names, "input_blocks.", ".0.in_layers.0.weight") - 1, 1, BlockCounts::most);
  for (auto const& name : names)
    if (auto const i = layouts_detail::number_in(name, "output_blocks.", ".1.proj_in.weight")) {
      int const level = c.levels - 1 - *i / (c.blocks + 1);
      if (level >= 0) c.attention[static_cast<std::size_t>(level)] = true;
    }
  return c;
}

}  // namespace tadp
