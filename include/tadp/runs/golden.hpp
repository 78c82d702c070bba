// SPDX-License-Identifier: Apache-2.0
// A folder of goldens against this library: every case by its kind, every entry a row, the first that departs by name.
// What `tadp verify` and the tests of tests/golden call.
#pragma once

#include "tadp/runs/golden_gradients.hpp"
#include "tadp/runs/golden_prim.hpp"
#include "tadp/runs/golden_stages.hpp"
#include "tadp/runs/golden_windows.hpp"

#include <chrono>

namespace tadp {

/// One case of a folder in numbers.
struct GoldenSummary {
  std::string golden{};
  std::size_t compared = 0, failed = 0, waiting = 0;  ///< entries; waiting: on the list of what is not covered yet
  std::optional<GoldenRow> largest{};                 ///< the row that used most of its bound
  double seconds = 0.0;
};

struct GoldenReport {
  std::vector<GoldenSummary> goldens{};
  std::vector<GoldenRow> rows{};  ///< in the order in which they were computed
  std::optional<GoldenRow> first_departure{};

  bool ok() const { return !first_departure.has_value(); }
};

namespace golden_detail {

/// How much of its bound a row used; what has to be the same uses none of it or is beyond any.
inline double used(GoldenRow const& r) { return r.bound > 0.0 ? r.error / r.bound : r.ok ? 0.0 : std::numeric_limits<double>::infinity(); }

inline void run_case(Golden const& golden, GoldenCheck& check, Control const& control, int threads) {
  switch (golden.kind()) {
    case GoldenKind::stages_tiny: return GoldenStages<GoldenTiny>(golden, threads).run(check, control);
    case GoldenKind::stages_full: return GoldenStages<GoldenFull>(golden, threads).run(check, control);
    case GoldenKind::gradients: return GoldenGradients<GoldenTiny>(golden, threads).run(check, control);
    case GoldenKind::windows: return GoldenWindows<GoldenTiny>(golden, threads).run(check, control);
    case GoldenKind::primitives: return GoldenPrimitives<Cpu>(Cpu(golden_threads(threads))).run(check, control);
    case GoldenKind::certificate:
      throw Error(Errc::argument, "a certificate is checked with its model: give that, with `--certificate` where the two are not beside each other", {.file = golden.path().string()});
  }
}

inline nlohmann::json json_of(GoldenRow const& r) {
  return {{"golden", r.golden}, {"entry", r.entry}, {"error", r.error}, {"bound", r.bound}, {"ok", r.ok}, {"covered", r.covered}, {"note", r.note}};
}

}  // namespace golden_detail

/// Adds what `run` compares with a golden to a report; `on_row` sees each row as it is computed.
template <class Run>
void collect_golden(Golden const& golden, GoldenReport& report, GoldenCheck::OnRow const& on_row, Run const& run) {
  auto const begin = std::chrono::steady_clock::now();
  GoldenSummary summary{.golden = golden.name()};
  GoldenCheck check(golden, [&](GoldenRow const& r) {
    report.rows.push_back(r);
    (r.covered ? summary.compared : summary.waiting) += 1;
    summary.failed += r.ok ? 0 : 1;
    if (r.covered && (!summary.largest || golden_detail::used(r) > golden_detail::used(*summary.largest))) summary.largest = r;
    if (!r.ok && !report.first_departure) report.first_departure = r;
    if (on_row) on_row(r);
  });
  run(check);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.goldens.push_back(std::move(summary));
}

/// Runs one case and adds it to a report. threads: 0 for all of the machine. Errors of Golden; Error(cancelled).
inline void verify_golden(std::filesystem::path const& manifest, GoldenReport& report, GoldenCheck::OnRow const& on_row = {}, Control const& control = {}, int threads = 0) {
  Golden const golden(manifest);
  collect_golden(golden, report, on_row, [&](GoldenCheck& check) { golden_detail::run_case(golden, check, control, threads); });
}

/// Runs every case of a folder, single operations first and the real sizes last.
inline GoldenReport verify_goldens(std::filesystem::path const& folder, GoldenCheck::OnRow const& on_row = {}, Control const& control = {}, int threads = 0) {
  constexpr GoldenKind order[] = {GoldenKind::primitives, GoldenKind::stages_tiny, GoldenKind::windows, GoldenKind::gradients, GoldenKind::stages_full, GoldenKind::certificate};
  std::vector<std::pair<GoldenKind, std::filesystem::path>> manifests;
  for (auto const& manifest : golden_manifests(folder)) manifests.emplace_back(Golden(manifest).kind(), manifest);
  GoldenReport report;
  for (GoldenKind kind : order)
    for (auto const& [of, manifest] : manifests)
      if (of == kind) verify_golden(manifest, report, on_row, control, threads);
  return report;
}

/// The report as one JSON object: ok, first_departure (or null), goldens, stages.
inline std::string to_json(GoldenReport const& report) {
  nlohmann::json all{{"ok", report.ok()}, {"first_departure", nullptr}, {"goldens", nlohmann::json::array()}, {"stages", nlohmann::json::array()}};
  if (report.first_departure) all["first_departure"] = golden_detail::json_of(*report.first_departure);
  for (GoldenSummary const& s : report.goldens)
    all["goldens"].push_back({{"golden", s.golden},
                              {"compared", s.compared},
                              {"failed", s.failed},
                              {"waiting", s.waiting},
                              {"largest", s.largest ? golden_detail::json_of(*s.largest) : nlohmann::json()},
                              {"seconds", s.seconds}});
  for (GoldenRow const& r : report.rows) all["stages"].push_back(golden_detail::json_of(r));
  return all.dump(1);
}

}  // namespace tadp
