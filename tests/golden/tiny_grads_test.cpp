// SPDX-License-Identifier: Apache-2.0
// Gradients of every parameter, and steps of training, for every such case of a folder of goldens.
#include "golden_folder.hpp"
#include "tadp/runs/golden_gradients.hpp"

#include <doctest/doctest.h>

using namespace tadp;

TEST_CASE("gradients and steps of training are the reference's") {
  golden::for_each_case(golden::folder(), GoldenKind::gradients, [](Golden const& g) {
    for (bool const checkpoint_blocks : {false, true}) {
      INFO("blocks computed again: " << checkpoint_blocks);
      auto check = golden::strict(g);
      GoldenGradients<GoldenTiny>(g, 2, checkpoint_blocks).run(check);
    }
  });
}
