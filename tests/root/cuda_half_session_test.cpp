// SPDX-License-Identifier: Apache-2.0
// Both policies over all heads in half and in bfloat16 on the CUDA kernels, run on the host, against the same in float.
#include "../host_libraries.hpp"
#include "all_heads.hpp"

using namespace all_heads;

using Device = host_cuda::WithLibraries;

TEST_CASE("all heads answer in half and in bfloat16 what they answer in float") {
  Numbers const in_float = answers<>(Device{});
  near_answers(answers<fp16>(Device{}), in_float, 0.003);
  near_answers(answers<bf16>(Device{}), in_float, 0.03);
}

TEST_CASE("all heads learn in half and in bfloat16 what they learn in float") {
  Numbers const in_float = lessons<>(Device{});
  near_lessons(lessons<fp16>(Device{}, {.exponent = 8}), in_float, {0.001, 0.25});
  near_lessons(lessons<bf16>(Device{}), in_float, {0.005, 0.4});
}
