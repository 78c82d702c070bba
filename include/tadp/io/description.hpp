// SPDX-License-Identifier: Apache-2.0
// What a model file says about itself in `__metadata__`: everything that a run needs beside the weights.
// Versioned: a file of a newer major version is refused, one of a newer minor version is read.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/core/preprocessing.hpp"
#include "tadp/io/description_json.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tadp {

struct ClassDescription {
  std::string name{};
  std::array<std::uint8_t, 3> colour{};  ///< RGB
  friend bool operator==(ClassDescription const&, ClassDescription const&) = default;
};

struct ModelDescription {
  static constexpr int major = 1, minor = 1;

  UNetConfig unet{};
  VaeConfig vae{};
  TextEncoderConfig text{};
  std::vector<std::string> prompt_parts{};  ///< PromptPolicy::names()
  int class_embeddings = 0;                 ///< tokens of AveragedEos; 0: none
  std::string task = "segmentation";
  int head_width = 256;
  std::vector<ClassDescription> classes{};
  Normalisation normalisation{};
  LatentPolicy latent{};
  std::array<int, 2> window{512, 512};  ///< height and width in pixels
  int stride = 0;                       ///< of sliding windows in pixels; 0: two thirds of the window
  std::array<int, 2> fit{0, 0};         ///< long and short side that pictures are brought to; zeros: as they are (since 1.1)
  std::vector<std::string> vocabulary{};  ///< of a WordTokenizer; empty: token ids are needed
  std::string default_caption{};
  std::map<std::string, std::string> notes{};  ///< anything; nothing reads it

  friend bool operator==(ModelDescription const&, ModelDescription const&) = default;
};

/// Whether the metadata of a file hold a description.
inline bool has_description(std::map<std::string, std::string> const& metadata) { return metadata.contains("tadp.version"); }

/// The description as metadata, one JSON text a key.
inline std::map<std::string, std::string> to_metadata(ModelDescription const& d) {
  using nlohmann::json;
  json classes = json::array();
  for (auto const& c : d.classes) classes.push_back({{"name", c.name}, {"colour", c.colour}});
  std::map<std::string, json> const values = {
      {"tadp.version", std::to_string(ModelDescription::major) + "." + std::to_string(ModelDescription::minor)},
      {"tadp.unet", description_detail::to_json(d.unet)},
      {"tadp.vae", description_detail::to_json(d.vae)},
      {"tadp.text", description_detail::to_json(d.text)},
      {"tadp.prompt", {{"parts", d.prompt_parts}, {"class_embeddings", d.class_embeddings}, {"default_caption", d.default_caption}}},
      {"tadp.task", {{"name", d.task}, {"head_width", d.head_width}}},
      {"tadp.classes", classes},
      {"tadp.input",
       {{"mean", d.normalisation.mean}, {"deviation", d.normalisation.deviation}, {"window", d.window}, {"stride", d.stride}, {"fit", d.fit},
        {"latent", {{"take", d.latent.sample ? "sample" : "mode"}, {"scale", d.latent.scale}}}}},
      {"tadp.vocabulary", d.vocabulary},
      {"tadp.notes", d.notes}};
  std::map<std::string, std::string> metadata;
  // The version is plain text, as other programs print it.
  for (auto const& [key, value] : values) metadata[key] = key == "tadp.version" ? value.get<std::string>() : description_detail::dump(key, value);
  return metadata;
}

/// Reads a description; Error(format) where it is missing or damaged, Error(unsupported) where its major version is
/// newer. `file` is named in messages.
inline ModelDescription description_of(std::map<std::string, std::string> const& metadata, std::string const& file) {
  description_detail::require_version(metadata, file, ModelDescription::major);
  auto const part = [&](char const* key) { return description_detail::Reader::open(metadata, key, file); };
  ModelDescription d;
  description_detail::from_json(part("tadp.unet"), d.unet);
  description_detail::from_json(part("tadp.vae"), d.vae);
  description_detail::from_json(part("tadp.text"), d.text);
  auto const prompt = part("tadp.prompt");
  prompt.read("parts", d.prompt_parts);
  prompt.read("class_embeddings", d.class_embeddings, 0, 4096);
  prompt.read("default_caption", d.default_caption);
  auto const task = part("tadp.task");
  task.read("name", d.task);
  task.read("head_width", d.head_width, 1, 65536);
  part("tadp.classes").each([&](description_detail::Reader const& one) {
    ClassDescription& c = d.classes.emplace_back();
    one.read("name", c.name);
    one.read("colour", c.colour, 0, 255);
  });
  auto const input = part("tadp.input");
  input.read("mean", d.normalisation.mean, -1e6, 1e6);
  input.read("deviation", d.normalisation.deviation, 1e-6, 1e6);
  input.read("window", d.window, 1, 65536);
  input.read("stride", d.stride, 0, 65536);
  if (input.has("fit")) input.read("fit", d.fit, 0, 65536);
  std::string take;
  input.child("latent").read("take", take, {"mode", "sample"});
  d.latent.sample = take == "sample";
  input.child("latent").read("scale", d.latent.scale, 1e-6, 1e6);
  part("tadp.vocabulary").read(d.vocabulary);
  part("tadp.notes").read(d.notes);
  return d;
}

/// Error(shape) unless the file's configuration is the program's: which field, expected and found.
template <class Config>
void require_config(Config const& described, Config const& program, std::string const& what, std::string const& file) {
  auto const found = description_detail::to_json(described), expected = description_detail::to_json(program);
  for (auto const& [field, value] : expected.items())
    if (field != "name" && found.at(field) != value)  // the name says only that some number differs
      throw Error(Errc::shape, "the model file was made for other networks than this program has",
                  {.file = file, .key = what + "." + field, .expected = value.dump(), .found = found.at(field).dump()});
}

/// Error(shape) unless a model of this type and sizes can run the described file.
template <class Model>
void require_model(ModelDescription const& d, std::string const& file) {
  using Backbone = typename Model::Backbone;
  require_config(d.unet, Backbone::UNet::config, "unet", file);
  require_config(d.vae, Backbone::VaeEncoder::config, "vae", file);
  require_config(d.text, Backbone::TextEncoder::config, "text", file);
  description_detail::require_parts(d.prompt_parts, Model::Prompt::names(), file);
  auto const classes = static_cast<int>(d.classes.size());
  if (Model::Task::classes >= 0 && Model::Task::classes != classes)
    throw Error(Errc::shape, "the model file has another count of classes than this program",
                {.file = file, .key = "classes", .expected = std::to_string(Model::Task::classes), .found = std::to_string(classes)});
}

/// Fills in what the type of a model says: configurations and prompt parts.
template <class Model>
ModelDescription describe() {
  using Backbone = typename Model::Backbone;
  ModelDescription d;
  d.unet = Backbone::UNet::config;
  d.vae = Backbone::VaeEncoder::config;
  d.text = Backbone::TextEncoder::config;
  d.prompt_parts = Model::Prompt::names();
  d.latent.scale = d.vae.latent_scale;
  return d;
}

}  // namespace tadp
