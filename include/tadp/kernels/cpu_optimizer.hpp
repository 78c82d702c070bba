// SPDX-License-Identifier: Apache-2.0
// What an optimizer does to flat spans of parameters on the processor: AdamW's step, norms for clipping.
// Spans are cut in fixed blocks, so the numbers do not depend on the threads.
#pragma once

#include "tadp/device/cpu.hpp"
#include "tadp/kernels/cpu_vector.hpp"

#include <cmath>

namespace tadp {
inline namespace TADP_ISA {

/// The numbers of one AdamW step; `step` counts from 1.
struct AdamWStep {
  double lr, weight_decay, beta1, beta2, eps;
  std::uint64_t step;
};

/// torch.optim.AdamW: decay first, then the moment step. All spans are `count` long.
inline void adamw(Cpu& cpu, AdamWStep const& s, index_t count, float* value, float const* gradient, float* m, float* v) {
  auto const t = static_cast<double>(s.step);
  auto const decay = broadcast(static_cast<float>(1.0 - s.lr * s.weight_decay));
  auto const b1 = broadcast(static_cast<float>(s.beta1)), c1 = broadcast(static_cast<float>(1.0 - s.beta1));
  auto const b2 = broadcast(static_cast<float>(s.beta2)), c2 = broadcast(static_cast<float>(1.0 - s.beta2));
  auto const rate = broadcast(static_cast<float>(s.lr / (1.0 - std::pow(s.beta1, t))));
  auto const unbias = broadcast(static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(s.beta2, t))));
  auto const eps = broadcast(static_cast<float>(s.eps));
  index_t const block = 16384;
  cpu.threads().run((count + block - 1) / block, [&](index_t task, int) {
    index_t const at = task * block, n = std::min(block, count - at);
    map_row(n, m + at, [&](Packet old, Packet g) { return fma(b1, old, mul(c1, g)); }, static_cast<float const*>(m + at), gradient + at);
    map_row(n, v + at, [&](Packet old, Packet g) { return fma(b2, old, mul(c2, mul(g, g))); }, static_cast<float const*>(v + at), gradient + at);
    map_row(n, value + at,
            [&](Packet x, Packet mean, Packet square) {
              Packet const root = fma(sqrt(square), unbias, eps);
              return sub(mul(x, decay), mul(rate, div(mean, root)));
            },
            static_cast<float const*>(value + at), static_cast<float const*>(m + at), static_cast<float const*>(v + at));
  });
}

/// Sum of squares, in double.
inline double squared_norm(Cpu& cpu, index_t count, float const* x) {
  index_t const block = 16384, blocks = (count + block - 1) / block;
  double* const partial = reinterpret_cast<double*>(cpu.threads().shared_scratch(2 * blocks + 2));
  cpu.threads().run(blocks, [&](index_t task, int) {
    index_t const at = task * block;
    partial[task] = static_cast<double>(sum_of_row(std::min(block, count - at), [](Packet a) { return mul(a, a); }, x + at));
  });
  double total = 0.0;
  for (index_t t = 0; t < blocks; ++t) total += partial[t];
  return total;
}

/// x *= factor.
inline void scale_span(Cpu& cpu, index_t count, float factor, float* x) {
  index_t const block = 16384;
  cpu.threads().run((count + block - 1) / block, [&](index_t task, int) {
    index_t const at = task * block;
    map_row(std::min(block, count - at), x + at, [f = broadcast(factor)](Packet a) { return mul(a, f); }, static_cast<float const*>(x + at));
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
