// SPDX-License-Identifier: Apache-2.0
// Fills a plan: what stands along each stretch, what is parked, who walks, rides and drives.
// The frequencies here are what brings the shares of the classes near those of real streets.
#pragma once

#include "tadp/data/street/buildings.hpp"
#include "tadp/data/street/furniture.hpp"
#include "tadp/data/street/people.hpp"
#include "tadp/data/street/plan.hpp"
#include "tadp/data/street/trees.hpp"
#include "tadp/data/street/vehicles.hpp"

namespace tadp::street {

/// Habits of one street, drawn once.
struct Habits {
  float bare = 0.7F, parked = 0.3F, crowd = 0.4F, lamps = 28, signs = 0.5F, greenery = 0.5F;
};

inline Habits draw_habits(Dice& dice) {
  Habits h;
  h.bare = dice.chance(0.82F) ? 0.9F : 0.15F;
  h.parked = dice.chance(0.4F) ? dice.between(0.2F, 0.85F) : 0.03F;
  h.crowd = dice.draw() * dice.draw() * 1.4F;
  h.lamps = dice.between(18, 38);
  h.signs = dice.between(0.45F, 1.0F);
  h.greenery = dice.draw();
  return h;
}

inline float side_of(int s) { return s == 0 ? -1.0F : 1.0F; }

inline bool in_mouth(Plan const& plan, int s, float z, float margin) {
  for (Mouth const& m : plan.mouths)
    if (m.side == s && z > m.z0 - margin && z < m.z1 + margin) return true;
  return plan.crossed && z > plan.end - margin;
}

/// What marks the border of a garden or a park.
inline void add_border(Stage& stage, Plan const& plan, int s, float z0, float z1, float lat, Dice& dice) {
  float const e = side_of(s);
  int const kind = dice.below(10);
  if (kind == 9) return;
  for (float z = z0; z < z1 - 1.0F;) {  // in pieces, so that it follows the bend
    float const next = least(z1, z + 12.0F);
    Vec3 const a = plan.at(e * lat, z), b = plan.at(e * lat, next);
    if (kind < 5) add_fence(stage, a, b, dice);
    if (kind == 5) add_wall(stage, a, b, dice.between(0.6F, 1.3F), dice);
    if (kind == 6) {
      add_wall(stage, a, b, 0.5F, dice);
      Vec3 const lift = up_axis * 0.5F;
      add_fence(stage, a + lift, b + lift, dice);
    }
    if (kind > 6) add_hedge(stage, a, b, dice.between(0.8F, 2.4F), 1.0F, dice);
    z = next;
  }
}

inline void fill_houses(Stage& stage, Plan const& plan, Habits const& h, int s, Stretch const& piece, Dice& dice) {
  float const front = plan.front(s), yard = dice.between(2.5F, 8);
  add_row(stage, plan, s, piece.z0, piece.z1, front + yard, dice.chance(0.4F), dice);
  add_border(stage, plan, s, piece.z0, piece.z1, front, dice);
  for (float z = piece.z0; z < piece.z1; z += dice.between(5, 14)) {
    Vec3 const foot = plan.at(side_of(s) * (front + yard * dice.between(0.3F, 0.8F)), z);
    if (dice.chance(0.45F * h.greenery))
      add_some_tree(stage, foot, h.bare, dice);
    else if (dice.chance(0.6F))
      add_bush(stage, foot, dice.between(0.8F, 2.2F), dice);
  }
}

inline void fill_park(Stage& stage, Plan const& plan, Habits const& h, int s, Stretch const& piece, Dice& dice) {
  float const e = side_of(s), front = plan.front(s);
  add_border(stage, plan, s, piece.z0, piece.z1, front + 0.2F, dice);
  for (float z = piece.z0; z < piece.z1; z += dice.between(5, 13)) {
    add_some_tree(stage, plan.at(e * (front + dice.between(1.2F, 9)), z), h.bare, dice);
    if (dice.chance(0.4F)) {
      Vec3 const foot = plan.at(e * (front + dice.between(1.5F, 7)), z + 2);
      add_bush(stage, foot, dice.between(1, 2.6F), dice);
    }
  }
  for (float z = piece.z0; z < piece.z1; z += 10)
    add_hedge(stage, plan.at(e * (front + 24), z), plan.at(e * (front + 24), z + 10), dice.between(2, 6), 2, dice);
  if (dice.chance(0.6F)) add_row(stage, plan, s, piece.z0, piece.z1, front + dice.between(14, 26), false, dice);
}

inline void fill_lot(Stage& stage, Plan const& plan, Habits const& h, int s, Stretch const& piece, Dice& dice) {
  float const e = side_of(s), front = plan.front(s);
  if (dice.chance(0.5F)) add_border(stage, plan, s, piece.z0, piece.z1, front + 0.2F, dice);
  for (float z = piece.z0 + 2; z < piece.z1; z += 2.6F)
    if (z > 3 && dice.chance(0.65F)) {
      Vec3 const ahead = unit(plan.at(-e, z) - plan.at(0, z));
      add_drawn_vehicle(stage, plan.at(e * (front + 4.5F), z), dice.chance(0.5F) ? ahead : ahead * -1.0F, true, dice);
    }
  float const back = front + dice.between(16, 32);
  add_row(stage, plan, s, piece.z0, piece.z1, back, dice.chance(0.5F), dice);
  for (int i = 0; i < 4; ++i) {
    float const lat = e * (front + dice.between(8, 15));
    add_some_tree(stage, plan.at(lat, dice.between(piece.z0, piece.z1)), h.bare, dice);
  }
}

inline void fill_stretch(Stage& stage, Plan const& plan, Habits const& h, int s, Stretch const& piece, Dice& dice) {
  float const front = plan.front(s), e = side_of(s);
  switch (piece.kind) {
    case Side::terrace:
      return add_row(stage, plan, s, piece.z0, piece.z1, front, true, dice);
    case Side::houses:
      return fill_houses(stage, plan, h, s, piece, dice);
    case Side::park:
      return fill_park(stage, plan, h, s, piece, dice);
    case Side::lot:
      return fill_lot(stage, plan, h, s, piece, dice);
    case Side::wall:
      break;
  }
  add_wall(stage, plan.at(e * front, piece.z0), plan.at(e * front, piece.z1), dice.between(1.0F, 2.6F), dice);
  for (float z = piece.z0; z < piece.z1; z += dice.between(6, 14))
    add_some_tree(stage, plan.at(e * (front + dice.between(1.5F, 6)), z), h.bare, dice);
  if (dice.chance(0.5F)) add_row(stage, plan, s, piece.z0, piece.z1, front + dice.between(8, 18), false, dice);
}

/// Lamps, signs, lights and trees in the pavement.
inline void fill_kerb(Stage& stage, Plan const& plan, Habits const& h, int s, Dice& dice) {
  float const e = side_of(s), edge = plan.kerb(s);
  for (float z = dice.between(3, h.lamps); z < 130; z += h.lamps * dice.between(0.85F, 1.15F))
    if (!in_mouth(plan, s, z, 0.5F)) {
      Vec3 const over = dice.chance(0.75F) ? Vec3{-e, 0, 0} : Vec3{e, 0, 0};
      add_lamp(stage, plan.at(e * (edge + dice.between(0.3F, 0.8F)), z), over, dice);
    }
  for (float z = dice.between(5, 20); z < 90; z += dice.between(6, 18))
    if (dice.chance(h.signs) && !in_mouth(plan, s, z, 0.3F)) {
      Vec3 const ahead = plan.ahead(z) * (dice.chance(0.85F) ? 1.0F : -1.0F),
                 foot = plan.at(e * (edge + dice.between(0.3F, 0.9F)), z);
      float const t = dice.draw();
      if (t < 0.55F)
        add_sign(stage, foot, ahead, dice);
      else if (t < 0.82F)
        add_lights(stage, foot, ahead, dice);
      else if (t < 0.92F)
        add_board(stage, plan.at(e * (edge + plan.walk[s] + 0.3F), z), ahead, dice);
      else
        add_bollards(stage, plan, e * (edge + 0.35F), z, z + dice.between(4, 14), dice);
    }
  if (plan.walk[s] > 1.8F && dice.chance(0.35F * h.greenery + 0.08F))
    for (float z = dice.between(8, 20); z < 90; z += dice.between(9, 18))
      if (!in_mouth(plan, s, z, 1)) {
        float const height = dice.between(4.5F, 10);
        add_tree(stage, plan.at(e * (edge + 0.7F), z), height, !dice.chance(h.bare), dice);
      }
  if (plan.walk[s] > 1.5F && dice.chance(0.2F)) {
    float const z = dice.between(6, 30);
    add_fence(stage, plan.at(e * (edge + 0.3F), z), plan.at(e * (edge + 0.3F), z + dice.between(4, 16)), dice);
  }
  for (int i = dice.below(4); i > 0; --i) {
    float const z = dice.between(7, 45);
    Vec3 const foot = plan.at(e * (edge + most(0.4F, plan.walk[s] - 0.6F)), z);
    if (in_mouth(plan, s, z, 0.5F)) continue;
    if (dice.chance(0.6F))
      add_clutter(stage, foot, plan.ahead(z), dice);
    else
      for (int k = 0; k < 4; ++k)
        add_bicycle(stage, foot + Vec3{0, 0, 0.5F * static_cast<float>(k)}, unit(Vec3{1, 0, 0.7F}), 1.0F, nothing, 0,
                    dice);
  }
}

inline void fill_people(Stage& stage, Plan const& plan, Habits const& h, Dice& dice) {
  int const count = static_cast<int>(h.crowd * 22.0F);
  for (int i = 0; i < count; ++i) {
    int const s = dice.below(2);
    float const away = dice.draw() * dice.draw() * 60.0F, room = most(0.6F, plan.walk[s]);
    float const z = away + dice.between(9, 21);
    Vec3 const foot = plan.at(side_of(s) * (plan.kerb(s) + room * dice.between(0.2F, 0.92F)), z);
    Vec3 const ahead =
        dice.chance(0.85F) ? plan.ahead(z) * (dice.chance(0.5F) ? 1.0F : -1.0F) : unit({dice.bell(), 0, dice.bell()});
    add_person(stage, foot, ahead, dice.between(1.5F, 1.9F), dice);
    if (dice.chance(0.3F)) add_person(stage, foot + Vec3{0.55F, 0, 0.1F}, ahead, dice.between(1.2F, 1.9F), dice);
  }
  if (dice.chance(0.15F)) {
    float const z = dice.between(9, 30);
    Vec3 const foot = plan.at(dice.between(-1, 1) * plan.half_road, z), ahead{dice.chance(0.5F) ? 1.0F : -1.0F, 0, 0};
    add_person(stage, foot, ahead, dice.between(1.6F, 1.85F), dice);
  }
  for (int i = dice.chance(0.42F) ? 1 + dice.below(2) : 0; i > 0; --i) {
    float const z = dice.between(6.0F, 30);
    bool const ours = dice.chance(0.6F);
    float const lat = (plan.half_road - dice.between(0.5F, 1.2F)) * (ours ? -1.0F : 1.0F);
    add_cyclist(stage, plan.at(lat, z), plan.ahead(z) * (ours ? 1.0F : -1.0F), dice);
  }
}

inline void fill_cars(Stage& stage, Plan const& plan, Habits const& h, Dice& dice) {
  for (int s = 0; s < 2; ++s) {
    float const e = side_of(s);
    float z = dice.between(5, 16);
    bool const across = plan.wide[s] > 5;
    while (z < 95) {
      float const ease = across ? 2.6F : dice.between(5.2F, 7.5F);
      float const likely = plan.wide[s] > 1 ? most(h.parked, 0.35F) : h.parked * (plan.half_road > 4.4F ? 0.8F : 0.15F);
      if (dice.chance(likely) && !in_mouth(plan, s, z, 2.5F)) {
        Vec3 const along = plan.ahead(z) * (dice.chance(0.7F) ? -e : e);
        int const kind = draw_vehicle(dice);
        float const lat = across ? plan.kerb(s) - 2.8F : plan.kerb(s) - 1.15F;
        add_vehicle(stage, plan.at(e * lat, z), across ? cross(up_axis, along) : along, across && kind > 4 ? 0 : kind,
                    draw_paint(dice), dice);
      }
      z += ease;
    }
  }
  for (float z = dice.between(7, 60); z < 130; z += dice.between(9, 45))  // coming towards us
    if (dice.chance(0.6F))
      add_drawn_vehicle(stage, plan.at(plan.half_road * 0.45F + dice.between(-0.2F, 0.3F), z), plan.ahead(z) * -1.0F,
                        false, dice);
  for (float z = dice.between(9, 65); z < 130; z += dice.between(10, 45))
    if (dice.chance(0.55F))
      add_drawn_vehicle(stage, plan.at(-plan.half_road * 0.45F + dice.between(-0.3F, 0.3F), z), plan.ahead(z), false,
                        dice);
  if (plan.crossed && dice.chance(0.5F)) {
    Vec3 const foot = plan.at(dice.between(-9, 9), plan.end + 5.5F), ahead{dice.chance(0.5F) ? 1.0F : -1.0F, 0, 0};
    add_drawn_vehicle(stage, foot, ahead, false, dice);
  }
}

/// What closes the view: a cross street's far side, or a far row of roofs and trees.
inline void fill_end(Stage& stage, Plan const& plan, Habits const& h, Dice& dice) {
  if (plan.crossed) {
    float const z = plan.end + 11;
    if (dice.chance(0.75F))
      add_head_end(stage, plan, z + 2.5F, -60, 60, dice);
    else
      for (float x = -45; x < 45; x += dice.between(4, 9))
        add_some_tree(stage, plan.at(x, z + dice.between(3, 9)), h.bare, dice);
    for (float x = -30; x < 30; x += dice.between(8, 20)) add_lamp(stage, plan.at(x, z + 0.6F), {0, 0, -1}, dice);
  }
  float const far = 185;
  for (float x = -150; x < 150; x += dice.between(12, 30)) {
    if (dice.chance(0.5F))
      add_building(stage, {plan.at(x, far), {1, 0, 0}, {0, 0, 1}, dice.between(9, 22), 9, dice.between(5, 11)}, false,
                   dice);
    else
      add_hedge(stage, plan.at(x, far - 5), plan.at(x + 30, far - 5), dice.between(4, 11), 4, dice);
  }
  for (float x = -60; x < 60; x += dice.between(9, 26))
    add_some_tree(stage, plan.at(x, far - dice.between(8, 30)), h.bare, dice);
}

/// The whole stage of a seed.
inline Stage fill_stage(std::uint64_t seed, Plan const& plan) {
  Stage stage;
  stage.faces.reserve(4096), stage.rods.reserve(4096), stage.looks.reserve(2048);
  Dice own(seed, 10, 0);
  Habits const h = draw_habits(own);
  for (int s = 0; s < 2; ++s) {
    int n = 0;
    for (Stretch const& piece : plan.side[s]) {
      Dice dice(seed, 20 + static_cast<std::uint64_t>(s), static_cast<std::uint64_t>(n++));
      fill_stretch(stage, plan, h, s, piece, dice);
    }
    Dice dice(seed, 30 + static_cast<std::uint64_t>(s), 0);
    fill_kerb(stage, plan, h, s, dice);
  }
  Dice people(seed, 40, 0), cars(seed, 50, 0), end(seed, 60, 0);
  fill_people(stage, plan, h, people);
  fill_cars(stage, plan, h, cars);
  fill_end(stage, plan, h, end);
  for (Island const& i : plan.islands) {
    Dice dice(seed, 70, 0);
    if (dice.chance(0.8F))
      add_bollards(stage, plan, i.lat, i.z - i.half_length + 0.4F, i.z - i.half_length + 0.5F, dice);
    if (dice.chance(0.7F)) add_lights(stage, plan.at(i.lat, i.z), plan.ahead(i.z), dice);
  }
  return stage;
}

}  // namespace tadp::street
