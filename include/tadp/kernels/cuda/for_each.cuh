// SPDX-License-Identifier: Apache-2.0
// The kernel of everything that computes each element by itself: one thread an element, channels side by side.
// A work is a struct with operator()(pixel, channel); it writes what belongs to that element and nothing else.
#pragma once

#include "tadp/kernels/cuda/element.cuh"

namespace tadp::cuda {

template <class Work>
struct ForEach {
  static constexpr int threads = 256;
  using Shared = Nothing;
  Work work;
  index_t pixels, channels;

  index_t blocks() const { return blocks_for(pixels * channels, threads); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    block.each([&](int t) {
      index_t const i = block.index() * threads + t;
      if (i >= pixels * channels) return;
      index_t const pixel = quotient(i, channels);
      work(pixel, i - pixel * channels);
    });
  }
};

}  // namespace tadp::cuda
