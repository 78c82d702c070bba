// SPDX-License-Identifier: Apache-2.0
// Which model file a command runs, and what is known of it before its weights are read.
#pragma once

#include "tadp/program.hpp"

#include "tadp/io/description.hpp"
#include "tadp/io/safetensors_set.hpp"

namespace program {

/// An open model file.
struct ModelFile {
  fs::path path{};
  tadp::ModelDescription description{};
  tadp::SafetensorsSet tensors;
};

/// Adds --model.
void add_model(CLI::App& command, std::string& model);
/// The model that comes with the program for a task.
struct DefaultModel {
  char const* name = "street.safetensors";
  char const* variable = "TADP_MODEL";
};
/// The file that --model names, else the variable's, else the default near the program or in the install prefix;
/// Error(io) that lists where it looked.
fs::path find_model(std::string const& named, DefaultModel const& otherwise = {});
/// Opens it and reads its description; Error(format) where it has none.
ModelFile open_model(std::string const& named, DefaultModel const& otherwise = {});

}  // namespace program
