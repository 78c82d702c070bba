// SPDX-License-Identifier: Apache-2.0
// The optimizer's CUDA kernels on the host against their formulas in double: odd lengths, several steps.
#include "cuda_trials.hpp"

using namespace host_cuda;

namespace {

/// torch.optim.AdamW in double, for one number.
void step_in_double(AdamWStep const& s, double g, double& value, double& m, double& v) {
  auto const t = static_cast<double>(s.step);
  value *= 1.0 - s.lr * s.weight_decay;
  m = s.beta1 * m + (1.0 - s.beta1) * g;
  v = s.beta2 * v + (1.0 - s.beta2) * g * g;
  value -= s.lr * m / (1.0 - std::pow(s.beta1, t)) / (std::sqrt(v / (1.0 - std::pow(s.beta2, t))) + s.eps);
}

}  // namespace

TEST_CASE("the kernel of AdamW steps as its formula does") {
  Dice dice(191);
  for (int i = 0; i < shapes; ++i) {
    index_t const count = i == 0 ? 10001 : dice.odd(0, 900);
    CAPTURE(count);
    auto const n = static_cast<std::size_t>(count);
    auto value = numbers(dice, count).memory;
    std::vector<float> m(n), v(n);
    std::vector<double> exact(value.begin(), value.end()), exact_m(n), exact_v(n);
    double worst = 0.0;
    Device device;
    for (std::uint64_t step = 1; step <= 4; ++step) {
      AdamWStep const rule{.lr = 1e-2 / static_cast<double>(step), .weight_decay = 0.1, .beta1 = 0.9, .beta2 = step % 2 == 0 ? 0.999 : 0.99, .eps = 1e-8, .step = step};
      auto gradient = numbers(dice, count).memory;
      if (step == 3) gradient[0] = 0.0F;
      adamw(device, rule, count, value.data(), gradient.data(), m.data(), v.data());
      for (std::size_t e = 0; e < n; ++e) {
        step_in_double(rule, static_cast<double>(gradient[e]), exact[e], exact_m[e], exact_v[e]);
        worst = std::max(worst, std::abs(static_cast<double>(value[e]) - exact[e]) / (1.0 + std::abs(exact[e])));
      }
    }
    CHECK(worst < 2e-6);
  }
}

TEST_CASE("the kernels of norms and factors of spans") {
  Dice dice(192);
  for (int i = 0; i < shapes; ++i) {
    index_t const count = i == 0 ? 0 : i == 1 ? 10001 : dice.odd(0, 5000);
    auto x = numbers(dice, count).memory;
    double want = 0.0;
    for (float v : x) want += static_cast<double>(v) * static_cast<double>(v);
    Device device;
    CHECK(squared_norm(device, count, x.data()) == doctest::Approx(want).epsilon(1e-12));
    auto scaled = x;
    scale_span(device, count, 0.25F, scaled.data());
    bool same = true;
    for (std::size_t e = 0; e < x.size(); ++e) same = same && scaled[e] == 0.25F * x[e];
    CHECK(same);
  }
}
