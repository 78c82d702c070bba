// SPDX-License-Identifier: Apache-2.0
// What every other surface looks like at one point: paint of cars, glass, wheels, bark, leaves, plates, planks.
// (u, v) in metres of the face; see each function for the meaning of Look::p.
#pragma once

#include "tadp/data/street/facade.hpp"
#include "tadp/data/street/labels.hpp"

namespace tadp::street {

/// p: 0 lower body or 1 cabin, length, 1 for boxes (vans, buses, trucks), height.
inline Skin car_side_skin(Look const& l, Face const& f, Vec3 n, float u, float v) {
  Skin s{.albedo = l.base, .gloss = 0.05F};
  float const len = l.p[1];
  if (l.p[0] < 0.5F) {
    s.normal = unit(n + up_axis * (1.1F * (v / f.height - 0.55F)));
    if (v < 0.36F) s.albedo = l.base * 0.45F + grey(0.006F);
    float const r = l.p[2] > 0.5F ? 0.47F : 0.37F;
    for (float const z : {len * 0.18F + 0.02F, len * 0.81F})
      if ((u - z) * (u - z) + (v - 0.31F) * (v - 0.31F) < r * r) s.albedo = grey(0.006F), s.gloss = 0;
    if (absf(frac(u / 1.15F + 0.2F) - 0.5F) < 0.008F || absf(v - f.height * 0.62F) < 0.012F) s.albedo *= 0.4F;
    return s;
  }
  float const t = v / f.height, x = u / len;
  bool const bus = len > 7.0F, cargo = l.p[2] > 0.5F && !bus;
  bool pane = t > 0.1F && t < 0.88F;
  if (cargo) pane = pane && x > 0.66F && t < 0.75F;
  if (bus && f.height > 2.5F) pane = (t > 0.02F && t < 0.3F) || (t > 0.52F && t < 0.85F);
  if (bus) pane = pane && frac(u / 1.4F) > 0.06F && (cell(7, 7, l.seed) < 0.6F || x > 0.8F);
  if (!cargo && !bus) pane = pane && absf(x - 0.42F) > 0.012F && x > 0.1F;
  if (!pane) return s;
  s.albedo = grey(0.012F), s.gloss = 0.12F;
  s.normal = unit(n + up_axis * 0.15F);
  return s;
}

/// p: 0 rear or 1 front, width, belt height; the face's taper holds the height at which it begins.
inline Skin car_end_skin(Look const& l, Face const& f, Vec3 n, float u, float v) {
  Skin s{.albedo = l.base, .gloss = 0.05F};
  bool const front = l.p[0] > 0.5F;
  float const y = f.taper + v, x = absf(u / f.width - 0.5F) * 2.0F, belt = l.p[2];
  s.normal = unit(n + up_axis * 0.25F);
  float const rel = (y - 0.26F) / (belt - 0.26F);
  if (rel < 0.36F) s.albedo = cell(5, 5, l.seed) < 0.5F ? l.base * 0.8F : grey(0.03F);
  if (absf(rel - 0.37F) < 0.035F) s.albedo = grey(0.01F);
  if (front) {
    if (x < 0.5F && rel > 0.5F && rel < 0.75F) s.albedo = grey(0.01F);
    if (x > 0.62F && x < 0.94F && rel > 0.5F && rel < 0.82F) s.albedo = grey(0.5F), s.gloss = 0.3F;
    if (x < 0.6F && rel < 0.26F && rel > 0.08F) s.albedo = grey(0.008F);
  } else if (x > 0.74F && rel > 0.42F && rel < 0.92F) {
    s.albedo = {0.30F, 0.012F, 0.012F}, s.gloss = 0.08F;
    if (cell(6, 6, l.seed) < 0.25F) s.glow = {0.55F, 0.03F, 0.02F};
  }
  float const plate_at = front ? 0.3F : (cell(8, 8, l.seed) < 0.5F ? 0.5F : 0.3F);
  if (x < 0.29F && absf(rel - plate_at) < 0.075F)
    s.albedo = front ? grey(0.6F) : Colour{0.55F, 0.42F, 0.05F}, s.gloss = 0;
  return s;
}

inline Skin wheel_skin(Look const& l, Face const& f, float u, float v) {
  float const x = u / f.width * 2 - 1, y = v / f.height * 2 - 1, r = std::sqrt(x * x + y * y);
  Skin s{.albedo = grey(0.012F)};
  if (r < 0.62F) {
    s.albedo = l.base * (0.6F + 0.4F * y);
    if (r > 0.15F && r < 0.52F && absf(x * y) > 0.02F + 0.08F * cell(1, 2, l.seed)) s.albedo *= 0.35F;
  }
  return s;
}

/// p[0]: 0 and 2 rim of the second colour, 1 blue disc, 3 and more panels with writing.
inline Skin plate_skin(Look const& l, Face const& f, float u, float v, float grain) {
  float const x = u / f.width * 2 - 1, y = v / f.height * 2 - 1;
  Skin s{.albedo = l.base, .gloss = 0.02F};
  if (f.mask == Mask::disc || f.mask == Mask::triangle) {
    bool const rim = f.mask == Mask::disc ? x * x + y * y > 0.6F : (absf(x) > 0.62F - 0.5F * (y + 1.0F) || y < -0.74F);
    bool const ink = absf(noise(x * 2.2F + 4.0F, y * 2.2F, l.seed) - 0.5F) < 0.13F;
    s.albedo = rim ? l.second : (ink ? l.third : l.base);
    return s;
  }
  if (absf(x) > 0.94F || absf(y) > 0.95F) s.albedo = l.second * 0.8F;
  float const line = frac(v / 0.24F);
  int const row = floor_int(v / 0.24F);
  float const end = 0.85F * cell(row, 3, l.seed) + 0.1F;
  if (line > 0.3F && line < 0.75F && absf(x) < end && noise(u * 12.0F, v * 12.0F, l.seed) > 0.46F)
    s.albedo = mix(l.base, l.second, 0.5F + 0.5F * fade(0.1F, grain));
  if (l.p[0] > 4.5F && y > 0.3F)
    s.albedo = mix(l.base, l.second, noise(u * 2.0F, v * 2.0F, l.seed + 2U) > 0.6F ? 0.8F : 0.0F);
  return s;
}

/// p[0]: which lamp burns, 0 red, 1 amber, 2 green.
inline Skin lamps_skin(Look const& l, Face const& f, float u, float v) {
  Skin s{.albedo = l.base};
  float const x = u / f.width * 2 - 1, y = v / f.height * 3;
  int const which = 2 - floor_int(y);
  float const dy = frac(y) * 2 - 1;
  if (x * x * 2.2F + dy * dy * 1.6F > 0.5F) return s;
  constexpr Colour lamps[] = {{1.2F, 0.1F, 0.04F}, {1.1F, 0.5F, 0.05F}, {0.1F, 0.9F, 0.5F}};
  int const k = which < 0 ? 0 : (which > 2 ? 2 : which);
  s.albedo = lamps[k] * 0.04F;
  if (k == static_cast<int>(l.p[0])) s.glow = lamps[k];
  return s;
}

inline Skin leaf_skin(Look const& l, float u, float v, float h, bool dense) {
  float const w = noise_two(u * 3.0F, v * 3.0F, l.seed + 1U), m = noise(u * 11.0F, v * 11.0F, l.seed + 2U);
  Skin s{.albedo = mix(l.second, l.base, clamp01(0.2F + 1.1F * w)) * (0.6F + 0.8F * m)};
  s.hollow = 0.55F + 0.45F * clamp01(v / h);
  if (dense) s.normal = unit(Vec3{0.8F * (m - 0.5F), 0.5F, 0.8F * (w - 0.5F)});
  return s;
}

/// A rod's skin: dark at the rims as a round bar is.
inline Skin round_skin(Look const& l, Face const& f, Vec3 n, float u, float v, float grain) {
  float const half = f.width * 0.5F * (1.0F + f.taper * clamp01(v / f.height)), x = (u - f.width * 0.5F) / half;
  float const bow = x < -1 ? -0.99F : (x > 1 ? 0.99F : x);
  Skin s{.albedo = l.base};
  s.normal = unit(f.u * bow + n * std::sqrt(1.0F - bow * bow));
  if (half > grain * 3.0F)
    s.albedo = mix(l.second, l.base, clamp01(0.35F + noise(u * 14.0F + 3.0F, v * 4.0F, l.seed) * 0.9F));
  return s;
}

/// The skin of a face at (u, v); `n` is its normal towards the eye.
inline Skin skin_at(Stage const& stage, Face const& f, Vec3 n, float u, float v, float grain) {
  Look const& l = stage.looks[f.look];
  Skin s{.albedo = l.base};
  switch (l.kind) {
    case Surface::facade:
      s = facade_at(stage.fronts[static_cast<std::size_t>(l.p[0])], u, v, grain);
      break;
    case Surface::car_side:
      s = car_side_skin(l, f, n, u, v);
      break;
    case Surface::car_end:
      s = car_end_skin(l, f, n, u, v);
      break;
    case Surface::wheel:
      s = wheel_skin(l, f, u, v);
      break;
    case Surface::plate:
      s = plate_skin(l, f, u, v, grain);
      break;
    case Surface::lamps:
      s = lamps_skin(l, f, u, v);
      break;
    case Surface::round:
      s = round_skin(l, f, n, u, v, grain);
      break;
    case Surface::leaves:
      s = leaf_skin(l, u, v, f.height, true);
      break;
    case Surface::hedge:
      s = leaf_skin(l, u, v, f.height, false);
      break;
    case Surface::twigs:
      s.albedo =
          mix(l.base, grey(0.22F), clamp01(grain * 8.0F)) * (0.6F + 0.6F * noise(u * 2.0F, v * 2.0F, l.seed + 4U)),
      s.normal = unit(n + up_axis), s.hollow = 0.8F;
      break;
    case Surface::paint:
      s.gloss = 0.05F;
      break;
    case Surface::glass:
      s.gloss = 0.05F, s.albedo = mix(grey(0.008F), grey(0.05F), noise(u * 2.0F, v * 2.0F, l.seed));
      break;
    case Surface::roof:
      s.albedo = l.base * ((0.75F + 0.5F * noise_two(u * 0.8F, v * 0.8F, l.seed)) *
                           (frac(v / 0.3F) < 0.18F ? 1.0F - 0.3F * fade(0.3F, grain) : 1.0F));
      break;
    case Surface::stripes:
      s.albedo = frac(u / l.p[0]) < 0.5F ? l.base : l.second;
      break;
    case Surface::planks:
      s.albedo = l.base *
                 (0.7F + 0.5F * cell(floor_int(u / 0.14F), 0, l.seed) * fade(0.14F, grain) +
                  0.2F * noise(u * 6.0F, v * 2.0F, l.seed)) *
                 (frac(u / 0.14F) < 0.1F ? 0.5F : 1.0F);
      break;
    case Surface::fence_wall: {
      Front const wall{.base = l.base, .seed = l.seed};
      s.albedo = wall_at(wall, u, v, grain);
      break;
    }
    case Surface::plain:
      s.albedo = l.base * (0.85F + 0.3F * noise(u * 1.5F, v * 1.5F, l.seed));
      break;
    case Surface::ring:
      break;
  }
  if (s.normal.x == 0 && s.normal.y == 0 && s.normal.z == 0) s.normal = n;
  return s;
}

}  // namespace tadp::street
