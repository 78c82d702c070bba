// SPDX-License-Identifier: Apache-2.0
// Light on what was seen: sun and its shadows, sky from above, mirror images on paint and glass, haze, clouds.
// Averages the samples of each pixel in linear colour and decides its label, distance and thing.
#pragma once

#include "tadp/data/street/ground.hpp"
#include "tadp/data/street/shadow.hpp"
#include "tadp/data/street/surfaces.hpp"

namespace tadp::street {

/// All that shading reads.
struct Scene {
  Plan plan{};
  Light light{};
  Stage stage{};
  Camera cam{};
  Seen seen{};
  SunMap sun_map{};
  Contact contact{};
  std::uint32_t seed = 0;
};

inline Colour sky_colour(Scene const& s, Vec3 way) {
  Light const& l = s.light;
  float const high = clamp01(way.y * 2.2F);
  Colour c = mix(l.sky_low, l.sky_high, high);
  if (l.clouds > 0.05F && way.y > 0.0F) {
    float const k = 1.0F / (way.y + 0.12F);
    float const n = noise_two(way.x * k * 1.1F, way.z * k * 1.1F, s.seed + 77U);
    c = mix(c, Colour{1.9F, 1.93F, 1.97F} * (0.85F + 0.35F * n), l.clouds * ramp(0.35F, 0.65F, n));
  }
  return c;
}

inline Colour mirrored(Scene const& s, Vec3 way) {  // a guess at what stands opposite
  if (way.y <= 0) return grey(0.07F) * s.light.ambient;
  Colour const front = grey(0.12F) * s.light.ambient;
  return mix(front, sky_colour(s, way), ramp(0.06F, 0.42F, way.y) * 0.55F);
}

/// Light that leaves a skin at `p` towards the eye; `way` is the ray, of any length.
inline Colour lit(Scene const& s, Skin const& skin, Vec3 p, Vec3 way, float wobble, float contact) {
  Vec3 const n = skin.normal;
  float const hemi = 0.5F + 0.5F * n.y;
  float const low =
      0.45F * (1.0F - n.y * n.y) * ramp(8.0F, 0.0F, p.y);  // walls opposite hide the sky from what stands low
  Colour light = s.light.ambient * ((0.32F + 0.68F * hemi) * skin.hollow * contact * (1.0F - low));
  if (s.light.sunny) {
    float const facing = dot(n, s.light.to_sun);
    if (facing > 0) light += s.light.sun * (facing * s.sun_map.sun_at(p + n * 0.15F, wobble));
  }
  Colour out = skin.albedo * light + skin.glow;
  if (skin.gloss > 0.015F) {
    Vec3 const w = unit(way);
    float const c = clamp01(-dot(w, n)), f = (1.0F - c) * (1.0F - c);
    out += mirrored(s, w + n * (2.0F * c)) * (skin.gloss + (1.0F - skin.gloss) * 0.45F * f * f);
  }
  return out;
}

struct Sample {
  Colour colour{};
  std::uint8_t label = 255;
};

inline Sample shade_sample(Scene const& s, int x, int y) {
  auto const at = static_cast<std::size_t>(y) * static_cast<std::size_t>(s.cam.width) + static_cast<std::size_t>(x);
  float const sx = static_cast<float>(x) + 0.5F, sy = static_cast<float>(y) + 0.5F;
  Vec3 const way = s.cam.ray(sx, sy);
  std::uint32_t const face = s.seen.face[at];
  if (face == sees_sky) return {sky_colour(s, unit(way)), sky};
  float const z = 1.0F / s.seen.iz[at], grain = z / s.cam.focal;
  Vec3 const p = s.cam.eye + way * z;
  float const wobble = cell(x, y, s.seed);
  Sample out;
  if (face == sees_ground) {
    Soil const soil = soil_at(s.plan, p.x, p.z);
    out.label = soil.label;
    out.colour = lit(s, ground_skin(s.plan, soil, p.x, p.z, grain * 1.5F), p, way, wobble, s.contact.at(p.x, p.z));
  } else {
    Face const& f = s.seen.faces[face];
    Placed const& q = s.seen.placed[face];
    Skin const skin = skin_at(s.stage, f, dot(f.normal, way) > 0 ? f.normal * -1.0F : f.normal,
                              q.u0 + q.du.at(sx, sy) * z, q.v0 + q.dv.at(sx, sy) * z, grain);
    out.label = s.stage.looks[f.look].label;
    out.colour = lit(s, skin, p, way, wobble, 1.0F);
  }
  float const veil = 1.0F - 1.0F / (1.0F + s.light.haze * z);
  out.colour = mix(out.colour, s.light.sky_low * 0.5F, veil);
  return out;
}

/// Linear colour, label, distance and thing of every pixel.
struct Shaded {
  int width = 0, height = 0;
  std::vector<Colour> colour{};
  std::vector<std::uint8_t> label{};
  std::vector<float> depth{};
  std::vector<std::uint16_t> object{};
};

inline std::uint8_t vote(std::uint8_t const (&l)[4]) {  // the most frequent; ties to the first
  int best = 0, most = 0;
  for (int i = 0; i < 4; ++i) {
    int n = 0;
    for (int k = 0; k < 4; ++k) n += l[k] == l[i] ? 1 : 0;
    if (n > most) most = n, best = i;
  }
  return l[best];
}

/// Averages the 2 x 2 samples of each pixel; where all four see one face, two of them are shaded.
inline Shaded shade(Scene const& s) {
  Shaded out;
  out.width = s.cam.width / 2, out.height = s.cam.height / 2;
  auto const n = static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.height),
             stride = static_cast<std::size_t>(s.cam.width);
  out.colour.resize(n), out.label.resize(n), out.depth.resize(n), out.object.resize(n);
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      std::size_t const first = static_cast<std::size_t>(2 * y) * stride + static_cast<std::size_t>(2 * x);
      std::size_t const at[4] = {first, first + 1, first + stride, first + stride + 1};
      std::uint32_t const face = s.seen.face[at[0]];
      bool const same = face == s.seen.face[at[1]] && face == s.seen.face[at[2]] && face == s.seen.face[at[3]];
      std::uint8_t labels[4];
      Colour sum{};
      float near_iz = 0;
      for (int k = 0; k < 4; ++k) {
        if (same && (k == 1 || k == 2 || (k == 3 && face == sees_sky))) continue;
        Sample const one = shade_sample(s, 2 * x + (k & 1), 2 * y + (k >> 1));
        Colour c = one.colour;
        c = {least(c.x, 2.2F), least(c.y, 2.2F), least(c.z, 2.2F)};  // as a sensor's wells are
        sum += c, labels[k] = one.label;
      }
      if (same) labels[1] = labels[0], labels[3] = face == sees_sky ? labels[0] : labels[3], labels[2] = labels[3];
      for (int k = 0; k < 4; ++k)
        if (s.seen.hulled(at[k])) labels[k] = s.stage.looks[s.seen.faces[s.seen.hull[at[k]]].look].label;
      std::size_t const p =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(out.width) + static_cast<std::size_t>(x);
      out.colour[p] = sum * (same ? (face == sees_sky ? 1.0F : 0.5F) : 0.25F);
      out.label[p] = vote(labels);
      std::size_t nearest = first;  // of the samples with the label: the one that tells distance and thing
      for (int k = 0; k < 4; ++k) {
        float const iz = most(s.seen.iz[at[k]], s.seen.hull_iz[at[k]]);
        if (labels[k] == out.label[p] && iz > near_iz) near_iz = iz, nearest = at[k];
      }
      out.depth[p] = near_iz > 0 ? 1.0F / near_iz : std::numeric_limits<float>::infinity();
      out.object[p] = near_iz > 0 ? s.seen.object(nearest) : std::uint16_t{0};
    }
  return out;
}

}  // namespace tadp::street
