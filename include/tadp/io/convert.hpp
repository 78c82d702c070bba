// SPDX-License-Identifier: Apache-2.0
// Writes a model in any layout from any other, tensor by tensor and chunk by chunk, whole or not at all.
// Numbers are copied as they are stored unless another format is asked for.
#pragma once

#include "tadp/io/bpe_write.hpp"
#include "tadp/io/diffusers_config.hpp"
#include "tadp/io/model_configs.hpp"
#include "tadp/io/safetensors_write.hpp"

#include <functional>

namespace tadp {

struct ConvertOptions {
  std::optional<Dtype> dtype{};  ///< of the weights; nothing: as they are. Integers keep theirs
  std::map<std::string, std::string> metadata{};  ///< more of it, such as to_metadata of a description
  std::filesystem::path vocabulary{};  ///< for the tokenizer of diffusers, as read_bpe_vocabulary takes it; empty: the model's own
  std::function<void(std::uint64_t done, std::uint64_t all)> progress{};  ///< bytes read; may throw to stop
};

/// What convert_model wrote.
struct Converted {
  std::size_t tensors = 0;
  std::vector<std::filesystem::path> files{};
  std::vector<std::string> left_out{};  ///< for which the layout has no place
};

namespace convert_detail {

namespace fs = std::filesystem;

struct Job {
  std::string name{};
  std::vector<std::uint64_t> shape{};
  Dtype dtype = Dtype::F32;
  TensorEntry const* from = nullptr;
};

inline Dtype dtype_of(TensorEntry const& entry, ConvertOptions const& options) { return options.dtype && converts_to_f32(entry.dtype) ? *options.dtype : entry.dtype; }

class Progress {
 public:
  Progress(ConvertOptions const& options, std::uint64_t all) : options_(options), all_(all) {}
  void add(std::uint64_t bytes) {
    done_ += bytes;
    if (options_.progress) options_.progress(done_, all_);
  }

 private:
  ConvertOptions const& options_;
  std::uint64_t all_, done_ = 0;
};

inline void copy_tensor(ModelSource const& model, Job const& job, AtomicFile& file, Progress& progress) {
  constexpr std::uint64_t most = std::uint64_t{1} << 20;  // elements
  auto const from = bits_per_element(job.from->dtype), to = bits_per_element(job.dtype);
  if (from % 8 != 0)
    throw Error(Errc::unsupported, "numbers of less than a byte cannot be converted", {.file = model.path().string(), .key = job.from->name, .found = std::string(to_string(job.from->dtype))});
  std::vector<float> values;
  std::vector<std::byte> bytes;
  auto const count = job.from->size_bytes() / (from / 8);
  for (std::uint64_t at = 0; at < count; at += most) {
    auto const part = std::min(most, count - at);
    bytes.resize(static_cast<std::size_t>(part * (to / 8)));
    if (job.dtype == job.from->dtype) {
      model.read_bytes(*job.from, at, part, bytes.data());
    } else {
      values.resize(static_cast<std::size_t>(part));
      model.read_f32(*job.from, at, part, values.data());
      convert_from_f32(job.dtype, values, bytes.data());
    }
    file.write(bytes.data(), bytes.size());
    progress.add(part * (from / 8));
  }
}

/// One safetensors file of these tensors.
inline void write_jobs(ModelSource const& model, std::span<Job const> jobs, std::map<std::string, std::string> const& metadata, fs::path const& path, Progress& progress) {
  SafetensorsLimits const limits;
  auto const file_name = path.string();
  std::vector<TensorToWrite> tensors;
  std::map<std::string_view, Job const*> by_name;
  for (Job const& job : jobs) {
    detail::require_name(job.name, limits, file_name);
    detail::require_size(job.dtype, job.shape, job.name, file_name);
    tensors.push_back({job.name, job.dtype, job.shape, {}, {}});
    by_name.emplace(job.name, &job);
  }
  auto const order = detail::writing_order(tensors, file_name);
  auto const header = detail::header_json(order, metadata, file_name);
  if (header.size() > limits.max_header) throw Error(Errc::limit, "there are more tensors or metadata than a reader would accept", {.file = file_name});
  AtomicFile file(path);
  auto const length = static_cast<std::uint64_t>(header.size());
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (auto const* tensor : order) copy_tensor(model, *by_name.at(tensor->name), file, progress);
  file.commit();
}

/// The texts of the file that are this library's; a checkpoint's own (epochs, file paths of the trainer) stay behind.
inline std::map<std::string, std::string> own_metadata(ModelSource const& model, ConvertOptions const& options, bool torch_form) {
  std::map<std::string, std::string> kept = options.metadata;
  for (auto const& [key, value] : model.metadata())
    if (key.starts_with("tadp.")) kept.emplace(key, value);
  if (kept.empty() && torch_form) kept.emplace("format", "pt");  // transformers asks for it
  return kept;
}

/// A folder beside the target that is renamed into its place, or vanishes.
class AtomicFolder {
 public:
  explicit AtomicFolder(fs::path target) : target_(target.has_filename() ? std::move(target) : target.parent_path()) {
    std::error_code failed;
    if (fs::exists(fs::symlink_status(target_, failed)) && !(fs::is_directory(target_, failed) && fs::is_empty(target_, failed)))
      throw Error(Errc::io, "there is something in the place of the folder to be written", {.file = target_.string(), .expected = "nothing, or an empty folder"});
    auto const parent = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
    for (int i = 0; i < 10'000; ++i) {
      path_ = parent / (".tadp-convert-" + std::to_string(i) + ".tmp");
      if (fs::create_directory(path_, failed)) return;
      if (failed) throw Error(Errc::io, "the folder cannot be made: " + failed.message(), {.file = target_.string()});
    }
    throw Error(Errc::io, "the folder cannot be made: too many unfinished ones lie beside it", {.file = target_.string()});
  }
  AtomicFolder(AtomicFolder const&) = delete;
  AtomicFolder& operator=(AtomicFolder const&) = delete;
  ~AtomicFolder() {
    std::error_code ignored;
    if (!committed_) fs::remove_all(path_, ignored);
  }

  /// A folder within.
  fs::path part(char const* name) const {
    std::error_code failed;
    fs::create_directory(path_ / name, failed);
    if (failed) throw Error(Errc::io, "a folder cannot be made: " + failed.message(), {.file = (path_ / name).string()});
    return path_ / name;
  }
  fs::path const& path() const noexcept { return path_; }
  fs::path const& target() const noexcept { return target_; }
  void commit() {
    std::error_code failed;
    fs::rename(path_, target_, failed);
    if (failed) throw Error(Errc::io, "the folder cannot be put in its place: " + failed.message(), {.file = target_.string()});
    committed_ = true;
  }

 private:
  fs::path target_, path_{};
  bool committed_ = false;
};

inline void write_json(fs::path const& path, nlohmann::ordered_json const& value) {
  auto const text = value.dump(2) + "\n";
  write_file_atomic(path, std::as_bytes(std::span(text)));
}

struct FolderPart {
  char const* folder;
  char const* file;
  std::string_view stored;  ///< the begin of its names in the layout `diffusers`; in its own file they have none
  std::vector<Job> jobs{};
};

inline void require_config(bool known, ModelSource const& model, char const* part) {
  if (!known)
    throw Error(Errc::unsupported, "diffusers needs to know a network that this library does not recognise",
                {.file = model.path().string(), .key = part, .expected = "the shapes of sd15, tiny or street, or a model file of tadp", .found = "others"});
}

/// config.json of a part.
inline nlohmann::ordered_json config_of(ModelSource const& model, ModelConfigs const& configs, std::string_view folder) {
  if (folder == "unet") return require_config(configs.unet.has_value(), model, "unet"), diffusers_unet_config(*configs.unet);
  if (folder == "vae") return require_config(configs.vae.has_value(), model, "vae"), diffusers_vae_config(*configs.vae);
  require_config(configs.text.has_value(), model, "text_encoder");
  int const rows = configs_detail::extent(model, "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", 0);
  return diffusers_text_config(*configs.text, rows);
}

using TextFiles = std::map<std::string, std::string>;  ///< by name

/// The files of tokenizer/: the model's own as they are where it has vocab.json and merges.txt, else made from the
/// vocabulary. Empty where there is none.
inline TextFiles tokenizer_files(ModelSource const& model, ModelConfigs const& configs, fs::path const& named) {
  auto const text = configs.text.value_or(clip_vit_l14);
  BpePaths const found = named.empty() ? model.vocabulary() : BpePaths{named, {}};
  TextFiles files;
  if (found.vocabulary.empty()) return files;
  auto const copy = [&](fs::path const& from) {
    auto const bytes = read_file(from, std::uint64_t{64} << 20);
    files[from.filename().string()].assign(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  };
  if (!found.merges.empty()) {
    copy(found.vocabulary);
    copy(found.merges);
  } else {
    // A text encoder of fewer tokens than byte pairs need reads no words: CLIP's vocabulary is what can be meant.
    bool const words = text.vocabulary >= static_cast<int>(detail::bpe_fixed);
    auto const vocabulary = read_bpe_vocabulary(found.vocabulary, {}, words ? text.vocabulary : clip_vit_l14.vocabulary);
    files = {{"vocab.json", vocab_json(vocabulary)}, {"merges.txt", merges_txt(vocabulary)}};
  }
  // Tokens that were added to it are in one of these.
  std::error_code absent;
  for (char const* const name : {"tokenizer.json", "added_tokens.json"})
    if (auto const path = found.vocabulary.parent_path() / name; named.empty() && fs::is_regular_file(path, absent)) copy(path);
  files["tokenizer_config.json"] = tokenizer_config_json(text.length);
  return files;
}

inline Converted write_diffusers(ModelSource const& model, ModelConfigs const& configs, std::span<Job const> jobs, fs::path const& out, ConvertOptions const& options, Progress& progress) {
  std::array<FolderPart, 4> parts = {{{"unet", "diffusion_pytorch_model.safetensors", "unet."},
                                      {"vae", "diffusion_pytorch_model.safetensors", "vae."},
                                      {"text_encoder", "model.safetensors", "text_encoder."},
                                      {"tadp", "model.safetensors", ""}}};  // heads, adapter, class embeddings
  for (Job const& job : jobs)
    for (FolderPart& part : parts)
      if (job.name.starts_with(part.stored)) {
        part.jobs.push_back(job);
        part.jobs.back().name.erase(0, part.stored.size());
        break;
      }
  for (FolderPart const& part : parts)
    if (!part.jobs.empty() && !part.stored.empty()) config_of(model, configs, part.folder);  // known before anything is written
  auto const tokenizer = tokenizer_files(model, configs, options.vocabulary);
  Converted done;
  AtomicFolder folder(out);
  for (FolderPart const& part : parts) {
    auto const metadata = own_metadata(model, options, true);
    bool const own = part.stored.empty();
    if (part.jobs.empty()) continue;
    auto const at = folder.part(part.folder);
    write_jobs(model, part.jobs, own ? metadata : std::map<std::string, std::string>{{"format", "pt"}}, at / part.file, progress);
    done.files.push_back(fs::path(part.folder) / part.file);
    done.tensors += part.jobs.size();
    if (!own) write_json(at / "config.json", config_of(model, configs, part.folder));
  }
  if (!tokenizer.empty()) folder.part("tokenizer");
  for (auto const& [name, text] : tokenizer) write_file_atomic(folder.path() / "tokenizer" / name, std::as_bytes(std::span(text)));
  write_json(folder.part("scheduler") / "scheduler_config.json", diffusers_scheduler_config());
  write_json(folder.path() / "model_index.json", diffusers_index(!parts[0].jobs.empty(), !parts[1].jobs.empty(), !parts[2].jobs.empty(), !tokenizer.empty()));
  folder.commit();
  for (auto& file : done.files) file = folder.target() / file;
  return done;
}

}  // namespace convert_detail

/// Writes `model` in a layout: `diffusers` makes a folder that diffusers loads, every other a safetensors file of its names.
/// Nothing appears at `out` before all of it is written. Error(argument) where the layout has no place for any tensor, or
/// none for the vocabulary that is named, errors of read_bpe_vocabulary and of configs_of,
/// Error(unsupported) where diffusers must be told a network that is not known, Error(key) where copies differ, Error(io).
inline Converted convert_model(ModelSource const& model, Layout const& layout, std::filesystem::path const& out, ConvertOptions const& options = {}) {
  using namespace convert_detail;
  if (options.dtype && !converts_to_f32(*options.dtype)) detail::throw_no_float_format(*options.dtype);
  if (!options.vocabulary.empty() && layout.name != "diffusers")
    throw Error(Errc::argument, "the layout has no place for a vocabulary", {.file = options.vocabulary.string(), .expected = "the layout diffusers", .found = std::string(layout.name)});
  auto const configs = configs_of(model);
  model.require_copies_agree();
  std::vector<std::string> names;
  for (TensorEntry const& entry : model.entries()) names.push_back(entry.name);
  LayoutWriter const writer(layout, names);
  std::vector<Job> jobs;
  std::vector<std::string> left_out;
  std::uint64_t all = 0;
  for (TensorEntry const& entry : model.entries()) {
    auto name = writer.stored(entry.name);
    if (!name) {
      left_out.push_back(entry.name);
      continue;
    }
    all += entry.size_bytes();
    jobs.push_back({std::move(*name), writer.shape(entry.name, entry.shape), dtype_of(entry, options), &entry});
  }
  if (jobs.empty())
    throw Error(Errc::argument, "the layout has no place for anything that the model has", {.file = model.path().string(), .expected = std::string(layout.title), .found = model.layout_title()});
  Progress progress(options, all);
  Converted done;
  if (layout.name == "diffusers") {
    done = write_diffusers(model, configs, jobs, out, options, progress);
  } else {
    bool const torch_form = layout.name != "compvis";
    write_jobs(model, jobs, own_metadata(model, options, torch_form), out, progress);
    done = {.tensors = jobs.size(), .files = {out}};
  }
  done.left_out = std::move(left_out);
  return done;
}

}  // namespace tadp
