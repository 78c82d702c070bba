// SPDX-License-Identifier: Apache-2.0
// Shadows: a map of the highest thing along each ray to the sun, and a soft map of what stands close to the ground.
// Both are grids on the ground before the camera, filled once a scene.
#pragma once

#include "tadp/data/street/raster.hpp"

namespace tadp::street {

/// Heights of what the sun meets first, by where its ray meets the ground.
struct SunMap {
  static constexpr float cell_size = 0.2F;
  static constexpr int width = 320, depth = 520;
  float x0 = 0, z0 = -14;
  Point2 lean{};  // metres across for each metre up, towards the sun
  std::vector<float> height{};

  /// 1 in full sun, 0 in shadow; `wobble` in [0, 1) softens the edge.
  float sun_at(Vec3 p, float wobble) const {
    float const gx = (p.x - p.y * lean.x - x0) / cell_size + wobble - 1.0F,
                gz = (p.z - p.y * lean.y - z0) / cell_size + wobble * 0.7F - 0.85F;
    int const ix = floor_int(gx), iz = floor_int(gz);
    if (ix < 0 || iz < 0 || ix >= width - 1 || iz >= depth - 1) return 0.65F;
    float const fx = gx - static_cast<float>(ix), fz = gz - static_cast<float>(iz), y = p.y + 0.12F;
    float const* at = height.data() + static_cast<std::size_t>(iz) * width + static_cast<std::size_t>(ix);
    auto const lit = [y](float h) { return h > y ? 0.0F : 1.0F; };
    return mix(mix(lit(at[0]), lit(at[1]), fx), mix(lit(at[width]), lit(at[width + 1]), fx), fz);
  }
};

inline void cast_face(SunMap& map, Face const& f, std::vector<Look> const& looks, Vec3 to_sun) {
  Vec3 const ray{map.lean.x, 1, map.lean.y};
  float const k = dot(f.normal, ray);
  if (f.hull || absf(k) < 1e-3F || to_sun.y <= 0) return;
  Point2 poly[most_corners];
  for (int i = 0; i < f.corners; ++i) {
    Vec3 const p =
        f.origin + f.u * f.corner[static_cast<std::size_t>(i)].x + f.v * f.corner[static_cast<std::size_t>(i)].y;
    poly[i] = {(p.x - p.y * map.lean.x - map.x0) / SunMap::cell_size,
               (p.z - p.y * map.lean.y - map.z0) / SunMap::cell_size};
  }
  Look const& look = looks[f.look];
  fill_polygon(poly, f.corners, SunMap::width, SunMap::depth, [&](int row, int c0, int c1) {
    for (int c = c0; c < c1; ++c) {
      Vec3 const g{map.x0 + (static_cast<float>(c) + 0.5F) * SunMap::cell_size, 0,
                   map.z0 + (static_cast<float>(row) + 0.5F) * SunMap::cell_size};
      float const y = dot(f.normal, f.origin - g) / k;
      float& high = map.height[static_cast<std::size_t>(row) * SunMap::width + static_cast<std::size_t>(c)];
      if (y <= high) continue;
      if (f.mask != Mask::full) {
        Vec3 const p = g + ray * y - f.origin;
        if (!is_there(f, look, dot(p, f.u), dot(p, f.v), 0.05F)) continue;
      }
      high = y;
    }
  });
}

inline SunMap cast_sun(Stage const& stage, Vec3 to_sun, Vec3 eye) {
  SunMap map;
  map.x0 = eye.x - 0.5F * SunMap::cell_size * SunMap::width;
  map.lean = {to_sun.x / to_sun.y, to_sun.z / to_sun.y};
  map.height.assign(static_cast<std::size_t>(SunMap::width) * SunMap::depth, 0.0F);
  for (Face const& f : stage.faces) cast_face(map, f, stage.looks, to_sun);
  for (Rod const& r : stage.rods)
    if (r.a.z < 100) cast_face(map, face_of(r, to_sun, 0.04F, 0.04F), stage.looks, to_sun);
  for (Card const& c : stage.cards)
    if (c.centre.z < 100) cast_face(map, face_of(c, to_sun), stage.looks, to_sun);
  return map;
}

/// How much of the sky the ground sees near things that stand on it.
struct Contact {
  static constexpr float cell_size = 0.25F;
  static constexpr int width = 240, depth = 320;
  float x0 = 0, z0 = 0;
  std::vector<float> open{};

  float at(float x, float z) const {
    float const gx = (x - x0) / cell_size - 0.5F, gz = (z - z0) / cell_size - 0.5F;
    int const ix = floor_int(gx), iz = floor_int(gz);
    if (ix < 0 || iz < 0 || ix >= width - 1 || iz >= depth - 1) return 1.0F;
    float const fx = gx - static_cast<float>(ix), fz = gz - static_cast<float>(iz);
    float const* p = open.data() + static_cast<std::size_t>(iz) * width + static_cast<std::size_t>(ix);
    return mix(mix(p[0], p[1], fx), mix(p[width], p[width + 1], fx), fz);
  }
};

inline void stamp(Contact& c, Blot const& b) {
  float const reach = b.half_length + b.half_width + 0.7F;
  int const x0 = std::max(0, floor_int((b.x - reach - c.x0) / Contact::cell_size)),
            x1 = std::min(Contact::width - 1, floor_int((b.x + reach - c.x0) / Contact::cell_size));
  int const z0 = std::max(0, floor_int((b.z - reach - c.z0) / Contact::cell_size)),
            z1 = std::min(Contact::depth - 1, floor_int((b.z + reach - c.z0) / Contact::cell_size));
  for (int z = z0; z <= z1; ++z)
    for (int x = x0; x <= x1; ++x) {
      float const dx = c.x0 + (static_cast<float>(x) + 0.5F) * Contact::cell_size - b.x,
                  dz = c.z0 + (static_cast<float>(z) + 0.5F) * Contact::cell_size - b.z;
      float const along = absf(dx * b.along.x + dz * b.along.y) - b.half_length,
                  across = absf(dx * b.along.y - dz * b.along.x) - b.half_width;
      float const out = most(along, across);
      float& open = c.open[static_cast<std::size_t>(z) * Contact::width + static_cast<std::size_t>(x)];
      open = least(open, 1.0F - b.dark * ramp(0.6F, -0.2F, out));
    }
}

inline Contact make_contact(Stage const& stage, Vec3 eye) {
  Contact c;
  c.x0 = eye.x - 0.5F * Contact::cell_size * Contact::width;
  c.open.assign(static_cast<std::size_t>(Contact::width) * Contact::depth, 1.0F);
  for (Blot const& b : stage.blots) stamp(c, b);
  return c;
}

}  // namespace tadp::street
