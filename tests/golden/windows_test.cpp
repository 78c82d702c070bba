// SPDX-License-Identifier: Apache-2.0
// Sliding windows through a session, for every such case of a folder of goldens.
#include "golden_folder.hpp"
#include "tadp/runs/golden_windows.hpp"

#include <doctest/doctest.h>

using namespace tadp;

TEST_CASE("logits and labels under sliding windows are the reference's") {
  golden::for_each_case(golden::folder(), GoldenKind::windows, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenWindows<GoldenTiny>(g, 2).run(check);
  });
}
