// SPDX-License-Identifier: Apache-2.0
// The factor that a loss is multiplied by while its gradients pass through half, so that small ones do not vanish.
// Found while training: halved where a gradient is not finite, doubled after many steps without.
#pragma once

#include "tadp/core/error.hpp"

#include <cmath>
#include <map>
#include <string>

namespace tadp {

/// torch.amp.GradScaler's rule and numbers. The factor is a power of two: it changes no gradient but those that vanish.
struct LossScale {
  int exponent = 16;
  int steps = 0;               ///< since the factor changed last
  std::uint64_t left_out = 0;  ///< steps that changed no weight
  static constexpr int patience = 2000, largest = 60, smallest = -24;

  float factor() const { return std::ldexp(1.0F, exponent); }
  /// What a step's gradients say: true where it is taken, false where it is left out. Error(argument) where no factor helps.
  bool take(bool finite) {
    if (finite) {
      if (++steps >= patience && exponent < largest) ++exponent, steps = 0;
      return true;
    }
    if (exponent <= smallest)
      throw Error(Errc::argument, "the gradients are not numbers under any scale of the loss: lower the learning rate, or train in bf16",
                  {.found = "2^" + std::to_string(exponent)});
    --exponent, steps = 0, ++left_out;
    return false;
  }

  void save(std::map<std::string, std::string>& notes) const {
    notes["loss_scale"] = std::to_string(exponent);
    notes["loss_scale_steps"] = std::to_string(steps);
    notes["left_out"] = std::to_string(left_out);
  }
  /// Notes of a run that had none leave the start.
  template <class Notes>
  void load(Notes const& notes) {
    auto const number = [&](char const* key, auto& to) {
      if (auto const at = notes.find(key); at != notes.end()) to = static_cast<std::remove_reference_t<decltype(to)>>(std::stoll(at->second));
    };
    number("loss_scale", exponent), number("loss_scale_steps", steps), number("left_out", left_out);
  }
};

}  // namespace tadp
