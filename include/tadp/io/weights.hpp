// SPDX-License-Identifier: Apache-2.0
// Values of a model's parameters from weight files, and into one: names and shapes are checked as a whole first.
// Files are in the checkpoint's order of axes, memory is channels-last.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/exec/parameters.hpp"
#include "tadp/io/key_report.hpp"
#include "tadp/io/safetensors_set.hpp"
#include "tadp/io/safetensors_write.hpp"

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
    if (at != all.end() && same_matrix(wish.shape, at->second.shape)) wish.shape.assign(at->second.shape.begin(), at->second.shape.end());
  }
  // Parameters that are not asked for are not extra: the model knows them.
  for (auto const& [name, found] : all) {
    ParameterId const id = list.find(std::string(name));
    if (!id || !options.wanted || options.wanted(list[id])) offered.push_back(found);
  }
  require_keys(std::span<WantedTensor const>(wanted), offered, file, options.extra, options.max_rows);
}

inline bool is_reordered(ParameterSpec const& spec) { return spec.shape.size() == 4 && spec.shape[2] * spec.shape[3] > 1; }

}  // namespace weights_detail

/// Reads the parameters of opened files, later ones over earlier ones; Error(key) with one table of all that is missing
/// or misshapen before anything is changed; errors of File::read_f32. `names`: the files, for messages.
/// File is SafetensorsSet or Checkpoint: anything with entries(), read_f32(entry, out) and drop(entry).
template <class Device, class File>
void load_weights_from(Weights<Device>& weights, std::span<File const> files, std::string const& names, LoadOptions const& options = {}) {
  auto const all = weights_detail::all_tensors(files);
  weights_detail::require(weights.list(), all, options, names);
  std::vector<float> checkpoint, memory;
  auto const& specs = weights.list().specs();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    ParameterSpec const& spec = specs[i];
    if (options.wanted && !options.wanted(spec)) continue;
    auto const& found = all.at(spec.name);
    checkpoint.resize(static_cast<std::size_t>(spec.count));
    found.file->read_f32(*found.entry, checkpoint.data());
    found.file->drop(*found.entry);
    float const* values = checkpoint.data();
    if (weights_detail::is_reordered(spec)) {
      memory.resize(checkpoint.size());
      to_channels_last(spec, checkpoint.data(), memory.data());
      values = memory.data();
    }
    weights.device().copy_from_host(weights.data(ParameterId{static_cast<int>(i)}), values, checkpoint.size() * sizeof(float));
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

/// Writes parameters in the checkpoint's order of axes, whole or not at all; Error(argument or io) of write_safetensors.
/// `wanted`: which; `dtype`: F32, F16, BF16 or F64.
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
    auto& bytes = stored.emplace_back(checkpoint.size() * (bits_per_element(dtype) / 8));
    convert_from_f32(dtype, checkpoint, bytes.data());
    tensors.push_back({spec.name, dtype, weights_detail::file_shape(spec), bytes, {}});
  }
  write_safetensors(path, tensors, metadata);
}

}  // namespace tadp
