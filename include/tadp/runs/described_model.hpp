// SPDX-License-Identifier: Apache-2.0
// A model file that describes itself, for a program that has chosen the model's type: the counts that the model is made
// with (classes of each head by its task, class embeddings), its weights, and how its pictures and words are looked at.
#pragma once

#include "tadp/device/cpu.hpp"
#include "tadp/heads/run_options.hpp"
#include "tadp/io/description.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/model.hpp"
#include "tadp/text/word_tokenizer.hpp"

#include <filesystem>
#include <memory>

namespace tadp {

namespace described_model_detail {

template <class Task>
index_t classes_of(HeadDescription const& head) {
  if constexpr (depth_task<Task>)
    return Task::classes;  // numbers a pixel: the file lists none
  else
    return static_cast<index_t>(head.classes.size());
}
template <class... Tasks>
std::vector<index_t> class_counts(TaskList<Tasks...>, std::vector<HeadDescription> const& heads, std::string const& file) {
  return {classes_of<Tasks>(description_detail::head_for<Tasks>(heads, sizeof...(Tasks), file))...};
}

}  // namespace described_model_detail

/// Error(shape) where the file lacks a head of the type; `file` is named in messages.
template <class Model>
ModelSizes sizes_of(ModelDescription const& d, std::string const& file) {
  auto const counts = described_model_detail::class_counts(typename Model::Tasks{}, heads_of(d), file);
  return {.classes = counts[0], .class_embeddings = d.class_embeddings, .further_classes = {counts.begin() + 1, counts.end()}};
}

/// How a session looks at pictures, and at words where the model has a vocabulary of its own; threads and batch are the caller's.
inline SessionOptions session_options_of(ModelDescription const& d) {
  SessionOptions o;
  o.window = d.window;
  o.stride = d.stride;
  o.shifts = d.shifts;
  o.flip = d.flip;
  o.fit = d.stretch ? std::array<int, 2>{0, 0} : d.fit;
  o.stretch = d.stretch;
  o.latent = d.latent;
  o.normalisation = d.normalisation;
  if (auto const head = find_head(d, "depth")) o.focal = head->depth.focal;
  if (!d.vocabulary.empty()) o.tokenizer = WordTokenizer(d.vocabulary, d.text);
  return o;
}

/// What a session is made of.
template <class Model, class Device = Cpu>
struct DescribedModel {
  ModelDescription description{};
  std::shared_ptr<Model const> model{};
  std::shared_ptr<Weights<Device> const> weights{};
};

/// Opens a safetensors file with a description. Error(shape) where the file is of another type of model, Error(key) with the
/// table of names that do not fit; errors of files.
template <class Model, class Device = Cpu>
DescribedModel<Model, Device> load_described(std::filesystem::path const& path, Device const& device = Device(1)) {
  SafetensorsSet const file(path);
  DescribedModel<Model, Device> opened{.description = description_of(file.metadata(), path.string())};
  require_model<Model>(opened.description, path.string());
  opened.model = std::make_shared<Model const>(sizes_of<Model>(opened.description, path.string()));
  auto const weights = std::make_shared<Weights<Device>>(device, opened.model->parameters());
  load_weights(*weights, std::span<SafetensorsSet const>(&file, 1), path.string());
  opened.weights = weights;
  return opened;
}

}  // namespace tadp
