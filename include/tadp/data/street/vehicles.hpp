// SPDX-License-Identifier: Apache-2.0
// Hatchbacks, saloons, estates, vans, buses and trucks, each from one row of side-profile numbers.
// A vehicle stands at the middle of its footprint and points along `ahead`.
#pragma once

#include "tadp/data/street/labels.hpp"
#include "tadp/data/street/stage.hpp"

namespace tadp::street {

/// A side profile, metres; `nose` and `cowl` from the front end, `tail` and `seat` from the rear.
struct Profile {
  std::string_view word;
  float length, width, height, belt, bonnet, cowl, seat, rake, tail;
};

inline constexpr Profile vehicle_table[] = {
    // word   length  width  height belt  bonnet cowl  seat  rake  tail
    {"car", 3.8F, 1.66F, 1.45F, 0.92F, 0.80F, 0.95F, 0.10F, 0.85F, 0.35F},
    {"car", 4.4F, 1.74F, 1.42F, 0.90F, 0.80F, 1.20F, 0.75F, 0.90F, 0.75F},
    {"car", 4.6F, 1.76F, 1.48F, 0.92F, 0.82F, 1.20F, 0.12F, 0.90F, 0.30F},
    {"car", 4.5F, 1.85F, 1.75F, 1.05F, 0.98F, 1.10F, 0.10F, 0.70F, 0.25F},
    {"van", 4.9F, 1.95F, 2.10F, 1.15F, 1.00F, 0.70F, 0.06F, 0.85F, 0.08F},
    {"bus", 10.0F, 2.50F, 3.10F, 1.10F, 1.05F, 0.12F, 0.06F, 0.15F, 0.06F},
    {"bus", 10.0F, 2.50F, 4.20F, 1.10F, 1.05F, 0.12F, 0.06F, 0.15F, 0.06F},
    {"truck", 7.5F, 2.40F, 3.00F, 1.30F, 1.20F, 0.15F, 0.06F, 0.25F, 0.05F},
};

struct PaintRow {
  std::string_view word;
  Colour colour;
};

inline constexpr PaintRow paint_table[] = {
    {"silver", {0.36F, 0.37F, 0.39F}},  {"grey", {0.12F, 0.125F, 0.13F}},  {"black", {0.012F, 0.012F, 0.015F}},
    {"white", {0.62F, 0.63F, 0.63F}},   {"blue", {0.02F, 0.045F, 0.16F}},  {"red", {0.27F, 0.015F, 0.018F}},
    {"green", {0.015F, 0.075F, 0.04F}}, {"yellow", {0.52F, 0.33F, 0.02F}},
};

inline int draw_paint(Dice& dice) {
  constexpr int often[] = {0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 4, 5, 5, 6, 7};
  return often[dice.below(dice.chance(0.95F) ? 15 : 16)];
}

inline int draw_vehicle(Dice& dice) {
  constexpr int often[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 0, 1, 5, 6, 7};
  return dice.pick(often);
}

struct CarLooks {
  std::uint16_t body = 0, side = 0, cabin = 0, glass = 0, front = 0, rear = 0, wheel = 0, dark = 0;
};

inline CarLooks make_car_looks(Stage& stage, Profile const& p, Colour paint, Dice& dice) {
  CarLooks looks;
  auto const seed = dice.word();
  bool const box = p.height > 1.9F;
  looks.body = stage.add({.kind = Surface::paint, .label = car, .base = paint, .seed = seed});
  looks.side = stage.add({.kind = Surface::car_side,
                          .label = car,
                          .base = paint,
                          .seed = seed,
                          .p = {0, p.length, box ? 1.0F : 0.0F, p.height}});
  looks.cabin = stage.add({.kind = Surface::car_side,
                           .label = car,
                           .base = paint,
                           .seed = seed,
                           .p = {1, p.length, box ? 1.0F : 0.0F, p.height}});
  looks.glass = stage.add({.kind = Surface::glass, .label = car, .base = grey(0.02F), .seed = seed});
  looks.front = stage.add(
      {.kind = Surface::car_end, .label = car, .base = paint, .seed = seed, .p = {1, p.width, p.belt, p.height}});
  looks.rear = stage.add(
      {.kind = Surface::car_end, .label = car, .base = paint, .seed = seed, .p = {0, p.width, p.belt, p.height}});
  looks.wheel =
      stage.add({.kind = Surface::wheel, .label = car, .base = grey(dice.between(0.1F, 0.35F)), .seed = seed});
  looks.dark = stage.plain(car, grey(0.008F));
  return looks;
}

/// Maps profile points (from the rear, up) on one flank into the world.
struct Flank {
  Vec3 foot, ahead, out;  // rear end on the ground below the flank
  float lean = 0;         // how far the roof leans inward for each metre above the belt
  float belt = 0;
  Vec3 at(float z, float y) const {
    return foot + ahead * z + up_axis * y - out * (y > belt ? lean * (y - belt) : 0.0F);
  }
};

inline void add_flank(Stage& stage, Flank const& f, Profile const& p, CarLooks const& looks, std::uint16_t id) {
  float const l = p.length;
  Face& body = stage.quad(f.foot, f.ahead, up_axis, l, p.belt, looks.side, Mask::full, id);
  Point2 const low[] = {{0.06F, 0.26F},       {l - 0.06F, 0.26F}, {l, 0.5F}, {l - 0.1F, p.bonnet * 0.9F},
                        {l - p.cowl, p.belt}, {0.1F, p.belt},     {0, 0.55F}};
  body.corners = 7;
  for (int i = 0; i < 7; ++i) body.corner[static_cast<std::size_t>(i)] = low[i];
  Vec3 const rise = unit(up_axis - f.out * f.lean);
  float const k = length(up_axis - f.out * f.lean), tall = (p.height - p.belt) * k;
  Face& cabin = stage.quad(f.foot + up_axis * p.belt, f.ahead, rise, l, tall, looks.cabin, Mask::full, id);
  Point2 const high[] = {{p.seat, 0}, {l - p.cowl, 0}, {l - p.cowl - p.rake, tall}, {p.seat + p.tail, tall}};
  for (int i = 0; i < 4; ++i) cabin.corner[static_cast<std::size_t>(i)] = high[i];
  float const r = p.height > 1.9F ? 0.42F : 0.31F;
  for (float const z : {l * 0.18F + 0.02F, l - l * 0.19F}) {
    stage.quad(f.foot + f.ahead * (z - r) + f.out * 0.012F, f.ahead, up_axis, 2 * r, 2 * r, looks.wheel, Mask::disc,
               id);
    Vec3 const in = f.out * -0.2F;  // the tyre seen from ahead and behind
    for (float const e : {-r * 0.7F, r * 0.7F})
      stage.quad(f.foot + f.ahead * (z + e), in * 5.0F, up_axis, 0.2F, 0.45F, looks.dark, Mask::full, id);
  }
}

/// Skins from flank to flank along the profile: bumpers, boot, rear window, roof, windscreen, bonnet.
inline void add_skins(Stage& stage, Flank const& left, Flank const& right, Profile const& p, CarLooks const& looks,
                      std::uint16_t id) {
  float const l = p.length, top = p.height;
  struct Step {
    float z0, y0, z1, y1;
    std::uint16_t look;
  };
  Step const steps[] = {
      {0.06F, 0.26F, 0, 0.55F, looks.rear},
      {0, 0.55F, 0.1F, p.belt, looks.rear},
      {0.1F, p.belt, p.seat, p.belt + 0.01F, looks.body},
      {p.seat, p.belt, p.seat + p.tail, top, looks.glass},
      {p.seat + p.tail, top, l - p.cowl - p.rake, top, looks.body},
      {l - p.cowl - p.rake, top, l - p.cowl, p.belt, looks.glass},
      {l - p.cowl, p.belt, l - 0.1F, p.bonnet * 0.9F, looks.body},
      {l, 0.5F, l - 0.1F, p.bonnet * 0.9F, looks.front},
      {l - 0.06F, 0.26F, l, 0.5F, looks.front},
  };
  for (Step const& s : steps) {
    Face& f =
        stage.patch(left.at(s.z0, s.y0), right.at(s.z0, s.y0), right.at(s.z1, s.y1), left.at(s.z1, s.y1), s.look, id);
    f.taper = s.y0 < s.y1 ? s.y0 : s.y1;  // the ends need the height at which they begin
  }
}

/// A vehicle of row `kind` painted with row `paint`, one thing of the stage.
inline void add_vehicle(Stage& stage, Vec3 middle, Vec3 ahead, int kind, int paint, Dice& dice) {
  Profile p = vehicle_table[kind];
  float const size = dice.between(0.94F, 1.08F);
  p.length *= size, p.width *= mix(1.0F, size, 0.5F), p.height *= mix(1.0F, size, 0.7F);
  p.rake *= dice.between(0.85F, 1.15F), p.cowl *= dice.between(0.85F, 1.15F);
  auto const id = stage.thing({car, static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(paint)});
  Colour const colour = paint_table[paint].colour * dice.between(0.75F, 1.25F);
  CarLooks const looks = make_car_looks(stage, p, colour, dice);
  Vec3 const side = cross(up_axis, ahead), rear = middle - ahead * (p.length / 2);
  float const lean = p.height > 1.9F ? 0.03F : 0.26F;
  Flank const left{rear - side * (p.width / 2), ahead, side * -1.0F, lean, p.belt};
  Flank const right{rear + side * (p.width / 2), ahead, side, lean, p.belt};
  add_flank(stage, left, p, looks, id);
  add_flank(stage, right, p, looks, id);
  add_skins(stage, left, right, p, looks, id);
  for (float const z : {0.3F, p.length - 0.3F})
    stage.quad(rear - side * (p.width / 2 - 0.15F) + ahead * z + up_axis * 0.14F, side, up_axis, p.width - 0.3F, 0.2F,
               looks.dark, Mask::full, id);
  if (p.height < 1.9F)
    for (Flank const* f : {&left, &right})  // mirrors
      stage.box(f->at(p.length - p.cowl - 0.25F, p.belt) + f->out * 0.1F, ahead, 0.2F, 0.13F, 0.1F, looks.body, id);
  stage.blots.push_back({.x = middle.x,
                         .z = middle.z,
                         .half_width = p.width / 2 + 0.05F,
                         .half_length = p.length / 2 + 0.05F,
                         .dark = 0.85F,
                         .along = {ahead.x, ahead.z}});
}

/// A vehicle of a drawn kind and colour; `small` leaves out buses and trucks.
inline void add_drawn_vehicle(Stage& stage, Vec3 middle, Vec3 ahead, bool small, Dice& dice) {
  int const kind = draw_vehicle(dice), paint = draw_paint(dice);
  add_vehicle(stage, middle, ahead, small && kind > 4 ? 0 : kind, paint, dice);
}

}  // namespace tadp::street
