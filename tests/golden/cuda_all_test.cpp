// SPDX-License-Identifier: Apache-2.0
// Every operation, every stage with all heads, and every gradient of the small preset through the CUDA path on the host:
// its own kernels, and plain loops in place of the libraries, held to the reference as the processor is.
#include "../host_libraries.hpp"
#include "golden_folder.hpp"
#include "sanitized.hpp"
#include "tadp/runs/golden_gradients.hpp"
#include "tadp/runs/golden_prim.hpp"
#include "tadp/runs/golden_stages.hpp"
#include "tadp/runs/golden_windows.hpp"

#include <doctest/doctest.h>

using namespace tadp;
using Device = host_cuda::WithLibraries;

namespace {
/// The kernels' own trials run there.
bool too_large() {
  if (TADP_TEST_SANITIZED != 0) MESSAGE("skipped: too large for this build");
  return TADP_TEST_SANITIZED != 0;
}
}  // namespace

TEST_CASE("every operation on the CUDA kernels is the reference's, forward and backward") {
  golden::for_each_case(golden::folder(), GoldenKind::primitives, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenPrimitives<Device>(Device{}).run(check);
  });
}

TEST_CASE("all stages of all heads on the CUDA kernels are the reference's, with what detection draws and minimises") {
  auto const compare = [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenStages<GoldenTiny, Device>(g, Device{}).run(check);
  };
  golden::for_each_case(golden::fixture(), GoldenKind::stages_tiny, compare);
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, compare);
}

TEST_CASE("sliding, padded and mirrored windows on the CUDA kernels give the reference's answers") {
  if (too_large()) return;
  golden::for_each_case(golden::fixture(), GoldenKind::windows, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenWindows<GoldenTiny, Device>(g, Device{}).run(check);
  });
}

TEST_CASE("gradients and steps of training on the CUDA kernels are the reference's") {
  if (too_large()) return;
  golden::for_each_case(golden::fixture(), GoldenKind::gradients, [](Golden const& g) {
    auto check = golden::strict(g);
    GoldenGradients<GoldenTiny, Device>(g, Device{}).run(check);
  });
}
