// SPDX-License-Identifier: Apache-2.0
// People on foot and on bicycles, from rods.
// A figure stands at `foot` and walks along `ahead`; each is one thing of the stage.
#pragma once

#include "tadp/data/street/labels.hpp"
#include "tadp/data/street/stage.hpp"

#include <cmath>

namespace tadp::street {

struct Clothes {
  std::uint16_t coat = 0, legs = 0, skin = 0, hair = 0, shoes = 0;
};

inline Clothes draw_clothes(Stage& stage, std::uint8_t label, Dice& dice) {
  constexpr Colour coats[] = {{0.012F, 0.012F, 0.015F}, {0.02F, 0.022F, 0.03F},  {0.015F, 0.02F, 0.05F},
                              {0.05F, 0.035F, 0.02F},   {0.06F, 0.06F, 0.065F},  {0.16F, 0.02F, 0.02F},
                              {0.25F, 0.24F, 0.22F},    {0.02F, 0.045F, 0.025F}, {0.05F, 0.1F, 0.2F},
                              {0.12F, 0.09F, 0.06F},    {0.03F, 0.02F, 0.035F}};
  constexpr Colour trousers[] = {{0.012F, 0.012F, 0.014F},
                                 {0.02F, 0.028F, 0.05F},
                                 {0.03F, 0.04F, 0.07F},
                                 {0.05F, 0.045F, 0.04F},
                                 {0.1F, 0.09F, 0.07F}};
  constexpr Colour skins[] = {
      {0.42F, 0.27F, 0.2F}, {0.34F, 0.21F, 0.15F}, {0.2F, 0.11F, 0.07F}, {0.09F, 0.05F, 0.035F}};
  constexpr Colour hairs[] = {
      {0.015F, 0.012F, 0.01F}, {0.04F, 0.025F, 0.015F}, {0.16F, 0.11F, 0.05F}, {0.25F, 0.25F, 0.25F}};
  auto const wear = [&](Colour c) {
    return stage.add({.kind = Surface::round, .label = label, .base = c, .second = c * 0.6F, .seed = dice.word()});
  };
  Clothes k;
  Colour const coat = dice.pick(coats);
  k.coat = wear(coat * dice.between(0.7F, 1.3F));
  k.legs = wear(dice.pick(trousers));
  k.skin = wear(dice.pick(skins));
  k.hair = wear(dice.pick(hairs));
  k.shoes = wear(grey(0.02F));
  return k;
}

/// Head and hair above the neck.
inline void add_head(Stage& stage, Vec3 neck, float s, Vec3 ahead, Clothes const& k, std::uint16_t id, Dice& dice) {
  Vec3 const chin = neck + up_axis * (0.05F * s), crown = neck + up_axis * (0.2F * s);
  stage.rod(neck - up_axis * (0.05F * s), chin, 0.055F * s, 0.055F * s, k.skin, id);
  stage.rod(chin, crown, 0.085F * s, 0.095F * s, k.skin, id);
  Vec3 const back = ahead * (-0.04F * s);
  stage.rod(crown + back - up_axis * (dice.chance(0.3F) ? 0.18F * s : 0.06F * s), crown + back + up_axis * (0.02F * s),
            0.1F * s, 0.1F * s, k.hair, id);
}

/// Somebody on foot, `tall` metres.
inline void add_person(Stage& stage, Vec3 foot, Vec3 ahead, float tall, Dice& dice) {
  auto const id = stage.thing({pedestrian, 0, 0});
  Clothes const k = draw_clothes(stage, pedestrian, dice);
  float const s = tall / 1.75F, stride = dice.chance(0.75F) ? dice.between(-0.35F, 0.35F) : 0.05F,
              bulk = dice.between(0.85F, 1.25F);
  Vec3 const side = cross(up_axis, ahead);
  Vec3 const hip = foot + up_axis * (0.88F * s), neck = foot + up_axis * (1.47F * s) + ahead * 0.03F;
  bool const skirt = dice.chance(0.2F);
  for (float const e : {-1.0F, 1.0F}) {
    Vec3 const joint = hip + side * (0.09F * s * e), step = ahead * (stride * e * s);
    Vec3 const knee = joint - up_axis * (0.43F * s) + step * 0.6F,
               heel = foot + side * (0.09F * s * e) + step + up_axis * 0.05F;
    stage.rod(joint, knee, 0.095F * s * bulk, 0.07F * s, k.legs, id);
    stage.rod(knee, heel, 0.07F * s, 0.05F * s, k.legs, id);
    stage.rod(heel, heel + ahead * (0.17F * s), 0.05F, 0.045F, k.shoes, id);
    Vec3 const shoulder = neck + side * (0.19F * s * e * bulk) - up_axis * (0.06F * s);
    Vec3 const elbow = shoulder - up_axis * (0.3F * s) + side * (0.05F * e) - step * 0.3F;
    stage.rod(shoulder, elbow, 0.062F * s * bulk, 0.055F * s, k.coat, id);
    stage.rod(elbow, elbow - up_axis * (0.22F * s) + ahead * dice.between(0, 0.2F) - step * 0.3F, 0.055F * s,
              0.042F * s, k.coat, id);
  }
  float const hem = dice.chance(0.35F) ? -0.28F : 0.02F;
  stage.rod(hip + up_axis * (hem * s), neck - up_axis * (0.09F * s), (0.145F + (skirt ? 0.04F : 0.0F)) * s * bulk,
            0.18F * s * bulk, k.coat, id);
  add_head(stage, neck, s, ahead, k, id, dice);
  if (dice.chance(0.35F)) {
    Colour const dark = grey(dice.between(0.01F, 0.1F));
    auto const bag = stage.plain(pedestrian, dark, Surface::plain, dice.word());
    stage.box(hip + side * (0.27F * s) - up_axis * (dice.chance(0.5F) ? 0.25F : -0.1F), ahead, 0.12F, 0.32F, 0.26F, bag,
              id);
  }
  stage.blots.push_back({.x = foot.x, .z = foot.z, .half_width = 0.25F, .half_length = 0.25F, .dark = 0.5F});
}

inline void add_wheel(Stage& stage, Vec3 hub, Vec3 ahead, float r, std::uint16_t tyre, std::uint16_t hull,
                      std::uint16_t id) {
  stage.quad(hub - ahead * r - up_axis * r, ahead, up_axis, 2 * r, 2 * r, tyre, Mask::ring, id);
  stage.quad(hub - ahead * r - up_axis * r, ahead, up_axis, 2 * r, 2 * r, hull, Mask::disc, id).hull = true;
  stage.rod(hub - up_axis * r, hub + up_axis * r, 0.022F, 0.022F, tyre, id, 0.2F);
}

/// The bicycle itself, without a rider; `label` is 255 for one that is parked.
inline void add_bicycle(Stage& stage, Vec3 foot, Vec3 ahead, float s, std::uint8_t label, std::uint16_t id,
                        Dice& dice) {
  constexpr Colour frames[] = {{0.02F, 0.02F, 0.02F}, {0.2F, 0.02F, 0.02F}, {0.02F, 0.05F, 0.16F}, {0.3F, 0.3F, 0.31F}};
  auto const frame =
      stage.add({.kind = Surface::round, .label = label, .base = dice.pick(frames), .seed = dice.word()});
  auto const tyre = stage.add({.kind = Surface::ring, .label = label, .base = grey(0.02F), .seed = dice.word()});
  auto const hull = stage.plain(label, {});
  float const r = 0.34F * s;
  Vec3 const rear = foot - ahead * (0.5F * s) + up_axis * r, front = foot + ahead * (0.52F * s) + up_axis * r;
  add_wheel(stage, rear, ahead, r, tyre, hull, id);
  add_wheel(stage, front, ahead, r, tyre, hull, id);
  Vec3 const crank = foot - ahead * (0.05F * s) + up_axis * (0.28F * s),
             saddle = foot - ahead * (0.2F * s) + up_axis * (0.95F * s),
             head = foot + ahead * (0.36F * s) + up_axis * (0.85F * s);
  for (auto const& [a, b] :
       {std::pair{rear, crank}, {crank, saddle}, {rear, saddle}, {crank, head}, {saddle, head}, {head, front}})
    stage.rod(a, b, 0.02F, 0.02F, frame, id, 0.2F);
  Vec3 const side = cross(up_axis, ahead), bar = head + up_axis * (0.2F * s);
  stage.rod(head, bar, 0.02F, 0.02F, frame, id, 0.2F);
  stage.rod(bar - side * 0.26F, bar + side * 0.26F, 0.02F, 0.02F, frame, id, 0.2F);
  stage.rod(saddle, saddle - ahead * 0.15F, 0.06F, 0.07F, frame, id);
}

/// Somebody riding.
inline void add_cyclist(Stage& stage, Vec3 foot, Vec3 ahead, Dice& dice) {
  auto const id = stage.thing({bicyclist, 0, 0});
  float const s = dice.between(0.92F, 1.08F);
  add_bicycle(stage, foot, ahead, s, bicyclist, id, dice);
  Clothes const k = draw_clothes(stage, bicyclist, dice);
  Vec3 const side = cross(up_axis, ahead);
  Vec3 const hip = foot - ahead * (0.2F * s) + up_axis * (1.0F * s),
             neck = hip + ahead * dice.between(0.1F, 0.35F) + up_axis * (0.52F * s);
  float const turn = dice.between(-0.17F, 0.17F);
  for (float const e : {-1.0F, 1.0F}) {
    Vec3 const pedal = foot + up_axis * (0.28F * s + turn * e) + side * (0.11F * e),
               knee = hip + side * (0.14F * e) + ahead * 0.32F - up_axis * (0.25F - turn * e);
    stage.rod(hip + side * (0.09F * e), knee, 0.095F * s, 0.075F * s, k.legs, id);
    stage.rod(knee, pedal, 0.075F * s, 0.05F * s, k.legs, id);
    stage.rod(pedal, pedal + ahead * 0.18F, 0.05F, 0.04F, k.shoes, id);
    Vec3 const shoulder = neck + side * (0.19F * s * e) - up_axis * 0.05F,
               hand = foot + ahead * (0.36F * s) + up_axis * (1.06F * s) + side * (0.24F * e);
    stage.rod(shoulder, hand, 0.065F * s, 0.045F * s, k.coat, id);
  }
  stage.rod(hip - up_axis * 0.05F, neck - up_axis * 0.08F, 0.155F * s, 0.185F * s, k.coat, id);
  add_head(stage, neck + ahead * 0.05F, s, ahead, k, id, dice);
  stage.blots.push_back(
      {.x = foot.x, .z = foot.z, .half_width = 0.2F, .half_length = 0.8F, .dark = 0.5F, .along = {ahead.x, ahead.z}});
}

}  // namespace tadp::street
