// SPDX-License-Identifier: Apache-2.0
// Finds what each sample of the picture sees: clips, projects and fills faces into a depth buffer, holes left out.
// Looks are applied later, once for each sample, in shade.hpp.
#pragma once

#include "tadp/data/street/camera.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tadp::street {

/// Whether (u, v), in metres of the face, is there; `grain` is the size of a sample in metres.
inline bool is_there(Face const& f, Look const& look, float u, float v, float grain) {
  float const x = 2.0F * u / f.width - 1.0F, y = 2.0F * v / f.height - 1.0F;
  switch (f.mask) {
    case Mask::full:
      return true;
    case Mask::disc:
      return x * x + y * y <= 1.0F;
    case Mask::ring: {
      float const r = x * x + y * y;
      return r <= 1.0F && r >= least(0.84F, 1.0F - 3.0F * grain / f.width);
    }
    case Mask::triangle:
      return absf(x) <= 1.0F - v / f.height;
    case Mask::twigs: {
      float const r = x * x + y * y;
      if (r > 1.0F) return false;
      float const lean = u + 0.35F * (x > 0 ? v : -v);  // twigs spread outwards and up
      if (absf(noise(lean * 7.0F, v * 2.0F, look.seed) - 0.5F) < 0.045F) return true;
      return absf(noise(u * 6.0F, v * 6.0F + u * 3.0F, look.seed + 5U) - 0.5F) < 0.055F * (1.1F - r);
    }
    case Mask::leaves:
      return x * x + y * y + 1.1F * (noise_two(u * 2.4F, v * 2.4F, look.seed) - 0.5F) < 0.85F &&
             noise(u * 8.0F, v * 8.0F, look.seed + 3U) > 0.14F;
    case Mask::hedge:
      return v < f.height - 0.3F * noise(u * 1.3F, 0.5F, look.seed) - 0.15F * noise(u * 6.0F, v * 6.0F, look.seed);
    case Mask::bars:
      return frac(u / look.p[0]) * look.p[0] < look.p[1] + 0.2F * grain || absf(v - 0.15F) < 0.025F ||
             absf(v - f.height + 0.05F) < 0.03F;
    case Mask::mesh:
      return frac(u / 2.0F) < 0.04F || frac((u + v) * 12.0F) < 0.22F || frac((u - v) * 12.0F) < 0.22F ||
             v > f.height - 0.05F;
    case Mask::blob: {
      float const r = x * x + y * y + 0.9F * (noise_two(u * 0.7F, v * 0.7F, look.seed) - 0.5F);
      if (r < 0.5F) return true;
      return r < 1.0F && noise(u * 5.0F, v * 5.0F, look.seed + 1U) > (r - 0.5F) * 1.9F;
    }
  }
  return true;
}

/// Calls row(y, x0, x1) for the rows of a convex polygon whose sample centres lie inside, within width x height.
template <class Row>
void fill_polygon(Point2 const* p, int n, int width, int height, Row&& row) {
  float low = p[0].y, high = p[0].y;
  for (int i = 1; i < n; ++i) low = least(low, p[i].y), high = most(high, p[i].y);
  if (!(low < static_cast<float>(height)) || !(high > 0.0F)) return;
  int const y0 = low <= 0.5F ? 0 : floor_int(low + 0.5F);
  int const y1 = high >= static_cast<float>(height) ? height : floor_int(high + 0.5F);
  float const wide = static_cast<float>(width);
  for (int y = y0; y < y1; ++y) {
    float const cy = static_cast<float>(y) + 0.5F;
    float left = 1e30F, right = -1e30F;
    for (int i = 0, j = n - 1; i < n; j = i++) {
      if ((p[i].y <= cy) == (p[j].y <= cy)) continue;
      float const x = p[i].x + (cy - p[i].y) * (p[j].x - p[i].x) / (p[j].y - p[i].y);
      left = least(left, x), right = most(right, x);
    }
    if (!(left < wide) || !(right > 0.0F)) continue;
    int const x0 = left <= 0.5F ? 0 : floor_int(left + 0.5F), x1 = right >= wide ? width : floor_int(right + 0.5F);
    if (x0 < x1) row(y, x0, x1);
  }
}

/// A face with what the picture needs of it.
struct Placed {
  Linear iz, du, dv;  // 1/z; u = u0 + du / iz
  float u0 = 0, v0 = 0;
};

inline Placed place(Camera const& cam, Face const& f) {
  Placed p;
  float const k = dot(f.normal, f.origin - cam.eye);
  Linear const n = along_rays(cam, f.normal);
  float const inv = absf(k) > 1e-6F ? 1.0F / k : 0.0F;
  p.iz = {n.a * inv, n.b * inv, n.c * inv};
  p.du = along_rays(cam, f.u), p.dv = along_rays(cam, f.v);
  p.u0 = dot(f.u, cam.eye - f.origin), p.v0 = dot(f.v, cam.eye - f.origin);
  return p;
}

/// A rod as a face that turns to `to_viewer`; `least` is a half width in metres.
inline Face face_of(Rod const& rod, Vec3 to_viewer, float least_a, float least_b) {
  Vec3 const v = unit(rod.b - rod.a), u = unit(cross(v, to_viewer));
  float const ra = most(rod.ra, least_a), rb = most(rod.rb, least_b), len = length(rod.b - rod.a),
              cap = least(ra, rb) * 0.3F;
  Face f{.origin = rod.a - u * ra,
         .u = u,
         .v = v,
         .normal = unit(cross(u, v)),
         .width = 2 * ra,
         .height = len,
         .taper = rb / ra - 1.0F,
         .corners = 4,
         .look = rod.look,
         .object = rod.object};
  f.corner[0] = {0, -cap}, f.corner[1] = {2 * ra, -cap}, f.corner[2] = {ra + rb, len + cap},
  f.corner[3] = {ra - rb, len + cap};
  return f;
}

inline Face face_of(Card const& card, Vec3 to_viewer) {
  Vec3 const u = unit(cross(to_viewer, up_axis)), v = unit(cross(u, to_viewer));
  Face f{.origin = card.centre - u * (card.width / 2) - v * (card.height / 2),
         .u = u,
         .v = v,
         .normal = unit(to_viewer),
         .width = card.width,
         .height = card.height,
         .corners = 4,
         .look = card.look,
         .object = card.object,
         .mask = card.mask,
         .hull = card.hull};
  f.corner[1] = {card.width, 0}, f.corner[2] = {card.width, card.height}, f.corner[3] = {0, card.height};
  return f;
}

inline constexpr std::uint32_t sees_sky = 0xffffffffU, sees_ground = 0xfffffffeU;

/// What each sample sees, (height, width).
struct Seen {
  int width = 0, height = 0;
  std::vector<float> iz{}, hull_iz{};
  std::vector<std::uint32_t> face{}, hull{};  // hull: a face too, where hull_iz is above 0
  std::vector<Face> faces{};
  std::vector<Placed> placed{};
  Placed ground{};

  /// Whether the label of a sample is that of a hull before what is seen.
  bool hulled(std::size_t at) const { return hull_iz[at] > iz[at]; }
  /// The face, or what stands for none, that gives a sample its label.
  std::uint32_t labelling(std::size_t at) const { return hulled(at) ? hull[at] : face[at]; }
  /// The thing to which the label of a sample belongs, 0 for none in particular.
  std::uint16_t object(std::size_t at) const {
    std::uint32_t const index = labelling(at);
    return index >= sees_ground ? std::uint16_t{0} : faces[index].object;
  }
};

inline void start_seen(Seen& seen, Camera const& cam) {
  seen.width = cam.width, seen.height = cam.height;
  auto const n = static_cast<std::size_t>(cam.width) * static_cast<std::size_t>(cam.height);
  seen.iz.resize(n), seen.face.resize(n);
  seen.hull_iz.assign(n, 0.0F), seen.hull.assign(n, sees_sky);
  seen.ground = place(cam, Face{.origin = {0, 0, 0}, .u = {1, 0, 0}, .v = {0, 0, 1}, .normal = {0, 1, 0}});
  std::size_t at = 0;
  for (int y = 0; y < cam.height; ++y)
    for (int x = 0; x < cam.width; ++x, ++at) {
      float const g = seen.ground.iz.at(static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F);
      bool const below = g > 1.0F / 600.0F;
      seen.iz[at] = below ? g : 0.0F;
      seen.face[at] = below ? sees_ground : sees_sky;
    }
}

inline int clip_and_project(Camera const& cam, Face const& f, Point2* out) {
  constexpr float near_z = 0.2F;
  Vec3 in[most_corners];
  for (int i = 0; i < f.corners; ++i)
    in[i] = cam.to_camera(f.origin + f.u * f.corner[static_cast<std::size_t>(i)].x +
                          f.v * f.corner[static_cast<std::size_t>(i)].y);
  int n = 0;
  for (int i = 0, j = f.corners - 1; i < f.corners; j = i++) {
    bool const here = in[i].z >= near_z, there = in[j].z >= near_z;
    if (here != there) out[n++] = cam.project(mix(in[j], in[i], (near_z - in[j].z) / (in[i].z - in[j].z)));
    if (here) out[n++] = cam.project(in[i]);
  }
  return n;
}

/// Calls take(at, iz) for each sample that a face covers. `wanted(at, iz)` is asked first, because holes are dear to test.
template <class Wanted, class Take>
void cover(Seen const& seen, Camera const& cam, std::uint32_t index, std::vector<Look> const& looks, Wanted&& wanted,
           Take&& take) {
  Face const& f = seen.faces[index];
  Placed const& p = seen.placed[index];
  Look const& look = looks[f.look];
  Point2 poly[most_corners * 2];
  int const n = clip_and_project(cam, f, poly);
  if (n < 3) return;
  fill_polygon(poly, n, cam.width, cam.height, [&](int y, int x0, int x1) {
    float const sy = static_cast<float>(y) + 0.5F;
    auto const row = static_cast<std::size_t>(y) * static_cast<std::size_t>(cam.width);
    for (int x = x0; x < x1; ++x) {
      float const sx = static_cast<float>(x) + 0.5F, iz = p.iz.at(sx, sy);
      std::size_t const at = row + static_cast<std::size_t>(x);
      if (!wanted(at, iz) || iz > 6.0F) continue;
      if (f.mask != Mask::full) {
        float const z = 1.0F / iz;
        if (!is_there(f, look, p.u0 + p.du.at(sx, sy) * z, p.v0 + p.dv.at(sx, sy) * z, z / cam.focal)) continue;
      }
      take(at, iz);
    }
  });
}

inline void fill_face(Seen& seen, Camera const& cam, std::uint32_t index, std::vector<Look> const& looks) {
  bool const hull = seen.faces[index].hull;
  cover(
      seen, cam, index, looks, [&](std::size_t at, float iz) { return iz > seen.iz[at]; },
      [&](std::size_t at, float iz) {
        if (!hull)
          seen.iz[at] = iz, seen.face[at] = index;
        else if (iz > seen.hull_iz[at])
          seen.hull_iz[at] = iz, seen.hull[at] = index;
      });
}

/// Faces from near to far, so that holes are tested on few samples; hulls last, for they count only before what is
/// seen.
inline std::vector<std::uint32_t> near_first(std::vector<Face> const& faces, Camera const& cam) {
  std::vector<std::pair<float, std::uint32_t>> order;
  order.reserve(faces.size());
  for (std::uint32_t i = 0; i < faces.size(); ++i) {
    Face const& f = faces[i];
    float const away = dot(f.origin + f.u * (0.5F * f.width) + f.v * (0.5F * f.height) - cam.eye, cam.ahead);
    order.emplace_back(f.hull ? away + 1e6F : away, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::uint32_t> out;
  out.reserve(order.size());
  for (auto const& [away, i] : order) out.push_back(i);
  return out;
}

/// Everything on the stage as the camera sees it.
inline Seen look_at(Stage const& stage, Camera const& cam, int samples_a_pixel) {
  Seen seen;
  start_seen(seen, cam);
  seen.faces = stage.faces;
  seen.faces.reserve(stage.faces.size() + stage.rods.size() + stage.cards.size());
  float const pixel = static_cast<float>(samples_a_pixel) / cam.focal;
  for (Rod const& rod : stage.rods) {
    float const za = dot(rod.a - cam.eye, cam.ahead), zb = dot(rod.b - cam.eye, cam.ahead);
    if (za < 0.3F && zb < 0.3F) continue;
    seen.faces.push_back(face_of(rod, cam.eye - mix(rod.a, rod.b, 0.5F), rod.least_pixels * pixel * most(za, 0.0F),
                                 rod.least_pixels * pixel * most(zb, 0.0F)));
  }
  for (Card const& card : stage.cards)
    if (dot(card.centre - cam.eye, cam.ahead) > 0.5F) seen.faces.push_back(face_of(card, cam.eye - card.centre));
  seen.placed.reserve(seen.faces.size());
  for (Face const& f : seen.faces) seen.placed.push_back(place(cam, f));
  for (std::uint32_t const i : near_first(seen.faces, cam)) fill_face(seen, cam, i, stage.looks);
  return seen;
}

}  // namespace tadp::street
