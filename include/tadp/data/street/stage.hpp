// SPDX-License-Identifier: Apache-2.0
// What stands in the street: flat faces, rods that turn to whoever looks, and the looks they wear.
// Filled by the parts, read by the rasteriser; holds no camera and no light.
#pragma once

#include "tadp/data/street/dice.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace tadp::street {

/// Which rule paints a face.
enum class Surface : std::uint8_t {
  plain,
  facade,
  roof,
  round,
  twigs,
  leaves,
  hedge,
  paint,
  car_side,
  car_end,
  glass,
  wheel,
  ring,
  plate,
  lamps,
  stripes,
  planks,
  fence_wall,
};

/// Which part of a face is there at all; the rest is hole.
enum class Mask : std::uint8_t { full, disc, ring, triangle, twigs, leaves, hedge, bars, mesh, blob };

/// How a surface looks; the meaning of `p` belongs to its rule in surfaces.hpp.
struct Look {
  Surface kind = Surface::plain;
  std::uint8_t label = 255;
  Colour base{}, second{}, third{};
  std::uint32_t seed = 0;
  std::array<float, 6> p{};
};

/// A front of a building, in metres.
struct Front {
  enum class Wall : std::uint8_t { brick, plaster, stone, curtain, timber };
  Wall wall = Wall::brick;
  Colour base{}, trim{}, shop{}, frame{}, door{};
  float width = 6, height = 8, shop_height = 0, floor = 2.9F, bay = 2.5F, pane_width = 1.1F, pane_height = 1.5F,
        sill = 0.9F;
  bool lit = false;
  std::uint32_t seed = 0;
};

struct Point2 {
  float x = 0, y = 0;
};

inline constexpr int most_corners = 8;

/// A convex flat patch: point = origin + u * corner.x + v * corner.y, u and v of length 1.
struct Face {
  Vec3 origin{}, u{}, v{}, normal{};
  std::array<Point2, most_corners> corner{};
  float width = 1, height = 1;  // of the frame that masks and looks use
  float taper = 0;              // of rods: width at v = height is width * (1 + taper)
  int corners = 0;
  std::uint16_t look = 0;
  std::uint16_t object = 0;
  Mask mask = Mask::full;
  bool hull = false;  // seen by the labels only
};

/// A round bar from a to b; it becomes a face towards the eye, and another towards the sun.
struct Rod {
  Vec3 a{}, b{};
  float ra = 0.1F, rb = 0.1F;
  float least_pixels = 0.25F;  // half width below which it never falls, so that far poles do not flicker
  std::uint16_t look = 0, object = 0;
};

/// An upright patch that turns to the eye.
struct Card {
  Vec3 centre{};
  float width = 1, height = 1;
  std::uint16_t look = 0, object = 0;
  Mask mask = Mask::full;
  bool hull = false;
};

/// Something that counts: what it is and how it is called.
struct Thing {
  std::uint8_t label = 255;
  std::uint8_t kind = 0;   // of cars: see vehicles.hpp
  std::uint8_t paint = 0;  // of cars: index of the colour word
};

/// A soft dark patch on the ground under something.
struct Blot {
  float x = 0, z = 0, half_width = 0.5F, half_length = 0.5F, dark = 0.5F;
  Point2 along{0, 1};
};

/// Everything that stands.
struct Stage {
  std::vector<Face> faces{};
  std::vector<Rod> rods{};
  std::vector<Card> cards{};
  std::vector<Look> looks{};
  std::vector<Front> fronts{};
  std::vector<Thing> things{Thing{}};  // object 0 is nothing in particular
  std::vector<Blot> blots{};
  int bare_trees = 0, leafy_trees = 0;

  std::uint16_t add(Look look) { return looks.push_back(look), static_cast<std::uint16_t>(looks.size() - 1); }
  std::uint16_t plain(std::uint8_t label, Colour base, Surface kind = Surface::plain, std::uint32_t seed = 0) {
    return add({.kind = kind, .label = label, .base = base, .second = base, .third = base, .seed = seed});
  }
  std::uint16_t thing(Thing t) { return things.push_back(t), static_cast<std::uint16_t>(things.size() - 1); }

  /// A rectangle from `origin`, w along u and h along v (both unit).
  Face& quad(Vec3 origin, Vec3 u, Vec3 v, float w, float h, std::uint16_t look, Mask mask = Mask::full,
             std::uint16_t object = 0) {
    Face f{.origin = origin,
           .u = u,
           .v = v,
           .normal = unit(cross(u, v)),
           .width = w,
           .height = h,
           .corners = 4,
           .look = look,
           .object = object,
           .mask = mask};
    f.corner[0] = {0, 0}, f.corner[1] = {w, 0}, f.corner[2] = {w, h}, f.corner[3] = {0, h};
    return faces.push_back(f), faces.back();
  }

  /// The four corners a, b, c, d in one plane; u runs from a to b.
  Face& patch(Vec3 a, Vec3 b, Vec3 c, Vec3 d, std::uint16_t look, std::uint16_t object = 0) {
    Vec3 const u = unit(b - a), n = unit(cross(u, d - a)), v = cross(n, u);
    Face f{.origin = a,
           .u = u,
           .v = v,
           .normal = n,
           .width = length(b - a),
           .height = dot(d - a, v),
           .corners = 4,
           .look = look,
           .object = object};
    f.corner[0] = {0, 0}, f.corner[1] = {f.width, 0}, f.corner[2] = {dot(c - a, u), dot(c - a, v)},
    f.corner[3] = {dot(d - a, u), f.height};
    return faces.push_back(f), faces.back();
  }

  void rod(Vec3 a, Vec3 b, float ra, float rb, std::uint16_t look, std::uint16_t object = 0, float least = 0.25F) {
    rods.push_back({.a = a, .b = b, .ra = ra, .rb = rb, .least_pixels = least, .look = look, .object = object});
  }

  /// A box standing on `base` (middle of its bottom), its depth along `ahead`.
  void box(Vec3 base, Vec3 ahead, float w, float h, float d, std::uint16_t look, std::uint16_t object = 0) {
    Vec3 const right = cross(up_axis, ahead);
    Vec3 const a = base - right * (w / 2) - ahead * (d / 2), b = a + right * w;
    Vec3 const c = b + ahead * d, e = a + ahead * d;
    quad(a, right, up_axis, w, h, look, Mask::full, object);
    quad(b, ahead, up_axis, d, h, look, Mask::full, object);
    quad(c, right * -1.0F, up_axis, w, h, look, Mask::full, object);
    quad(e, ahead * -1.0F, up_axis, d, h, look, Mask::full, object);
    quad(a + up_axis * h, right, ahead, w, d, look, Mask::full, object);
  }
};

}  // namespace tadp::street
