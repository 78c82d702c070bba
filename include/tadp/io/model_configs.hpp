// SPDX-License-Identifier: Apache-2.0
// Which of the known networks a model's weights are, told by their shapes. Heads and groups of norms, which shapes do not
// tell, are those of the known network with the same shapes; a config.json that says otherwise is refused.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/io/config_files.hpp"
#include "tadp/io/description.hpp"
#include "tadp/io/model_source.hpp"

namespace tadp {

inline constexpr UNetConfig known_unets[] = {sd15_unet, tiny_unet, street_unet};
inline constexpr VaeConfig known_vaes[] = {sd15_vae, tiny_vae, street_vae};
inline constexpr TextEncoderConfig known_texts[] = {clip_vit_l14, tiny_text, street_text};

/// Learned tokens that a checkpoint may have been trained with; a longer table is another vocabulary.
inline constexpr int most_learned_rows = 1024;

namespace configs_detail {

/// An extent of a tensor's shape, 0 where there is no such tensor or axis or it is absurd.
inline int extent(ModelSource const& model, std::string const& name, std::size_t axis) {
  TensorEntry const* const entry = model.find(name);
  return entry != nullptr && axis < entry->shape.size() && entry->shape[axis] < 100'000'000 ? static_cast<int>(entry->shape[axis]) : 0;
}
/// All names behind a prefix.
inline std::vector<std::string> names_behind(ModelSource const& model, std::string_view prefix) {
  std::vector<std::string> names;
  for (TensorEntry const& entry : model.entries())
    if (entry.name.starts_with(prefix)) names.push_back(entry.name.substr(prefix.size()));
  return names;
}

inline bool has_shapes_of(ModelSource const& model, BlockCounts const& counts, UNetConfig const& c) {
  std::string const p = "model.diffusion_model.";
  auto const is = [&](std::string const& name, std::size_t axis, int wanted) { return extent(model, p + name, axis) == wanted; };
  if (counts.levels != UNetConfig::levels || counts.blocks != c.num_res_blocks) return false;
  if (!is("input_blocks.0.0.weight", 0, c.model_channels) || !is("input_blocks.0.0.weight", 1, c.in_channels)) return false;
  for (int level = 0; level < UNetConfig::levels; ++level) {
    auto const at = "input_blocks." + std::to_string(1 + level * (c.num_res_blocks + 1));
    if (!is(at + ".0.out_layers.3.weight", 0, c.channels(level))) return false;
    if (!is(at + ".1.transformer_blocks.0.attn2.to_k.weight", 1, c.attention[static_cast<std::size_t>(level)] ? c.context_dim : 0)) return false;
  }
  int const out = extent(model, p + "out.2.weight", 0);
  return is("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1, c.context_dim) && (out == 0 || out == c.out_channels);
}

inline bool has_shapes_of(ModelSource const& model, BlockCounts const& counts, VaeConfig const& c) {
  std::string const p = "first_stage_model.";
  auto const is = [&](std::string const& name, std::size_t axis, int wanted) { return extent(model, p + name, axis) == wanted; };
  if (counts.levels != c.levels || counts.blocks != c.num_res_blocks) return false;
  for (int level = 0; level < c.levels; ++level)
    if (!is("encoder.down." + std::to_string(level) + ".block.0.conv1.weight", 0, c.channels(level))) return false;
  return is("encoder.conv_in.weight", 0, c.base_channels) && is("encoder.conv_in.weight", 1, c.in_channels) && is("quant_conv.weight", 0, 2 * c.z_channels) &&
         is("encoder.mid.attn_1.q.weight", 0, c.mid_attention ? c.channels(c.levels - 1) : 0);
}

inline bool has_shapes_of(ModelSource const& model, int layers, TextEncoderConfig const& c) {
  std::string const p = "cond_stage_model.transformer.text_model.";
  auto const is = [&](std::string const& name, std::size_t axis, int wanted) { return extent(model, p + name, axis) == wanted; };
  int const learned = extent(model, p + "embeddings.token_embedding.weight", 0) - c.vocabulary;
  return layers == c.layers && learned >= 0 && learned <= most_learned_rows && is("embeddings.token_embedding.weight", 1, c.width) &&
         is("embeddings.position_embedding.weight", 0, c.length) && is("encoder.layers.0.mlp.fc1.weight", 0, c.mlp);
}

template <class Config, class Counts>
std::optional<Config> first_fit(ModelSource const& model, Counts const& counts, std::span<Config const> known) {
  for (Config const& config : known)
    if (has_shapes_of(model, counts, config)) return config;
  return std::nullopt;
}

/// What a model is taken for, before the files beside it were asked.
inline ModelConfigs presumed_configs(ModelSource const& model) {
  auto const unet = names_behind(model, "model.diffusion_model."), vae = names_behind(model, "first_stage_model."),
             text = names_behind(model, "cond_stage_model.transformer.text_model.");
  ModelConfigs found;
  if (has_description(model.metadata())) {
    auto const d = description_of(model.metadata(), model.path().string());
    if (!unet.empty()) found.unet = d.unet;
    if (!vae.empty()) found.vae = d.vae;
    if (!text.empty()) found.text = d.text;
    return found;
  }
  if (!unet.empty()) found.unet = first_fit(model, unet_counts_of_compvis(unet), std::span<UNetConfig const>(known_unets));
  if (!vae.empty()) found.vae = first_fit(model, vae_counts(vae), std::span<VaeConfig const>(known_vaes));
  if (!text.empty()) found.text = first_fit(model, layouts_detail::count_in(text, "encoder.layers.", "."), std::span<TextEncoderConfig const>(known_texts));
  return found;
}

}  // namespace configs_detail

/// From the model's own description if it has one, else from its shapes. Error(unsupported) with file and key where a
/// config.json beside the weights says that they are computed with otherwise, Error(io, format, limit) where it cannot be read.
inline ModelConfigs configs_of(ModelSource const& model) {
  auto found = configs_detail::presumed_configs(model);
  require_own_configs(model, found);
  return found;
}

/// The keys by which require_own_configs would refuse the model.
inline std::vector<ConfigDeparture> config_departures(ModelSource const& model) { return config_departures(model, configs_detail::presumed_configs(model)); }

/// The UNet of a model. Error(key) where there is none, Error(unsupported) where it is none of this library's, and the errors
/// of configs_of.
inline UNetConfig require_unet(ModelSource const& model, ModelConfigs const& found) {
  if (found.unet) return *found.unet;
  bool const none = configs_detail::names_behind(model, "model.diffusion_model.").empty();
  if (none) throw Error(Errc::key, "the model has no UNet", {.file = model.path().string(), .key = "unet", .expected = "that of sd15, tiny or street", .found = "none"});
  throw Error(Errc::unsupported, "the shapes are of no network that this library knows", {.file = model.path().string(), .key = "unet", .expected = "sd15, tiny or street", .found = "others"});
}

/// Rows of the token embedding beyond the vocabulary: learned tokens that the checkpoint was trained with, each as wide as
/// the text encoder. Empty where there are none.
inline std::vector<std::vector<float>> learned_rows(ModelSource const& model, TextEncoderConfig const& config) {
  TensorEntry const* const table = model.find("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight");
  std::vector<std::vector<float>> rows;
  auto const vocabulary = static_cast<std::uint64_t>(config.vocabulary), width = static_cast<std::uint64_t>(config.width);
  if (table == nullptr || table->shape.size() != 2 || table->shape[1] != width || table->shape[0] <= vocabulary) return rows;
  auto const most = vocabulary + static_cast<std::uint64_t>(most_learned_rows);
  if (table->shape[0] > most)
    throw Error(Errc::unsupported, "the text encoder has another vocabulary, or too many learned tokens behind it",
                {.file = model.path().string(), .key = table->name, .expected = std::to_string(vocabulary) + " to " + std::to_string(most) + " rows", .found = std::to_string(table->shape[0])});
  for (std::uint64_t row = vocabulary; row < table->shape[0]; ++row) {
    rows.emplace_back(static_cast<std::size_t>(width));
    model.read_f32(*table, row * width, width, rows.back().data());
  }
  return rows;
}

}  // namespace tadp
