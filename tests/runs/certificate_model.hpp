// SPDX-License-Identifier: Apache-2.0
// The models of the certificates in tests/runs/certificates: tiny networks with weights by rule, with the text encoder and an
// adapter, or with class embeddings in its place; both with a head of five classes.
#pragma once

#include "tadp/io/hash_rule.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/model.hpp"

#include <filesystem>
#include <fstream>

namespace certificate_model {

namespace td = tadp;
template <class... Parts>
using TinyOf = td::Model<td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>, td::PromptPolicy<Parts...>, td::Head<td::SegmentationOf<5, 32>>>;

/// Writes `text` or `classes`; Error(argument) for another name.
inline void write(std::string_view name, std::filesystem::path const& path) {
  auto const save = [&](auto const& model, td::ParameterFilter const& wanted) {
    td::Weights<td::Cpu> weights(td::Cpu(1), model.parameters());
    td::fill_by_hash(weights, 7);
    td::save_weights(weights, path, td::Dtype::F32, {}, wanted);
  };
  if (name == "text") return save(TinyOf<td::Caption, td::Adapter>(), {});
  if (name == "classes") return save(TinyOf<td::AveragedEosOf<9>>(), [](td::ParameterSpec const& spec) { return !spec.name.starts_with("cond_stage_model."); });
  throw td::Error(td::Errc::argument, "no certificate is made of this model", {.expected = "text or classes", .found = std::string(name)});
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
