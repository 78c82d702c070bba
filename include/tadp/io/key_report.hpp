// SPDX-License-Identifier: Apache-2.0
// What a model wants against what a file has: names that are missing, left over, or of another shape.
// A person who loads the wrong checkpoint reads one table instead of the first of a thousand errors.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/io/tensor_entry.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

/// A parameter that a model must find in its weight file.
struct WantedTensor {
  std::string name{};
  std::vector<std::uint64_t> shape{};
};

struct MissingKey {
  std::string name{};
  std::vector<std::uint64_t> shape{};
  std::string nearest{};  ///< the most similar unused name of the file; empty if none is similar
};

struct MisshapenKey {
  std::string name{};
  std::vector<std::uint64_t> wanted{};
  std::vector<std::uint64_t> found{};
};

/// The differences, each list in order of names.
struct KeyReport {
  std::vector<MissingKey> missing{};
  std::vector<MisshapenKey> misshapen{};
  std::vector<std::string> extra{};  ///< in the file but not wanted

  /// Whether the model can be loaded; extra tensors do no harm.
  bool loadable() const { return missing.empty() && misshapen.empty(); }
};

namespace detail {

/// A budget of elementary steps: the report must come at once, however long and many the names are.
struct SearchBudget {
  std::uint64_t steps = 50'000'000;

  bool spend(std::uint64_t count) {
    if (count > steps) return false;
    steps -= count;
    return true;
  }
};

/// Edits (insert, delete, replace) that lead from a to b, or most + 1 if that is more than `most`.
inline std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t most, SearchBudget& budget) {
  auto const start = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  a.remove_prefix(static_cast<std::size_t>(start.first - a.begin()));
  b.remove_prefix(static_cast<std::size_t>(start.second - b.begin()));
  auto const tail = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  a.remove_suffix(static_cast<std::size_t>(tail.first - a.rbegin()));
  b.remove_suffix(static_cast<std::size_t>(tail.second - b.rbegin()));
  auto const apart = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (apart > most || !budget.spend(std::uint64_t{a.size()} * std::min(b.size(), 2 * most + 1))) return most + 1;

  // Only cells at most `most` off the diagonal can lie on a cheap enough path.
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = std::min(j, most + 1);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto const first = i > most ? i - most : 1;
    auto const last = std::min(b.size(), i + most);
    auto diagonal = row[first - 1];
    row[first - 1] = first == 1 ? std::min(i, most + 1) : most + 1;
    for (std::size_t j = first; j <= last; ++j) {
      auto const above = j < i + most ? row[j] : most + 1;
      auto const replaced = diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u);
      diagonal = row[j];
      row[j] = std::min({replaced, above + 1, row[j - 1] + 1, most + 1});
    }
  }
  return row[b.size()];
}

/// Whether one name is the other behind a prefix that ends in a dot, as `module.` or `model.`.
inline bool differ_by_prefix(std::string_view a, std::string_view b) {
  if (a.size() < b.size()) std::swap(a, b);
  return a.size() > b.size() && a.ends_with(b) && a[a.size() - b.size() - 1] == '.';
}

/// The most similar of `candidates`; a name behind another prefix beats any misspelling.
inline std::string nearest_name(std::string_view name, std::span<std::string const> candidates, SearchBudget& budget) {
  auto best = std::max<std::size_t>(2, std::min<std::size_t>(name.size() / 3, 24)) + 1;
  std::string const* nearest = nullptr;
  for (auto const& candidate : candidates) {
    if (!budget.spend(name.size() + 8)) break;
    if (differ_by_prefix(name, candidate)) return candidate;
    auto const distance = edit_distance(name, candidate, best - 1, budget);
    if (distance >= best) continue;
    best = distance;
    nearest = &candidate;
  }
  return nearest != nullptr ? *nearest : std::string();
}

struct KeyRow {
  std::string kind;
  std::string name;
  std::string note;
};

inline std::vector<KeyRow> rows_of(KeyReport const& report, std::size_t max_rows) {
  std::vector<KeyRow> rows;
  auto const room = [&] { return rows.size() < max_rows; };
  for (std::size_t i = 0; i < report.missing.size() && room(); ++i) {
    auto const& key = report.missing[i];
    auto note = "wants " + shape_text(key.shape);
    if (!key.nearest.empty()) note += ", the file has " + printable(key.nearest);
    rows.push_back({"missing", printable(key.name), std::move(note)});
  }
  for (std::size_t i = 0; i < report.misshapen.size() && room(); ++i) {
    auto const& key = report.misshapen[i];
    rows.push_back(
        {"shape", printable(key.name), "wants " + shape_text(key.wanted) + ", the file has " + shape_text(key.found)});
  }
  for (std::size_t i = 0; i < report.extra.size() && room(); ++i)
    rows.push_back({"extra", printable(report.extra[i]), {}});
  return rows;
}

}  // namespace detail

/// Compares what is wanted with `entries`, any range of things with a `name` and a `shape`.
template <class Entries>
KeyReport compare_keys(std::span<WantedTensor const> wanted, Entries const& entries) {
  std::map<std::string_view, std::span<std::uint64_t const>> unused;
  for (auto const& entry : entries) unused.emplace(entry.name, entry.shape);
  std::map<std::string_view, WantedTensor const*> wishes;
  for (auto const& wish : wanted) wishes.emplace(wish.name, &wish);

  KeyReport report;
  for (auto const& [name, wish] : wishes) {
    auto const at = unused.find(name);
    if (at == unused.end()) {
      report.missing.push_back({wish->name, wish->shape, {}});
      continue;
    }
    if (!std::equal(wish->shape.begin(), wish->shape.end(), at->second.begin(), at->second.end()))
      report.misshapen.push_back({wish->name, wish->shape, {at->second.begin(), at->second.end()}});
    unused.erase(at);
  }
  for (auto const& [name, shape] : unused) report.extra.emplace_back(name);
  detail::SearchBudget budget;
  for (auto& key : report.missing) key.nearest = detail::nearest_name(key.name, report.extra, budget);
  return report;
}

/// The report as lines of text, at most `max_rows` names: missing first, then shapes, then extra.
inline std::string to_table(KeyReport const& report, std::size_t max_rows = 20) {
  auto const rows = detail::rows_of(report, max_rows);
  std::size_t width = 0;
  for (auto const& row : rows) width = std::max(width, row.name.size());
  std::string text = std::to_string(report.missing.size()) + " missing, " + std::to_string(report.misshapen.size()) +
                     " of another shape, " + std::to_string(report.extra.size()) + " extra";
  for (auto const& row : rows) {
    text.append("\n  ").append(row.kind).append(9 - row.kind.size(), ' ').append(row.name);
    if (!row.note.empty()) text.append(width - row.name.size() + 2, ' ').append(row.note);
  }
  auto const all = report.missing.size() + report.misshapen.size() + report.extra.size();
  if (all > rows.size()) text.append("\n  ... and ").append(std::to_string(all - rows.size())).append(" more");
  return text;
}

/// Whether tensors that nobody wants are an error.
enum class ExtraKeys : std::uint8_t { allow, refuse };

/// Compares, and throws Error(key) with the table as its message if the model cannot be loaded from `file`.
template <class Entries>
KeyReport require_keys(std::span<WantedTensor const> wanted, Entries const& entries, std::string const& file,
                       ExtraKeys extra = ExtraKeys::allow, std::size_t max_rows = 20) {
  auto report = compare_keys(wanted, entries);
  if (report.loadable() && (extra == ExtraKeys::allow || report.extra.empty())) return report;
  throw Error(Errc::key, "the weights do not fit the model: " + to_table(report, max_rows), {.file = file});
}

}  // namespace tadp
