// SPDX-License-Identifier: Apache-2.0
// Every stage of the small preset and of the real sizes on the CUDA device against the reference's goldens: in float, in
// half, in bfloat16. Without a device all of it is compiled and linked.
#include "tadp/kernels/cuda.hpp"

#include "../golden/half_limits.hpp"

using namespace tadp;

namespace {
doctest::skip with_a_device() { return doctest::skip(!cuda_devices().missing.empty()); }
}  // namespace

TEST_CASE("the stages of the small preset on the CUDA device are the reference's" * with_a_device()) {
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, [](Golden const& g) {
    auto check = golden::strict(g);
    golden::compare(check, golden::stages_of<GoldenTiny>(g, true, Cuda{0}));
  });
}

TEST_CASE("half and bfloat16 on the CUDA device depart from the reference as far as on the host" * with_a_device()) {
  golden::for_each_case(golden::folder(), GoldenKind::stages_tiny, [](Golden const& g) {
    golden::hold<Half>(g, golden::half_limits, Cuda{0});
    golden::hold<BFloat16>(g, golden::bfloat16_limits, Cuda{0});
  });
}

TEST_CASE("every stage of the real sizes on the CUDA device is the reference's, and half and bfloat16 are near it" * with_a_device()) {
  Cuda const device(0);
  golden::for_each_case(golden::folder(), GoldenKind::stages_full, [&](Golden const& g) {
    auto const in_float = golden::stages_of<GoldenFull>(g, true, device);
    auto check = golden::strict(g);
    golden::compare(check, in_float);
    check.finish();  // a stage that was not compared fails
    golden::hold<Half, GoldenFull>(g, golden::full_half_limits, device, golden::logits_of(g, in_float));
    golden::hold<BFloat16, GoldenFull>(g, golden::full_bfloat16_limits, device, golden::logits_of(g, in_float));
  });
}
