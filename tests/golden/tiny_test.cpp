// SPDX-License-Identifier: Apache-2.0
// Every stage of the small preset, for every case of a folder of goldens.
#include "golden_folder.hpp"
#include "tadp/runs/golden_stages.hpp"

#include <doctest/doctest.h>

using namespace tadp;

TEST_CASE("every stage of the small preset is the reference's") {
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenStages<GoldenTiny>(g, 2).run(check);
  });
}
