// SPDX-License-Identifier: Apache-2.0
// The search for a model file.
#include "tadp/model_file.hpp"

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
  command.add_option("--model", model, "model file; else the environment variable TADP_MODEL, else the street model that comes with the program")->type_name("FILE");
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

ModelFile open_model(std::string const& named, DefaultModel const& otherwise) {
  fs::path const path = find_model(named, otherwise);
  tadp::SafetensorsSet tensors(path);
  if (!tadp::has_description(tensors.metadata()))
    throw tadp::Error(tadp::Errc::format, "these are weights without the description that a run needs", {.file = path.string(), .key = "tadp.version", .expected = "a model file of tadp", .found = "none in its metadata"});
  auto description = tadp::description_of(tensors.metadata(), path.string());
  return {path, std::move(description), std::move(tensors)};
}

}  // namespace program
