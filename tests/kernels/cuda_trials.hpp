// SPDX-License-Identifier: Apache-2.0
// Trials of the CUDA kernels, run on the host, against the plain device: numbers, and the bytes of a run whose blocks and
// threads go backwards, which only a race could change.
#pragma once

#include "../host_cuda.hpp"
#include "against_plain.hpp"

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

template <class Forward>
void kernels_forward(Dice& dice, Trial const& t, Forward const& forward) {
  INFO(t.what);
  Blocks out;
  for (FeatureShape const& s : t.out) out.push_back(block(dice, s, 1.0F, !t.contiguous_out));
  compare_kernels(out, [&]<class D>(D& device, std::vector<Features<D>> const& targets) { forward(device, reads<D>(t.in), targets); });
}

template <class Forward, class Backward>
void kernels_backward(Dice& dice, Trial const& t, Forward const& forward, Backward const& backward) {
  INFO(t.what);
  plain::Device reference;
  Blocks out, d_out(t.out.size()), d_in(t.in.size());
  for (FeatureShape const& s : t.out) out.push_back(block(dice, s, 1.0F, !t.contiguous_out));
  forward(reference, reads<plain::Device>(t.in), writes<plain::Device>(out));
  for (std::size_t i : t.flows) d_out[i] = block(dice, t.out[i]);
  bool const sparse = dice.integer(0, 2) == 0;  // now and then somebody wants no gradient
  for (std::size_t i : t.learns)
    if (!t.in[i].memory.empty() && !(sparse && dice.coin())) d_in[i] = block(dice, t.in[i].shape, 0.1F, t.in[i].shape.pixels() > 1);
  compare_kernels(d_in, [&]<class D>(D& device, std::vector<Features<D>> const& targets) {
    backward(device, reads<D>(t.in), reads<D>(out), reads<D>(d_out), targets);
  });
}

inline constexpr int shapes = 50;  ///< trials of each kernel

/// make(dice) -> a trial, `shapes` times.
template <class Make, class Forward>
void kernels_agree(std::uint64_t seed, Make const& make, Forward const& forward) {
  Dice dice(seed);
  for (int i = 0; i < shapes; ++i) kernels_forward(dice, make(dice), forward);
}
template <class Make, class Forward, class Backward>
void kernels_agree(std::uint64_t seed, Make const& make, Forward const& forward, Backward const& backward) {
  Dice dice(seed);
  for (int i = 0; i < shapes; ++i) {
    Trial const t = make(dice);
    kernels_forward(dice, t, forward);
    kernels_backward(dice, t, forward, backward);
  }
}

/// Odd extents about what blocks, chunks and warps hold.
inline FeatureShape odd_shape(Dice& dice, index_t most_channels = 70) {
  index_t const side = dice.integer(0, 5) == 0 ? 24 : 9;
  return {dice.integer(1, 3), dice.odd(0, side), dice.odd(0, side), dice.odd(0, most_channels - 1)};
}

}  // namespace host_cuda
