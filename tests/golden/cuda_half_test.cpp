// SPDX-License-Identifier: Apache-2.0
// The small preset with all heads in half and in bfloat16, through the CUDA path on the host, against the reference's
// goldens: how far features and logits depart, and how many labels change.
#include "../host_libraries.hpp"
#include "half_limits.hpp"

using namespace tadp;
using Device = host_cuda::WithLibraries;

TEST_CASE("half computes the small preset and all heads within 6e-3 of the reference") {
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, [](Golden const& g) { golden::hold<Half>(g, golden::half_limits, Device{}); });
}

TEST_CASE("bfloat16 computes the features of the small preset within 3e-2 of the reference") {
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, [](Golden const& g) { golden::hold<BFloat16>(g, golden::bfloat16_limits, Device{}); });
}
