// SPDX-License-Identifier: Apache-2.0
// What a model file says about itself in `__metadata__`: everything that a run needs beside the weights.
// Versioned: a file of a newer major version is refused, one of a newer minor version is read.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/core/preprocessing.hpp"
#include "tadp/io/head_description.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tadp {

struct ModelDescription {
  static constexpr int major = 1, minor = 2;

  UNetConfig unet{};
  VaeConfig vae{};
  TextEncoderConfig text{};
  std::vector<std::string> prompt_parts{};  ///< PromptPolicy::names()
  int class_embeddings = 0;                 ///< tokens of AveragedEos; 0: none
  // One head of a task with nothing but a width and classes is these three; any other set of heads is `heads`, and these
  // are as set_heads leaves them. heads_of() reads both forms.
  std::string task = "segmentation";  ///< "perception" where there are several heads, "diffusion" where there is none
  int head_width = 256;
  std::vector<ClassDescription> classes{};
  std::vector<HeadDescription> heads{};  ///< each task once (since 1.2)
  Normalisation normalisation{};
  LatentPolicy latent{};
  std::array<int, 2> window{512, 512};  ///< height and width in pixels
  int stride = 0;                       ///< of sliding windows in pixels; 0: two thirds of the window
  std::array<int, 2> fit{0, 0};         ///< long and short side that pictures are brought to; zeros: as they are (since 1.1)
  bool stretch = false;  ///< pictures are brought to the window itself, whatever their proportions (since 1.2)
  int shifts = 0;        ///< at least 2: so many windows along a longer side, in place of a stride (since 1.2)
  bool flip = false;     ///< windows are looked at mirrored, too (since 1.2)
  std::vector<std::string> vocabulary{};  ///< of a WordTokenizer; empty: token ids are needed
  std::string default_caption{};
  std::map<std::string, std::string> notes{};  ///< anything; nothing reads it

  friend bool operator==(ModelDescription const&, ModelDescription const&) = default;
};

/// The heads of a model, in either form.
inline std::vector<HeadDescription> heads_of(ModelDescription const& d) {
  if (!d.heads.empty() || d.task == "diffusion") return d.heads;
  return {{.task = d.task, .width = d.head_width, .classes = d.classes}};
}
/// The head of a task; nothing where the model has none.
inline std::optional<HeadDescription> find_head(ModelDescription const& d, std::string_view task) {
  for (HeadDescription& head : heads_of(d))
    if (head.task == task) return std::move(head);
  return {};
}
/// Describes these heads, in the form that older programs read where it is one of labels. Error(argument) where there is
/// none, or a task twice.
inline void set_heads(ModelDescription& d, std::vector<HeadDescription> heads) {
  if (heads.empty()) throw Error(Errc::argument, "a description of heads names at least one");
  for (auto at = heads.begin(); at != heads.end(); ++at)
    if (std::any_of(heads.begin(), at, [&](HeadDescription const& h) { return h.task == at->task; }))
      throw Error(Errc::argument, "two heads of a model have the same task", {.key = "task", .found = at->task});
  bool const several = heads.size() > 1, plain = !several && heads[0].task != "depth" && heads[0].task != "detection";
  d.task = several ? "perception" : heads[0].task;
  d.head_width = heads[0].width;
  d.classes = plain ? std::move(heads[0].classes) : std::vector<ClassDescription>{};
  d.heads = plain ? std::vector<HeadDescription>{} : std::move(heads);
}

/// Whether the metadata of a file hold a description.
inline bool has_description(std::map<std::string, std::string> const& metadata) { return metadata.contains("tadp.version"); }

namespace description_detail {

/// The first minor version that can say it: files stay readable to the programs that were there before.
inline int oldest_minor(ModelDescription const& d) { return !d.heads.empty() || d.stretch || d.shifts != 0 || d.flip ? ModelDescription::minor : 1; }

}  // namespace description_detail

/// The description as metadata, one JSON text a key.
inline std::map<std::string, std::string> to_metadata(ModelDescription const& d) {
  using nlohmann::json;
  std::map<std::string, json> values = {
      {"tadp.version", std::to_string(ModelDescription::major) + "." + std::to_string(description_detail::oldest_minor(d))},
      {"tadp.unet", description_detail::to_json(d.unet)},
      {"tadp.vae", description_detail::to_json(d.vae)},
      {"tadp.text", description_detail::to_json(d.text)},
      {"tadp.prompt", {{"parts", d.prompt_parts}, {"class_embeddings", d.class_embeddings}, {"default_caption", d.default_caption}}},
      {"tadp.task", {{"name", d.task}, {"head_width", d.head_width}}},
      {"tadp.classes", description_detail::classes_json(d.classes)},
      {"tadp.input",
       {{"mean", d.normalisation.mean}, {"deviation", d.normalisation.deviation}, {"window", d.window}, {"stride", d.stride}, {"fit", d.fit},
        {"latent", {{"take", d.latent.sample ? "sample" : "mode"}, {"scale", d.latent.scale}}}}},
      {"tadp.vocabulary", d.vocabulary},
      {"tadp.notes", d.notes}};
  json& input = values["tadp.input"];
  if (d.stretch) input["stretch"] = true;
  if (d.shifts != 0) input["shifts"] = d.shifts;
  if (d.flip) input["flip"] = true;
  for (auto const& head : d.heads) values["tadp.heads"].push_back(description_detail::to_json(head));
  std::map<std::string, std::string> metadata;
  // The version is plain text, as other programs print it.
  for (auto const& [key, value] : values) metadata[key] = key == "tadp.version" ? value.get<std::string>() : description_detail::dump(key, value);
  return metadata;
}

namespace description_detail {

/// Each task once, as set_heads has it; a list without heads is damaged.
inline void read_heads(Reader const& list, ModelDescription& d, std::string const& file) {
  list.require_at_most(most_heads, "heads");
  list.each([&](Reader const& one) { from_json(one, d.heads.emplace_back()); });
  auto const twice = [&](HeadDescription const& head) { return std::count_if(d.heads.begin(), d.heads.end(), [&](HeadDescription const& h) { return h.task == head.task; }) > 1; };
  auto const fault = std::find_if(d.heads.begin(), d.heads.end(), twice);
  if (d.heads.empty() || fault != d.heads.end())
    throw Error(Errc::format, "the model's description is damaged", {.file = file, .key = "tadp.heads", .expected = "heads, each task once", .found = d.heads.empty() ? "none" : fault->task + " twice"});
}

}  // namespace description_detail

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
  d.classes = description_detail::read_classes(part("tadp.classes"));
  if (metadata.contains("tadp.heads")) description_detail::read_heads(part("tadp.heads"), d, file);
  auto const input = part("tadp.input");
  input.read("mean", d.normalisation.mean, -1e6, 1e6);
  input.read("deviation", d.normalisation.deviation, 1e-6, 1e6);
  input.read("window", d.window, 1, 65536);
  input.read("stride", d.stride, 0, 65536);
  if (input.has("fit")) input.read("fit", d.fit, 0, 65536);
  if (input.has("stretch")) input.read("stretch", d.stretch, 0, 1);
  if (input.has("shifts")) input.read("shifts", d.shifts, 0, 64);
  if (input.has("flip")) input.read("flip", d.flip, 0, 1);
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

namespace description_detail {

inline std::vector<std::string> tasks_of(std::vector<HeadDescription> const& heads) {
  std::vector<std::string> tasks;
  for (auto const& head : heads) tasks.push_back(head.task);
  return tasks;
}

/// The described head for a task of a program that has `count` of them: by name where there are several.
template <class Task>
HeadDescription head_for(std::vector<HeadDescription> const& heads, std::size_t count, std::string const& file) {
  std::string const name = describe_head<Task>().task;
  if (heads.size() == 1 && count == 1) return heads[0];
  for (HeadDescription const& head : heads)
    if (head.task == name || head.task == name + "_voc") return head;
  throw Error(Errc::shape, "the model file lacks a head that this program has", {.file = file, .key = "task", .expected = name, .found = joined(tasks_of(heads))});
}
template <template <class...> class List, class... Tasks>
void require_heads(List<Tasks...>, std::vector<HeadDescription> const& heads, std::string const& file) {
  (require_head<Tasks>(head_for<Tasks>(heads, sizeof...(Tasks), file), file), ...);
}

}  // namespace description_detail

/// Error(shape) unless a model of this type and sizes can run the described file. A file may have more heads than the type.
template <class Model>
void require_model(ModelDescription const& d, std::string const& file) {
  using Backbone = typename Model::Backbone;
  require_config(d.unet, Backbone::UNet::config, "unet", file);
  require_config(d.vae, Backbone::VaeEncoder::config, "vae", file);
  require_config(d.text, Backbone::TextEncoder::config, "text", file);
  description_detail::require_parts(d.prompt_parts, Model::Prompt::names(), file);
  description_detail::require_heads(typename Model::Tasks{}, heads_of(d), file);
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
