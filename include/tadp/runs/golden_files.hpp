// SPDX-License-Identifier: Apache-2.0
// Goldens as files: a manifest (.json) with what the numeric reference computed, and the numbers (.safetensors) beside it.
// Reads the pair, checks that the two agree, and says which kind of case it is.
#pragma once

#include "tadp/core/shape.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/safetensors.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace tadp {

/// What a case holds; told from its manifest, never from its name.
enum class GoldenKind : std::uint8_t { stages_tiny, stages_full, gradients, windows, primitives, certificate };

/// One tensor of a manifest. The file holds the elements 0, stride, 2 stride ... of the flattened tensor;
/// mean, rms and absmax are those of the whole tensor.
struct GoldenTensor {
  std::string name{};
  std::vector<index_t> shape{};
  index_t stride = 1;
  index_t count = 0;
  bool integers = false;
  double mean = 0.0, rms = 0.0, absmax = 0.0;
  double err32 = 0.0, err32_rms = 0.0;  ///< what the reference's own float32 run loses, over absmax

  index_t elements() const {
    index_t product = 1;
    for (index_t extent : shape) product *= extent;
    return product;
  }
};

/// A case: manifest and numbers.
class Golden {
 public:
  /// `manifest`: the .json file. Error(io), Error(format) where it is not a manifest, Error(shape) where the two disagree.
  explicit Golden(std::filesystem::path const& manifest)
      : name_(manifest.stem().string()), path_(manifest), file_(std::filesystem::path(manifest).replace_extension(".safetensors")) {
    guarded([&] { read(); });
  }

  std::string const& name() const { return name_; }
  std::filesystem::path const& path() const { return path_; }
  GoldenKind kind() const { return kind_; }
  nlohmann::json const& meta() const { return meta_; }
  std::map<std::string, GoldenTensor> const& tensors() const { return tensors_; }
  std::map<std::string, double> const& scalars() const { return scalars_; }
  std::map<std::string, nlohmann::json> const& tables() const { return tables_; }

  /// The tensor of this name, or null.
  GoldenTensor const* find(std::string const& name) const {
    auto const at = tensors_.find(name);
    return at == tensors_.end() ? nullptr : &at->second;
  }
  /// The same; Error(key) where there is none.
  GoldenTensor const& tensor(std::string const& name) const {
    GoldenTensor const* const found = find(name);
    if (found == nullptr) throw Error(Errc::key, "the golden lacks a tensor", {.file = path_.string(), .key = name});
    return *found;
  }
  nlohmann::json const& table(std::string const& name) const {
    auto const at = tables_.find(name);
    if (at == tables_.end()) throw Error(Errc::key, "the golden lacks a table", {.file = path_.string(), .key = name});
    return at->second;
  }
  bool has(std::string const& name) const { return tensors_.contains(name) || scalars_.contains(name) || tables_.contains(name); }
  std::uint64_t seed() const { return meta_.at("seed").get<std::uint64_t>(); }

  /// The stored numbers of a tensor of floats or of integers.
  std::vector<float> values(GoldenTensor const& t) const {
    std::vector<float> out(static_cast<std::size_t>(t.count));
    file_.read_f32(*file_.find(t.name), out.data());
    return out;
  }
  std::vector<std::int32_t> integers(GoldenTensor const& t) const {
    auto const bytes = file_.data(*file_.find(t.name));
    std::vector<std::int32_t> out(static_cast<std::size_t>(t.count));
    if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }

  /// Runs `use`, which reads meta and tables; a field that is missing or of another type becomes Error(format).
  template <class Use>
  std::invoke_result_t<Use const&> guarded(Use const& use) const {
    try {
      return use();
    } catch (nlohmann::json::exception const& e) {
      throw Error(Errc::format, std::string("this is not a golden's manifest: ") + e.what(), {.file = path_.string()});
    }
  }

 private:
  void read() {
    auto const bytes = read_file(path_, 256U << 20U);
    auto const text = reinterpret_cast<char const*>(bytes.data());
    auto const all = nlohmann::json::parse(text, text + bytes.size());
    meta_ = all.at("meta");
    if (all.contains("scalars"))
      for (auto const& [name, entry] : all.at("scalars").items()) scalars_.emplace(name, entry.at("value").get<double>());
    if (all.contains("tables")) tables_ = all.at("tables").get<std::map<std::string, nlohmann::json>>();
    for (auto const& [name, entry] : all.at("tensors").items()) tensors_.emplace(name, tensor_of(name, entry));
    for (TensorEntry const& entry : file_.entries())
      if (!tensors_.contains(entry.name)) throw Error(Errc::key, "the manifest does not know this tensor", {.file = file_.path().string(), .key = entry.name});
    kind_ = kind_of();
  }
  GoldenTensor tensor_of(std::string const& name, nlohmann::json const& entry) const {
    auto const number = [&](char const* key) { return entry.contains(key) ? entry.at(key).get<double>() : 0.0; };
    GoldenTensor t{.name = name,
                   .shape = entry.at("shape").get<std::vector<index_t>>(),
                   .stride = entry.at("stride").get<index_t>(),
                   .count = entry.at("count").get<index_t>(),
                   .integers = entry.at("dtype").get<std::string>() == "int32",
                   .mean = number("mean"),
                   .rms = number("rms"),
                   .absmax = number("absmax"),
                   .err32 = number("err32"),
                   .err32_rms = number("err32_rms")};
    require_fit(t);
    return t;
  }
  void require_fit(GoldenTensor const& t) const {
    Where where{.file = file_.path().string(), .key = t.name};
    TensorEntry const* const stored = file_.find(t.name);
    if (stored == nullptr) throw Error(Errc::key, "a tensor of the manifest is not in the file", where);
    bool const sane = t.stride >= 1 && std::all_of(t.shape.begin(), t.shape.end(), [](index_t e) { return e >= 0 && e < (index_t{1} << 31); });
    where.expected = std::to_string(t.count) + (t.integers ? " int32" : " float32") + " numbers";
    where.found = std::to_string(stored->size_bytes() / 4) + " of " + std::string(to_string(stored->dtype));
    if (!sane || t.count != (t.elements() + t.stride - 1) / t.stride || stored->size_bytes() != static_cast<std::uint64_t>(t.count) * 4 ||
        stored->dtype != (t.integers ? Dtype::I32 : Dtype::F32))
      throw Error(Errc::shape, "manifest and numbers do not fit each other", where);
  }
  GoldenKind kind_of() const {
    if (meta_.contains("certificate")) return GoldenKind::certificate;
    if (!meta_.contains("preset")) return GoldenKind::primitives;
    if (meta_.contains("slide")) return GoldenKind::windows;
    if (meta_.contains("diffusion")) return GoldenKind::gradients;
    auto const preset = meta_.at("preset").get<std::string>();
    if (preset == "tiny") return GoldenKind::stages_tiny;
    if (preset == "sd15") return GoldenKind::stages_full;
    throw Error(Errc::unsupported, "there is no such preset", {.file = path_.string(), .key = "preset", .expected = "tiny or sd15", .found = preset});
  }

  std::string name_;
  std::filesystem::path path_;
  SafetensorsFile file_;
  GoldenKind kind_{};
  nlohmann::json meta_;
  std::map<std::string, GoldenTensor> tensors_;
  std::map<std::string, double> scalars_;
  std::map<std::string, nlohmann::json> tables_;
};

/// An input that the hash rule makes: its key and range, as "input.image [-1,1)" in a manifest.
struct HashInput {
  std::string key{};
  double low = 0.0, high = 1.0;
};

/// Error(format) where the text does not have that form.
inline HashInput hash_input_of(std::string const& text) {
  auto const space = text.find(' '), open = text.find('[');
  HashInput input{text.substr(0, space)};
  if (open != std::string::npos && std::sscanf(text.c_str() + open, "[%lf,%lf)", &input.low, &input.high) == 2) return input;
  throw Error(Errc::format, "this does not name an input and its range", {.expected = "input.image [-1,1)", .found = text});
}

/// The manifests of a folder, by name; Error(io) where it cannot be read, Error(argument) where there is none.
inline std::vector<std::filesystem::path> golden_manifests(std::filesystem::path const& folder) {
  std::error_code failed;
  std::vector<std::filesystem::path> found;
  for (auto const& entry : std::filesystem::directory_iterator(folder, failed))
    if (entry.path().extension() == ".json") found.push_back(entry.path());
  if (failed) throw Error(Errc::io, "the folder of goldens cannot be read: " + failed.message(), {.file = folder.string()});
  if (found.empty()) throw Error(Errc::argument, "there are no goldens in this folder", {.file = folder.string(), .expected = "*.json with *.safetensors"});
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace tadp
