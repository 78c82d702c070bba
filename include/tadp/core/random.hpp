// SPDX-License-Identifier: Apache-2.0
// Random numbers as a function of a key and a position: the same draw whenever it is asked for again, on any thread.
// SplitMix64 throughout; no generator carries a state from one use to another.
#pragma once

#include <cmath>
#include <cstdint>

namespace tadp {

inline constexpr std::uint64_t golden_gamma = 0x9E3779B97F4A7C15U;

constexpr std::uint64_t mix_bits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

/// One key of several numbers: (seed, step, site), say.
template <class... Parts>
constexpr std::uint64_t random_key(std::uint64_t first, Parts... rest) {
  std::uint64_t key = mix_bits(first + golden_gamma);
  ((key = mix_bits(key ^ (static_cast<std::uint64_t>(rest) + golden_gamma))), ...);
  return key;
}

constexpr std::uint64_t random_bits(std::uint64_t key, std::uint64_t position) { return mix_bits(key + (position + 1) * golden_gamma); }

/// Uniform in [0, 1), 24 bits.
constexpr float random_unit(std::uint64_t key, std::uint64_t position) {
  return static_cast<float>(random_bits(key, position) >> 40) * 0x1p-24F;
}
/// Uniform integer in [0, count), count < 2^32.
constexpr std::uint64_t random_below(std::uint64_t key, std::uint64_t position, std::uint64_t count) {
  return ((random_bits(key, position) >> 32) * count) >> 32;
}
/// Standard normal, by Box and Muller from two draws of the position.
inline float random_normal(std::uint64_t key, std::uint64_t position) {
  double const u = (static_cast<double>(random_bits(key, 2 * position) >> 11) + 0.5) * 0x1p-53;
  double const v = static_cast<double>(random_bits(key, 2 * position + 1) >> 11) * 0x1p-53;
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
}

}  // namespace tadp
