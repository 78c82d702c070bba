// SPDX-License-Identifier: Apache-2.0
// The models of the certificates in tests/runs/certificates: tiny networks with weights by rule, with the text encoder and an
// adapter, or with class embeddings in its place, both with mmsegmentation's head of five classes; and with the
// heads of VOC, depth and detection.
#pragma once

#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/heads/smp_fpn.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/model.hpp"

#include <filesystem>
#include <fstream>

namespace certificate_model {

namespace td = tadp;
using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
template <class... Parts>
using TinyOf = td::Model<Tiny, td::PromptPolicy<Parts...>, td::Head<td::SegmentationOf<5, 32>>>;
using Voc = td::SegmentationOf<6, td::SmpFpnOf{.pyramid = 64, .segmentation = 64}>;
using Boxes = td::DetectionOf<4, td::DetectionConfig{.width = 32, .representation = 64}>;
using Metres = td::DepthOf<td::DepthConfig{.embed = 24, .filters = 16}>;

/// Writes `text`, `classes` or `heads`; Error(argument) for another name.
inline void write(std::string_view name, std::filesystem::path const& path) {
  auto const save = [&](auto const& model, td::ParameterFilter const& wanted) {
    td::Weights<td::Cpu> weights(td::Cpu(1), model.parameters());
    td::fill_by_hash(weights, 7);
    td::save_weights(weights, path, td::Dtype::F32, {}, wanted);
  };
  if (name == "text") return save(TinyOf<td::Caption, td::Adapter>(), {});
  if (name == "heads") return save(td::Model<Tiny, td::PromptPolicy<td::Caption>, td::Heads<td::Head<Voc>, td::Head<Metres>, td::Head<Boxes>>>(), {});
  if (name == "classes") return save(TinyOf<td::AveragedEosOf<9>>(), [](td::ParameterSpec const& spec) { return !spec.name.starts_with("cond_stage_model."); });
  throw td::Error(td::Errc::argument, "no certificate is made of this model", {.expected = "text, classes or heads", .found = std::string(name)});
}

/// Adds to number `at` of a tensor of a file that `write` made.
inline void change(std::filesystem::path const& path, std::string const& tensor, std::uint64_t at, float by) {
  td::SafetensorsFile const read(path);
  td::TensorEntry const* const entry = read.find(tensor);
  if (entry == nullptr) throw td::Error(td::Errc::key, "the model lacks a tensor", {.file = path.string(), .key = tensor});
  auto const from_end = static_cast<std::streamoff>(read.entries().back().end - entry->begin - at * sizeof(float));
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  float value = 0.0F;
  file.seekg(-from_end, std::ios::end).read(reinterpret_cast<char*>(&value), sizeof value);
  value += by;
  file.seekp(-from_end, std::ios::end).write(reinterpret_cast<char const*>(&value), sizeof value);
}

inline std::filesystem::path folder() { return std::filesystem::path(__FILE__).parent_path() / "certificates"; }

}  // namespace certificate_model
