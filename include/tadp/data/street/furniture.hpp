// SPDX-License-Identifier: Apache-2.0
// Lamp posts, traffic lights, signs, bollards, railings, board fences, walls and bins.
// Thin things keep a least width in pixels, as the labels of real pictures do.
#pragma once

#include "tadp/data/street/plan.hpp"
#include "tadp/data/street/stage.hpp"

namespace tadp::street {

inline std::uint16_t pole_look(Stage& stage, Dice& dice) {
  Colour const c = dice.chance(0.5F)
                       ? grey(dice.between(0.14F, 0.34F))
                       : (dice.chance(0.7F) ? grey(dice.between(0.015F, 0.06F)) : Colour{0.02F, 0.06F, 0.04F});
  return stage.add({.kind = Surface::round, .label = pole, .base = c, .second = c * 0.7F, .seed = dice.word()});
}

/// A lamp post whose arm reaches along `over`.
inline void add_lamp(Stage& stage, Vec3 foot, Vec3 over, Dice& dice) {
  auto const look = pole_look(stage, dice);
  float const high = dice.chance(0.7F) ? dice.between(5.5F, 9) : dice.between(3.5F, 5),
              reach = dice.between(0.4F, 1.8F);
  stage.rod(foot, foot + up_axis * 1.2F, 0.09F, 0.08F, look, 0, 0.55F);
  stage.rod(foot + up_axis * 1.2F, foot + up_axis * high, 0.07F, 0.05F, look, 0, 0.5F);
  Vec3 const tip = foot + up_axis * (high + 0.25F) + over * reach;
  stage.rod(foot + up_axis * high, tip, 0.04F, 0.04F, look, 0, 0.4F);
  stage.rod(tip, tip + over * 0.6F, 0.09F, 0.07F, look, 0, 0.4F);
}

inline Look draw_plate(Mask& mask, float& w, float& h, Dice& dice) {
  Look look{.kind = Surface::plate, .label = sign, .seed = dice.word()};
  int const kind = dice.below(6);
  mask = kind == 0 || kind == 1 ? Mask::disc : (kind == 2 ? Mask::triangle : Mask::full);
  w = h = dice.between(0.45F, 0.75F);
  look.p[0] = static_cast<float>(kind);
  look.base = grey(0.6F), look.second = Colour{0.5F, 0.02F, 0.025F}, look.third = grey(0.02F);
  if (kind == 1) look.base = look.second = {0.01F, 0.06F, 0.32F}, look.third = grey(0.65F);
  if (kind >= 3) {
    constexpr Colour panels[] = {{0.01F, 0.05F, 0.28F},  {0.01F, 0.12F, 0.05F}, {0.6F, 0.6F, 0.58F},
                                 {0.05F, 0.05F, 0.055F}, {0.5F, 0.36F, 0.02F},  {0.3F, 0.02F, 0.03F}};
    look.base = dice.pick(panels), look.second = look.third = look.base.y > 0.3F ? grey(0.03F) : grey(0.6F);
    w = dice.between(0.4F, 1.1F), h = dice.between(0.4F, 1.3F);
  }
  return look;
}

/// A sign on its post, turned to those who come along; each plate is a thing.
inline void add_sign(Stage& stage, Vec3 foot, Vec3 ahead, Dice& dice) {
  auto const post = pole_look(stage, dice);
  float const high = dice.between(2.0F, 3.0F);
  stage.rod(foot, foot + up_axis * high, 0.04F, 0.04F, post, 0, 0.4F);
  Vec3 const side = unit(cross(up_axis, ahead) + ahead * (0.4F * dice.bell()));
  float top = high;
  int const plates = dice.chance(0.3F) ? 2 : 1;
  for (int i = 0; i < plates; ++i) {
    Mask mask{};
    float w = 0.6F, h = 0.6F;
    auto const look = stage.add(draw_plate(mask, w, h, dice));
    stage.quad(foot + up_axis * (top - h) - side * (w / 2) - ahead * 0.06F, side, up_axis, w, h, look, mask,
               stage.thing({sign, 0, 0}));
    top -= h + 0.06F;
  }
}

/// A large board on two posts: directions, or what a shop sells.
inline void add_board(Stage& stage, Vec3 foot, Vec3 ahead, Dice& dice) {
  auto const post = pole_look(stage, dice);
  Vec3 const side = unit(cross(up_axis, ahead) + ahead * (0.3F * dice.bell()));
  float const w = dice.between(1.2F, 2.6F), h = dice.between(1.2F, 3.2F), low = dice.between(0.6F, 2.0F);
  for (float const e : {-0.4F, 0.4F})
    stage.rod(foot + side * (w * e), foot + side * (w * e) + up_axis * (low + h), 0.05F, 0.05F, post, 0, 0.4F);
  constexpr Colour panels[] = {{0.4F, 0.1F, 0.02F}, {0.01F, 0.05F, 0.28F}, {0.01F, 0.12F, 0.05F},
                               {0.6F, 0.6F, 0.58F}, {0.35F, 0.02F, 0.03F}, {0.02F, 0.02F, 0.02F}};
  Look look{.kind = Surface::plate, .label = sign, .base = dice.pick(panels), .seed = dice.word()};
  look.second = look.third = look.base.y > 0.3F ? grey(0.03F) : grey(0.6F);
  look.p[0] = 5;
  stage.quad(foot - side * (w / 2) + up_axis * low - ahead * 0.08F, side, up_axis, w, h, stage.add(look),
             Mask::full, stage.thing({sign, 0, 0}));
}

/// Traffic lights on a post.
inline void add_lights(Stage& stage, Vec3 foot, Vec3 ahead, Dice& dice) {
  auto const post = pole_look(stage, dice);
  stage.rod(foot, foot + up_axis * 3.3F, 0.06F, 0.055F, post, 0, 0.5F);
  Look look{.kind = Surface::lamps, .label = sign, .base = grey(0.012F), .seed = dice.word()};
  look.p[0] = static_cast<float>(dice.below(3));
  Vec3 const side = cross(up_axis, ahead);
  auto const id = stage.thing({sign, 0, 0});
  stage.quad(foot + up_axis * 2.25F - side * 0.22F - ahead * 0.12F, side, up_axis, 0.44F, 1.05F, stage.add(look),
             Mask::full, id);
  stage.box(foot + up_axis * 2.35F + ahead * 0.05F, ahead, 0.3F, 0.9F, 0.2F, stage.plain(sign, grey(0.015F)), id);
}

inline void add_bollards(Stage& stage, Plan const& plan, float lat, float z0, float z1, Dice& dice) {
  auto const look =
      dice.chance(0.6F)
          ? pole_look(stage, dice)
          : stage.add(
                {.kind = Surface::round, .label = pole, .base = grey(0.4F), .second = grey(0.2F), .seed = dice.word()});
  float const gap = dice.between(1.3F, 2.6F), r = dice.between(0.06F, 0.11F);
  for (float z = z0; z < z1; z += gap) stage.rod(plan.at(lat, z), plan.at(lat, z, 0.95F), r, r, look, 0, 0.4F);
}

/// Railings, a mesh or boards from a to b; labelled as one panel.
inline void add_fence(Stage& stage, Vec3 a, Vec3 b, Dice& dice) {
  Vec3 const along = unit(b - a);
  float const len = length(b - a);
  if (dice.chance(0.3F)) {
    Colour const c = mix(Colour{0.09F, 0.07F, 0.05F}, Colour{0.2F, 0.16F, 0.11F}, dice.draw());
    auto const look = stage.add({.kind = Surface::planks, .label = fence, .base = c, .seed = dice.word()});
    stage.quad(a, along, up_axis, len, dice.between(1.2F, 1.9F), look);
    return;
  }
  Colour const c = dice.chance(0.6F)
                       ? grey(dice.between(0.015F, 0.06F))
                       : (dice.chance(0.5F) ? grey(dice.between(0.2F, 0.4F)) : Colour{0.02F, 0.07F, 0.04F});
  auto const look = stage.add({.kind = Surface::plain,
                               .label = fence,
                               .base = c,
                               .second = c,
                               .seed = dice.word(),
                               .p = {dice.between(0.1F, 0.16F), dice.between(0.018F, 0.035F)}});
  float const high = dice.between(0.95F, 1.7F);
  stage.quad(a, along, up_axis, len, high, look, dice.chance(0.8F) ? Mask::bars : Mask::mesh);
  stage.quad(a, along, up_axis, len, high, stage.plain(fence, {})).hull = true;
}

/// A low brick wall; CamVid counts walls as building.
inline void add_wall(Stage& stage, Vec3 a, Vec3 b, float height, Dice& dice) {
  constexpr Colour bricks[] = {
      {0.22F, 0.17F, 0.11F}, {0.17F, 0.09F, 0.065F}, {0.25F, 0.22F, 0.17F}, {0.4F, 0.39F, 0.36F}};
  Colour const brick = dice.pick(bricks);
  auto const look = stage.add(
      {.kind = Surface::fence_wall, .label = building, .base = brick * dice.between(0.6F, 1.1F), .seed = dice.word()});
  Vec3 const along = unit(b - a), side = cross(up_axis, along) * 0.25F;
  float const len = length(b - a);
  stage.quad(a, along, up_axis, len, height, look);
  stage.quad(a + side, along, up_axis, len, height, look);
  stage.quad(a, unit(side), up_axis, 0.25F, height, look);
  stage.quad(a + up_axis * height, along, unit(side), len, 0.25F, stage.plain(building, grey(0.25F)));
}

/// Things that no class names: bins, cabinets, a phone box.
inline void add_clutter(Stage& stage, Vec3 foot, Vec3 ahead, Dice& dice) {
  constexpr Colour kinds[] = {
      {0.015F, 0.015F, 0.017F}, {0.02F, 0.06F, 0.03F}, {0.25F, 0.015F, 0.015F}, {0.12F, 0.12F, 0.12F}};
  Colour const paint = dice.pick(kinds);
  auto const look = stage.plain(nothing, paint, Surface::plain, dice.word());
  bool const booth = dice.chance(0.15F);
  float const wide = booth ? 0.9F : dice.between(0.4F, 0.7F), high = booth ? 2.4F : dice.between(0.8F, 1.3F);
  stage.box(foot, ahead, wide, high, booth ? 0.9F : 0.5F, look);
  stage.blots.push_back({.x = foot.x, .z = foot.z, .half_width = 0.35F, .half_length = 0.35F, .dark = 0.6F});
}

}  // namespace tadp::street
