// SPDX-License-Identifier: Apache-2.0
// Rows of scores to probabilities and their log-sums: what stands between the two products of attention where a library
// computes these.
#pragma once

#include "tadp/kernels/cuda/element.cuh"

#include <cmath>

namespace tadp::cuda {

/// probability[i] = softmax(scale * score[i]) over `keys`, a row a block; both are packed and may be the same memory.
template <class T>
struct SoftmaxRows {
  static constexpr int threads = 256;
  using Shared = Nothing;
  float const* score;
  T* probability;
  Rows<float> log_sum;  ///< of row i: pixel i, channel `head`
  index_t rows, keys, head;
  float scale;

  index_t blocks() const { return rows; }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    float const* const from = score + block.index() * keys;
    T* const to = probability + block.index() * keys;
    typename Block::template PerThread<float> top, sum;
    block.each([&](int t) {
      top[t] = -std::numeric_limits<float>::infinity();
      for (index_t j = t; j < keys; j += threads) top[t] = Largest{}(top[t], from[j]);
    });
    float const largest = block.join(top, Largest{}) * scale;
    block.each([&](int t) {
      sum[t] = 0.0F;
      for (index_t j = t; j < keys; j += threads) sum[t] += std::exp(from[j] * scale - largest);
    });
    float const total = block.join(sum, Sum{});
    block.each([&](int t) {
      for (index_t j = t; j < keys; j += threads) to[j] = from_float<T>(std::exp(from[j] * scale - largest) / total);
      if (t == 0) log_sum.pixel(block.index())[head] = largest + std::log(total);
    });
  }
};

}  // namespace tadp::cuda
