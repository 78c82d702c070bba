// SPDX-License-Identifier: Apache-2.0
// The optimizer's kernels against their formulas in double: odd lengths, several steps, one to three threads.
#include "against_plain.hpp"

#include "tadp/kernels/cpu_optimizer.hpp"

using namespace against_plain;

namespace {

struct State {
  std::vector<float> value, m, v;
};

/// torch.optim.AdamW in double, for one number.
void step_in_double(AdamWStep const& s, double g, double& value, double& m, double& v) {
  auto const t = static_cast<double>(s.step);
  value *= 1.0 - s.lr * s.weight_decay;
  m = s.beta1 * m + (1.0 - s.beta1) * g;
  v = s.beta2 * v + (1.0 - s.beta2) * g * g;
  double const mean = m / (1.0 - std::pow(s.beta1, t)), square = v / (1.0 - std::pow(s.beta2, t));
  value -= s.lr * mean / (std::sqrt(square) + s.eps);
}

}  // namespace

TEST_CASE("AdamW steps as its formula does, the same for every count of threads") {
  Dice dice(81);
  for (index_t const count : {1, 2, 7, 8, 9, 31, 1000, 16383, 16385, 40001}) {
    CAPTURE(count);
    auto const n = static_cast<std::size_t>(count);
    auto const start = numbers(dice, count).memory;
    State first;
    for (int threads = 1; threads <= 3; ++threads) {
      State s{start, std::vector<float>(n), std::vector<float>(n)};
      std::vector<double> value(start.begin(), start.end()), m(n), v(n);
      Dice again(82);
      double worst = 0.0;
      for (std::uint64_t step = 1; step <= 4; ++step) {
        AdamWStep const rule{.lr = 1e-2 / static_cast<double>(step), .weight_decay = 0.1, .beta1 = 0.9, .beta2 = step % 2 == 0 ? 0.999 : 0.99, .eps = 1e-8, .step = step};
        auto gradient = numbers(again, count).memory;
        if (step == 3) gradient[0] = 0.0F;
        adamw(cpu(threads), rule, count, s.value.data(), gradient.data(), s.m.data(), s.v.data());
        for (std::size_t i = 0; i < n; ++i) step_in_double(rule, static_cast<double>(gradient[i]), value[i], m[i], v[i]);
        for (std::size_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(static_cast<double>(s.value[i]) - value[i]) / (1.0 + std::abs(value[i])));
      }
      CHECK(worst < 2e-6);
      if (threads == 1) first = s;
      CHECK(s.value == first.value);
      CHECK(s.m == first.m);
      CHECK(s.v == first.v);
    }
  }
}

TEST_CASE("norms and factors of spans") {
  Dice dice(83);
  for (index_t const count : {1, 15, 16385, 50000}) {
    auto x = numbers(dice, count).memory;
    double want = 0.0;
    for (float const f : x) want += static_cast<double>(f) * static_cast<double>(f);
    for (int threads = 1; threads <= 3; ++threads) CHECK(std::abs(squared_norm(cpu(threads), count, x.data()) - want) <= 1e-6 * want);
    auto const before = x;
    scale_span(cpu(2), count, 0.25F, x.data());
    bool same = true;
    for (std::size_t i = 0; i < x.size(); ++i) same = same && x[i] == 0.25F * before[i];
    CHECK(same);
  }
}
