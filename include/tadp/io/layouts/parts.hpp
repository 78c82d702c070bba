// SPDX-License-Identifier: Apache-2.0
// The parts of a model by the begin of their names. A whole checkpoint has parts that a pass does not read, such as the
// autoencoder's decoder; they are no fault of the file.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

namespace tadp {

inline constexpr std::string_view model_parts[] = {
    "model.diffusion_model.input_blocks.", "model.diffusion_model.middle_block.", "model.diffusion_model.output_blocks.", "model.diffusion_model.time_embed.", "model.diffusion_model.out.",
    "first_stage_model.encoder.", "first_stage_model.quant_conv.", "first_stage_model.decoder.", "first_stage_model.post_quant_conv.",
    "cond_stage_model.", "text_adapter.", "class_embeddings", "gamma",
    "neck.", "decode_head.", "fpn.",                                    // labels and boxes
    "encoder.", "decoder.", "last_layer_depth.",                        // depth
};

/// The parts of which a list of names has none.
class PartsNotUsed {
 public:
  explicit PartsNotUsed(std::span<std::string_view const> names) {
    for (std::string_view const part : model_parts)
      if (std::none_of(names.begin(), names.end(), [&](std::string_view name) { return name.starts_with(part); })) parts_.push_back(part);
  }
  /// Whether a name is of such a part.
  bool has(std::string_view name) const {
    return std::any_of(parts_.begin(), parts_.end(), [&](std::string_view part) { return name.starts_with(part); });
  }

 private:
  std::vector<std::string_view> parts_{};
};

}  // namespace tadp
