// SPDX-License-Identifier: Apache-2.0
// Files of class embeddings as VPD and TADP keep them (spec 3.3): one bare tensor (classes, width), in any container.
// What is written here is a safetensors file that says the names, too.
#pragma once

#include "tadp/core/channels.hpp"
#include "tadp/core/shape.hpp"
#include "tadp/exec/parameters.hpp"
#include "tadp/io/checkpoint.hpp"
#include "tadp/io/safetensors_write.hpp"

#include <cmath>
#include <vector>

namespace tadp {

/// One embedding a class, row-major.
struct ClassEmbeddings {
  index_t classes = 0, width = 0;
  std::vector<float> values{};
  std::vector<std::string> names{};  ///< of the classes; empty where the file does not say
};

namespace class_embeddings_detail {

inline constexpr char const* tensor_name = "class_embeddings";
inline constexpr char const* names_key = "class_names";

inline TensorEntry const& table_of(Checkpoint const& file) {
  if (auto const* const named = file.find(tensor_name)) return *named;
  if (file.entries().size() == 1) return file.entries().front();
  throw Error(Errc::key, "the file holds no class embeddings", {.file = file.path().string(), .key = tensor_name, .expected = "this tensor, or one tensor alone", .found = std::to_string(file.entries().size()) + " tensors"});
}

/// The names that write_class_embeddings stored.
inline std::vector<std::string> names_in(Checkpoint const& file) {
  auto const at = file.metadata().find(names_key);
  if (at == file.metadata().end()) return {};
  try {
    return nlohmann::json::parse(at->second).get<std::vector<std::string>>();
  } catch (nlohmann::json::exception const& e) {
    throw Error(Errc::format, "the names of the classes are damaged", {.file = file.path().string(), .key = names_key, .found = printable(e.what(), 200)});
  }
}

}  // namespace class_embeddings_detail

/// Reads a file; `width`: of the text encoder; `classes`: how many there must be, dynamic: any. Errors of
/// open_checkpoint; Error(key) where there is no such tensor, Error(shape) for another shape, Error(format) for numbers
/// that are not finite.
inline ClassEmbeddings read_class_embeddings(std::filesystem::path const& path, int width, index_t classes = dynamic) {
  using namespace class_embeddings_detail;
  Checkpoint const file = open_checkpoint(path);
  TensorEntry const& table = table_of(file);
  auto const& shape = table.shape;
  bool const fits = shape.size() == 2 && shape[0] >= 1 && shape[0] <= 4096 && shape[1] == static_cast<std::uint64_t>(width) && (classes == dynamic || shape[0] == static_cast<std::uint64_t>(classes));
  if (!fits)
    throw Error(Errc::shape, "the class embeddings have another shape",
                {.file = path.string(), .key = table.name, .expected = "[" + (classes == dynamic ? std::string("classes") : std::to_string(classes)) + ", " + std::to_string(width) + "]", .found = detail::shape_text(shape)});
  ClassEmbeddings e{static_cast<index_t>(shape[0]), width, std::vector<float>(static_cast<std::size_t>(shape[0] * shape[1])), names_in(file)};
  file.read_f32(table, e.values.data());
  for (std::size_t i = 0; i < e.values.size(); ++i)
    if (!std::isfinite(e.values[i]))
      throw Error(Errc::format, "class embeddings hold numbers that are not finite", {.file = path.string(), .key = table.name + "[" + std::to_string(i / static_cast<std::size_t>(width)) + "]", .expected = "finite numbers", .found = std::isnan(e.values[i]) ? "NaN" : "infinity"});
  if (!e.names.empty() && e.names.size() != shape[0])
    throw Error(Errc::shape, "the class embeddings have another count than their names", {.file = path.string(), .key = names_key, .expected = std::to_string(shape[0]), .found = std::to_string(e.names.size())});
  return e;
}

/// Writes a file, whole or not at all; Error(argument, shape, io) of write_safetensors.
inline void write_class_embeddings(std::filesystem::path const& path, ClassEmbeddings const& e) {
  using namespace class_embeddings_detail;
  std::map<std::string, std::string> metadata;
  if (!e.names.empty()) {
    try {
      metadata[names_key] = nlohmann::json(e.names).dump();
    } catch (nlohmann::json::exception const&) {
      throw Error(Errc::argument, "the name of a class is not UTF-8", {.file = path.string(), .key = names_key});
    }
  }
  TensorToWrite const table{tensor_name, Dtype::F32, {static_cast<std::uint64_t>(e.classes), static_cast<std::uint64_t>(e.width)}, {}, e.values};
  write_safetensors(path, std::span(&table, 1), metadata);
}

/// Puts embeddings into a model whose prompt has AveragedEos; Error(argument) where it has none, Error(shape) for another count.
template <class Device>
void put_class_embeddings(Weights<Device>& weights, ClassEmbeddings const& e) {
  ParameterId const id = weights.list().find(class_embeddings_detail::tensor_name);
  if (!id) throw Error(Errc::argument, "this model's prompt has no class embeddings: it needs AveragedEos");
  auto const& shape = weights.list()[id].shape;
  if (shape != std::vector<index_t>{e.classes, e.width})
    throw Error(Errc::shape, "the model was made for other class embeddings",
                {.key = class_embeddings_detail::tensor_name, .expected = "[" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + "]", .found = "[" + std::to_string(e.classes) + ", " + std::to_string(e.width) + "]"});
  weights.device().copy_from_host(weights.data(id), e.values.data(), e.values.size() * sizeof(float));
}

}  // namespace tadp
