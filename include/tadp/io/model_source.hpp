// SPDX-License-Identifier: Apache-2.0
// A model of any container and layout as one list of tensors under this library's names, ready for load_weights_from.
// Opening reads headers only; tensors stay on the disk.
#pragma once

#include "tadp/io/layouts.hpp"
#include "tadp/io/model_files.hpp"

namespace tadp {

struct ModelOptions {
  bool averaged = false;  ///< take the averaged (EMA) weights of the UNet where the file has them
  CheckpointLimits limits{};
};

/// A tensor that was passed over, and what it is.
struct IgnoredTensor {
  std::string name{};
  std::string_view what{};
};

/// An open model. Move-only; made by open_model.
class ModelSource {
 public:
  ModelSource(std::filesystem::path path, ModelFiles files, ModelOptions const& options) : path_(std::move(path)), files_(std::move(files)) {
    for (Checkpoint const& checkpoint : files_.checkpoints) metadata_.insert(checkpoint.metadata().begin(), checkpoint.metadata().end());
    std::size_t first = 0;
    for (std::size_t const count : files_.parts) add(first, first + count, options), first += count;
    seen_.clear();
    by_name_ = detail::order_by_name(entries_, path_.string());
  }

  /// All tensors that belong to a model, names unique, in the order of the files. Shapes are those of CompVis.
  std::span<TensorEntry const> entries() const noexcept { return entries_; }
  /// The tensor of this CompVis name, or null.
  TensorEntry const* find(std::string_view name) const noexcept { return detail::find_by_name(entries_, by_name_, name); }
  /// What the file itself calls a tensor.
  std::string const& stored_name(TensorEntry const& entry) const { return origin(entry).entry->name; }
  std::filesystem::path const& path() const noexcept { return path_; }
  std::span<Checkpoint const> files() const noexcept { return files_.checkpoints; }
  /// The layout of each file; one that is not known has no name, and its tensors keep theirs.
  std::span<FoundLayout const> layouts() const noexcept { return layouts_; }
  /// Such as "CompVis", or "diffusers folder".
  std::string layout_title() const {
    if (files_.folder) return "diffusers folder";
    return layouts_.empty() || !layouts_[0] ? "unknown" : std::string(layouts_[0].layout->title);
  }
  /// What the files say beside their tensors.
  std::map<std::string, std::string> const& metadata() const noexcept { return metadata_; }
  /// What was passed over.
  std::span<IgnoredTensor const> ignored() const noexcept { return ignored_; }
  /// Whether any file has averaged weights of the UNet, used or not.
  bool has_averaged() const noexcept { return has_averaged_; }
  /// The vocabulary that a folder has, such as tokenizer/vocab.json and merges.txt, or empty paths.
  BpePaths const& vocabulary() const noexcept { return files_.vocabulary; }

  /// Elements [first, first + count), row-major, as they are stored; errors of Checkpoint::read_bytes.
  void read_bytes(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, std::byte* out) const {
    checkpoint(entry).read_bytes(*origin(entry).entry, first, count, out);
  }
  /// The same as floats.
  void read_f32(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, float* out) const {
    checkpoint(entry).read_f32(*origin(entry).entry, first, count, out);
  }
  void read_f32(TensorEntry const& entry, float* out) const { checkpoint(entry).read_f32(*origin(entry).entry, out); }
  void drop(TensorEntry const& entry) const { checkpoint(entry).drop(*origin(entry).entry); }

  /// Some checkpoints hold a network under two names. Error(key) where the numbers differ: neither can be trusted.
  void require_copies_agree() const {
    constexpr std::uint64_t most = std::uint64_t{1} << 20;
    std::vector<std::byte> a, b;
    for (Copy const& copy : copies_) {
      auto const& first = origin(entries_[copy.of]);
      auto const width = bits_per_element(copy.entry->dtype) / 8;
      auto const count = width == 0 ? 0 : copy.entry->size_bytes() / width;
      for (std::uint64_t at = 0; at < count; at += most) {
        auto const part = std::min(most, count - at);
        a.resize(static_cast<std::size_t>(part * width));
        b.resize(a.size());
        files_.checkpoints[first.file].read_bytes(*first.entry, at, part, a.data());
        files_.checkpoints[copy.file].read_bytes(*copy.entry, at, part, b.data());
        if (a != b)
          throw Error(Errc::key, "the file holds a parameter twice, with other numbers", {.file = path_.string(), .key = copy.entry->name, .expected = "those of " + first.entry->name, .found = "others"});
      }
    }
  }

 private:
  struct Origin {
    std::size_t file = 0;
    TensorEntry const* entry = nullptr;
    std::size_t rank = 0;  ///< of the row that named it; the lowest is used
  };
  struct Copy {
    std::size_t of = 0;  ///< entry
    std::size_t file = 0;
    TensorEntry const* entry = nullptr;
  };

  Origin const& origin(TensorEntry const& entry) const {
    auto const index = static_cast<std::size_t>(&entry - entries_.data());
    if (index >= entries_.size()) throw Error(Errc::argument, "this tensor belongs to another model", {.file = path_.string(), .key = entry.name});
    return origins_[index];
  }
  Checkpoint const& checkpoint(TensorEntry const& entry) const { return files_.checkpoints[origin(entry).file]; }

  void add(std::size_t first_file, std::size_t last_file, ModelOptions const& options) {
    std::vector<std::string> names;
    for (std::size_t f = first_file; f < last_file; ++f)
      for (TensorEntry const& entry : files_.checkpoints[f].entries()) names.push_back(entry.name);
    auto const found = layout_of(names);
    for (std::size_t f = first_file; f < last_file; ++f) layouts_.push_back(found);
    std::optional<LayoutNames> turn;
    if (found) turn.emplace(found, names);
    std::vector<std::pair<NamedPart, Origin>> parts;
    bool has_plain_unet = false;
    for (std::size_t f = first_file; f < last_file; ++f)
      for (TensorEntry const& entry : files_.checkpoints[f].entries()) {
        NamedPart part = turn ? turn->turned(entry.name) : NamedPart{.compvis = entry.name};
        if (!part.ignored.empty()) {
          ignored_.push_back({entry.name, part.ignored});
          continue;
        }
        has_averaged_ = has_averaged_ || part.averaged;
        has_plain_unet = has_plain_unet || (!part.averaged && part.compvis.starts_with("model.diffusion_model."));
        Origin const origin{f, &entry, part.row + 1};
        parts.emplace_back(std::move(part), origin);
      }
    for (auto& [part, origin] : parts) {
      if (part.averaged && has_plain_unet && !options.averaged) {
        ignored_.push_back({origin.entry->name, "averaged weights"});
        continue;
      }
      if (part.averaged) origin.rank = 0;  // before the plain ones, which are then no copies of them
      put(part, origin);
    }
  }

  void put(NamedPart const& part, Origin const& origin) {
    TensorEntry entry = *origin.entry;
    entry.name = part.compvis;
    entry.shape = compvis_shape(entry.name, entry.shape);
    entry.strides.clear();
    auto const [at, is_new] = seen_.emplace(entry.name, entries_.size());
    if (is_new) {
      entries_.push_back(std::move(entry));
      origins_.push_back(origin);
      return;
    }
    Origin& kept = origins_[at->second];
    Origin const other = origin.rank < kept.rank ? std::exchange(kept, origin) : origin;
    if (kept.rank == 0) {
      if (other.rank == 0) refuse_twice(kept, other);
      ignored_.push_back({other.entry->name, "the averaged weights are used"});
      entries_[at->second] = with_name(kept, entry.name);
      return;
    }
    bool const same_shape = compvis_shape(entry.name, kept.entry->shape) == compvis_shape(entry.name, other.entry->shape) && kept.entry->dtype == other.entry->dtype;
    if (kept.rank == other.rank || !same_shape) refuse_twice(kept, other);
    entries_[at->second] = with_name(kept, entry.name);
    ignored_.push_back({other.entry->name, "a copy"});
    if (kept.file != other.file || !files_.checkpoints[kept.file].same_storage(*kept.entry, *other.entry)) copies_.push_back({at->second, other.file, other.entry});
  }
  static TensorEntry with_name(Origin const& origin, std::string const& name) {
    TensorEntry entry = *origin.entry;
    entry.name = name;
    entry.shape = compvis_shape(name, entry.shape);
    entry.strides.clear();
    return entry;
  }
  [[noreturn]] void refuse_twice(Origin const& a, Origin const& b) const {
    throw Error(Errc::key, "two tensors are the same parameter", {.file = path_.string(), .key = b.entry->name, .expected = "once", .found = a.entry->name + ", too"});
  }

  std::filesystem::path path_;
  ModelFiles files_;
  std::vector<FoundLayout> layouts_{};
  std::vector<TensorEntry> entries_{};
  std::vector<Origin> origins_{};
  std::vector<Copy> copies_{};
  std::vector<std::uint32_t> by_name_{};
  std::map<std::string, std::size_t> seen_{};
  std::map<std::string, std::string> metadata_{};
  std::vector<IgnoredTensor> ignored_{};
  bool has_averaged_ = false;
};

/// Opens a model: a file of any container and layout, a shard index, or a folder of diffusers. Errors of open_checkpoint,
/// Error(key) where two tensors of it are the same parameter.
inline ModelSource open_model(std::filesystem::path const& path, ModelOptions const& options = {}) {
  return ModelSource(path, open_model_files(path, options.limits), options);
}

}  // namespace tadp
