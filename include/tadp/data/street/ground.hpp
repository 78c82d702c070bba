// SPDX-License-Identifier: Apache-2.0
// What the ground is at a point: road with its paint, kerb, pavement, grass; label and colour together.
// Works on the paper plan alone, so that the ground needs no geometry but a plane.
#pragma once

#include "tadp/data/street/facade.hpp"
#include "tadp/data/street/plan.hpp"

namespace tadp::street {

struct Soil {
  std::uint8_t label = road;
  float kerb = 1;  // metres to the kerb, on road and pavement alike
  float lat = 0;
};

/// Metres outside the kerb line (below 0: on the road), side streets and the end of the street included.
inline float beyond_kerb(Plan const& plan, int s, float lat, float z) {
  float out = absf(lat) - plan.kerb(s);
  constexpr float r = 3.0F;
  auto const open = [&](float gap) {  // gap: metres outside the mouth along the street
    if (gap >= r) return;
    if (gap <= 0)
      out = least(out, gap);
    else if (out < r && out > 0)
      out = least(out, r - std::sqrt((r - out) * (r - out) + (r - gap) * (r - gap)));
    else
      out = least(out, gap);
  };
  for (Mouth const& m : plan.mouths)
    if (m.side == s) open(most(m.z0 - z, z - m.z1));
  if (plan.crossed) {
    if (z > plan.end + 9.5F) return z - plan.end - 9.5F;
    open(plan.end - z);
  }
  return out;
}

inline Soil soil_at(Plan const& plan, float x, float z) {
  Soil soil;
  soil.lat = x - plan.centre(z);
  int const s = soil.lat < 0 ? 0 : 1;
  float out = beyond_kerb(plan, s, soil.lat, z);
  for (Island const& i : plan.islands) {
    float const a = (soil.lat - i.lat) / i.half_width, b = (z - i.z) / i.half_length, r = a * a * a * a + b * b * b * b;
    if (r < 1.0F) out = (1.0F - r) * 0.5F;
  }
  soil.kerb = absf(out);
  if (out <= 0) return soil;
  float const walk = plan.crossed && z > plan.end + 9.5F ? 2.5F : plan.walk[s];
  soil.label = out < walk ? pavement : (plan.grass[s] > 0.3F ? tree : pavement);
  return soil;
}

inline float letter_ink(float u, float v, std::uint32_t seed) {  // strokes about as thick as road letters
  float const n = noise(u * 2.4F, v * 0.9F, seed);
  return absf(n - 0.5F) < 0.11F ? 1.0F : 0.0F;
}

inline float field_ink(Plan const& plan, Paint const& f, float lat, float z) {
  float const u = lat - f.lat, v = z - f.z;
  if (absf(u) > f.width || v < 0 || v > f.length) return 0;
  switch (f.kind) {
    case Paint::Kind::arrow: {
      float const t = v / f.length;
      if (t < 0.6F) return absf(u) < 0.1F ? 1.0F : 0.0F;
      return absf(u) < (1.0F - t) * 1.1F ? 1.0F : 0.0F;
    }
    case Paint::Kind::letters:
      return letter_ink(u + 9.0F, v, plan.seed + static_cast<std::uint32_t>(f.length * 100.0F));
    case Paint::Kind::zebra:
      return frac(lat / 1.2F) < 0.5F ? 1.0F : 0.0F;
    case Paint::Kind::red:
    case Paint::Kind::stop:
      return 1.0F;
    case Paint::Kind::hatch:
      return frac((u * 0.8F + v) * 0.5F) < 0.14F || absf(absf(u) - f.width) < 0.12F ? 1.0F : 0.0F;
    case Paint::Kind::box:
      return frac((u + v) * 0.35F) < 0.06F || frac((u - v) * 0.35F) < 0.06F ? 0.8F : 0.0F;
  }
  return 0;
}

/// White and yellow paint; x is how much white, y how much yellow.
inline Point2 paint_at(Plan const& plan, Soil const& soil, float z) {
  float white = 0, yellow = 0;
  float const lat = soil.lat, a = absf(lat);
  bool const side = plan.crossed && z > plan.end - 1.5F;
  if (!side) {
    if (a < plan.line * 0.5F && frac(z / (plan.dash + plan.gap)) * (plan.dash + plan.gap) < plan.dash) white = 1;
    if (absf(a - plan.half_road) < plan.line * 0.5F && plan.wide[lat < 0 ? 0 : 1] > 1.0F && frac(z / 2.0F) < 0.6F)
      white = 1;
    if (plan.wide[lat < 0 ? 0 : 1] > 5.0F && a > plan.half_road && frac((z + 1.3F) / 2.6F) < 0.045F) white = 1;
  } else if (absf(z - plan.end + 1.0F) < 0.15F && lat < 0) {
    white = 1;
  }
  if (plan.edge_lines == 1 && absf(soil.kerb - 0.35F) < 0.06F) white = 1;
  if (plan.edge_lines == 2 && (absf(soil.kerb - 0.25F) < 0.045F || absf(soil.kerb - 0.45F) < 0.045F)) yellow = 1;
  for (Paint const& f : plan.paints) {
    float const ink = f.kind == Paint::Kind::red ? 0.0F : field_ink(plan, f, lat, z);
    if (ink <= 0) continue;
    (f.kind == Paint::Kind::box ? yellow : white) = ink;
  }
  return {white, yellow};
}

inline Skin road_skin(Plan const& plan, Soil const& soil, float x, float z, float grain) {
  Skin s;
  float const big = noise_two(x * 0.35F, z * 0.12F, plan.seed) - 0.5F;
  Colour c = plan.asphalt * (1.0F + 0.55F * big);
  int const px = floor_int(soil.lat / 1.9F), pz = floor_int(z / 5.5F + 0.37F * static_cast<float>(px));
  float const patch = cell(px, pz, plan.seed + 4U);
  if (patch < plan.patches * 0.3F) c *= 0.72F + 1.6F * patch;
  float const track = absf(absf(absf(soil.lat) - plan.half_road * 0.45F) - 0.75F);
  c *= 1.0F + 0.14F * ramp(0.4F, 0.0F, track) - 0.12F * ramp(0.7F, 0.1F, soil.kerb);
  float const crack = absf(noise(x * 0.9F, z * 0.5F, plan.seed + 5U) - 0.5F);
  if (crack < 0.004F && grain < 0.03F) c *= 0.86F;
  if (grain < 0.08F)
    c *= 1.0F + (noise(x * 24.0F, z * 24.0F, plan.seed + 6U) - 0.5F) * 0.32F * fade(0.05F, grain) +
         (noise(x * 7.0F, z * 7.0F, plan.seed + 7U) - 0.5F) * 0.2F;
  bool red = plan.red_lane && soil.lat < -plan.half_road + 1.5F;
  for (Paint const& f : plan.paints) red = red || (f.kind == Paint::Kind::red && field_ink(plan, f, soil.lat, z) > 0);
  if (red) c = mix(c, Colour{0.17F, 0.07F, 0.055F}, 0.6F);
  float const mx = frac(soil.lat / 2.3F + 0.2F) * 2.3F - 0.6F, mz = frac(z / 11.0F) * 11.0F - 3.0F;
  if (mx * mx + mz * mz < 0.09F &&
      cell(floor_int(soil.lat / 2.3F + 0.2F), floor_int(z / 11.0F), plan.seed + 8U) < 0.25F)
    c *= 0.45F;
  Point2 const paint = paint_at(plan, soil, z);
  float const worn = 1.0F - plan.wear * (0.4F + 1.2F * noise(x * 3.0F, z * 3.0F, plan.seed + 11U));
  if (paint.x > 0) c = mix(c, grey(0.58F), clamp01(paint.x * worn));
  if (paint.y > 0) c = mix(c, Colour{0.42F, 0.30F, 0.06F}, clamp01(paint.y * worn));
  s.albedo = c;
  s.gloss = 0.01F;
  return s;
}

inline Skin pavement_skin(Plan const& plan, Soil const& soil, float x, float z, float grain) {
  Skin s;
  Colour c = plan.slabs;
  if (soil.kerb < 0.16F) {
    s.albedo = soil.kerb < 0.05F ? c * 0.35F : c * (1.25F + 0.2F * noise(x * 2.0F, z * 2.0F, plan.seed));
    return s;
  }
  int const i = floor_int(soil.lat / plan.slab);
  float const along = z / plan.slab + ((i & 1) != 0 ? 0.5F : 0.0F);
  float const near = fade(0.05F, grain * 0.4F);
  c *= 1.0F + 0.3F * (cell(i, floor_int(along), plan.seed + 12U) - 0.5F) * fade(plan.slab, grain);
  if (frac(soil.lat / plan.slab) < 0.035F || frac(along) < 0.035F) c *= 1.0F - 0.45F * near;
  c *= 1.0F + 0.6F * (noise_two(x * 0.5F, z * 0.4F, plan.seed + 13U) - 0.5F);
  if (grain < 0.08F) c *= 0.9F + 0.2F * noise(x * 9.0F, z * 9.0F, plan.seed + 14U);
  s.albedo = c;
  return s;
}

/// Colour of the ground at (x, z).
inline Skin ground_skin(Plan const& plan, Soil const& soil, float x, float z, float grain) {
  Skin s;
  if (soil.label == road)
    s = road_skin(plan, soil, x, z, grain);
  else if (soil.label == pavement)
    s = pavement_skin(plan, soil, x, z, grain);
  else
    s.albedo = plan.lawn * (0.7F + 0.6F * noise_two(x * 1.7F, z * 1.1F, plan.seed + 15U)) *
               (grain < 0.1F ? 0.8F + 0.4F * noise(x * 14.0F, z * 14.0F, plan.seed + 16U) : 1.0F);
  s.normal = up_axis;
  return s;
}

}  // namespace tadp::street
