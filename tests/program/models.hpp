// SPDX-License-Identifier: Apache-2.0
// Model files for tests of the program, with weights by rule: the tiny stack with labels, whole or damaged on purpose, and
// the street stack with heads of depth, boxes, or all three.
#pragma once

#include "tadp/data/street.hpp"
#include "tadp/io/description.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/model.hpp"
#include "tadp/runs/described_model.hpp"
#include "tadp/runs/street_heads.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>

namespace test_models {

using Tiny = tadp::Backbone<tadp::UNetOf<tadp::tiny_unet>, tadp::TextEncoderOf<tadp::tiny_text>>;
using TinySegmentation = tadp::Model<Tiny, tadp::PromptPolicy<tadp::Caption>, tadp::Head<tadp::SegmentationOf<tadp::dynamic, 32>>>;

inline tadp::ModelDescription tiny_description() {
  auto d = tadp::describe<TinySegmentation>();
  d.head_width = 32;
  d.window = {64, 64};
  d.vocabulary = tadp::street_vocabulary();
  d.default_caption = "a street photo";
  for (std::size_t i = 0; i < tadp::street_class_names().size(); ++i) d.classes.push_back({std::string(tadp::street_class_names()[i]), tadp::street_class_colours()[i]});
  return d;
}

/// A change to the tensors of a file before they are written.
using Change = std::function<void(std::vector<tadp::TensorToWrite>&)>;

/// Writes the tiny model; `change` may break it.
inline void write_tiny(std::filesystem::path const& path, tadp::ModelDescription const& description = tiny_description(), Change const& change = {}) {
  TinySegmentation const model({.classes = static_cast<tadp::index_t>(description.classes.size())});
  tadp::Weights<tadp::Cpu> weights(tadp::Cpu(1), model.parameters());
  tadp::fill_by_hash(weights, 0);
  if (!change) return tadp::save_weights(weights, path, tadp::Dtype::F16, tadp::to_metadata(description));
  auto const whole = std::filesystem::path(path.string() + ".whole");
  tadp::save_weights(weights, whole, tadp::Dtype::F16);
  tadp::SafetensorsFile const file(whole);
  std::vector<tadp::TensorToWrite> tensors;
  for (auto const& entry : file.entries()) tensors.push_back({entry.name, entry.dtype, entry.shape, file.data(entry), {}});
  change(tensors);
  tadp::write_safetensors(path, tensors, tadp::to_metadata(description));
  std::filesystem::remove(whole);
}

/// The street stack with these heads, at a window that tests can afford.
inline tadp::ModelDescription street_description(std::vector<tadp::HeadDescription> heads) {
  auto d = tadp::describe<tadp::StreetPerception>();
  d.window = {64, 64};
  d.vocabulary = tadp::street_vocabulary();
  d.default_caption = "a street photo";
  tadp::set_heads(d, std::move(heads));
  return d;
}
template <class Model>
void write_street(std::filesystem::path const& path, tadp::ModelDescription const& description) {
  Model const model(tadp::sizes_of<Model>(description, path.string()));
  tadp::Weights<tadp::Cpu> weights(tadp::Cpu(1), model.parameters());
  tadp::fill_by_hash(weights, 0);
  tadp::save_weights(weights, path, tadp::Dtype::F16, tadp::to_metadata(description));
}
inline void write_perception(std::filesystem::path const& path) {
  write_street<tadp::StreetPerception>(path, street_description({tadp::street_labels_head(), tadp::street_depth_head(), tadp::street_detection_head()}));
}
inline void write_depth(std::filesystem::path const& path) { write_street<tadp::StreetDepth>(path, street_description({tadp::street_depth_head()})); }
inline void write_detection(std::filesystem::path const& path) { write_street<tadp::StreetDetection>(path, street_description({tadp::street_detection_head()})); }

}  // namespace test_models
