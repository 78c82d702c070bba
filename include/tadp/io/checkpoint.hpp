// SPDX-License-Identifier: Apache-2.0
// Weights from any file that people have: safetensors, shards with an index, and both forms of PyTorch's files.
// Told apart by their content; afterwards there is one list of tensors.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/safetensors_set.hpp"
#include "tadp/io/sniff.hpp"
#include "tadp/io/tensor_entry.hpp"
#include "tadp/io/torch_file.hpp"
#include "tadp/io/torch_legacy.hpp"
#include "tadp/io/torch_limits.hpp"
#include "tadp/io/torch_zip.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tadp {

/// The containers of weights.
enum class Container : std::uint8_t { safetensors, safetensors_shards, torch_zip, torch_legacy };

constexpr std::string_view to_string(Container container) {
  constexpr std::string_view names[] = {"safetensors", "safetensors shards", "PyTorch zip", "PyTorch legacy"};
  return names[static_cast<std::size_t>(container)];
}

struct CheckpointLimits {
  SafetensorsLimits safetensors{};
  TorchLimits torch{};
};

/// An open file of weights, or several that an index names. Move-only; opened by open_checkpoint.
class Checkpoint {
 public:
  Checkpoint(std::filesystem::path path, std::unique_ptr<SafetensorsSet> set, Container container)
      : path_(std::move(path)), container_(container), set_(std::move(set)) {}
  Checkpoint(std::unique_ptr<TorchFile> file, Container container)
      : path_(file->path()), container_(container), torch_(std::move(file)) {}

  Container container() const noexcept { return container_; }
  std::filesystem::path const& path() const noexcept { return path_; }
  /// All tensors, names unique.
  std::span<TensorEntry const> entries() const noexcept { return torch_ ? torch_->entries() : set_->entries(); }
  /// The tensor of this name, or null.
  TensorEntry const* find(std::string_view name) const noexcept { return torch_ ? torch_->find(name) : set_->find(name); }
  /// What the file says beside its tensors, as text under dotted names.
  std::map<std::string, std::string> const& metadata() const noexcept { return torch_ ? torch_->metadata() : set_->metadata(); }
  /// What was passed over, such as objects of a training program; empty for safetensors.
  std::span<std::string const> skipped() const noexcept { return torch_ ? torch_->skipped() : std::span<std::string const>(); }
  /// The dict within the file whose tensors are listed without its name, such as "state_dict"; may be empty.
  std::string_view wrapper() const noexcept { return torch_ ? std::string_view(torch_->wrapper()) : std::string_view(); }

  /// Copies all elements, row-major, as they are stored: entry.size_bytes() bytes. Errors as for TorchFile::read_bytes.
  void read_bytes(TensorEntry const& entry, std::byte* out) const {
    if (torch_) return torch_->read_bytes(entry, out);
    auto const bytes = set_->data(entry);
    set_->files()[entry.file].require_length();
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  }
  /// Converts all elements of a tensor of F32, F16, BF16 or F64, row-major; Error(unsupported) for other formats.
  void read_f32(TensorEntry const& entry, float* out) const {
    if (torch_) return torch_->read_f32(entry, out);
    set_->read_f32(entry, out);
  }
  /// The same for elements [first, first + count) of a tensor whose elements are whole bytes; their pages are forgotten.
  void read_bytes(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, std::byte* out) const {
    torch_ ? torch_->read_bytes(entry, first, count, out) : set_->read_bytes(entry, first, count, out);
  }
  void read_f32(TensorEntry const& entry, std::uint64_t first, std::uint64_t count, float* out) const {
    torch_ ? torch_->read_f32(entry, first, count, out) : set_->read_f32(entry, first, count, out);
  }
  /// Whether two tensors are the same bytes of the file, as where a program saved one storage under two names.
  bool same_storage(TensorEntry const& a, TensorEntry const& b) const {
    return torch_ && a.file == b.file && a.begin == b.begin && a.dtype == b.dtype && a.shape == b.shape && a.strides == b.strides;
  }
  /// Lets the system forget the pages of a tensor that is not needed again.
  void drop(TensorEntry const& entry) const {
    if (torch_) return torch_->drop(entry);
    set_->drop(entry);
  }

 private:
  std::filesystem::path path_;
  Container container_;
  std::unique_ptr<SafetensorsSet> set_{};  // one of the two
  std::unique_ptr<TorchFile> torch_{};
};

namespace detail {

/// Whether a zip archive ends here, which something was put in front of.
inline bool ends_as_zip(std::string_view bytes) {
  constexpr std::size_t farthest = 22 + 65'535;  // the end record and its comment
  if (bytes.size() > farthest) bytes.remove_prefix(bytes.size() - farthest);
  auto const at = bytes.rfind(std::string_view("PK\x05\x06", 4));
  if (at == std::string_view::npos || bytes.size() - at < 22) return false;
  std::uint16_t comment = 0;
  std::memcpy(&comment, bytes.data() + at + 20, sizeof(comment));
  return bytes.size() - at == 22u + comment;
}

/// Whether this may be safetensors all the same, whose reader tells what is wrong: a length, and JSON after it, perhaps
/// after blanks or a byte order mark. A text may have a blank there, but in front of it no length that is sane.
inline bool may_be_safetensors(std::string_view bytes, SafetensorsLimits const& limits) {
  if (bytes.size() < 8) return false;
  if (bytes.size() == 8 || bytes[8] == '{') return true;
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  return length <= limits.max_header && std::string_view(" \t\r\n\xef").find(bytes[8]) != std::string_view::npos;
}

/// What neither a reader nor a signature knows.
inline ContentKind unknown_content(std::string_view bytes) {
  if (bytes.size() < 8) return {"a file of a few bytes", "its download was not finished: fetch it again"};
  bytes = bytes.substr(0, 512);
  if (bytes.find_first_not_of('\0') == std::string_view::npos) return {"a file of zeros", "its download was not finished: fetch it again"};
  auto const written = [](char c) { return static_cast<unsigned char>(c) >= ' ' || c == '\t' || c == '\r' || c == '\n'; };
  if (std::all_of(bytes.begin(), bytes.end(), written)) return {"text", "see whether it says why the download was refused, and give the model's file instead"};
  return {"a file of an unknown kind", "models are read from safetensors, PyTorch's files and folders of diffusers"};
}

[[noreturn]] inline void refuse_content(std::string const& file, std::string_view what, std::string_view advice) {
  throw Error(Errc::format, "this is no model but " + std::string(what) + "; " + std::string(advice),
              {.file = file, .expected = "safetensors or a PyTorch checkpoint", .found = std::string(what)});
}

}  // namespace detail

/// Opens weights of any kind and checks everything but the numbers; what is no model is named in Error(format) with what
/// to do about it. Error(io, format, limit, key, shape, unsupported or memory).
inline Checkpoint open_checkpoint(std::filesystem::path const& path, CheckpointLimits const& limits = {}) {
  MappedFile file(path);
  auto const bytes = file.bytes();
  std::string_view const start(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  if (start.empty())
    throw Error(Errc::format, "the file is empty: fetch it again", {.file = path.string(), .expected = "a model"});
  if (start.starts_with("PK\x03\x04"))
    return {std::make_unique<TorchZip>(std::move(file), limits.torch), Container::torch_zip};
  if (is_torch_legacy(bytes))
    return {std::make_unique<TorchLegacy>(std::move(file), limits.torch), Container::torch_legacy};
  bool const index = path.extension() == ".json";
  // A header of safetensors has its length in front, whose bytes may look like anything; its brace does not.
  bool const safetensors = index || (start.size() > 8 && start[8] == '{');
  if (auto const kind = safetensors ? std::nullopt : sniff_content(bytes))
    detail::refuse_content(path.string(), kind->what, kind->advice);
  if (!safetensors && detail::ends_as_zip(start))
    detail::refuse_content(path.string(), "a zip archive with something in front of it", "fetch it again from its maker");
  if (!index && !detail::may_be_safetensors(start, limits.safetensors)) {
    auto const kind = detail::unknown_content(start);
    detail::refuse_content(path.string(), kind.what, kind.advice);
  }
  return {path, std::make_unique<SafetensorsSet>(path, limits.safetensors), index ? Container::safetensors_shards : Container::safetensors};
}

}  // namespace tadp
