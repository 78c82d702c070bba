// SPDX-License-Identifier: Apache-2.0
// What the front of a building looks like at one point: wall, windows, doors, a shop with its name.
// (u, v) in metres from the lower left corner; `grain` is the size of a sample there, below which detail fades.
#pragma once

#include "tadp/data/street/stage.hpp"

namespace tadp::street {

/// A surface at a point, before light.
struct Skin {
  Colour albedo{};
  Vec3 normal{};
  float gloss = 0;   // share of the mirror image at a right angle
  Colour glow{};     // own light
  float hollow = 1;  // share of the sky that reaches it
};

inline float fade(float size, float grain) { return clamp01(size / (grain * 2.5F) - 0.4F); }

inline Colour wall_at(Front const& f, float u, float v, float grain) {
  Colour c = f.base;
  float const dirt = noise_two(u * 0.6F, v * 0.35F, f.seed) - 0.5F;
  c *= 1.0F + 0.5F * dirt;
  if (f.wall == Front::Wall::brick || f.wall == Front::Wall::stone) {
    bool const stone = f.wall == Front::Wall::stone;
    float const high = stone ? 0.32F : 0.075F, wide = stone ? 0.6F : 0.225F, near = fade(high, grain);
    if (near > 0) {
      int const row = floor_int(v / high);
      float const along = u / wide + ((row & 1) != 0 ? 0.5F : 0.0F);
      float const joint = frac(v / high) < 0.15F || frac(along) < 0.06F ? 1.0F : 0.0F;
      float const tone = cell(floor_int(along), row, f.seed) - 0.5F;
      c *= 1.0F + near * (0.45F * tone + (stone ? -0.35F : 0.25F) * joint);
    }
    c *= 0.88F + 0.24F * noise(u * 3.0F, v * 5.0F, f.seed + 9U);
  } else if (f.wall == Front::Wall::timber && v > f.floor) {
    float const a = frac(u / 1.1F) * 1.1F, b = frac(v / 1.5F) * 1.5F;
    if (a < 0.16F || b < 0.16F) c = grey(0.025F);
  } else {
    c *= 0.94F + 0.12F * noise(u * 2.0F, v * 2.0F, f.seed + 9U);
  }
  return c * (0.72F + 0.28F * ramp(0, 0.9F, v + 0.3F * dirt));
}

inline Skin pane_at(Front const& f, float x, float y, float w, float h, int column, int row) {
  Skin s;
  float const border = 0.07F, chance = cell(column, row, f.seed + 21U);
  bool const cross_bar = absf(y - h * 0.5F) < 0.035F || (w > 1.3F && absf(x - w * 0.5F) < 0.035F);
  if (x < border || x > w - border || y < border || y > h - border || cross_bar) {
    s.albedo = f.frame;
    return s;
  }
  s.albedo = grey(0.012F + 0.03F * chance);
  if (chance > 0.55F && (x < w * 0.28F || x > w * 0.72F)) s.albedo = grey(0.10F + 0.16F * chance);
  if (chance < 0.22F && y > h * (0.3F + 1.5F * chance)) s.albedo = grey(0.2F);
  s.gloss = 0.08F + 0.2F * cell(row, column, f.seed + 22U);
  if (y > h - border - 0.13F) s.albedo *= 0.4F, s.gloss *= 0.4F;
  return s;
}

inline Skin shop_at(Front const& f, float u, float v, float grain) {
  Skin s;
  float const board = f.shop_height - 0.75F;
  if (v > board) {
    s.albedo = f.shop;
    float const y = (v - board) / 0.75F, mid = f.width * 0.5F;
    if (y > 0.92F || y < 0.06F) s.albedo = f.shop * 0.5F;
    float const reach = f.width * (0.2F + 0.2F * cell(1, 1, f.seed));
    if (y > 0.28F && y < 0.74F && absf(u - mid) < reach) {
      int const letter = floor_int(u / 0.33F);
      float const stroke = noise(u * 9.0F, y * 4.0F, f.seed + 31U);
      bool const ink = cell(letter, 0, f.seed + 30U) > 0.15F && stroke > 0.45F;
      Colour const paint = f.shop.x + f.shop.y + f.shop.z > 0.7F
                               ? grey(0.03F)
                               : mix(grey(0.65F), Colour{0.6F, 0.5F, 0.2F}, cell(2, 2, f.seed));
      if (ink) s.albedo = mix(s.albedo, paint, fade(0.15F, grain) * 0.6F + 0.4F);
    }
    return s;
  }
  float const span = f.width / static_cast<float>(1 + floor_int(f.width / 2.4F)), x = frac(u / span) * span;
  int const column = floor_int(u / span);
  bool const door = cell(column, 7, f.seed) < 0.3F;
  float const riser = door ? 0.05F : 0.25F + 0.4F * cell(3, 3, f.seed);
  if (v < riser || x < 0.09F || x > span - 0.09F || absf(v - 2.35F) < 0.04F) {
    s.albedo = mix(f.shop, f.frame * 0.5F, cell(4, 4, f.seed) * 0.5F);
    return s;
  }
  float const goods = noise(u * 2.6F, v * 2.2F, f.seed + 33U), high = 0.9F + 0.8F * noise(u * 1.3F, 0, f.seed + 34U);
  s.albedo = grey(0.012F);
  if (!door && v < riser + high) {
    float const hue = cell(floor_int(u * 2.6F), floor_int(v * 2.2F), f.seed + 35U);
    s.albedo = mix(Colour{0.03F, 0.035F, 0.05F},
                   hue < 0.3F ? Colour{0.4F, 0.1F, 0.08F} : (hue < 0.6F ? grey(0.4F) : Colour{0.3F, 0.28F, 0.12F}),
                   goods * goods);
  }
  if (f.lit) s.glow = Colour{0.5F, 0.42F, 0.28F} * (goods * 0.6F);
  s.gloss = 0.10F;
  s.hollow = 0.6F;
  return s;
}

/// The front at (u, v).
inline Skin facade_at(Front const& f, float u, float v, float grain) {
  if (f.shop_height > 0 && v < f.shop_height) return shop_at(f, u, v, grain);
  float const y = v - f.shop_height;
  int const storey = floor_int(y / f.floor), column = floor_int(u / f.bay);
  float const fy = y - static_cast<float>(storey) * f.floor, fx = u - static_cast<float>(column) * f.bay;
  float const left = (f.bay - f.pane_width) * 0.5F, wx = fx - left, wy = fy - f.sill;
  bool const fits = y + f.floor - fy < f.height - f.shop_height + 0.2F && storey >= 0;
  if (storey == 0 && f.shop_height <= 0 && cell(column, 5, f.seed) < 0.22F && absf(fx - f.bay * 0.5F) < 0.48F &&
      fy < 2.1F) {
    Skin s;
    s.albedo = fy > 1.7F ? grey(0.02F) : f.door * (absf(fx - f.bay * 0.5F) > 0.42F ? 2.0F : 1.0F);
    s.gloss = fy > 1.7F ? 0.1F : 0.02F;
    return s;
  }
  if (fits && f.pane_width > 0.2F) {
    if (wx > 0 && wx < f.pane_width && wy > 0 && wy < f.pane_height)
      return pane_at(f, wx, wy, f.pane_width, f.pane_height, column, storey);
    bool const near_pane = wx > -0.1F && wx < f.pane_width + 0.1F;
    if (near_pane && ((wy < 0 && wy > -0.12F) || (wy > f.pane_height && wy < f.pane_height + 0.2F)))
      return {.albedo = f.trim};
    if (near_pane && wy < -0.12F && wy > -0.3F) return {.albedo = wall_at(f, u, v, grain) * 0.75F};
  }
  Skin s{.albedo = wall_at(f, u, v, grain)};
  if (f.height - v < 0.28F) s.albedo = f.trim * 0.8F;
  if (absf(u - f.width + 0.25F) < 0.06F) s.albedo = grey(0.03F);
  return s;
}

}  // namespace tadp::street
