// SPDX-License-Identifier: Apache-2.0
// Features of a frozen backbone in one file, with the labels that belong to them, so that a head trains in minutes.
// A safetensors file, read by mapping; it says what it was made from and is refused where any of it differs.
#pragma once

#include "tadp/core/fingerprint.hpp"
#include "tadp/core/shape.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/io/safetensors_write.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tadp {

/// What features depend on; compared as texts.
struct FeatureCacheKey {
  std::string weights{};        ///< of the backbone
  std::string prompt{};
  std::string preprocessing{};
  std::string data{};
};

/// Sizes of a cache: items, (h, w, channels) of the four levels, height and width of labels, F32 or F16.
struct FeatureCacheLayout {
  std::size_t items = 0;
  std::array<std::array<index_t, 3>, 4> levels{};
  std::array<index_t, 2> labels{};
  Dtype dtype = Dtype::F16;
  friend bool operator==(FeatureCacheLayout const&, FeatureCacheLayout const&) = default;
};

namespace detail {

struct CacheField {
  char const* name;
  std::string FeatureCacheKey::*value;
  char const* other;
};
inline constexpr CacheField cache_fields[] = {{"weights", &FeatureCacheKey::weights, "weights"},
                                              {"prompt", &FeatureCacheKey::prompt, "a prompt"},
                                              {"preprocessing", &FeatureCacheKey::preprocessing, "preprocessing"},
                                              {"data", &FeatureCacheKey::data, "data"}};
inline constexpr char const* cache_version = "1";

inline std::string cache_name(std::size_t item, std::size_t part) {
  constexpr char const* parts[] = {"level0", "level1", "level2", "level3", "labels"};
  char text[64];
  std::snprintf(text, sizeof text, "item.%08zu.%s", item, parts[part]);
  return text;
}
/// The five tensors of an item, without values.
inline std::array<TensorToWrite, 5> cache_tensors(FeatureCacheLayout const& layout, std::size_t item) {
  std::array<TensorToWrite, 5> tensors;
  for (std::size_t part = 0; part < 5; ++part) {
    tensors[part].name = cache_name(item, part);
    tensors[part].dtype = part < 4 ? layout.dtype : Dtype::U8;
    if (part < 4)
      tensors[part].shape.assign(layout.levels[part].begin(), layout.levels[part].end());
    else
      tensors[part].shape.assign(layout.labels.begin(), layout.labels.end());
  }
  return tensors;
}

}  // namespace detail

/// Writes a cache item by item; nothing is left behind unless commit() was reached.
class FeatureCacheWriter {
 public:
  /// Error(argument) for another dtype than F32 and F16, Error(limit) for too many items, Error(io).
  FeatureCacheWriter(std::filesystem::path const& path, FeatureCacheKey const& key, FeatureCacheLayout layout) : name_(path.string()), layout_(layout), file_(path) {
    if (layout.dtype != Dtype::F32 && layout.dtype != Dtype::F16)
      throw Error(Errc::argument, "features are cached as F32 or F16", {.file = name_, .found = std::string(to_string(layout.dtype))});
    std::vector<std::array<TensorToWrite, 5>> all;
    std::vector<TensorToWrite const*> order;
    for (std::size_t i = 0; i < layout.items; ++i) all.push_back(detail::cache_tensors(layout, i));
    for (auto const& item : all)
      for (auto const& tensor : item) order.push_back(&tensor);
    std::map<std::string, std::string> metadata{{"tadp.features", detail::cache_version}, {"items", std::to_string(layout.items)}};
    for (auto const& field : detail::cache_fields) metadata[field.name] = key.*field.value;
    auto const header = detail::header_json(order, metadata, name_);
    SafetensorsLimits const limits;
    if (header.size() > limits.max_header || order.size() > limits.max_tensors)
      throw Error(Errc::limit, "there are too many items for one feature cache", {.file = name_, .expected = "at most " + std::to_string(limits.max_tensors / 5), .found = std::to_string(layout.items)});
    auto const length = static_cast<std::uint64_t>(header.size());
    file_.write(&length, sizeof length);
    file_.write(header.data(), header.size());
  }

  /// The next item: four levels of (h, w, channels), and labels. Error(shape) where a size differs.
  void add(std::array<std::span<float const>, 4> const& levels, std::span<std::uint8_t const> labels) {
    auto tensors = detail::cache_tensors(layout_, written_);
    for (std::size_t part = 0; part < 5; ++part) {
      auto const count = element_count(tensors[part].shape).value_or(0), given = part < 4 ? levels[part].size() : labels.size();
      if (count != given || written_ == layout_.items)
        throw Error(Errc::shape, "an item does not fit the feature cache", {.file = name_, .key = tensors[part].name, .expected = std::to_string(count), .found = std::to_string(given)});
    }
    for (std::size_t part = 0; part < 4; ++part) {
      tensors[part].values = levels[part];
      detail::write_values(file_, tensors[part]);
    }
    file_.write(labels.data(), labels.size());
    ++written_;
  }
  /// Error(shape) where items are missing, Error(io).
  void commit() {
    if (written_ != layout_.items) throw Error(Errc::shape, "the feature cache is not complete", {.file = name_, .expected = std::to_string(layout_.items), .found = std::to_string(written_)});
    file_.commit();
  }

 private:
  std::string name_;
  FeatureCacheLayout layout_;
  AtomicFile file_;
  std::size_t written_ = 0;
};

class FeatureCache {
 public:
  /// Maps a cache. Errors of SafetensorsFile; Error(format) where it is no cache, Error(argument) where it was made from
  /// something else, naming what.
  FeatureCache(std::filesystem::path const& path, FeatureCacheKey const& key) : file_(path) {
    auto const version = file_.metadata().find("tadp.features");
    if (version == file_.metadata().end() || version->second != detail::cache_version)
      throw Error(Errc::format, "this is no feature cache of this version", {.file = path.string(), .key = "tadp.features", .expected = detail::cache_version, .found = version == file_.metadata().end() ? "nothing" : version->second});
    for (auto const& field : detail::cache_fields) {
      auto const found = file_.metadata().find(field.name);
      if (found == file_.metadata().end() || found->second != key.*field.value)
        throw Error(Errc::argument, std::string("this feature cache was made from other ") + (field.other[1] == ' ' ? field.other + 2 : field.other) + ": remove it, or name another file",
                    {.file = path.string(), .key = field.name, .expected = key.*field.value, .found = found == file_.metadata().end() ? "nothing" : found->second});
    }
    read_layout();
  }

  FeatureCacheLayout const& layout() const { return layout_; }
  std::size_t size() const { return layout_.items; }
  std::filesystem::path const& path() const { return file_.path(); }
  /// A name for what it was made from.
  std::string fingerprint() const {
    Fingerprint f;
    for (auto const& field : detail::cache_fields) f.add(file_.metadata().at(field.name)).add("\n");
    return f.hex();
  }
  /// The numbers of a level of an item, (h, w, channels), into room for all of them.
  void read(std::size_t item, std::size_t level, float* out) const { file_.read_f32(*entries_[item][level], out); }
  std::span<std::uint8_t const> labels(std::size_t item) const {
    auto const bytes = file_.data(*entries_[item][4]);
    return {reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size()};
  }

 private:
  void read_layout() {
    auto const broken = [&](std::string key) { return Error(Errc::format, "the feature cache is damaged", {.file = file_.path().string(), .key = std::move(key)}); };
    if (file_.entries().empty() || file_.entries().size() % 5 != 0) throw broken("items");
    layout_.items = file_.entries().size() / 5;
    for (std::size_t item = 0; item < layout_.items; ++item) {
      auto& row = entries_.emplace_back();
      for (std::size_t part = 0; part < 5; ++part) {
        row[part] = file_.find(detail::cache_name(item, part));
        std::size_t const dims = part < 4 ? 3 : 2;
        if (row[part] == nullptr || row[part]->shape.size() != dims || (item > 0 && (row[part]->shape != entries_[0][part]->shape || row[part]->dtype != entries_[0][part]->dtype)))
          throw broken(detail::cache_name(item, part));
      }
    }
    layout_.dtype = entries_[0][0]->dtype;
    for (std::size_t part = 0; part < 5; ++part)
      for (std::size_t axis = 0; axis < entries_[0][part]->shape.size(); ++axis) (part < 4 ? layout_.levels[part][axis] : layout_.labels[axis]) = static_cast<index_t>(entries_[0][part]->shape[axis]);
    if (entries_[0][4]->dtype != Dtype::U8 || (layout_.dtype != Dtype::F16 && layout_.dtype != Dtype::F32)) throw broken("dtype");
  }

  SafetensorsFile file_;
  FeatureCacheLayout layout_;
  std::vector<std::array<TensorEntry const*, 5>> entries_;
};

}  // namespace tadp
