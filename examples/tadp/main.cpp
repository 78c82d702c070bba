// SPDX-License-Identifier: Apache-2.0
// The program `tadp`: parses the command line, runs one command, and turns errors into messages and exit statuses.
#include "tadp/program.hpp"

#include <cstdio>
#include <exception>
#include <new>

namespace {

using namespace program;

constexpr char const* foot = R"(Exit statuses:
  0    done
  1    a check failed: a golden departs from its bound, weights hold NaN
  2    the command line makes no sense
  3    a file or folder cannot be read, written or used, or a part of the machine that is needed is not there
  4    a device failed while it computed
  130  interrupted; what could be saved was saved

Errors are one message on stderr, `tadp: ...`, with file, key, expected and found; --json puts them on stdout, too.
`tadp COMMAND --help` shows the options of a command and examples.)";

Status status_of(tadp::Errc code) {
  switch (code) {
    case tadp::Errc::argument: return usage;
    case tadp::Errc::device: return device_failed;
    case tadp::Errc::cancelled: return interrupted;
    default: return bad_input;
  }
}

bool asks_for_json(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](std::string_view word) { return word == "--json"; });
}

Status fail(tadp::Error const& error, bool as_json) {
  complain(error.what());
  if (as_json) print_json(error_json(error));
  return status_of(error.code());
}

/// CLI11 calls a word that is no command "not expected"; that helps nobody.
void require_known_command(CLI::App const& app, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string const word = argv[i];
    if (word.starts_with("-")) continue;
    std::string known;
    for (CLI::App const* const command : app.get_subcommands([](CLI::App const*) { return true; })) {
      if (command->get_name() == word) return;
      known += (known.empty() ? "" : ", ") + command->get_name();
    }
    throw tadp::Error(tadp::Errc::argument, "unknown command", {.expected = known, .found = word});
  }
}

Status parse_and_run(int argc, char** argv, bool as_json) {
  CLI::App app("tadp: pictures and words to labels, by the features of a diffusion model", "tadp");
  app.set_version_flag("--version", std::string("tadp ") + TADP_VERSION);
  app.footer(foot);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  Command command;
  for (auto const add : {add_segment, add_depth, add_detect, add_perceive, add_explain, add_render, add_train, add_evaluate, add_features, add_sample, add_reconstruct, add_inspect, add_convert, add_tokenize, add_class_embeddings, add_caption, add_verify, add_devices}) add(app, command);
  try {
    if (argc == 1) throw CLI::CallForHelp();
    require_known_command(app, argc, argv);
    app.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    if (error.get_exit_code() == 0) {  // help and version
      app.exit(error);
      return argc == 1 ? usage : ok;
    }
    auto const chosen = app.get_subcommands();
    std::string const help = chosen.empty() ? "tadp --help" : "tadp " + chosen[0]->get_name() + " --help";
    return fail(tadp::Error(tadp::Errc::argument, std::string(error.what()) + " (see " + help + ")"), as_json);
  }
  return command.run();
}

}  // namespace

int main(int argc, char** argv) {
  bool const as_json = asks_for_json(argc, argv);
  try {
    return parse_and_run(argc, argv, as_json);
  } catch (tadp::Error const& error) {
    return fail(error, as_json);
  } catch (std::bad_alloc const&) {
    return fail(tadp::Error(tadp::Errc::memory, "out of memory"), as_json);
  } catch (std::exception const& error) {
    return fail(tadp::Error(tadp::Errc::io, error.what()), as_json);
  }
}
