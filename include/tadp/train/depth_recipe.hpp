// SPDX-License-Identifier: Apache-2.0
// The original's recipe for depth: which parameters learn at which rate, and the rate that rises and falls.
// The numbers are those of spec 5.1.
#pragma once

#include "tadp/exec/parameters.hpp"
#include "tadp/train/groups.hpp"

#include <algorithm>
#include <cmath>

namespace tadp {

/// UNet and text encoder at a share of the rate, in the original a hundredth; no decay for vectors and biases. Vectors are told by their shape,
/// so the rule needs the model's list: Error(argument) without one.
struct DepthGroups {
  std::shared_ptr<ParameterList const> list{};
  double slow = 0.01;

  GroupFactors operator()(std::string_view key) const {
    if (list == nullptr) throw Error(Errc::argument, "the rule of depth's parameter groups needs the model's list of parameters", {.key = std::string(key)});
    std::string const name = name_in_original(key);
    bool const backbone = name.find("unet") != std::string::npos || name.find("cond_stage_model") != std::string::npos;
    ParameterId const id = list->find(std::string(key));
    bool const vector = key.ends_with(".bias") || (id && (*list)[id].shape.size() == 1);
    return {backbone ? slow : 1.0, vector ? 0.0 : 1.0};
  }
};

/// From `floor` up to 1 over `half` steps and down again, both along a power; steps count from 0, the rule's from 1.
struct DepthSchedule {
  double half = 12000.0;  ///< steps to the top; 0: constant
  double floor = 0.06;    ///< 3e-5 of 5e-4
  double power = 0.9;

  /// The original's: half of the epochs, rounded down, and a constant rate for one epoch.
  static DepthSchedule of(std::uint64_t epochs, std::uint64_t steps_an_epoch) {
    return {.half = static_cast<double>(epochs / 2) * static_cast<double>(steps_an_epoch)};
  }
  /// The factor of the rule's step s.
  double at(double s) const {
    if (half <= 0.0) return 1.0;
    if (s < half) return (1.0 - floor) * std::pow(s / half, power) + floor;
    return std::max(floor, (floor - 1.0) * std::pow(s / half - 1.0, power) + 1.0);
  }
  double operator()(std::uint64_t step) const { return at(static_cast<double>(step) + 1.0); }
};

}  // namespace tadp
