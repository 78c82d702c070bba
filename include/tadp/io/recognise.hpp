// SPDX-License-Identifier: Apache-2.0
// What a released checkpoint is, which does not describe itself: networks by shapes, task and prompt by the head's names
// and channels, the latent by where the autoencoder stands. Where the file does not decide, an error says what to pass.
#pragma once

#include "tadp/io/model_configs.hpp"

namespace tadp {

/// What a person knows and the file does not say; empty: not known.
struct DescriptionHints {
  std::string prompt{};                 ///< "caption" or "averaged_eos"
  std::optional<float> latent_scale{};  ///< 1 (VPD) or 0.18215 (TADP with scaled latents)
};

namespace recognise_detail {

using configs_detail::extent;

/// The heads that are known, each by a tensor that no other has.
struct HeadSign {
  std::string_view task;
  std::string_view classes;  ///< its rows are the classes; empty: none
  std::string_view width;    ///< its rows are the head's width
  std::string_view level1;   ///< reads level 1: what it takes beyond the UNet's channels are maps; empty: it reads none
};

inline constexpr HeadSign head_signs[] = {
    {"segmentation", "decode_head.conv_seg.weight", "neck.lateral_convs.0.conv.weight", "neck.lateral_convs.1.conv.weight"},
    {"segmentation_voc", "decode_head.segmentation_head.0.weight", "decode_head.decoder.p5.weight", "decode_head.decoder.p3.skip_conv.weight"},
    {"detection", "decode_head.roi_heads.box_predictor.cls_score.weight", "fpn.inner_blocks.0.0.weight", "fpn.inner_blocks.1.0.weight"},
    {"depth", "", "last_layer_depth.0.weight", ""},
};

[[noreturn]] inline void undecided(ModelSource const& model, std::string what, std::string key, std::string pass) {
  throw Error(Errc::argument, std::move(what), {.file = model.path().string(), .key = std::move(key), .expected = std::move(pass)});
}

inline HeadSign const& head_of(ModelSource const& model) {
  for (HeadSign const& sign : head_signs)
    if (model.find(sign.classes.empty() ? sign.width : sign.classes) != nullptr) return sign;
  throw Error(Errc::format, "these weights have no head, so that there is no task to run: they can be trained on, converted and inspected",
              {.file = model.path().string(), .expected = "a description (tadp.version), or decode_head.conv_seg.weight or the names of another head", .found = model.layout_title()});
}

template <class Config>
Config require_part(std::optional<Config> const& config, ModelSource const& model, char const* part) {
  if (config) return *config;
  throw Error(Errc::unsupported, "the shapes are of no network that this library knows", {.file = model.path().string(), .key = part, .expected = "sd15, tiny or street", .found = "others"});
}

/// Networks; what the file lacks is that of the known UNet.
inline void recognise_networks(ModelSource const& model, ModelDescription& d) {
  auto const found = configs_of(model);
  d.unet = require_unet(model, found);
  auto const known = static_cast<std::size_t>(std::find(std::begin(known_unets), std::end(known_unets), d.unet) - std::begin(known_unets));
  bool const has_vae = model.find("first_stage_model.quant_conv.weight") != nullptr;
  bool const has_text = model.find("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight") != nullptr;
  d.vae = has_vae ? require_part(found.vae, model, "vae") : known_vaes[known];
  d.text = has_text ? require_part(found.text, model, "text") : known_texts[known];
}

inline void recognise_prompt(ModelSource const& model, HeadSign const& head, DescriptionHints const& hints, ModelDescription& d) {
  int const rows = extent(model, "class_embeddings", 0);
  bool const has_text = model.find("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight") != nullptr;
  int const maps = head.level1.empty() ? -1 : extent(model, std::string(head.level1), 1) - d.unet.channels(1);
  bool const caption = maps < 0 ? has_text : maps == d.text.length, classes = maps < 0 ? rows > 0 && !has_text : rows > 0 && maps == rows;
  bool const both = rows > 0 && maps == d.text.length + rows;
  if (!hints.prompt.empty())
    d.prompt_parts = {hints.prompt};
  else if (both)
    d.prompt_parts = {"caption", "averaged_eos"};
  else if (caption && classes)
    undecided(model, "the head fits captions and class embeddings alike", "prompt", "--prompt caption or --prompt averaged_eos");
  else if (caption)
    d.prompt_parts = {"caption"};
  else if (classes)
    d.prompt_parts = {"averaged_eos"};
  else
    throw Error(Errc::unsupported, "the head takes attention maps of a prompt that is not known",
                {.file = model.path().string(), .key = std::string(head.level1), .expected = std::to_string(d.text.length) + " maps of a caption" + (rows > 0 ? ", or " + std::to_string(rows) + " of class embeddings" : ""), .found = std::to_string(maps)});
  bool const uses_classes = std::find(d.prompt_parts.begin(), d.prompt_parts.end(), "averaged_eos") != d.prompt_parts.end();
  d.class_embeddings = uses_classes ? rows : 0;
  // The programs on Lightning store an adapter in any case, and use it for captions never or by a switch that is not stored.
  bool const always_stored = !model.layouts().empty() && model.layouts()[0] && model.layouts()[0].layout->name == "lightning";
  if (!always_stored && model.find("text_adapter.fc.0.weight") != nullptr) d.prompt_parts.emplace_back("adapter");
}

inline void recognise_latent(ModelSource const& model, HeadSign const& head, DescriptionHints const& hints, ModelDescription& d) {
  TensorEntry const* const vae = model.find("first_stage_model.quant_conv.weight");
  d.latent.scale = d.vae.latent_scale;
  if (hints.latent_scale) d.latent.scale = *hints.latent_scale;
  if (hints.latent_scale || vae == nullptr) return;
  bool const plain = model.stored_name(*vae).find("encoder_vq.") != std::string::npos;
  if (!plain) return;
  d.latent.scale = 1.0F;
  if (head.task != "depth") return;
  // TADP's depth files have the autoencoder under both names whichever latent was taken; all that read captions scaled it.
  bool const copies = std::any_of(model.ignored().begin(), model.ignored().end(), [](IgnoredTensor const& t) { return t.what == "a copy" && t.name.find("sd_model.first_stage_model.") != std::string::npos; });
  if (!copies) return;
  if (std::find(d.prompt_parts.begin(), d.prompt_parts.end(), "caption") == d.prompt_parts.end())
    undecided(model, "the file does not say whether its latents were scaled", "latent.scale", "--latent-scale 1 or --latent-scale 0.18215, given to `tadp convert --layout compvis`, whose result says it");
  d.latent.scale = d.vae.latent_scale;
}

}  // namespace recognise_detail

/// The description in the file, else one made from its names and shapes; classes have no names then. Error(format) where
/// there is no head, Error(unsupported) where networks or prompt are not known, Error(argument) where a hint is needed, and
/// the errors of configs_of.
inline ModelDescription describe_model(ModelSource const& model, DescriptionHints const& hints = {}) {
  using namespace recognise_detail;
  auto const file = model.path().string();
  if (has_description(model.metadata())) {
    configs_of(model);  // a folder's files may say otherwise
    return description_of(model.metadata(), file);
  }
  ModelDescription d;
  HeadSign const& head = head_of(model);
  d.task = head.task;
  d.head_width = extent(model, std::string(head.width), 0);
  if (d.head_width < 1) throw Error(Errc::key, "the head is not complete", {.file = file, .key = std::string(head.width), .expected = "a weight", .found = "none"});
  recognise_networks(model, d);
  recognise_prompt(model, head, hints, d);
  recognise_latent(model, head, hints, d);
  int const classes = head.classes.empty() ? 0 : extent(model, std::string(head.classes), 0);
  if (classes > 4096) throw Error(Errc::limit, "the head has too many classes", {.file = file, .key = std::string(head.classes), .expected = "at most 4096", .found = std::to_string(classes)});
  d.classes.resize(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < d.classes.size(); ++i) d.classes[i].name = "class " + std::to_string(i);
  // Cityscapes and detection were trained on ImageNet's normalisation, all others on [-1, 1].
  if (d.task == "detection" || (d.task == "segmentation" && classes == 19)) d.normalisation = Normalisation::imagenet();
  // Each program's own way of looking at a picture (spec 5.3).
  d.stretch = d.task == "detection" || d.task == "segmentation_voc";
  if (d.task == "depth") d.window = {480, 480}, d.fit = {640, 480}, d.shifts = 2, d.flip = true;
  if (d.task == "segmentation") {
    d.stride = 341;
    if (classes == 19) d.fit = {1024, 512};
    if (classes == 150) d.fit = {2048, 512};
  }
  return d;
}

}  // namespace tadp
