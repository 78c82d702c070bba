// SPDX-License-Identifier: Apache-2.0
// Which model file a command runs, and what is known of it before its weights are read.
#pragma once

#include "tadp/program.hpp"

#include "tadp/io/recognise.hpp"
#include "tadp/io/weights.hpp"

namespace program {

/// An open model file.
struct ModelFile {
  fs::path path{};
  tadp::ModelDescription description{};
  tadp::ModelSource tensors;

  /// The parameters that a run reads. Released checkpoints lack what their programs never used: the layers that predict
  /// noise, and the text encoder where class embeddings stand in for texts.
  tadp::ParameterFilter wanted() const;
};

/// Reads or recognises a description, and names the classes of the sets that the method was trained for.
tadp::ModelDescription description_of_model(tadp::ModelSource const& model, tadp::DescriptionHints const& hints = {});

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
/// Opens it, of any container and layout, and reads its description or recognises what it is; the errors of
/// tadp::open_model and tadp::describe_model.
ModelFile open_model(std::string const& named, DefaultModel const& otherwise = {});

}  // namespace program
