// SPDX-License-Identifier: Apache-2.0
// An open PyTorch file of either form: named tensors whose bytes stay on the disk until they are asked for.
// The forms differ in where a storage lies; everything else is here.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/tensor_entry.hpp"
#include "tadp/io/torch_contents.hpp"
#include "tadp/io/torch_strided.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

/// The part that both forms share. Reading from several threads at once is safe.
class TorchFile {
 public:
  virtual ~TorchFile() = default;
  TorchFile(TorchFile const&) = delete;
  TorchFile& operator=(TorchFile const&) = delete;

  /// All tensors, in the order of the file's dict.
  std::span<TensorEntry const> entries() const noexcept { return contents_.entries; }
  /// The tensor of this name, or null.
  TensorEntry const* find(std::string_view name) const noexcept {
    return detail::find_by_name(contents_.entries, contents_.by_name, name);
  }
  /// Whatever is no tensor and could be read, as text under dotted names.
  std::map<std::string, std::string> const& metadata() const noexcept { return contents_.metadata; }
  /// What was passed over: classes that mean nothing here, tensors of types that do not exist here or of repeated numbers.
  std::span<std::string const> skipped() const noexcept { return contents_.skipped; }
  /// The dict whose tensors are listed without its name where no other has theirs, such as "state_dict"; may be empty.
  std::string const& wrapper() const noexcept { return contents_.wrapper; }
  std::filesystem::path const& path() const noexcept { return file_.path(); }

  /// Copies elements [first, first + count) of a tensor in row-major order, as they are stored, to `out`.
  /// Error(argument) for the entry of another file or too large a range, Error(io, format or memory) where the file is
  /// found damaged or was cut short meanwhile.
  void read_bytes(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, std::byte* out) const {
    for_chunks(entry, first, count, [&](std::span<std::byte const> storage, std::uint64_t at, std::uint64_t length) {
      detail::copy_elements(storage, entry, at, length, out);
      out += length * (bits_per_element(entry.dtype) / 8);
    });
  }
  /// All elements: entry.size_bytes() of them.
  void read_bytes(TensorEntry const& entry, std::byte* out) const { read_bytes(entry, 0, count_of(entry), out); }

  /// The same, converted; Error(unsupported) unless the tensor is of F32, F16, BF16 or F64.
  void read_f32(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, float* out) const {
    if (!converts_to_f32(entry.dtype))
      throw Error(Errc::unsupported, "this number format cannot be used as weights",
                  {.file = path().string(),
                   .key = entry.name,
                   .expected = "F32, F16, BF16 or F64",
                   .found = std::string(to_string(entry.dtype))});
    auto const item = bits_per_element(entry.dtype) / 8;
    std::vector<std::byte> gathered;
    for_chunks(entry, first, count, [&](std::span<std::byte const> storage, std::uint64_t at, std::uint64_t length) {
      auto bytes = storage;
      if (entry.strides.empty()) {
        bytes = storage.subspan(static_cast<std::size_t>(entry.begin + at * item), static_cast<std::size_t>(length * item));
      } else {
        gathered.resize(static_cast<std::size_t>(length * item));
        detail::copy_elements(storage, entry, at, length, gathered.data());
        bytes = gathered;
      }
      convert_to_f32(entry.dtype, bytes, out);
      out += length;
    });
  }
  void read_f32(TensorEntry const& entry, float* out) const { read_f32(entry, 0, count_of(entry), out); }

  /// Lets the system forget the pages of a tensor that was read and is not needed again.
  void drop(TensorEntry const& entry) const {
    auto const touched = detail::touched_bytes(entry);
    if (entry.file < contents_.storages.size() && touched) drop_bytes(entry.file, entry.begin, *touched);
  }

 protected:
  /// The bytes of a storage, and what keeps them alive if they are no part of the mapping.
  struct StorageBytes {
    std::span<std::byte const> bytes{};
    std::shared_ptr<void const> keep{};
  };

  explicit TorchFile(MappedFile file) : file_(std::move(file)) {}

  /// All bytes of a storage, exactly as many as it declares.
  virtual StorageBytes storage_bytes(std::uint32_t storage) const = 0;
  /// Where a storage lies in the mapping, 0 if it does not or has not been read yet; for drop.
  virtual std::uint64_t storage_offset(std::uint32_t storage) const noexcept = 0;

  MappedFile const& mapped() const noexcept { return file_; }
  std::string name() const { return file_.path().string(); }
  TorchContents& contents() noexcept { return contents_; }
  TorchContents const& contents() const noexcept { return contents_; }

  /// Bytes that are touched before their pages are given back.
  static constexpr std::size_t chunk_bytes = std::size_t{4} << 20;

 private:
  static std::uint64_t count_of(TensorEntry const& entry) { return entry.size_bytes() / (bits_per_element(entry.dtype) / 8); }

  void require_own(TensorEntry const& entry, std::uint64_t first, std::uint64_t count) const {
    auto const touched = detail::touched_bytes(entry);
    auto const known = entry.file < contents_.storages.size() ? contents_.storages[entry.file].bytes() : 0;
    if (!touched || entry.begin > known || *touched > known - entry.begin)
      throw Error(Errc::argument, "this tensor belongs to another file", {.file = name(), .key = entry.name});
    if (first > count_of(entry) || count > count_of(entry) - first)
      throw Error(Errc::argument, "this range is not within the tensor",
                  {.file = name(),
                   .key = entry.name,
                   .expected = "at most " + std::to_string(count_of(entry)) + " elements",
                   .found = std::to_string(first) + " and " + std::to_string(count) + " more"});
  }

  template <class Use>
  void for_chunks(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, Use use) const {
    require_own(entry, first, count);
    if (count == 0) return;
    file_.require_length();
    auto const storage = storage_bytes(entry.file);
    auto const item = bits_per_element(entry.dtype) / 8;
    auto const most = chunk_bytes / item;
    for (; count > 0;) {
      auto const length = std::min<std::uint64_t>(count, most);
      use(storage.bytes, first, length);
      if (entry.strides.empty()) drop_bytes(entry.file, entry.begin + first * item, length * item);
      first += length;
      count -= length;
    }
    if (!entry.strides.empty() && first == count_of(entry)) drop(entry);  // chunks of it touch pages of one another
  }

  void drop_bytes(std::uint32_t storage, std::uint64_t begin, std::uint64_t length) const {
    if (auto const offset = storage_offset(storage); offset != 0)
      file_.drop(static_cast<std::size_t>(offset + begin), static_cast<std::size_t>(length));
  }

  MappedFile file_;
  TorchContents contents_{};
};

}  // namespace tadp
