// SPDX-License-Identifier: Apache-2.0
// Every stage of Stable Diffusion v1.5 at its real size, for every such case of a folder of goldens: 4.5 GiB of memory and
// half a minute a case on two cores. Left out under sanitizers.
#include "golden_folder.hpp"
#include "sanitized.hpp"
#include "tadp/runs/golden_stages.hpp"

#include <doctest/doctest.h>

using namespace tadp;

TEST_CASE("every stage of the real sizes is the reference's") {
  if (TADP_TEST_SANITIZED != 0) {
    MESSAGE("skipped: too large for this build");
    return;
  }
  golden::for_each_case(golden::folder(), GoldenKind::stages_full, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenStages<GoldenFull>(g, 2).run(check);
  });
}
