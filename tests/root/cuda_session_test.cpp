// SPDX-License-Identifier: Apache-2.0
// Both policies over all heads on the CUDA kernels, run on the host, against the processor.
#include "../host_libraries.hpp"
#include "all_heads.hpp"
#include "tadp/kernels/cpu.hpp"

using namespace all_heads;

TEST_CASE("all heads answer on the CUDA kernels what they answer on the processor") {
  check_near(answers(host_cuda::WithLibraries{}), answers(Cpu(1)), 1e-4);
}

TEST_CASE("all heads learn on the CUDA kernels what they learn on the processor") {
  check_near(lessons(host_cuda::WithLibraries{}), lessons(Cpu(1)), 1e-4);
}
