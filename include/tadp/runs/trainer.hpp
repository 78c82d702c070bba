// SPDX-License-Identifier: Apache-2.0
// A training run that a person starts: steps with progress and time left, a log to plot, checkpoints that resume, a stop
// that saves first. What is learned is a function from context and step to a loss.
#pragma once

#include "tadp/train/fit.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stop_token>

namespace tadp {

/// What a person sees of a run.
struct TrainingProgress {
  std::uint64_t step = 0, steps = 0;
  double loss = 0.0;  ///< mean since the last report
  double learning_rate = 0.0;
  double seconds_per_step = 0.0;
  double seconds_left = 0.0;
  std::vector<std::pair<std::string, double>> figures{};  ///< what TrainerOptions::figures gave
};

struct TrainerOptions {
  std::uint64_t steps = 0;
  std::filesystem::path checkpoint{};  ///< empty: none is kept
  std::filesystem::path log{};         ///< JSON lines; empty: none
  double save_every_seconds = 120.0;
  std::uint64_t report_every = 10;
  std::function<void(TrainingProgress const&)> on_progress{};
  /// What a loss consists of, by name, since the last report; asked at each report.
  std::function<std::vector<std::pair<std::string, double>>()> figures{};
  std::stop_token stop{};
  int parts = 1;
};

namespace trainer_detail {

/// The lines of a log up to a step: a run that resumes writes the later ones again.
inline std::string log_until(std::filesystem::path const& path, std::uint64_t step) {
  std::ifstream in(path);
  std::string kept, line;
  while (std::getline(in, line)) {
    auto const at = line.find("\"step\":");
    if (at == std::string::npos || std::strtoull(line.c_str() + at + 7, nullptr, 10) > step) break;
    kept += line + "\n";
  }
  return kept;
}

/// Error(argument) that names every wanted note that a checkpoint does not have, or has with another value. One that is not
/// there counts as "nothing".
inline void require_notes(std::filesystem::path const& checkpoint, std::map<std::string, std::string> const& wanted, std::map<std::string, std::string> const& found) {
  std::string keys, expected, others;
  for (auto const& [key, value] : wanted) {
    auto const at = found.find(key);
    std::string const other = at == found.end() ? "nothing" : at->second;
    if (other == value) continue;
    std::string const between = keys.empty() ? "" : "; ";
    keys += (keys.empty() ? "" : ", ") + key, expected += between + value, others += between + other;
  }
  if (!keys.empty())
    throw Error(Errc::argument, "this checkpoint is of a run with other settings: remove it, or use the same settings", {.file = checkpoint.string(), .key = keys, .expected = expected, .found = others});
}

}  // namespace trainer_detail

/// Runs until `options.steps`; loss(context, step, part). Resumes where the checkpoint says, and reports nothing where that
/// has all steps. Error(argument) where its notes are not these. Throws Error(cancelled) after saving when the stop token is set.
template <class FitType, class Loss>
void run_training(FitType& fit, TrainerOptions const& options, std::map<std::string, std::string> const& notes, Loss const& loss) {
  using Clock = std::chrono::steady_clock;
  bool const keeps = !options.checkpoint.empty();
  if (keeps && std::filesystem::exists(options.checkpoint)) trainer_detail::require_notes(options.checkpoint, notes, fit.resume(options.checkpoint));
  std::ofstream log;
  if (!options.log.empty()) {
    std::string const kept = trainer_detail::log_until(options.log, fit.steps());
    log.open(options.log, std::ios::trunc);
    if (!log) throw Error(Errc::io, "the training log cannot be written", {.file = options.log.string()});
    log << kept << std::flush;
  }
  auto const begin = Clock::now();
  auto saved = begin, reported = begin;
  std::uint64_t const first = fit.steps();
  double sum = 0.0;
  std::uint64_t summed = 0;
  while (fit.steps() < options.steps) {
    if (options.stop.stop_requested()) {
      if (keeps) fit.save(options.checkpoint, notes);
      throw Error(Errc::cancelled, keeps ? "training was stopped; the checkpoint holds every step so far" : "training was stopped");
    }
    std::uint64_t const step = fit.steps();
    double const rate = fit.learning_rate();
    sum += static_cast<double>(fit.step([&](auto& context, int part) { return loss(context, step, part); }, options.parts));
    ++summed;
    auto const now = Clock::now();
    auto const seconds = [](auto span) { return std::chrono::duration<double>(span).count(); };
    if (fit.steps() % options.report_every == 0 || fit.steps() == options.steps) {
      double const pace = seconds(now - begin) / static_cast<double>(fit.steps() - first);
      TrainingProgress p{fit.steps(), options.steps, sum / static_cast<double>(summed), rate, pace, pace * static_cast<double>(options.steps - fit.steps())};
      if (options.figures) p.figures = options.figures();
      if (log) {
        std::ostringstream line;
        line << "{\"step\":" << p.step << ",\"loss\":" << p.loss << ",\"lr\":" << p.learning_rate << ",\"seconds\":" << seconds(now - reported);
        for (auto const& [name, value] : p.figures) line << ",\"" << name << "\":" << value;
        line << "}\n";
        log << line.str() << std::flush;
      }
      if (options.on_progress) options.on_progress(p);
      sum = 0.0;
      summed = 0;
      reported = now;
    }
    if (keeps && seconds(now - saved) > options.save_every_seconds) {
      fit.save(options.checkpoint, notes);
      saved = Clock::now();
    }
  }
  if (keeps) fit.save(options.checkpoint, notes);
}

}  // namespace tadp
