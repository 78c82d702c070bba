// SPDX-License-Identifier: Apache-2.0
// What an optimizer does to flat spans of parameters on a device that runs kernels: AdamW's step, norms for clipping.
// The same bytes in every run.
#pragma once

#include "tadp/kernels/cpu_optimizer.hpp"  // AdamWStep
#include "tadp/kernels/cuda/loss.hpp"
#include "tadp/kernels/cuda/optimizer.cuh"

namespace tadp {

/// torch.optim.AdamW: decay first, then the moment step. All spans are `count` long.
template <KernelDevice D>
void adamw(D& device, AdamWStep const& s, index_t count, float* value, float const* gradient, float* m, float* v) {
  auto const t = static_cast<double>(s.step);
  auto const f = [](double number) { return static_cast<float>(number); };
  cuda::AdamWFactors const factors{f(1.0 - s.lr * s.weight_decay),
                                   f(s.beta1),
                                   f(1.0 - s.beta1),
                                   f(s.beta2),
                                   f(1.0 - s.beta2),
                                   f(s.lr / (1.0 - std::pow(s.beta1, t))),
                                   f(1.0 / std::sqrt(1.0 - std::pow(s.beta2, t))),
                                   f(s.eps)};
  cuda::for_each(device, count, 1, cuda::AdamW{factors, value, gradient, m, v});
}

/// Sum of squares, in double; waits for the device.
template <KernelDevice D>
double squared_norm(D& device, index_t count, float const* x) {
  double sum = 0.0;
  if (count > 0)
    cuda::with_sums(device, count, cuda::Squares{x}, [&](cuda::Sums<1> const* kept) { device.copy_to_host(&sum, kept, sizeof sum); });
  return sum;
}

/// x *= factor.
template <KernelDevice D>
void scale_span(D& device, index_t count, float factor, float* x) {
  cuda::for_each(device, count, 1, cuda::ScaleSpan{factor, x});
}

}  // namespace tadp
