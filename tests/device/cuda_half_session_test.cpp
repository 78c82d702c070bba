// SPDX-License-Identifier: Apache-2.0
// Half and bfloat16 on the CUDA device: every head in inference and in training, against the same in float.
// Without a device all of it is compiled and linked: a kernel that is missing in one of the elements is an unresolved symbol.
#include "tadp/kernels/cuda.hpp"

#include "../root/all_heads.hpp"

using namespace all_heads;

namespace {
doctest::skip with_a_device() { return doctest::skip(!cuda_devices().missing.empty()); }
}  // namespace

TEST_CASE("all heads answer in half and in bfloat16 on the CUDA device what they answer in float" * with_a_device()) {
  Numbers const in_float = answers<>(Cuda{0});
  near_answers(answers<fp16>(Cuda{0}), in_float, 0.003);
  near_answers(answers<bf16>(Cuda{0}), in_float, 0.03);
}

TEST_CASE("all heads learn in half and in bfloat16 on the CUDA device what they learn in float" * with_a_device()) {
  Numbers const in_float = lessons<>(Cuda{0});
  near_lessons(lessons<fp16>(Cuda{0}, {.exponent = 8}), in_float, {0.001, 0.25});
  near_lessons(lessons<bf16>(Cuda{0}), in_float, {0.005, 0.4});
}
