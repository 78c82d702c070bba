// SPDX-License-Identifier: Apache-2.0
// Every stage of the small preset through the CUDA path on the host: its own kernels, and the plain device in place of the libraries.
#include "../host_libraries.hpp"
#include "cuda_stages.hpp"

#include <doctest/doctest.h>

using namespace tadp;

namespace {

/// Compares all stages of a case that the model announces, its pyramid and its losses; returns how many those were.
int compare_stages(Golden const& g) {
  auto check = golden::strict(g);
  return golden::compare(check, golden::stages_of<GoldenTiny>(g, false, host_cuda::WithLibraries{}));
}

}  // namespace

TEST_CASE("the stages of the small preset on the CUDA kernels are the reference's") {
  golden::for_each_case(golden::fixture(), GoldenKind::stages_tiny, [](Golden const& g) { CHECK(compare_stages(g) >= 20); });
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, [](Golden const& g) { CHECK(compare_stages(g) >= 20); });
}
