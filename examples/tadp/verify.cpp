// SPDX-License-Identifier: Apache-2.0
// `tadp verify`: a model's parity certificate, or a folder of goldens, against this build, stage by stage.
#include "tadp/interrupt.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"

#include "tadp/runs/certificate.hpp"

#include <cstdlib>

namespace program {

namespace {

struct VerifyOptions {
  std::string what{}, certificate{}, json{};
  bool any_weights = false;
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

/// A folder is one of goldens unless it holds the UNet of diffusers or has a certificate beside it.
bool is_model(VerifyOptions const& o) {
  std::error_code absent;
  if (!o.certificate.empty() || !fs::is_directory(o.what, absent)) return true;
  return fs::is_directory(fs::path(o.what) / "unet", absent) || fs::exists(tadp::certificate_of(o.what), absent);
}

tadp::GoldenReport verify_what(VerifyOptions const& o, tadp::GoldenCheck::OnRow const& on_row, tadp::Control const& control) {
  if (!is_model(o)) return tadp::verify_goldens(o.what, on_row, control, o.threads);
  auto const model = tadp::open_model(o.what);
  fs::path const certificate = o.certificate.empty() ? tadp::certificate_of(o.what) : fs::path(o.certificate);
  if (std::error_code absent; !fs::exists(certificate, absent))
    throw tadp::Error(tadp::Errc::io, "the model has no certificate here: scripts/make_certificate.py makes one, and --certificate names one that lies elsewhere", {.file = certificate.string()});
  return tadp::verify_model(certificate, model, {.any_weights = o.any_weights, .threads = o.threads}, on_row, control);
}

void print_report(tadp::GoldenReport const& report) {
  for (auto const& summary : report.goldens) std::printf("%s\n", summary_text(summary).c_str());
  if (report.ok()) std::printf("all within their bounds\n");
}

Status run(VerifyOptions o, Common const& common) {
  if (o.what.empty())
    if (char const* const variable = std::getenv("TADP_GOLDENS"); variable != nullptr) o.what = variable;
  if (o.what.empty()) throw tadp::Error(tadp::Errc::argument, "a model or a folder of goldens is needed: name it, or set TADP_GOLDENS");
  bool const on_stdout = o.json == "-", prints = !common.quiet && !on_stdout;
  if (!o.json.empty() && !on_stdout) prepare_file(o.json);
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  std::size_t rows = 0;
  auto const report = verify_what(
      o,
      [&](tadp::GoldenRow const& r) {
        progress.clear();
        if (prints) print_row(r), std::fflush(stdout);
        progress.show(r.golden + ": " + std::to_string(++rows) + " entries so far");
      },
      {.stop = interrupt.token(), .progress = [&](std::size_t done, std::size_t total) { progress.show("at work: " + std::to_string(100 * done / std::max<std::size_t>(1, total)) + " %"); }});
  progress.clear();
  if (prints) print_report(report);
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
  auto* const sub = app.add_subcommand("verify", "compare every stage of a model with its certificate, or with a folder of golden numbers");
  sub->add_option("what", o->what, "a model with its certificate beside it, or a folder of goldens (NAME.json with NAME.safetensors); else the environment variable TADP_GOLDENS")->type_name("MODEL|DIR");
  sub->add_option("--certificate", o->certificate, "of the model, where it is not MODEL.certificate.json; scripts/make_certificate.py makes it in PyTorch")->type_name("FILE.json");
  sub->add_flag("--any-weights", o->any_weights, "compare although the certificate's checksums are of other weights, such as those of another precision");
  sub->add_option("--json", o->json, "the whole report as JSON; `-`: on stdout, in place of the text")->type_name("FILE|-");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common, "");
  sub->footer("Prints each stage's largest error and its bound; exit status 1, and the first that departs by name, where one does.\n\n" +
              examples({"tadp verify sd15.safetensors", "tadp verify sd15-half.safetensors --certificate sd15.certificate.json --any-weights", "tadp verify goldens --json report.json --quiet"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
