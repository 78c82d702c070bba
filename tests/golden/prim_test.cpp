// SPDX-License-Identifier: Apache-2.0
// Single operations, forward and backward, for every such case of a folder of goldens: on the processor, and on the device
// of plain loops that the processor's kernels are tested against.
#include "../plain_detection.hpp"
#include "../plain_device.hpp"
#include "golden_folder.hpp"
#include "tadp/runs/golden_prim.hpp"

#include <doctest/doctest.h>

using namespace tadp;

TEST_CASE_TEMPLATE("every operation is the reference's, forward and backward", Device, Cpu, plain::Device) {
  golden::for_each_case(golden::folder(), GoldenKind::primitives, [](Golden const& g) {
    auto check = golden::strict(g);
    Device device{};
    GoldenPrimitives<Device>(std::move(device)).run(check);
  });
}
