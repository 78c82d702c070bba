// SPDX-License-Identifier: Apache-2.0
// Values of a model's parameters from weight files, and into one: names and shapes are checked as a whole first.
// Files are in the checkpoint's order of axes, memory is channels-last.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/exec/parameters.hpp"
#include "tadp/io/key_report.hpp"
#include "tadp/io/layouts/parts.hpp"
#include "tadp/io/safetensors_set.hpp"
#include "tadp/io/safetensors_write.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace tadp {

/// Which parameters are meant; empty: all.
using ParameterFilter = std::function<bool(ParameterSpec const&)>;

/// The parameters whose names start with one of these.
inline ParameterFilter with_prefixes(std::vector<std::string> prefixes) {
  return [prefixes = std::move(prefixes)](ParameterSpec const& spec) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string const& prefix) { return spec.name.starts_with(prefix); });
  };
}

struct LoadOptions {
  ParameterFilter wanted{};           ///< the others keep their values
  ExtraKeys extra = ExtraKeys::allow; ///< of names that no parameter of the model has
  std::size_t max_rows = 20;          ///< of the table of an error
};

namespace weights_detail {

/// A tensor of one of several files.
template <class File>
struct Found {
  std::string_view name;
  std::span<std::uint64_t const> shape;
  File const* file;
  TensorEntry const* entry;
};

/// (out, in) and (out, in, 1, 1) are the same matrix under two habits.
inline bool same_matrix(std::span<std::uint64_t const> a, std::span<std::uint64_t const> b) {
  if (a.size() > b.size()) std::swap(a, b);
  return a.size() == 2 && b.size() == 4 && a[0] == b[0] && a[1] == b[1] && b[2] == 1 && b[3] == 1;
}
/// A checkpoint made with learned tokens has their embeddings behind those of the vocabulary; the model reads the latter.
inline bool longer_vocabulary(ParameterSpec const& spec, std::span<std::uint64_t const> found) {
  return spec.name.ends_with("token_embedding.weight") && spec.shape.size() == 2 && found.size() == 2 && static_cast<index_t>(found[1]) == spec.shape[1] &&
         found[0] > static_cast<std::uint64_t>(spec.shape[0]);
}

inline std::vector<std::uint64_t> file_shape(ParameterSpec const& spec) { return {spec.shape.begin(), spec.shape.end()}; }

/// Every tensor of every file by name; a later file wins.
template <class File>
std::map<std::string_view, Found<File>> all_tensors(std::span<File const> files) {
  std::map<std::string_view, Found<File>> all;
  for (File const& file : files)
    for (TensorEntry const& entry : file.entries()) all.insert_or_assign(entry.name, Found<File>{entry.name, entry.shape, &file, &entry});
  return all;
}

inline std::string names_of(std::span<std::filesystem::path const> files) {
  std::string names;
  for (auto const& file : files) names += (names.empty() ? "" : ", ") + file.string();
  return names;
}

/// Throws the table where a wanted parameter is missing or of another shape.
template <class File>
void require(ParameterList const& list, std::map<std::string_view, Found<File>> const& all, LoadOptions const& options, std::string const& file) {
  std::vector<WantedTensor> wanted;
  std::vector<Found<File>> offered;
  for (ParameterSpec const& spec : list.specs()) {
    if (options.wanted && !options.wanted(spec)) continue;
    WantedTensor& wish = wanted.emplace_back(WantedTensor{spec.name, file_shape(spec)});
    auto const at = all.find(spec.name);
    if (at != all.end() && (same_matrix(wish.shape, at->second.shape) || longer_vocabulary(spec, at->second.shape))) wish.shape.assign(at->second.shape.begin(), at->second.shape.end());
  }
  // Parameters that are not asked for are not extra: the model knows them. Nor are whole parts of which it has nothing, such
  // as the autoencoder's decoder: they would bury what is misspelt.
  std::vector<std::string_view> names;
  for (ParameterSpec const& spec : list.specs()) names.push_back(spec.name);
  PartsNotUsed const not_used(names);
  for (auto const& [name, found] : all) {
    ParameterId const id = list.find(std::string(name));
    bool const asked_for = id && (!options.wanted || options.wanted(list[id]));
    bool const stray = !id && (options.extra == ExtraKeys::refuse || !not_used.has(name));
    if (asked_for || stray) offered.push_back(found);
  }
  require_keys(std::span<WantedTensor const>(wanted), offered, file, options.extra, options.max_rows);
}

inline bool is_reordered(ParameterSpec const& spec) { return spec.shape.size() == 4 && spec.shape[2] * spec.shape[3] > 1; }

/// Copies a parameter row by row: what is held beside the weights stays far below the 64 MiB that loading may take.
template <class Device, class File>
void copy_parameter(Weights<Device>& weights, ParameterId id, ParameterSpec const& spec, Found<File> const& found) {
  constexpr index_t most = index_t{1} << 20;  // floats
  index_t const rows = spec.shape.empty() || spec.count == 0 ? 1 : spec.shape[0], row = spec.count / rows;
  index_t const step = std::clamp<index_t>(row == 0 ? rows : most / row, 1, rows);
  std::vector<float> checkpoint, memory;
  for (index_t first = 0; first < rows; first += step) {
    ParameterSpec part = spec;
    index_t const count = std::min(step, rows - first);
    if (!part.shape.empty()) part.shape[0] = count;
    part.count = count * row;
    checkpoint.resize(static_cast<std::size_t>(part.count));
    found.file->read_f32(*found.entry, static_cast<std::uint64_t>(first * row), static_cast<std::uint64_t>(part.count), checkpoint.data());
    if (is_reordered(spec)) {
      memory.resize(checkpoint.size());
      to_channels_last(part, checkpoint.data(), memory.data());
    }
    std::vector<float> const& values = is_reordered(spec) ? memory : checkpoint;
    weights.device().copy_from_host(weights.data(id) + first * row, values.data(), values.size() * sizeof(float));
  }
}

}  // namespace weights_detail

/// Reads the parameters of opened files, later ones over earlier ones; Error(key) with one table of all that is missing
/// or misshapen before anything is changed; errors of File::read_f32. `names`: the files, for messages.
/// File is ModelSource, Checkpoint or SafetensorsSet: anything with entries(), drop(entry) and read_f32(entry, first element,
/// count, out). What is held beside the weights is bounded, however large a tensor is.
template <class Device, class File>
void load_weights_from(Weights<Device>& weights, std::span<File const> files, std::string const& names, LoadOptions const& options = {}) {
  auto const all = weights_detail::all_tensors(files);
  weights_detail::require(weights.list(), all, options, names);
  if constexpr (requires(File const& f) { f.require_copies_agree(); })
    for (File const& file : files) file.require_copies_agree();
  auto const& specs = weights.list().specs();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (options.wanted && !options.wanted(specs[i])) continue;
    auto const& found = all.at(specs[i].name);
    weights_detail::copy_parameter(weights, ParameterId{static_cast<int>(i)}, specs[i], found);
    found.file->drop(*found.entry);
  }
}

template <class Device>
void load_weights(Weights<Device>& weights, std::span<SafetensorsSet const> files, std::string const& names, LoadOptions const& options = {}) {
  load_weights_from(weights, files, names, options);
}

/// The same from paths: safetensors files or shard indices (*.json), each opened and checked first.
template <class Device>
void load_weights(Weights<Device>& weights, std::span<std::filesystem::path const> files, LoadOptions const& options = {}) {
  std::vector<SafetensorsSet> sets;
  for (auto const& file : files) sets.emplace_back(file);
  load_weights(weights, std::span<SafetensorsSet const>(sets), weights_detail::names_of(files), options);
}
template <class Device>
void load_weights(Weights<Device>& weights, std::initializer_list<std::filesystem::path> files, LoadOptions const& options = {}) {
  load_weights(weights, std::span<std::filesystem::path const>(files.begin(), files.size()), options);
}

namespace weights_detail {
/// Whether finite numbers stay finite.
inline bool holds(Dtype dtype, std::span<float const> values) {
  constexpr float largest_half = 65504.0F;
  return dtype != Dtype::F16 || std::none_of(values.begin(), values.end(), [](float v) { return std::isfinite(v) && std::abs(v) > largest_half; });
}
}  // namespace weights_detail

/// Writes parameters in the checkpoint's order of axes, whole or not at all; Error(argument or io) of write_safetensors.
/// `wanted`: which; `dtype`: F32, F16, BF16 or F64; a parameter with a number beyond F16 is stored as F32 (the running
/// variances of a head can be, and as infinity they would silence what they normalise).
template <class Device>
void save_weights(Weights<Device> const& weights, std::filesystem::path const& path, Dtype dtype = Dtype::F32,
                  std::map<std::string, std::string> const& metadata = {}, ParameterFilter const& wanted = {}) {
  std::vector<float> memory, checkpoint;
  std::vector<std::vector<std::byte>> stored;
  std::vector<TensorToWrite> tensors;
  auto const& specs = weights.list().specs();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    ParameterSpec const& spec = specs[i];
    if (wanted && !wanted(spec)) continue;
    memory.resize(static_cast<std::size_t>(spec.count));
    checkpoint.resize(memory.size());
    weights.device().copy_to_host(memory.data(), weights.data(ParameterId{static_cast<int>(i)}), memory.size() * sizeof(float));
    to_checkpoint_order(spec, memory.data(), checkpoint.data());
    Dtype const kept = weights_detail::holds(dtype, checkpoint) ? dtype : Dtype::F32;
    auto& bytes = stored.emplace_back(checkpoint.size() * (bits_per_element(kept) / 8));
    convert_from_f32(kept, checkpoint, bytes.data());
    tensors.push_back({spec.name, kept, weights_detail::file_shape(spec), bytes, {}});
  }
  write_safetensors(path, tensors, metadata);
}

}  // namespace tadp
