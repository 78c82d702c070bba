// SPDX-License-Identifier: Apache-2.0
// `tadp verify`: a folder of goldens against this build, stage by stage.
#include "tadp/interrupt.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"

#include "tadp/runs/golden.hpp"

#include <cstdlib>

namespace program {

namespace {

struct VerifyOptions {
  std::string folder{}, json{};
  int threads = 1;
};

void print_row(tadp::GoldenRow const& r) {
  if (!r.covered) return void(std::printf("  later  %-16s %-34s waits for %s\n", r.golden.c_str(), r.entry.c_str(), r.note.c_str()));
  std::printf("  %-6s %-16s %-34s %9.2e of %-8.1e %s\n", r.ok ? "ok" : "DEPART", r.golden.c_str(), r.entry.c_str(), r.error, r.bound, r.note.c_str());
}

std::string summary_text(tadp::GoldenSummary const& s) {
  char text[200];
  std::snprintf(text, sizeof text, "%s: %zu compared, %zu depart, %zu wait, %.1f s", s.golden.c_str(), s.compared, s.failed, s.waiting, s.seconds);
  std::string line = text;
  if (!s.largest) return line;
  std::snprintf(text, sizeof text, "; largest error %.2e of %.1e at ", s.largest->error, s.largest->bound);
  return line + text + s.largest->entry;
}

Status run(VerifyOptions o, Common const& common) {
  if (o.folder.empty())
    if (char const* const variable = std::getenv("TADP_GOLDENS"); variable != nullptr) o.folder = variable;
  if (o.folder.empty()) throw tadp::Error(tadp::Errc::argument, "a folder of goldens is needed: name it, or set TADP_GOLDENS");
  bool const on_stdout = o.json == "-", prints = !common.quiet && !on_stdout;
  if (!o.json.empty() && !on_stdout) prepare_file(o.json);
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  std::size_t rows = 0;
  auto const report = tadp::verify_goldens(
      o.folder,
      [&](tadp::GoldenRow const& r) {
        progress.clear();
        if (prints) print_row(r), std::fflush(stdout);
        progress.show(r.golden + ": " + std::to_string(++rows) + " entries so far");
      },
      {.stop = interrupt.token(), .progress = {}}, o.threads);
  progress.clear();
  if (prints) {
    for (auto const& summary : report.goldens) std::printf("%s\n", summary_text(summary).c_str());
    if (report.ok()) std::printf("all within their bounds\n");
  }
  if (on_stdout) std::printf("%s\n", tadp::to_json(report).c_str());
  if (!o.json.empty() && !on_stdout) {
    std::string const text = tadp::to_json(report) + "\n";
    tadp::write_file_atomic(o.json, std::as_bytes(std::span(text)));
  }
  if (report.ok()) return ok;
  auto const& first = *report.first_departure;
  char numbers[80];
  std::snprintf(numbers, sizeof numbers, "; expected: at most %.3g; found: %.3g", first.bound, first.error);
  complain("the first stage that departs; file: " + first.golden + "; key: " + first.entry + numbers + (first.note.empty() ? "" : " (" + first.note + ")"));
  return departs;
}

}  // namespace

void add_verify(CLI::App& app, Command& command) {
  auto const o = std::make_shared<VerifyOptions>();
  auto* const sub = app.add_subcommand("verify", "compare every stage with a folder of golden numbers");
  sub->add_option("folder", o->folder, "of NAME.json with NAME.safetensors; else the environment variable TADP_GOLDENS")->type_name("DIR");
  sub->add_option("--json", o->json, "the whole report as JSON; `-`: on stdout, in place of the text")->type_name("FILE|-");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common, "");
  sub->footer("Prints each stage's largest error and its bound; exit status 1, and the first that departs by name, where one does.\n\n" +
              examples({"tadp verify goldens", "tadp verify goldens --json report.json --quiet"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
