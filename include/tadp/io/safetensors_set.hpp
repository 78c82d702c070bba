// SPDX-License-Identifier: Apache-2.0
// Weights in one safetensors file or in the shards that an index file names, seen as one list of tensors.
// Large published models come as shards; whoever loads weights need not know.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/io/safetensors_json.hpp"
#include "tadp/io/sniff.hpp"
#include "tadp/io/tensor_entry.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

/// Shard file name -> names of its tensors.
using ShardMap = std::map<std::string, std::vector<std::string>>;

namespace detail {

/// Reads `weight_map` of an index (tensor name -> file name) and passes over everything else in it.
class IndexSax final : public JsonSax {
 public:
  IndexSax(SafetensorsLimits const& limits, std::string const& file, ShardMap& out)
      : JsonSax(file, 0), limits_(limits), out_(out) {}

  bool start_object(std::size_t) override {
    if (depth_ == 0 || at_map()) return enter();
    return scalar("an object") && enter();
  }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return scalar("an array") && enter(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      in_map_ = name == "weight_map";
      if (in_map_ && std::exchange(seen_map_, true))
        throw Error(Errc::key, "the index has two weight maps", {.file = file_});
    }
    if (depth_ <= 2) key_ = name;
    if (depth_ == 2 && in_map_) require_name(name, limits_, file_);
    return true;
  }
  bool string(string_t& shard) override {
    if (!(depth_ == 2 && in_map_)) return JsonSax::string(shard);
    require_plain(shard);
    if (++count_ > limits_.max_tensors)
      throw Error(Errc::limit, "the index lists too many tensors",
                  {.file = file_, .expected = "at most " + std::to_string(limits_.max_tensors)});
    out_[shard].push_back(key_);
    if (out_.size() > limits_.max_shards)
      throw Error(Errc::limit, "the index names too many shards",
                  {.file = file_, .expected = "at most " + std::to_string(limits_.max_shards)});
    return true;
  }
  void finish() const {
    if (out_.empty()) throw Error(Errc::key, "the index lists no tensors", {.file = file_, .expected = "weight_map"});
  }

 private:
  bool at_map() const { return depth_ == 1 && in_map_; }

  /// Any value: fine where it is passed over, wrong in the places that are read.
  bool scalar(std::string found) override {
    if (depth_ != 0 && !at_map() && !(depth_ == 2 && in_map_)) return true;
    throw Error(Errc::format, "the index holds a value of the wrong kind",
                {.file = file_,
                 .key = printable(key_),
                 .expected = depth_ == 2 ? "a file name" : "an object",
                 .found = std::move(found)});
  }
  bool enter() {
    if (++depth_ <= limits_.max_json_depth) return true;
    throw Error(Errc::limit, "the index nests too deep",
                {.file = file_, .key = printable(key_), .expected = std::to_string(limits_.max_json_depth)});
  }
  bool leave() {
    --depth_;
    return true;
  }
  /// A shard lies beside its index: a path would let the author of an index open files elsewhere.
  void require_plain(std::string const& shard) const {
    if (fault_of_name(shard, 255).empty() && shard != "." && shard != ".." &&
        shard.find_first_of("/\\:") == std::string::npos)
      return;
    throw Error(
        Errc::format, "the index names a shard that is no plain file name",
        {.file = file_, .key = printable(key_), .expected = "a file name without a folder", .found = printable(shard)});
  }

  SafetensorsLimits const& limits_;
  ShardMap& out_;
  std::size_t depth_ = 0;
  std::size_t count_ = 0;
  bool in_map_ = false;
  bool seen_map_ = false;
};

}  // namespace detail

/// Reads a shard index (`*.safetensors.index.json`); Error(io, format, limit, key or memory).
inline ShardMap read_shard_index(std::filesystem::path const& path, SafetensorsLimits const& limits = {}) try {
  auto const bytes = read_file(path, limits.max_header);
  auto const file = path.string();
  std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  if (auto const kind = sniff_content(bytes); kind && kind->what != "JSON text")
    throw Error(Errc::format,
                "this is no shard index but " + std::string(kind->what) + "; " + std::string(kind->advice),
                {.file = file, .expected = "JSON text", .found = std::string(kind->what)});
  ShardMap shards;
  detail::IndexSax sax(limits, file, shards);
  detail::parse_json(text, 0, file, sax);
  sax.finish();
  return shards;
} catch (std::bad_alloc const&) {
  throw Error(Errc::memory, "not enough memory for the index", {.file = path.string()});
}

/// Error(io) where a shard that an index lists `tensors` for is not there.
inline void require_shard(std::filesystem::path const& shard, std::filesystem::path const& index, std::size_t tensors) {
  std::error_code unknown;
  if (std::filesystem::exists(std::filesystem::symlink_status(shard, unknown))) return;  // what else is wrong its reader tells
  throw Error(Errc::io, "a shard is missing",
              {.file = shard.string(),
               .expected = "the file that " + index.string() + " lists for " + std::to_string(tensors) + " tensors",
               .found = "nothing"});
}

/// One safetensors file, or all shards of an index, as one list of tensors with unique names.
/// Shards may be links, as download caches make them; each is checked like any file. Index and shards must agree
/// exactly: every listed tensor in the shard it is listed for, every tensor of a shard listed.
class SafetensorsSet {
 public:
  /// Opens `path`: an index if its name ends in .json, otherwise a file; errors as for SafetensorsFile, and
  /// Error(key) where index and shards disagree.
  explicit SafetensorsSet(std::filesystem::path const& path, SafetensorsLimits const& limits = {}) {
    if (path.extension() == ".json")
      open_shards(path, limits);
    else
      add(SafetensorsFile(path, limits));
    by_name_ = detail::order_by_name(entries_, path.string());
  }

  /// All tensors, shard after shard, each in order of its bytes.
  std::span<TensorEntry const> entries() const noexcept { return entries_; }
  /// The tensor of this name, or null.
  TensorEntry const* find(std::string_view name) const noexcept {
    return detail::find_by_name(entries_, by_name_, name);
  }
  /// As SafetensorsFile::data.
  std::span<std::byte const> data(TensorEntry const& entry) const { return file_of(entry).data(entry); }
  /// As SafetensorsFile::read_f32.
  void read_f32(TensorEntry const& entry, float* out) const { file_of(entry).read_f32(entry, out); }
  void read_f32(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, float* out) const { file_of(entry).read_f32(entry, first, count, out); }
  /// As SafetensorsFile::read_bytes.
  void read_bytes(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, std::byte* out) const { file_of(entry).read_bytes(entry, first, count, out); }
  /// As SafetensorsFile::drop.
  void drop(TensorEntry const& entry) const { file_of(entry).drop(entry); }
  /// The strings of all files' `__metadata__`; where shards disagree, the first shard by name wins.
  std::map<std::string, std::string> const& metadata() const noexcept { return metadata_; }
  /// The open files, indexed by TensorEntry::file.
  std::span<SafetensorsFile const> files() const noexcept { return files_; }

 private:
  SafetensorsFile const& file_of(TensorEntry const& entry) const {
    if (entry.file >= files_.size())
      throw Error(Errc::argument, "this tensor belongs to another set of files", {.key = entry.name});
    return files_[entry.file];
  }

  void add(SafetensorsFile file) {
    for (auto entry : file.entries()) {
      entry.file = static_cast<std::uint32_t>(files_.size());
      entries_.push_back(std::move(entry));
    }
    metadata_.insert(file.metadata().begin(), file.metadata().end());
    files_.push_back(std::move(file));
  }

  void open_shards(std::filesystem::path const& index, SafetensorsLimits const& limits) {
    for (auto& [name, tensors] : read_shard_index(index, limits)) {
      auto const path = index.parent_path() / name;
      require_shard(path, index, tensors.size());
      SafetensorsFile shard(path, limits);
      require_agreement(shard, tensors, index);
      if (entries_.size() + tensors.size() > limits.max_tensors)
        throw Error(Errc::limit, "the shards hold too many tensors", {.file = index.string()});
      add(std::move(shard));
    }
  }

  static void require_agreement(SafetensorsFile const& shard, std::span<std::string const> listed,
                                std::filesystem::path const& index) {
    std::vector<bool> found(shard.entries().size());
    for (auto const& name : listed) {
      auto const* const entry = shard.find(name);
      if (entry == nullptr)
        throw Error(Errc::key, "a tensor is absent from the shard that the index names for it",
                    {.file = index.string(),
                     .key = name,
                     .expected = "in " + shard.path().string(),
                     .found = "no such tensor"});
      auto seen = found[static_cast<std::size_t>(entry - shard.entries().data())];
      if (seen) throw Error(Errc::key, "the index lists a tensor twice", {.file = index.string(), .key = name});
      seen = true;
    }
    for (std::size_t i = 0; i < found.size(); ++i)
      if (!found[i])
        throw Error(Errc::key, "a shard holds a tensor that the index does not list for it",
                    {.file = index.string(),
                     .key = shard.entries()[i].name,
                     .expected = "listed for " + shard.path().filename().string(),
                     .found = "not listed for it"});
  }

  std::vector<SafetensorsFile> files_{};
  std::vector<TensorEntry> entries_{};
  std::vector<std::uint32_t> by_name_{};
  std::map<std::string, std::string> metadata_{};
};

}  // namespace tadp
