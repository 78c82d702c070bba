// SPDX-License-Identifier: Apache-2.0
// Where the tests find goldens: TADP_GOLDENS, else "goldens" in TADP_SHARED, else in the shared folder beside the checkout;
// and how a case is held to its golden, row by row.
#pragma once

#include "tadp/runs/golden_compare.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

namespace golden {

inline std::filesystem::path folder() {
  if (char const* const own = std::getenv("TADP_GOLDENS")) return own;
  char const* const shared = std::getenv("TADP_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : TADP_SHARED_DIR) / "goldens";
}

inline std::filesystem::path fixture() { return std::filesystem::path(__FILE__).parent_path() / "fixture"; }

/// use(golden) for every case of a kind. The fixture, and a folder that TADP_GOLDENS names, have to be there and to have
/// such a case; the shared folder may be missing.
template <class Use>
void for_each_case(std::filesystem::path const& of, tadp::GoldenKind kind, Use const& use) {
  bool const asked_for = std::getenv("TADP_GOLDENS") != nullptr || of == fixture();
  if (!asked_for && !std::filesystem::is_directory(of)) {
    MESSAGE("skipped: there is no folder " << of.string());
    return;
  }
  bool any = false;
  for (auto const& manifest : tadp::golden_manifests(of)) {
    tadp::Golden const g(manifest);
    if (g.kind() != kind) continue;
    any = true;
    INFO("golden " << manifest.string());
    use(g);
  }
  if (any) return;
  if (asked_for) FAIL("the folder has no case of this kind: " << of.string());
  MESSAGE("skipped: the folder has no case of this kind: " << of.string());
}

/// A comparison that checks each row.
inline tadp::GoldenCheck strict(tadp::Golden const& g) {
  return {g, [](tadp::GoldenRow const& r) {
            INFO(r.golden << " " << r.entry << ": error " << r.error << ", bound " << r.bound << " " << r.note);
            CHECK(r.ok);
          }};
}

/// A comparison that collects the rows.
struct Collected {
  std::vector<tadp::GoldenRow> rows;
  tadp::GoldenCheck check(tadp::Golden const& g) {
    rows.clear();
    return {g, [this](tadp::GoldenRow const& r) { rows.push_back(r); }};
  }
  std::string first_departure() const {
    for (auto const& r : rows)
      if (!r.ok) return r.entry;
    return {};
  }
  bool departs(std::string const& entry) const {
    for (auto const& r : rows)
      if (r.entry == entry) return !r.ok;
    return false;
  }
};

}  // namespace golden
