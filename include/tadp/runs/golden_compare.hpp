// SPDX-License-Identifier: Apache-2.0
// The comparison of computed numbers with a golden: the bounds of the reference, and what no part of tadp computes yet.
// Every entry of a manifest ends in one row: compared, or on the list below, or unknown, which fails.
#pragma once

#include "tadp/device/cpu.hpp"
#include "tadp/runs/golden_files.hpp"

#include <array>
#include <cmath>
#include <functional>
#include <set>
#include <span>

namespace tadp {

/// What became of one entry of a golden.
struct GoldenRow {
  std::string golden{};
  std::string entry{};
  double error = 0.0;
  double bound = 0.0;  ///< 0: the entry has to be the same
  bool ok = false;
  bool covered = true;  ///< false: on the list of what is not computed yet
  std::string note{};
};

/// The bounds of shared/reference/README.md, section Tolerances. Errors are relative to absmax, or to rms.
namespace golden_bounds {
inline constexpr double tiny = 1e-4, full = 1e-3, primitive = 2e-5, map = 1e-4, map_row_sum = 1e-5, loss = 1e-4;
inline constexpr double gradient = 1e-3, gradient_err32 = 10.0, gradient_floor = 1e-6;
inline constexpr double adamw_rate = 0.05, adamw_err32 = 5.0;
}  // namespace golden_bounds

/// Entries that wait for a part of tadp: an entry is meant when it starts with `prefix`.
struct GoldenLater {
  bool primitives;  ///< of a case of single operations
  std::string_view prefix;
  std::string_view waits_for;
};
inline constexpr std::array<GoldenLater, 0> golden_not_covered{};  // everything is computed today

/// What an entry waits for; empty: it is covered.
inline std::string_view golden_waits_for(GoldenKind kind, std::string_view entry) {
  for (GoldenLater const& later : golden_not_covered)
    if (later.primitives == (kind == GoldenKind::primitives) && entry.starts_with(later.prefix)) return later.waits_for;
  return {};
}

/// Keeps the larger of the two; not a number is larger than anything.
inline void take_worse(double& error, double candidate) {
  if (!(candidate <= error)) error = std::isnan(candidate) ? std::numeric_limits<double>::infinity() : candidate;
}

/// A map of attention probabilities: its rows sum to one, and its bound is relative to absmax in every case.
inline bool golden_is_map(std::string_view entry) { return entry.ends_with(".map") || entry.starts_with("map.") || entry.starts_with("selfmap."); }

/// Compares what a pass computes with one golden and reports a row an entry, in the order in which they are computed.
class GoldenCheck {
 public:
  using OnRow = std::function<void(GoldenRow const&)>;

  GoldenCheck(Golden const& golden, OnRow on_row) : golden_(&golden), on_row_(std::move(on_row)) {}

  Golden const& golden() const { return *golden_; }
  std::size_t failures() const { return failures_; }

  /// Features (N, H, W, C) against a tensor (N, C, H, W), (N, tokens, C) or (N, C). Nothing where the golden lacks the entry.
  void features(std::string const& entry, ConstFeatures<Cpu> v) {
    GoldenTensor const* const t = golden_->find(entry);
    if (t == nullptr) return;
    if (!fits(*t, v.shape)) return shape_differs(*t, to_string(v.shape));
    bool const planar = t->shape.size() == 4;
    index_t const c = v.shape.channels(), positions = v.shape[1] * v.shape[2];
    auto const at = [&](index_t i) {
      if (!planar) return static_cast<double>(v.pixel(i / c)[i % c]);
      index_t const position = i % positions, channel = i / positions % c, picture = i / positions / c;
      return static_cast<double>(v.pixel(picture * positions + position)[channel]);
    };
    Totals totals;
    for (index_t p = 0; p < v.shape.pixels(); ++p) totals.add({v.pixel(p), static_cast<std::size_t>(c)}, golden_is_map(entry));
    report(*t, totals, at);
  }
  /// Numbers in the order of the golden's shape.
  void floats(std::string const& entry, std::span<float const> v) {
    GoldenTensor const* const t = golden_->find(entry);
    if (t == nullptr) return;
    if (t->elements() != static_cast<index_t>(v.size())) return shape_differs(*t, std::to_string(v.size()) + " numbers");
    Totals totals;
    totals.add(v, false);
    report(*t, totals, [&](index_t i) { return static_cast<double>(v[static_cast<std::size_t>(i)]); });
  }
  /// Integers, that have to be the same; `excused(i, expected)` may accept element i where numbers with a bound decide.
  void integers(std::string const& entry, std::span<std::int32_t const> v, std::function<bool(index_t, std::int32_t)> const& excused = {}) {
    GoldenTensor const* const t = golden_->find(entry);
    if (t == nullptr) return;
    if (!t->integers || t->elements() != static_cast<index_t>(v.size())) return shape_differs(*t, std::to_string(v.size()) + " integers");
    auto const stored = golden_->integers(*t);
    index_t differ = 0, near = 0;
    for (index_t k = 0; k < t->count; ++k) {
      std::int32_t const expected = stored[static_cast<std::size_t>(k)];
      if (v[static_cast<std::size_t>(k * t->stride)] == expected) continue;
      excused && excused(k * t->stride, expected) ? ++near : ++differ;
    }
    row({.entry = entry, .error = static_cast<double>(differ), .ok = differ == 0, .note = near == 0 ? "" : std::to_string(near) + " ties within the bound"});
  }
  /// One number, relative to the expected one.
  void scalar(std::string const& entry, double value) {
    auto const at = golden_->scalars().find(entry);
    if (at != golden_->scalars().end()) number(entry, value, at->second, golden_->kind() == GoldenKind::primitives ? golden_bounds::primitive : golden_bounds::loss);
  }
  void number(std::string const& entry, double value, double expected, double bound) {
    double error = 0.0;
    take_worse(error, std::abs(value - expected) / std::max(std::abs(expected), 1e-30));
    row({.entry = entry, .error = error, .bound = bound, .ok = error <= bound});
  }
  /// A row by a rule of the caller's own; marks its entry as compared.
  void row(GoldenRow r) {
    r.golden = golden_->name();
    if (r.covered) seen_.insert(r.entry);
    failures_ += r.ok ? 0 : 1;
    if (on_row_) on_row_(r);
  }
  void mark(std::string const& entry) { seen_.insert(entry); }

  /// Rows for what was not compared: on the list, or a failure.
  void finish() {
    for (auto const& [name, unused] : golden_->tensors()) close(name);
    for (auto const& [name, unused] : golden_->scalars()) close(name);
    for (auto const& [name, unused] : golden_->tables()) close(name);
  }

 private:
  struct Totals {
    double sum = 0.0, squares = 0.0, absmax = 0.0, row_sum_error = 0.0;
    index_t count = 0;
    void add(std::span<float const> v, bool sums_to_one) {
      double s = 0.0, q = 0.0;
      for (float x : v) {
        auto const d = static_cast<double>(x);
        s += d;
        q += d * d;
        take_worse(absmax, std::abs(d));
      }
      sum += s;
      squares += q;
      count += static_cast<index_t>(v.size());
      if (sums_to_one) take_worse(row_sum_error, std::abs(s - 1.0));
    }
  };
  static bool fits(GoldenTensor const& t, FeatureShape const& v) {
    if (t.integers) return false;
    if (t.shape.size() == 4) return t.shape == std::vector<index_t>{v.n(), v.c(), v.h(), v.w()};
    if (t.shape.size() == 3) return t.shape == std::vector<index_t>{v.n(), v.positions(), v.c()};
    return t.shape.size() == 2 && t.shape[0] == v.pixels() && t.shape[1] == v.c();
  }
  void shape_differs(GoldenTensor const& t, std::string const& found) {
    std::string expected;
    for (index_t extent : t.shape) expected += (expected.empty() ? "[" : ", ") + std::to_string(extent);
    row({.entry = t.name, .error = std::numeric_limits<double>::infinity(), .note = "another shape: expected " + expected + "], found " + found});
  }
  /// The bound of a tensor of this case, and the size that an error is relative to.
  struct Rule {
    double bound, scale;
  };
  Rule rule_of(GoldenTensor const& t) const {
    GoldenKind const kind = golden_->kind();
    if (kind == GoldenKind::primitives) return {golden_bounds::primitive, t.absmax};
    if (golden_is_map(t.name)) return {golden_bounds::map, t.absmax};
    if (kind == GoldenKind::stages_full || kind == GoldenKind::certificate) return {golden_bounds::full, t.rms};
    return {golden_bounds::tiny, t.absmax};
  }
  template <class At>
  void report(GoldenTensor const& t, Totals const& totals, At const& at) {
    if (t.integers) return shape_differs(t, "floats");
    Rule const rule = rule_of(t);
    auto const stored = golden_->values(t);
    double worst = 0.0;
    for (index_t k = 0; k < t.count; ++k) take_worse(worst, std::abs(at(k * t.stride) - static_cast<double>(stored[static_cast<std::size_t>(k)])));
    auto const n = static_cast<double>(std::max<index_t>(1, totals.count));
    take_worse(worst, std::abs(totals.sum / n - t.mean));
    take_worse(worst, std::abs(std::sqrt(totals.squares / n) - t.rms));
    take_worse(worst, std::abs(totals.absmax - t.absmax));
    GoldenRow r{.entry = t.name, .error = worst / std::max(rule.scale, 1e-30), .bound = rule.bound};
    r.ok = r.error <= r.bound;
    if (totals.row_sum_error > golden_bounds::map_row_sum) {
      r.ok = false;
      r.note = "a row of the map sums to one only within " + std::to_string(totals.row_sum_error);
    }
    row(std::move(r));
  }
  void close(std::string const& name) {
    if (seen_.contains(name)) return;
    auto const later = golden_waits_for(golden_->kind(), name);
    seen_.insert(name);
    if (!later.empty()) return row({.entry = name, .ok = true, .covered = false, .note = std::string(later)});
    row({.entry = name, .error = std::numeric_limits<double>::infinity(), .note = "unknown entry"});
  }

  Golden const* golden_;
  OnRow on_row_;
  std::set<std::string> seen_;
  std::size_t failures_ = 0;
};

}  // namespace tadp
