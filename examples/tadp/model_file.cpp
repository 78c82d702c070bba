// SPDX-License-Identifier: Apache-2.0
// The search for a model file.
#include "tadp/model_file.hpp"

#include "tadp/released_classes.hpp"

#include "tadp/data/voc_annotation.hpp"

#include <cstdlib>

namespace program {

namespace {

/// Folders that may hold the models that come with the program, nearest first.
std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  std::error_code unknown;
  fs::path const self = fs::read_symlink("/proc/self/exe", unknown);
  if (!unknown)
    for (char const* const up : {"models", "../models", "../../models", "../../../models", "../share/tadp/models"}) folders.push_back((self.parent_path() / up).lexically_normal());
  folders.emplace_back(TADP_MODELS_DIR);
  return folders;
}

}  // namespace

void add_model(CLI::App& command, std::string& model) {
  command.add_option("--model", model, "model: safetensors, .ckpt, .pth, or a folder of diffusers; else the environment variable TADP_MODEL, else the street model that comes with the program")->type_name("FILE|DIR");
}

fs::path find_model(std::string const& named, DefaultModel const& otherwise) {
  if (!named.empty()) return named;
  if (char const* const variable = std::getenv(otherwise.variable); variable != nullptr && *variable != 0) return variable;
  std::string looked;
  for (fs::path const& folder : model_folders()) {
    fs::path const file = folder / otherwise.name;
    std::error_code absent;
    if (fs::exists(file, absent)) return file;
    looked += (looked.empty() ? "" : ", ") + file.string();
  }
  throw tadp::Error(tadp::Errc::io, std::string("no model was found: name one with --model or the environment variable ") + otherwise.variable + " (looked for: " + looked + ")", {.key = "--model"});
}

tadp::ModelDescription description_of_model(tadp::ModelSource const& model, tadp::DescriptionHints const& hints) {
  auto d = tadp::describe_model(model, hints);
  if (tadp::has_description(model.metadata())) return d;
  auto const known = released_classes(d.classes.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    auto const byte = [&](int shift) { return static_cast<std::uint8_t>(known[i].colour >> shift & 0xffU); };
    d.classes[i] = {known[i].name, {byte(16), byte(8), byte(0)}};
  }
  // Boxes are compared by the names of VOC's annotations, where the words of prompts differ.
  if (d.task == "detection" && d.classes.size() == tadp::voc_class_names.size() + 1)
    for (std::size_t i = 0; i < tadp::voc_class_names.size(); ++i) d.classes[i + 1].name = tadp::voc_class_names[i];
  return d;
}

tadp::ParameterFilter ModelFile::wanted() const {
  auto const& parts = description.prompt_parts;
  bool const reads_text = std::any_of(parts.begin(), parts.end(), [](std::string const& part) { return part == "caption" || part == "null"; });
  return [this, reads_text](tadp::ParameterSpec const& spec) {
    bool const unused = spec.name.starts_with("model.diffusion_model.out.") || (!reads_text && spec.name.starts_with("cond_stage_model."));
    return !unused || tensors.find(spec.name) != nullptr;
  };
}

ModelFile open_model(std::string const& named, DefaultModel const& otherwise) {
  fs::path const path = find_model(named, otherwise);
  auto tensors = tadp::open_model(path);
  auto description = description_of_model(tensors);
  return {path, std::move(description), std::move(tensors)};
}

}  // namespace program
