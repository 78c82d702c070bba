// SPDX-License-Identifier: Apache-2.0
// The files that make one model: a file, an index of shards, or a folder of diffusers with a folder a part.
// Only the layout of folders is known here; what the files hold is told by their keys.
#pragma once

#include "tadp/io/bpe_files.hpp"
#include "tadp/io/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace tadp {

/// What open_model is to open.
struct ModelFiles {
  std::vector<Checkpoint> checkpoints{};
  std::vector<std::size_t> parts{};    ///< how many of them make one list of names: several where PyTorch's files are sharded
  BpePaths vocabulary{};               ///< in tokenizer/; empty where there is none
  bool folder = false;
};

namespace model_files_detail {

namespace fs = std::filesystem;

/// Names of a part's weights, the best first; `{}` stands for a variant such as ".fp16", or nothing.
inline constexpr std::array<std::string_view, 8> weight_names = {
    "diffusion_pytorch_model{}.safetensors", "model{}.safetensors",       "diffusion_pytorch_model.safetensors.index{}.json", "model.safetensors.index{}.json",
    "diffusion_pytorch_model{}.bin",         "pytorch_model{}.bin",       "diffusion_pytorch_model.bin.index{}.json",         "pytorch_model.bin.index{}.json"};
inline constexpr std::array<std::string_view, 5> variants = {"", ".fp32", ".fp16", ".bf16", ".non_ema"};
/// Folders of a pipeline that hold parts of the model; `tadp` is where this library puts heads. The folder itself comes last.
inline constexpr std::array<std::string_view, 4> part_folders = {"unet", "vae", "text_encoder", "tadp"};

inline std::string with_variant(std::string_view name, std::string_view variant) {
  std::string text(name);
  return text.replace(text.find("{}"), 2, variant);
}

inline bool is_file(fs::path const& path) {
  std::error_code absent;
  return fs::is_regular_file(path, absent);
}

/// What is looked for, for a message.
inline std::string weight_names_text() {
  std::string text;
  for (auto const name : weight_names) text += (text.empty() ? "" : ", ") + with_variant(name, "");
  return text + ", also with a variant such as .fp16";
}

/// The weights of one folder: full precision before its variants, safetensors before PyTorch's files. Empty: none.
inline fs::path weights_in(fs::path const& folder) {
  for (auto const variant : variants)
    for (auto const name : weight_names)
      if (auto path = folder / with_variant(name, variant); is_file(path)) return path;
  return {};
}

/// The shards of an index whose files are PyTorch's.
inline void open_torch_shards(fs::path const& index, ShardMap const& shards, CheckpointLimits const& limits, ModelFiles& out) {
  for (auto const& [name, tensors] : shards) {
    require_shard(index.parent_path() / name, index, tensors.size());
    Checkpoint const& shard = out.checkpoints.emplace_back(open_checkpoint(index.parent_path() / name, limits));
    for (auto const& tensor : tensors)
      if (shard.find(tensor) == nullptr)
        throw Error(Errc::key, "a tensor is absent from the shard that the index names for it", {.file = index.string(), .key = printable(tensor), .expected = "in " + shard.path().string(), .found = "no such tensor"});
    if (shard.entries().size() != tensors.size())
      throw Error(Errc::key, "a shard holds other tensors than the index lists for it",
                  {.file = shard.path().string(), .expected = std::to_string(tensors.size()) + " tensors that " + index.string() + " lists", .found = std::to_string(shard.entries().size())});
  }
  out.parts.push_back(shards.size());
}

inline void open_weights(fs::path const& path, CheckpointLimits const& limits, ModelFiles& out) {
  if (path.extension() == ".json") {
    auto const shards = read_shard_index(path, limits.safetensors);
    bool const torch = std::none_of(shards.begin(), shards.end(), [](auto const& shard) { return shard.first.ends_with(".safetensors"); });
    if (torch) return open_torch_shards(path, shards, limits, out);
  }
  out.checkpoints.push_back(open_checkpoint(path, limits));
  out.parts.push_back(1);
}

}  // namespace model_files_detail

/// Opens a file, an index (*.json) or a folder of diffusers, complete or a single part of one; Error(io) where a folder, or
/// that of a part within it, holds no weights, and the errors of open_checkpoint.
inline ModelFiles open_model_files(std::filesystem::path const& path, CheckpointLimits const& limits = {}) {
  using namespace model_files_detail;
  ModelFiles files;
  std::error_code unknown;
  files.folder = fs::is_directory(path, unknown);
  if (!files.folder) {
    open_weights(path, limits, files);
    return files;
  }
  for (auto const part : part_folders) {
    auto const weights = weights_in(path / part);
    if (!weights.empty()) open_weights(weights, limits, files);
    else if (fs::is_directory(path / part, unknown))
      throw Error(Errc::io, std::string(part) + "/ holds no weights: fetch them, or take the folder away", {.file = (path / part).string(), .expected = weight_names_text(), .found = "none of these"});
  }
  if (auto const weights = weights_in(path); files.checkpoints.empty() && !weights.empty()) open_weights(weights, limits, files);
  if (files.checkpoints.empty())
    throw Error(Errc::io, "the folder holds no weights", {.file = path.string(), .expected = "a diffusers folder: unet/diffusion_pytorch_model.safetensors, vae/, text_encoder/"});
  files.vocabulary = find_bpe_paths(path / "tokenizer");
  if (files.vocabulary.vocabulary.empty()) files.vocabulary = find_bpe_paths(path);
  return files;
}

}  // namespace tadp
