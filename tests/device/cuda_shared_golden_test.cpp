// SPDX-License-Identifier: Apache-2.0
// What of the goldens is read in the midst of a pass, on the CUDA device in memory that the host reads: operations by
// themselves, detection stage by stage with what training draws, gradients and steps of training. In float.
#include "../cuda_shared.hpp"

#include "../golden/golden_folder.hpp"
#include "tadp/runs/golden_gradients.hpp"
#include "tadp/runs/golden_prim.hpp"
#include "tadp/runs/golden_stages.hpp"
#include "tadp/runs/golden_windows.hpp"

using namespace tadp;
using Device = cuda_shared::Device;

namespace {
doctest::skip with_a_device() { return doctest::skip(!cuda_devices().missing.empty()); }
}  // namespace

TEST_CASE("every operation on the CUDA device is the reference's, forward and backward" * with_a_device()) {
  cuda_shared::PinnedHeap const heap;
  golden::for_each_case(golden::folder(), GoldenKind::primitives, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenPrimitives<Device>(Device{0}).run(check);
  });
}

TEST_CASE("all stages of all heads on the CUDA device are the reference's, with what detection draws and minimises" * with_a_device()) {
  cuda_shared::PinnedHeap const heap;
  auto const compare = [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenStages<GoldenTiny, Device>(g, Device{0}).run(check);
  };
  golden::for_each_case(golden::fixture(), GoldenKind::stages_tiny, compare);
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, compare);
}

TEST_CASE("sliding, padded and mirrored windows on the CUDA device give the reference's answers" * with_a_device()) {
  cuda_shared::PinnedHeap const heap;
  golden::for_each_case(golden::folder(), GoldenKind::windows, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenWindows<GoldenTiny, Device>(g, Device{0}).run(check);
  });
}

TEST_CASE("gradients and steps of training on the CUDA device are the reference's" * with_a_device()) {
  cuda_shared::PinnedHeap const heap;
  auto const compare = [](Golden const& g) {
    for (bool const checkpoint_blocks : {false, true}) {
      INFO("blocks computed again: " << checkpoint_blocks);
      auto check = golden::strict(g);
      GoldenGradients<GoldenTiny, Device>(g, Device{0}, checkpoint_blocks).run(check);
    }
  };
  golden::for_each_case(golden::fixture(), GoldenKind::gradients, compare);
  golden::for_each_case(golden::folder(), GoldenKind::gradients, compare);
}
