// SPDX-License-Identifier: Apache-2.0
// Trials of the CUDA kernels, run on the host, against the plain device: numbers, and the bytes of a run whose blocks and
// threads go backwards, which only a race could change.
#pragma once

#include "../golden/sanitized.hpp"
#include "../host_cuda.hpp"
#include "against_plain.hpp"

#include <cstdlib>

namespace host_cuda {

using namespace against_plain;

/// Runs call(device, written views) on the plain device and on this one, forwards and backwards, and compares all memory.
template <class Call>
void compare_kernels(Blocks const& before, Call const& call) {
  plain::Device reference;
  Blocks expected = before, actual = before, backwards = before;
  auto views = writes<plain::Device>(expected);
  call(reference, views);
  Device device;
  auto targets = writes<Device>(actual);
  call(device, targets);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    INFO("result " << i << " of shape " << to_string(actual[i].shape) << ", stride " << actual[i].stride);
    CHECK(error_of(expected[i], actual[i], before[i]) <= 1.0);
  }
  device.order = Order::falling;
  auto again = writes<Device>(backwards);
  call(device, again);
  CHECK(same_bytes(actual, backwards));
}

struct OnHostKernels {
  Block<float> operand(Block<float> b) const { return b; }
  template <class Call>
  void operator()(Blocks const& before, Call const& call) const {
    compare_kernels(before, call);
  }
};

/// Trials of each operation, or what TADP_TRIALS says, for tools that take their time: a kernel has 50 of them, though now and
/// then nobody wants its gradient. Under the address sanitizer 16 reach every line, and take a minute in place of five.
inline int const shapes = std::getenv("TADP_TRIALS") != nullptr ? std::max(1, std::atoi(std::getenv("TADP_TRIALS"))) : TADP_TEST_SANITIZED ? 16 : 64;

/// The passes of one trial: forward, and backward where it is given.
template <class Compare, class Forward>
void agrees(Dice& dice, Trial const& t, Compare const& compared, Forward const& forward) {
  forward_agrees(dice, t, forward, compared);
}
template <class Compare, class Forward, class Backward>
void agrees(Dice& dice, Trial const& t, Compare const& compared, Forward const& forward, Backward const& backward) {
  forward_agrees(dice, t, forward, compared);
  backward_agrees(dice, t, forward, backward, compared);
}
/// make(dice) -> a trial, `shapes` times.
template <class Make, class... Passes>
void kernels_agree(std::uint64_t seed, Make const& make, Passes const&... passes) {
  Dice dice(seed);
  for (int i = 0; i < shapes; ++i) agrees(dice, make(dice), OnHostKernels{}, passes...);
}

/// Odd extents about what blocks, chunks and warps hold.
inline FeatureShape odd_shape(Dice& dice, index_t most_channels = 70) {
  index_t const side = dice.integer(0, 5) == 0 ? 24 : 9;
  return {dice.integer(1, 3), dice.odd(0, side), dice.odd(0, side), dice.odd(0, most_channels - 1)};
}

}  // namespace host_cuda
