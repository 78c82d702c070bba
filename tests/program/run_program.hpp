// SPDX-License-Identifier: Apache-2.0
// Runs the program `tadp` as a shell would, and gives back its status and what it printed.
#pragma once

#include "../io/scratch.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace run_program {

struct Outcome {
  int status = -1;
  std::string out{}, err{};

  nlohmann::json json() const { return nlohmann::json::parse(out); }
  bool says(std::string_view part) const { return err.find(part) != std::string::npos; }
};

inline std::string text_of(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_text(std::filesystem::path const& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

/// Empty where the build made no program.
inline std::string program() {
  char const* const named = std::getenv("TADP_PROGRAM");
  return named == nullptr ? "" : named;
}

/// `arguments` as a shell reads them; `environment`: assignments in front of the command; `input`: a file.
inline Outcome run_as(std::filesystem::path const& executable, scratch::Folder const& folder, std::string const& arguments, std::string const& environment, std::string const& input = "/dev/null") {
  auto const out = folder / "stdout.txt", err = folder / "stderr.txt";
  std::string const command = environment + " '" + executable.string() + "' " + arguments + " >'" + out.string() + "' 2>'" + err.string() + "' <'" + input + "'";
  int const status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, text_of(out), text_of(err)};
}
inline Outcome run(scratch::Folder const& folder, std::string const& arguments, std::string const& environment = "TADP_MODEL=/nonexistent/model.safetensors", std::string const& input = "/dev/null") {
  return run_as(program(), folder, arguments, environment, input);
}

}  // namespace run_program
