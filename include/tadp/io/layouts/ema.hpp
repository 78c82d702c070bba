// SPDX-License-Identifier: Apache-2.0
// Averaged weights of the UNet in CompVis checkpoints, whose names lost their dots:
// model_ema.diffusion_modelinput_blocks00weight is model.diffusion_model.input_blocks.0.0.weight.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tadp {

namespace layouts_detail {

/// All words of the UNet's names; where one begins another, the longer comes first.
inline constexpr std::string_view unet_words[] = {
    "diffusion_model", "transformer_blocks", "skip_connection", "output_blocks", "input_blocks", "middle_block", "time_embed", "out_layers", "emb_layers",
    "in_layers",       "proj_out",           "proj_in",         "to_out",        "to_q",         "to_k",         "to_v",       "attn1",      "attn2",
    "norm1",           "norm2",              "norm3",           "norm",          "weight",       "proj",         "bias",       "conv",       "net",
    "out",             "op",                 "ff",
};

}  // namespace layouts_detail

/// The dotted CompVis name of an averaged weight, or nothing if this is none.
inline std::optional<std::string> name_of_averaged(std::string_view stored) {
  constexpr std::string_view prefix = "model_ema.";
  if (!stored.starts_with(prefix)) return std::nullopt;
  std::string name = "model";
  for (stored.remove_prefix(prefix.size()); !stored.empty();) {
    std::string_view word;
    for (auto const candidate : layouts_detail::unet_words)
      if (word.empty() && stored.starts_with(candidate)) word = candidate;
    if (word.empty()) return std::nullopt;
    name.append(".").append(word);
    stored.remove_prefix(word.size());
    std::size_t digits = 0;
    while (digits < stored.size() && stored[digits] >= '0' && stored[digits] <= '9') ++digits;
    if (digits == 0) continue;
    // A block of the way down or up has a number, and within it its modules have one of a single digit.
    bool const two = word == "input_blocks" || word == "output_blocks";
    if (two && digits < 2) return std::nullopt;
    auto const first = two ? digits - 1 : digits;
    name.append(".").append(stored.substr(0, first));
    if (two) name.append(".").append(stored.substr(first, 1));
    stored.remove_prefix(digits);
  }
  return name.size() > 5 ? std::optional(name) : std::nullopt;
}

}  // namespace tadp
