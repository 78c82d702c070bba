// SPDX-License-Identifier: Apache-2.0
// PyTorch's checkpoint files since version 1.6: a zip archive with a pickle and one record for each storage.
// Records are stored as they are, so tensors are read from the mapped file; a repacked archive is unpacked as needed.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/pickle.hpp"
#include "tadp/io/torch_contents.hpp"
#include "tadp/io/torch_file.hpp"
#include "tadp/io/torch_limits.hpp"
#include "tadp/io/zip_directory.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

namespace detail {

/// What a zip archive without a pickle usually is, told by the end of one of its names.
struct ZipHint {
  std::string_view ending, what;
};
inline constexpr std::array<ZipHint, 6> zip_hints = {{
    {"[Content_Types].xml", "an Office document"},
    {".npy", "a NumPy archive (.npz)"},
    {"AndroidManifest.xml", "an Android package"},
    {"META-INF/MANIFEST.MF", "a Java archive"},
    {".safetensors", "an archive of safetensors files: unpack it"},
    {".ckpt", "an archive of checkpoints: unpack it"},
}};

/// "archive/" of the one record archive/data.pkl.
inline std::string root_of_pickle(ZipDirectory const& zip, std::string const& file) {
  constexpr std::string_view pickle = "data.pkl";
  std::vector<std::string_view> found;
  std::string_view what = "a zip archive without a pickle";
  for (auto const& record : zip.records()) {
    auto const name = record.name;
    if (name == pickle || name.ends_with("/data.pkl")) found.push_back(name.substr(0, name.size() - pickle.size()));
    for (auto const& hint : zip_hints)
      if (name.ends_with(hint.ending)) what = hint.what;
  }
  if (found.empty())
    throw Error(Errc::format, "this is no PyTorch checkpoint but " + std::string(what),
                {.file = file, .expected = "a record data.pkl", .found = std::to_string(zip.records().size()) + " other records"});
  if (found.size() > 1)
    refuse_zip("the archive has more than one data.pkl", file, 0, std::string(found[0]) + "data.pkl", {}, printable(found[1]) + "data.pkl");
  if (zip.find(std::string(found[0]) + "constants.pkl") != nullptr)
    throw Error(Errc::unsupported, "this is a TorchScript module (torch.jit.save), which is a program; save its state_dict() with torch.save", {.file = file});
  return std::string(found[0]);
}

}  // namespace detail

/// An open checkpoint of the zip form. Each storage's checksum is looked at when it is first read.
class TorchZip final : public TorchFile {
 public:
  /// Reads the archive's directory and the pickle, nothing else; Error(io, format, limit, key, shape, unsupported, memory).
  explicit TorchZip(std::filesystem::path const& path, TorchLimits const& limits = {}) : TorchZip(MappedFile(path), limits) {}
  explicit TorchZip(MappedFile file, TorchLimits const& limits = {}) try
      : TorchFile(std::move(file)), zip_(mapped().bytes(), name(), limits.max_records, limits.max_ratio), check_sums_(limits.check_sums) {
    auto const root = detail::root_of_pickle(zip_, name());
    require_little_endian(root);
    read_contents(root, limits);
    find_storages(root);
  } catch (std::bad_alloc const&) {
    throw Error(Errc::memory, "not enough memory for the list of tensors");
  }

  ZipDirectory const& directory() const noexcept { return zip_; }

 private:
  /// Where a storage was found to lie, once it was read.
  struct Place {
    ZipRecord const* record = nullptr;
    std::atomic<std::uint64_t> offset{0};  ///< in the mapping, of a stored record that was found sound
  };

  /// All bytes of a small record.
  StorageBytes content(ZipRecord const& record, std::uint64_t most) const {
    if (record.size > most)
      throw Error(Errc::limit, "a record of the archive is too long",
                  {.file = name(), .key = printable(record.name), .expected = "at most " + std::to_string(most) + " bytes", .found = std::to_string(record.size) + " bytes"});
    if (record.method == 0) {
      auto const bytes = zip_.packed(record);
      require_checksum(record, bytes);
      return {bytes, {}};
    }
    auto unpacked = std::make_shared<std::vector<std::byte>>(zip_.unpack(record));
    std::span<std::byte const> const bytes = *unpacked;
    return {bytes, std::move(unpacked)};
  }

  /// In pieces, whose pages are given back at once: a checkpoint has storages larger than a small machine's memory.
  void require_checksum(ZipRecord const& record, std::span<std::byte const> bytes) const {
    if (record.crc == 0) return;  // torch.serialization.set_crc32_options(False)
    auto sum = ::crc32(0, nullptr, 0);
    auto const offset = static_cast<std::size_t>(bytes.data() - mapped().bytes().data());
    for (std::size_t at = 0; at < bytes.size(); at += chunk_bytes) {
      auto const length = std::min(chunk_bytes, bytes.size() - at);
      sum = ::crc32(sum, reinterpret_cast<unsigned char const*>(bytes.data() + at), static_cast<unsigned>(length));
      if (bytes.size() > chunk_bytes) mapped().drop(offset + at, length);
    }
    if (sum != record.crc)
      detail::refuse_zip("a record of the archive is damaged: its checksum is wrong; fetch the file again", name(), record.header, record.name);
  }

  void require_little_endian(std::string const& root) const {
    auto const* const record = zip_.find(root + "byteorder");
    if (record == nullptr) return;  // older files have none and are little-endian
    auto const stored = content(*record, 64);
    std::string_view const order(reinterpret_cast<char const*>(stored.bytes.data()), stored.bytes.size());
    if (order == "little") return;
    throw Error(Errc::unsupported, "the checkpoint was written by a machine of another byte order; load it with PyTorch and save it on a usual one",
                {.file = name(), .key = root + "byteorder", .expected = "little", .found = printable(order)});
  }

  void read_contents(std::string const& root, TorchLimits const& limits) {
    auto const* const record = zip_.find(root + "data.pkl");
    auto const stored = content(*record, limits.max_pickle);
    auto const offset = record->method == 0 ? static_cast<std::uint64_t>(stored.bytes.data() - mapped().bytes().data()) : 0;
    auto const pickle = read_pickle(stored.bytes, name(), offset, limits);
    if (pickle.length != stored.bytes.size())
      detail::refuse_zip("there are bytes after the end of the pickle", name(), offset + pickle.length, record->name);
    contents() = list_contents(pickle.graph, name(), limits);
  }

  void find_storages(std::string const& root) {
    auto const& storages = contents().storages;
    places_ = std::make_unique<Place[]>(storages.size());
    for (std::size_t i = 0; i < storages.size(); ++i) {
      auto const record_name = root + "data/" + storages[i].key;
      auto const* const record = zip_.find(record_name);
      if (record == nullptr)
        throw Error(Errc::format, "the archive lacks the record of a storage", {.file = name(), .key = printable(record_name)});
      if (record->size != storages[i].bytes())
        throw Error(Errc::format, "a storage has another size than the pickle says",
                    {.file = name(),
                     .key = printable(record_name),
                     .expected = std::to_string(storages[i].bytes()) + " bytes",
                     .found = std::to_string(record->size) + " bytes",
                     .offset = record->header});
      places_[i].record = record;
    }
  }

  StorageBytes storage_bytes(std::uint32_t storage) const override {
    auto& place = places_[storage];
    auto const& record = *place.record;
    if (record.method != 0) return unpacked(storage);
    auto offset = place.offset.load(std::memory_order_relaxed);
    if (offset == 0) {  // two threads may both look at the checksum: neither need wait
      auto const bytes = zip_.packed(record);
      if (check_sums_) require_checksum(record, bytes);
      offset = static_cast<std::uint64_t>(bytes.data() - mapped().bytes().data());
      place.offset.store(offset, std::memory_order_relaxed);
    }
    return {mapped().bytes().subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(record.size)), {}};
  }

  /// The last storage that was unpacked is kept: its tensors tend to be read one after the other.
  StorageBytes unpacked(std::uint32_t storage) const try {
    std::lock_guard const lock(mutex_);
    if (!last_ || last_storage_ != storage) {
      last_.reset();
      last_ = std::make_shared<std::vector<std::byte> const>(zip_.unpack(*places_[storage].record));
      last_storage_ = storage;
    }
    return {*last_, last_};
  } catch (std::bad_alloc const&) {
    throw Error(Errc::memory, "not enough memory to unpack a storage", {.file = name(), .key = contents().storages[storage].key});
  }

  std::uint64_t storage_offset(std::uint32_t storage) const noexcept override {
    return places_[storage].offset.load(std::memory_order_relaxed);
  }

  ZipDirectory zip_;
  bool check_sums_;
  std::unique_ptr<Place[]> places_{};
  mutable std::mutex mutex_{};
  mutable std::shared_ptr<std::vector<std::byte> const> last_{};
  mutable std::uint32_t last_storage_ = 0;
};

}  // namespace tadp
