// SPDX-License-Identifier: Apache-2.0
// The random start of parameters that are not loaded, keyed by seed and name.
// Norms start at one, what ends a residual block at zero, the rest as torch starts it.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/exec/parameters.hpp"
#include "tadp/io/hash_rule.hpp"

#include <cmath>
#include <functional>

namespace tadp {

namespace initialize_detail {
/// Half width of the uniform start, or its standard deviation for `embedding`.
inline float spread(ParameterSpec const& spec) {
  auto const fan_in = static_cast<double>(spec.count / spec.shape[0]);
  if (spec.init == Init::xavier) {
    auto const kernel = spec.shape.size() == 4 ? static_cast<double>(spec.shape[2] * spec.shape[3]) : 1.0;
    return static_cast<float>(std::sqrt(6.0 / (fan_in + static_cast<double>(spec.shape[0]) * kernel)));
  }
  return static_cast<float>(spec.init == Init::he ? std::sqrt(6.0 / fan_in) : 1.0 / std::sqrt(fan_in));
}
}  // namespace initialize_detail

/// Sets every parameter that `chosen` accepts.
template <class Device>
void initialize(Weights<Device>& weights, std::uint64_t seed, std::function<bool(ParameterSpec const&)> const& chosen) {
  std::vector<float> values;
  for (std::size_t i = 0; i < weights.list().specs().size(); ++i) {
    ParameterSpec const& spec = weights.list().specs()[i];
    if (!chosen(spec)) continue;
    values.assign(static_cast<std::size_t>(spec.count), 0.0F);
    std::uint64_t const key = random_key(seed, hash_detail::fnv1a(spec.name));
    for (std::size_t k = 0; k < values.size(); ++k) switch (spec.init) {
        case Init::zero: break;
        case Init::one: values[k] = 1.0F; break;
        case Init::small_gamma: values[k] = 1e-4F; break;
        case Init::embedding: values[k] = 0.02F * random_normal(key, k); break;
        case Init::hundredth: values[k] = 0.01F * random_normal(key, k); break;
        case Init::thousandth: values[k] = 0.001F * random_normal(key, k); break;
        case Init::he:
        case Init::fan_in:
        case Init::xavier: values[k] = (2.0F * random_unit(key, k) - 1.0F) * initialize_detail::spread(spec); break;
      }
    weights.device().copy_from_host(weights.data(ParameterId{static_cast<int>(i)}), values.data(), values.size() * sizeof(float));
  }
}

}  // namespace tadp
