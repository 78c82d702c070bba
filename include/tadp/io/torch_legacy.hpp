// SPDX-License-Identifier: Apache-2.0
// PyTorch's checkpoint files before version 1.6: five pickles one after the other, then the storages as they are.
// Many published .pth files are of this form.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/pickle.hpp"
#include "tadp/io/sniff.hpp"
#include "tadp/io/torch_contents.hpp"
#include "tadp/io/torch_file.hpp"
#include "tadp/io/torch_limits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tadp {

/// An open checkpoint of the older form; it carries no checksums.
class TorchLegacy final : public TorchFile {
 public:
  /// Reads the pickles and the sizes of the storages; Error(io, format, limit, key, shape, unsupported or memory).
  explicit TorchLegacy(std::filesystem::path const& path, TorchLimits const& limits = {}) : TorchLegacy(MappedFile(path), limits) {}
  explicit TorchLegacy(MappedFile file, TorchLimits const& limits = {}) try : TorchFile(std::move(file)) {
    require_magic(next(limits).graph);
    require_version(next(limits).graph);
    require_little_endian(next(limits).graph);
    contents() = list_contents(next(limits).graph, name(), limits);
    place_storages(next(limits).graph);
  } catch (std::bad_alloc const&) {
    throw Error(Errc::memory, "not enough memory for the list of tensors");
  }

 private:
  Pickle next(TorchLimits const& limits) {
    auto pickle = read_pickle(mapped().bytes().subspan(static_cast<std::size_t>(at_)), name(), at_, limits);
    at_ += pickle.length;
    return pickle;
  }

  [[noreturn]] void refuse(std::string message, std::string key = {}, std::string expected = {}, std::string found = {}) const {
    throw Error(Errc::format, std::move(message),
                {.file = name(), .key = std::move(key), .expected = std::move(expected), .found = std::move(found), .offset = at_});
  }

  void require_magic(PickleGraph const& graph) const {
    auto const root = graph.root();
    if (graph.kind(root) != PickleKind::big_integer || graph.text(root) != detail::torch_magic)
      refuse("this is a Python pickle, but not one of torch.save; save the model's state_dict() with torch.save");
  }
  void require_version(PickleGraph const& graph) const {
    if (graph.kind(graph.root()) != PickleKind::integer || graph.integer(graph.root()) != 1001)
      refuse("the file is of an unknown version of the older PyTorch form", {}, "1001", detail::scalar_text(graph, graph.root()));
  }
  void require_little_endian(PickleGraph const& graph) const {
    if (graph.kind(graph.root()) != PickleKind::dict) refuse("the file does not tell its byte order");
    auto const items = graph.items(graph.root());
    for (std::size_t i = 0; i + 1 < items.size(); i += 2)
      if (graph.kind(items[i]) == PickleKind::text && graph.text(items[i]) == "little_endian" && items[i + 1] != PickleGraph::yes)
        throw Error(Errc::unsupported, "the checkpoint was written by a machine of another byte order; load it with PyTorch and save it on a usual one",
                    {.file = name(), .key = "little_endian", .expected = "True", .found = detail::scalar_text(graph, items[i + 1])});
  }

  /// After the list of keys each storage has its number of elements, in 8 bytes, and then its elements.
  void place_storages(PickleGraph const& keys) {
    auto const& storages = contents().storages;
    if (keys.kind(keys.root()) != PickleKind::list) refuse("the file has no list of its storages");
    std::unordered_map<std::string_view, std::uint32_t> by_key;
    for (std::uint32_t i = 0; i < storages.size(); ++i) by_key.emplace(storages[i].key, i);
    offsets_.resize(storages.size());
    for (auto const key : keys.items(keys.root())) {
      auto const known = keys.kind(key) == PickleKind::text ? by_key.find(keys.text(key)) : by_key.end();
      if (known == by_key.end()) refuse("the file lists a storage twice, or one that no tensor has", printable(detail::scalar_text(keys, key)));
      place(known->second);
      by_key.erase(known);
    }
    if (!by_key.empty()) refuse("the file lacks a storage that a tensor has", printable(by_key.begin()->first));
    if (at_ != mapped().bytes().size()) refuse("there are bytes after the last storage", {}, std::to_string(at_) + " bytes", std::to_string(mapped().bytes().size()) + " bytes");
  }

  void place(std::uint32_t index) {
    auto const& storage = contents().storages[index];
    auto const left = mapped().bytes().size() - at_;
    std::uint64_t count = 0;
    if (left >= sizeof(count)) std::memcpy(&count, mapped().bytes().data() + at_, sizeof(count));
    if (left < sizeof(count) || storage.bytes() > left - sizeof(count))
      refuse("a storage reaches past the end of the file, which may be cut short", printable(storage.key), std::to_string(storage.bytes()) + " bytes", std::to_string(left) + " bytes");
    if (count != storage.count)
      refuse("a storage has another size than the pickle says", printable(storage.key), std::to_string(storage.count) + " elements", std::to_string(count) + " elements");
    at_ += sizeof(count);
    offsets_[index] = at_;
    at_ += storage.bytes();
  }

  StorageBytes storage_bytes(std::uint32_t storage) const override {
    return {mapped().bytes().subspan(static_cast<std::size_t>(offsets_[storage]), static_cast<std::size_t>(contents().storages[storage].bytes())), {}};
  }
  std::uint64_t storage_offset(std::uint32_t storage) const noexcept override { return offsets_[storage]; }

  std::uint64_t at_ = 0;
  std::vector<std::uint64_t> offsets_{};
};

}  // namespace tadp
