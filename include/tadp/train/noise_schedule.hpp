// SPDX-License-Identifier: Apache-2.0
// The noise schedule of Stable Diffusion, the forward process, and a deterministic DDIM step back.
// Plain numbers on the host: training noises latents with them, a sampler walks them down.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/core/shape.hpp"

#include <cmath>
#include <span>
#include <vector>

namespace tadp {

/// Products of 1 - beta over the "scaled linear" betas of Stable Diffusion (spec: 0.00085 to 0.0120), in double.
inline std::vector<double> alphas_cumprod(int steps = 1000, double start = 0.00085, double end = 0.0120) {
  std::vector<double> products;
  double product = 1.0;
  double const a = std::sqrt(start), b = std::sqrt(end);
  for (int i = 0; i < steps; ++i) {
    double const root = a + (b - a) * i / (steps - 1);
    products.push_back(product *= 1.0 - root * root);
  }
  return products;
}

/// z_t = sqrt(a) z + sqrt(1 - a) noise.
inline void add_noise(double alpha, std::span<float const> z, std::span<float const> noise, std::span<float> out) {
  auto const keep = std::sqrt(static_cast<float>(alpha)), add = std::sqrt(1.0F - static_cast<float>(alpha));
  for (std::size_t i = 0; i < z.size(); ++i) out[i] = keep * z[i] + add * noise[i];
}

/// Timesteps of a DDIM run of `count` steps, from noisy to clean, diffusers' "leading" spacing with an offset of one.
inline std::vector<int> ddim_timesteps(int count, int training_steps = 1000) {
  std::vector<int> steps;
  int const ratio = training_steps / count;
  for (int i = count - 1; i >= 0; --i) steps.push_back(i * ratio + 1);
  return steps;
}

/// One deterministic step (eta = 0) from alpha to `next_alpha`, in place: z is the latent, eps the predicted noise.
inline void ddim_step(double alpha, double next_alpha, std::span<float> z, std::span<float const> eps) {
  double const root = std::sqrt(alpha), noise = std::sqrt(1.0 - alpha);
  for (std::size_t i = 0; i < z.size(); ++i) {
    double const clean = (static_cast<double>(z[i]) - noise * static_cast<double>(eps[i])) / root;
    z[i] = static_cast<float>(std::sqrt(next_alpha) * clean + std::sqrt(1.0 - next_alpha) * static_cast<double>(eps[i]));
  }
}

/// Guidance: eps = unconditional + scale * (conditional - unconditional), in place of the conditional.
inline void guide(float scale, std::span<float> conditional, std::span<float const> unconditional) {
  for (std::size_t i = 0; i < conditional.size(); ++i) conditional[i] = unconditional[i] + scale * (conditional[i] - unconditional[i]);
}

}  // namespace tadp
