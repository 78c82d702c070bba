// SPDX-License-Identifier: Apache-2.0
// Three floats: a point in metres (x right, y up, z ahead), a direction, or a linear colour.
// The smallest word of the rendered street; everything else is built from it.
#pragma once

#include <cmath>

namespace tadp::street {

/// A point, a direction or a linear RGB colour.
struct Vec3 {
  float x = 0, y = 0, z = 0;

  Vec3& operator+=(Vec3 o) { return x += o.x, y += o.y, z += o.z, *this; }
  Vec3& operator*=(float s) { return x *= s, y *= s, z *= s, *this; }
};

using Colour = Vec3;

inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator*(Vec3 a, float s) { return {a.x * s, a.y * s, a.z * s}; }
inline Vec3 operator*(Vec3 a, Vec3 b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
inline float length(Vec3 a) { return std::sqrt(dot(a, a)); }
inline Vec3 unit(Vec3 a) {
  float const n = length(a);
  return n > 1e-12F ? a * (1.0F / n) : Vec3{0, 1, 0};
}
inline Vec3 mix(Vec3 a, Vec3 b, float t) { return a + (b - a) * t; }
inline float mix(float a, float b, float t) { return a + (b - a) * t; }
inline float clamp01(float v) { return v < 0.0F ? 0.0F : (v > 1.0F ? 1.0F : v); }
/// 0 below `a`, 1 above `b`, straight between.
inline float ramp(float a, float b, float v) { return clamp01((v - a) / (b - a)); }
/// Of two; std::fmin is a call because of its rule for NaN.
inline float least(float a, float b) { return a < b ? a : b; }
inline float most(float a, float b) { return a > b ? a : b; }
inline float absf(float v) { return v < 0.0F ? -v : v; }
inline Colour grey(float v) { return {v, v, v}; }
/// Largest integer not above v; std::floor is a call without SSE4.1, and this runs a million times a scene.
inline int floor_int(float v) {
  int const i = static_cast<int>(v);
  return i - (v < static_cast<float>(i) ? 1 : 0);
}
inline float frac(float v) { return v - static_cast<float>(floor_int(v)); }

inline constexpr Vec3 up_axis{0, 1, 0};

}  // namespace tadp::street
