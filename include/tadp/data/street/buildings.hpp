// SPDX-License-Identifier: Apache-2.0
// Terraces, houses, glass and stone: boxes with a front, returns, roofs, chimneys, awnings and shop signs.
// Fills the stretches of a plan that are built up; what a front looks like close by is in facade.hpp.
#pragma once

#include "tadp/data/street/plan.hpp"
#include "tadp/data/street/stage.hpp"

namespace tadp::street {

inline Colour draw_wall_colour(Front::Wall wall, Dice& dice) {
  constexpr Colour brick[] = {{0.24F, 0.20F, 0.13F}, {0.30F, 0.25F, 0.17F}, {0.22F, 0.11F, 0.075F},
                              {0.20F, 0.14F, 0.10F}, {0.17F, 0.09F, 0.07F}, {0.36F, 0.31F, 0.22F},
                              {0.13F, 0.11F, 0.09F}};
  constexpr Colour plaster[] = {{0.62F, 0.62F, 0.58F}, {0.50F, 0.47F, 0.40F}, {0.58F, 0.54F, 0.42F},
                                {0.40F, 0.40F, 0.41F}, {0.42F, 0.33F, 0.28F}, {0.66F, 0.66F, 0.65F},
                                {0.35F, 0.39F, 0.36F}};
  constexpr Colour stone[] = {
      {0.33F, 0.30F, 0.24F}, {0.24F, 0.22F, 0.18F}, {0.30F, 0.29F, 0.27F}, {0.42F, 0.38F, 0.30F}};
  Colour c = wall == Front::Wall::brick     ? dice.pick(brick)
             : wall == Front::Wall::stone   ? dice.pick(stone)
             : wall == Front::Wall::curtain ? grey(0.16F)
                                            : dice.pick(plaster);
  return c * dice.between(0.6F, 1.1F);
}

inline Colour draw_shop_colour(Dice& dice) {
  constexpr Colour shops[] = {{0.03F, 0.05F, 0.16F},  {0.03F, 0.12F, 0.06F}, {0.26F, 0.03F, 0.03F},
                              {0.03F, 0.03F, 0.035F}, {0.45F, 0.43F, 0.38F}, {0.11F, 0.05F, 0.12F},
                              {0.12F, 0.08F, 0.04F},  {0.02F, 0.07F, 0.09F}, {0.38F, 0.17F, 0.03F},
                              {0.2F, 0.2F, 0.21F}};
  return dice.pick(shops);
}

inline Front draw_front(float width, float height, bool shop, Dice& dice) {
  constexpr Front::Wall walls[] = {Front::Wall::brick,   Front::Wall::brick,   Front::Wall::brick,   Front::Wall::brick,
                                   Front::Wall::plaster, Front::Wall::plaster, Front::Wall::plaster, Front::Wall::stone,
                                   Front::Wall::curtain, Front::Wall::timber};
  Front f;
  f.wall = dice.pick(walls);
  f.base = draw_wall_colour(f.wall, dice);
  f.trim = grey(dice.between(0.25F, 0.7F));
  f.shop = draw_shop_colour(dice);
  f.door = draw_shop_colour(dice);
  f.frame = dice.chance(0.7F) ? grey(dice.between(0.45F, 0.75F)) : grey(dice.between(0.03F, 0.12F));
  f.width = width, f.height = height, f.seed = dice.word();
  f.shop_height = shop ? dice.between(3, 3.9F) : 0.0F;
  f.floor = dice.between(2.6F, 3.3F);
  float const bays = most(1.0F, std::floor(width / dice.between(1.9F, 3.2F)));
  f.bay = width / bays;
  bool const glass = f.wall == Front::Wall::curtain;
  f.pane_width = f.bay * (glass ? 0.9F : dice.between(0.34F, 0.6F));
  f.pane_height = f.floor * (glass ? 0.74F : dice.between(0.46F, 0.62F));
  f.sill = glass ? 0.4F : dice.between(0.7F, 1.0F);
  return f;
}

inline std::uint16_t facade_look(Stage& stage, Front front) {
  stage.fronts.push_back(front);
  Look look{.kind = Surface::facade, .label = building, .base = front.base, .seed = front.seed};
  look.p[0] = static_cast<float>(stage.fronts.size() - 1);
  return stage.add(look);
}

/// Where a building stands: its lower front corner, the way along the front, the way into the depth.
struct Plot {
  Vec3 corner{}, along{}, inward{};
  float width = 6, depth = 9, height = 8;
};

inline void add_chimney(Stage& stage, Plot const& plot, float at, float base, Colour brick, Dice& dice) {
  auto const look = stage.plain(building, brick * 0.8F, Surface::plain, dice.word());
  Vec3 const foot = plot.corner + plot.along * at + plot.inward * (plot.depth * 0.45F) + up_axis * base;
  float const wide = dice.between(0.6F, 1.0F), high = dice.between(1.2F, 2.2F);
  stage.box(foot, plot.inward, wide, high, dice.between(0.5F, 1.2F), look);
}

inline void add_pitched_roof(Stage& stage, Plot const& plot, Front const& front, Dice& dice) {
  constexpr Colour tiles[] = {{0.09F, 0.085F, 0.085F},
                              {0.11F, 0.10F, 0.10F},
                              {0.17F, 0.085F, 0.055F},
                              {0.13F, 0.075F, 0.055F},
                              {0.07F, 0.07F, 0.08F}};
  float const rise = plot.depth * dice.between(0.28F, 0.5F), eaves = dice.between(0.1F, 0.4F);
  Look roof{.kind = Surface::roof, .label = building, .base = dice.pick(tiles), .seed = dice.word()};
  auto const look = stage.add(roof);
  Vec3 const top = up_axis * plot.height, ridge = up_axis * (plot.height + rise) + plot.inward * (plot.depth / 2);
  Vec3 const a = plot.corner + top - plot.inward * eaves, b = a + plot.along * plot.width;
  Vec3 const c = plot.corner + plot.along * plot.width + ridge, d = plot.corner + ridge;
  if (dice.chance(0.25F)) {  // gable to the street
    Vec3 const peak = plot.corner + plot.along * (plot.width / 2) + up_axis * (plot.height + plot.width * 0.45F);
    Front upper = front;
    upper.shop_height = 0, upper.sill = 0.6F;
    Vec3 const p = plot.corner + top, q = p + plot.along * plot.width;
    auto& f = stage.patch(p, q, peak, peak, facade_look(stage, upper));
    f.height = plot.width * 0.45F;
    stage.patch(q + plot.inward * plot.depth, q, peak, peak + plot.inward * plot.depth, look);
    stage.patch(p, p + plot.inward * plot.depth, peak + plot.inward * plot.depth, peak, look);
    return;
  }
  stage.patch(a, b, c, d, look);
  auto const side = stage.plain(building, front.base * 0.85F, Surface::plain, dice.word());
  Vec3 const back = plot.inward * plot.depth;
  stage.patch(plot.corner + top, plot.corner + top + back, d, d, side);
  stage.patch(plot.corner + top + plot.along * plot.width, plot.corner + top + plot.along * plot.width + back, c, c,
              side);
  if (dice.chance(0.65F))
    add_chimney(stage, plot, dice.chance(0.5F) ? 0.4F : plot.width - 0.4F, plot.height + rise * 0.7F, front.base, dice);
  if (dice.chance(0.2F) && plot.width > 4) {
    Front dormer = front;
    dormer.shop_height = 0, dormer.width = 1.6F, dormer.bay = 1.6F, dormer.pane_width = 1.1F, dormer.sill = 0.2F,
    dormer.pane_height = 1.0F, dormer.floor = 3;
    Vec3 const foot = plot.corner + plot.along * (plot.width / 2 - 0.8F) + plot.inward * (plot.depth * 0.12F) +
                      up_axis * (plot.height + rise * 0.15F);
    stage.quad(foot, plot.along, up_axis, 1.6F, 1.4F, facade_look(stage, dormer));
    stage.quad(foot, plot.inward, up_axis, 1.5F, 1.4F, look);
  }
}

/// Awnings, and signs that stick out over a shop.
inline void add_shop_parts(Stage& stage, Plot const& plot, Front const& front, Dice& dice) {
  Vec3 const out = plot.inward * -1.0F;
  if (dice.chance(0.22F)) {
    Colour const second = dice.chance(0.5F) ? grey(0.55F) : front.shop * 1.2F;
    Look look{
        .kind = Surface::stripes, .label = building, .base = front.shop * 1.5F, .second = second, .seed = dice.word()};
    look.p[0] = 0.4F;
    float const w = plot.width * dice.between(0.5F, 0.9F), high = front.shop_height - 0.5F;
    Vec3 const a = plot.corner + plot.along * ((plot.width - w) / 2) + up_axis * high,
               edge = out * dice.between(0.8F, 1.6F) - up_axis * 0.7F;
    stage.patch(a + edge, a + edge + plot.along * w, a + plot.along * w, a, stage.add(look));
  }
  if (dice.chance(0.45F)) {
    float const size = dice.between(0.5F, 0.95F);
    Look look{.kind = Surface::plate,
              .label = sign,
              .base = dice.chance(0.4F) ? grey(0.5F) : draw_shop_colour(dice),
              .second = dice.chance(0.5F) ? grey(0.6F) : grey(0.04F),
              .seed = dice.word()};
    look.p[0] = 1;
    float const at = dice.between(0.3F, plot.width - 0.3F), high = front.shop_height + dice.between(-0.4F, 0.8F);
    Vec3 const a = plot.corner + plot.along * at + up_axis * high + out * 0.15F;
    stage.quad(a, out, up_axis, size, size * dice.between(0.7F, 1.5F), stage.add(look), Mask::full,
               stage.thing({sign, 0, 0}));
  }
}

/// One building on a plot.
inline void add_building(Stage& stage, Plot const& plot, bool shop, Dice& dice) {
  Front const front = draw_front(plot.width, plot.height, shop, dice);
  auto const look = facade_look(stage, front);
  stage.quad(plot.corner, plot.along, up_axis, plot.width, plot.height, look);
  Front flank = front;
  flank.shop_height = 0, flank.pane_width = dice.chance(0.5F) ? 0.0F : front.pane_width, flank.bay = plot.depth / 2,
  flank.width = plot.depth, flank.door = front.base;
  auto const side = facade_look(stage, flank);
  stage.quad(plot.corner, plot.inward, up_axis, plot.depth, plot.height, side);
  stage.quad(plot.corner + plot.along * plot.width, plot.inward, up_axis, plot.depth, plot.height, side);
  bool const flat = front.wall == Front::Wall::curtain || dice.chance(plot.height > 11 ? 0.6F : 0.2F);
  if (!flat) add_pitched_roof(stage, plot, front, dice);
  if (shop) add_shop_parts(stage, plot, front, dice);
  if (!shop && dice.chance(0.25F) && plot.width > 4.5F) {  // a bay window
    Front bay = front;
    bay.width = 2.2F, bay.bay = 2.2F, bay.pane_width = 1.9F,
    bay.height = least(plot.height, front.floor * (dice.chance(0.5F) ? 1.0F : 2.0F));
    Plot const b{plot.corner + plot.along * dice.between(0.3F, plot.width - 2.6F) - plot.inward * 0.8F,
                 plot.along,
                 plot.inward,
                 2.2F,
                 0.8F,
                 bay.height};
    stage.quad(b.corner, b.along, up_axis, 2.2F, bay.height, facade_look(stage, bay));
    auto const cheek = stage.plain(building, front.base, Surface::plain, dice.word());
    stage.quad(b.corner, b.inward, up_axis, 0.8F, bay.height, cheek);
    stage.quad(b.corner + b.along * 2.2F, b.inward, up_axis, 0.8F, bay.height, cheek);
  }
}

/// A row of buildings from z0 to z1 at distance `lat` on side s (0 left, 1 right).
inline void add_row(Stage& stage, Plan const& plan, int s, float z0, float z1, float lat, bool terrace, Dice& dice) {
  float const sign_of = s == 0 ? -1.0F : 1.0F;
  float common = dice.between(6.5F, 14);
  bool const shops = terrace && dice.chance(0.7F);
  for (float z = z0; z < z1 - 2.5F;) {
    float const width = least(z1 - z, dice.chance(0.1F) ? dice.between(14, 26) : dice.between(4.5F, 9));
    if (dice.chance(0.45F)) common = dice.chance(0.25F) ? dice.between(12, 19) : dice.between(6.5F, 13);
    float const back = terrace ? (dice.chance(0.15F) ? dice.between(0, 1.2F) : 0.0F) : dice.between(0, 3);
    Vec3 const a = plan.at(sign_of * (lat + back), z), b = plan.at(sign_of * (lat + back), z + width);
    Vec3 const along = unit(b - a);
    Vec3 const inward = cross(up_axis, along) * sign_of;
    Plot const plot{a, along, inward, length(b - a), dice.between(7, 11), common};
    add_building(stage, plot, shops && dice.chance(0.85F), dice);
    z += width + (terrace ? 0.0F : dice.between(2, 8));
  }
}

/// Buildings across the end of a street that meets another.
inline void add_head_end(Stage& stage, Plan const& plan, float z, float from, float to, Dice& dice) {
  float const c = plan.centre(z);
  for (float x = from; x < to;) {
    float const width = dice.between(6, 13);
    if (dice.chance(0.85F)) {
      Plot const plot{{c + x, 0, z + dice.between(0, 2)}, {1, 0, 0}, {0, 0, 1}, width, 9, dice.between(5.5F, 12)};
      add_building(stage, plot, dice.chance(0.5F), dice);
    }
    x += width + (dice.chance(0.2F) ? dice.between(1, 8) : 0.0F);
  }
}

}  // namespace tadp::street
