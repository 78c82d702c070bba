// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedules: a factor of the base rate for every step, counted from 0.
// The rules are those of the original's recipes (spec 5.1).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace tadp {

/// The same rate throughout.
struct ConstantSchedule {
  double operator()(std::uint64_t) const { return 1.0; }
};

/// mmcv's polynomial decay to zero over `total` steps with a linear warm-up: r = (1 - k / total)^power;
/// below `warmup` steps r * (1 - (1 - k / warmup) * (1 - warmup_ratio)).
struct PolySchedule {
  std::uint64_t total = 80000;
  std::uint64_t warmup = 1500;
  double power = 1.0;
  double warmup_ratio = 1e-6;

  double operator()(std::uint64_t step) const {
    auto const k = static_cast<double>(std::min(step, total));
    double const r = std::pow(1.0 - k / static_cast<double>(total), power);
    if (step >= warmup) return r;
    return r * (1.0 - (1.0 - k / static_cast<double>(warmup)) * (1.0 - warmup_ratio));
  }
};

/// Linear warm-up, then half a cosine to `floor`.
struct CosineSchedule {
  std::uint64_t total = 1000;
  std::uint64_t warmup = 0;
  double floor = 0.0;

  double operator()(std::uint64_t step) const {
    if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
    double const at = static_cast<double>(std::min(step, total) - warmup) / static_cast<double>(std::max<std::uint64_t>(1, total - std::min(total, warmup)));
    return floor + (1.0 - floor) * 0.5 * (1.0 + std::cos(std::numbers::pi * at));
  }
};

}  // namespace tadp
