// SPDX-License-Identifier: Apache-2.0
// What the commands of the program share: exit statuses, options that every command has, and how results are printed.
// The library throws and returns; only the program prints, and only this header knows how.
#pragma once

#include "tadp/core/error.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace program {

using nlohmann::json;
namespace fs = std::filesystem;

/// Documented in the help of the program.
enum Status : int { ok = 0, departs = 1, usage = 2, bad_input = 3, device_failed = 4, interrupted = 130 };

/// Options that every command has.
struct Common {
  bool quiet = false;  ///< no progress, no notes, no text of results
  bool json = false;   ///< results and errors as one JSON object on stdout
};

/// A command after parsing: what is to be done, and how to report.
struct Command {
  Common common{};
  std::function<Status()> run{};
};

/// Adds a command's own --quiet and --json.
void add_common(CLI::App& command, Common& common, std::string const& json_help = "print the result, and errors, as one JSON object on stdout");
/// --device; what is not there is refused with the list of what is.
void add_device(CLI::App& command, std::string& device);
/// Error(argument) unless this build has the device.
void require_device(std::string const& name);
/// --threads, all processors unless given.
void add_threads(CLI::App& command, int& threads);
/// The check of an option that is no whole number: within the two. CLI11's own let nan through.
CLI::Validator number_between(double least, double most);
/// The same above zero, for a float as for a double, and below `end`.
CLI::Validator number_above_zero(double end = 1e30);
/// Text for the foot of a command's help.
std::string examples(std::initializer_list<char const*> lines);

/// One line on stderr: "tadp: ...".
void complain(std::string_view text);
/// The JSON of an error, as --json prints it.
json error_json(tadp::Error const& error);
/// Prints a JSON value on stdout; bytes that are no UTF-8 are replaced.
void print_json(json const& value);
/// Writes a JSON value into a file, whole or not at all.
void write_json(fs::path const& path, json const& value);
/// "HxW" to {height, width}; CLI::ValidationError where it is not that.
std::array<int, 2> size_of(std::string const& text, char const* option, bool height_first);
/// --fit: {long, short} side, zeros for `none`; Error(argument).
std::array<int, 2> fit_of(std::string const& text);

/// Makes the folder of results and tries to write there; Error(io) before any work begins.
void prepare_folder(fs::path const& folder);
/// Tries whether this file can be written; Error(io).
void prepare_file(fs::path const& file);

// One a command, each in a file of its name.
void add_segment(CLI::App& app, Command& command);
void add_depth(CLI::App& app, Command& command);
void add_detect(CLI::App& app, Command& command);
void add_perceive(CLI::App& app, Command& command);
void add_render(CLI::App& app, Command& command);
void add_inspect(CLI::App& app, Command& command);
void add_convert(CLI::App& app, Command& command);
void add_devices(CLI::App& app, Command& command);
void add_train(CLI::App& app, Command& command);
void add_evaluate(CLI::App& app, Command& command);
void add_features(CLI::App& app, Command& command);
void add_verify(CLI::App& app, Command& command);
void add_sample(CLI::App& app, Command& command);
void add_reconstruct(CLI::App& app, Command& command);
void add_tokenize(CLI::App& app, Command& command);
void add_class_embeddings(CLI::App& app, Command& command);
void add_caption(CLI::App& app, Command& command);
void add_explain(CLI::App& app, Command& command);

}  // namespace program
