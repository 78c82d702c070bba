// SPDX-License-Identifier: Apache-2.0
// Random numbers keyed by (seed, object, use), and value noise from hashes, equal on every machine.
// std:: distributions differ between standard libraries, so none is used here.
#pragma once

#include "tadp/data/street/vec.hpp"

#include <cstddef>
#include <cstdint>

namespace tadp::street {

/// A well-mixed 64-bit value (the finaliser of splitmix64).
inline std::uint64_t scramble(std::uint64_t v) {
  v += 0x9e3779b97f4a7c15ULL;
  v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ULL;
  v = (v ^ (v >> 27)) * 0x94d049bb133111ebULL;
  return v ^ (v >> 31);
}

/// A stream of draws, at most one in the arguments of a call, whose order is the compiler's; two streams of other keys
/// never share a draw, so adding an object leaves the others alone.
class Dice {
 public:
  Dice(std::uint64_t seed, std::uint64_t object, std::uint64_t use)
      : key_(scramble(seed ^ scramble(object ^ scramble(use)))) {}

  std::uint64_t bits() { return scramble(key_ + 0x632be59bd9b4e019ULL * ++count_); }
  std::uint32_t word() { return static_cast<std::uint32_t>(bits() >> 32); }
  /// In [0, 1).
  float draw() { return static_cast<float>(bits() >> 40) * (1.0F / 16777216.0F); }
  float between(float low, float high) { return low + (high - low) * draw(); }
  /// In [0, n).
  int below(int n) { return static_cast<int>(draw() * static_cast<float>(n)); }
  bool chance(float p) { return draw() < p; }
  /// Mean 0, deviation about 1, never beyond 3.5.
  float bell() { return (draw() + draw() + draw() + draw() - 2.0F) * 1.732F; }
  template <class T, std::size_t N>
  T const& pick(T const (&table)[N]) {
    return table[below(static_cast<int>(N))];
  }

 private:
  std::uint64_t key_;
  std::uint64_t count_ = 0;
};

inline std::uint32_t finish_hash(std::uint32_t h) {
  h ^= h >> 13;
  h *= 0x5bd1e995U;
  h ^= h >> 15;
  return h * 0x27d4eb2dU;
}

inline std::uint32_t hash2(int x, int y, std::uint32_t seed) {
  return finish_hash(static_cast<std::uint32_t>(x) * 0x8da6b343U ^ static_cast<std::uint32_t>(y) * 0xd8163841U ^
                     seed * 0xcb1ab31fU);
}

/// A value in [0, 1) for a cell of a grid.
inline float cell(int x, int y, std::uint32_t seed) {
  return static_cast<float>(hash2(x, y, seed) >> 8) * (1.0F / 16777216.0F);
}

/// Smooth value noise in [0, 1) with features of size 1.
inline float noise(float x, float y, std::uint32_t seed) {
  int const ix = floor_int(x), iy = floor_int(y);
  float fx = x - static_cast<float>(ix), fy = y - static_cast<float>(iy);
  fx = fx * fx * (3.0F - 2.0F * fx);
  fy = fy * fy * (3.0F - 2.0F * fy);
  std::uint32_t const x0 = static_cast<std::uint32_t>(ix) * 0x8da6b343U, x1 = x0 + 0x8da6b343U;
  std::uint32_t const y0 = static_cast<std::uint32_t>(iy) * 0xd8163841U, y1 = y0 + 0xd8163841U, s = seed * 0xcb1ab31fU;
  auto const value = [](std::uint32_t h) { return static_cast<float>(static_cast<std::int32_t>(finish_hash(h) >> 8)); };
  float const top = mix(value(x0 ^ y0 ^ s), value(x1 ^ y0 ^ s), fx),
              bottom = mix(value(x0 ^ y1 ^ s), value(x1 ^ y1 ^ s), fx);
  return mix(top, bottom, fy) * (1.0F / 16777216.0F);
}

/// Two octaves of noise, mean about a half.
inline float noise_two(float x, float y, std::uint32_t seed) {
  return 0.65F * noise(x, y, seed) + 0.35F * noise(x * 2.3F + 7.1F, y * 2.3F + 3.7F, seed + 17U);
}

}  // namespace tadp::street
