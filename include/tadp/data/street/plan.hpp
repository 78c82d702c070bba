// SPDX-License-Identifier: Apache-2.0
// The street as drawn on paper: how wide, how bent, what stands on which side, where side streets leave; and who looks,
// in what light. Drawn from the seed first; the parts then only fill it in.
#pragma once

#include "tadp/data/street/dice.hpp"
#include "tadp/data/street/labels.hpp"

#include <cmath>
#include <vector>

namespace tadp::street {

enum class Verge : std::uint8_t { none, grass };
enum class Side : std::uint8_t { terrace, houses, park, wall, lot };

/// A stretch of one side, from z0 to z1, built up in one manner.
struct Stretch {
  Side kind = Side::terrace;
  float z0 = 0, z1 = 0;
};

/// A street leaving to one side (0 left, 1 right) between z0 and z1.
struct Mouth {
  int side = 0;
  float z0 = 0, z1 = 0;
};

/// A paved island in the middle of the road.
struct Island {
  float lat = 0, z = 0, half_width = 0.8F, half_length = 2.5F;
};

/// A field of paint on the road that is no line: a worn arrow, letters, a zebra.
struct Paint {
  enum class Kind : std::uint8_t { arrow, letters, zebra, stop, hatch, box, red } kind = Kind::arrow;
  float lat = 0, z = 0, width = 1, length = 3;
};

struct Plan {
  float slope = 0, bend = 0;  // centre line x = slope z + bend z^2 / 2, straight again beyond 90 m
  float half_road = 4;        // m
  float walk[2] = {2, 2};     // pavement width by side
  float grass[2] = {0, 0};    // strip of grass behind the pavement, before the fronts
  float wide[2] = {0, 0};     // extra road by side (bays, lots)
  float end = 150;            // where the street meets a cross street
  bool crossed = false;
  std::vector<Stretch> side[2]{};
  std::vector<Mouth> mouths{};
  std::vector<Island> islands{};
  std::vector<Paint> paints{};
  float dash = 3, gap = 4, line = 0.1F;
  int edge_lines = 0;  // 0 none, 1 one white, 2 double yellow
  bool red_lane = false, mirror = false;
  float wear = 0.2F, patches = 0.3F;
  Colour asphalt{}, slabs{}, lawn{};
  float slab = 0.6F;
  std::uint32_t seed = 0;

  float centre(float z) const {
    float const near = z < 90.0F ? z : 90.0F;
    return slope * z + bend * near * near * 0.5F + (z > 90.0F ? bend * 90.0F * (z - 90.0F) : 0.0F);
  }
  Vec3 at(float lat, float z, float y = 0) const { return {centre(z) + lat, y, z}; }
  Vec3 ahead(float z) const { return unit({centre(z + 0.5F) - centre(z - 0.5F), 0, 1}); }
  float kerb(int s) const { return half_road + wide[s]; }
  float front(int s) const { return kerb(s) + walk[s] + grass[s]; }
};

/// Where the eye is and how the light falls.
struct View {
  float eye_height = 1.4F, eye_lat = -1.8F, yaw = 0, pitch = 0, roll = 0;
  float focal = 1.05F;  // of the width of a 4:3 picture
};

struct Light {
  Vec3 to_sun{0, 1, 0};
  Colour sun{}, ambient{};
  Colour sky_low{}, sky_high{};
  float clouds = 0;     // 0 none to 1 all
  float haze = 0.002F;  // per metre
  bool sunny = false;
  float luma = 116, contrast = 1, vignette = 0.1F, sharpen = 0, noise = 2;
  Colour balance{1, 1, 1};
};

/// How the whole street leans: shares of the manners follow from it.
enum class Manner : std::uint8_t { high_street, suburb, green, open };

inline Side draw_side(Manner manner, Dice& dice) {
  float const w[4][5] = {{0.80F, 0.07F, 0.06F, 0.05F, 0.02F},
                         {0.30F, 0.40F, 0.16F, 0.10F, 0.04F},
                         {0.06F, 0.18F, 0.48F, 0.14F, 0.14F},
                         {0.26F, 0.16F, 0.22F, 0.08F, 0.28F}};
  float t = dice.draw();
  for (int k = 0; k < 5; ++k) {
    float const p = w[static_cast<int>(manner)][k];
    if (t < p) return static_cast<Side>(k);
    t -= p;
  }
  return Side::terrace;
}

inline void draw_sides(Plan& plan, Manner manner, Dice& dice) {
  float const stop = plan.crossed ? plan.end : 170.0F;
  for (int s = 0; s < 2; ++s) {
    float z = -22;
    while (z < stop) {
      Stretch piece{draw_side(manner, dice), z, 0};
      piece.z1 = least(stop, z + dice.between(18, 60));
      plan.side[s].push_back(piece);
      z = piece.z1;
      if (z < stop - 12 && dice.chance(0.3F)) {
        Mouth const mouth{s, z + 0.5F, z + dice.between(6, 10)};
        plan.mouths.push_back(mouth);
        z = mouth.z1 + 0.5F;
      }
    }
  }
}

inline void draw_paints(Plan& plan, Dice& dice) {
  using Kind = Paint::Kind;
  int const fields = dice.below(4);
  for (int i = 0; i < fields; ++i) {
    constexpr Kind kinds[] = {Kind::arrow, Kind::letters, Kind::letters, Kind::arrow, Kind::hatch};
    float const lane = plan.half_road * 0.5F * (dice.chance(0.6F) ? -1.0F : 1.0F);
    plan.paints.push_back({dice.pick(kinds), lane, dice.between(6, 40), dice.between(0.8F, 2.2F), dice.between(2, 5)});
  }
  if (dice.chance(0.12F)) plan.paints.push_back({Kind::zebra, 0, dice.between(7, 40), plan.half_road, 3});
  if (dice.chance(0.25F))
    plan.paints.push_back({Kind::stop, -plan.half_road * 0.5F, dice.between(5, 30), plan.half_road * 0.5F, 0.3F});
  if (dice.chance(0.1F)) {  // where bicycles wait, with a worn sign on it
    float const z = dice.between(4, 16), half = plan.half_road * 0.48F;
    plan.paints.push_back({Kind::red, -plan.half_road * 0.5F, z, half, dice.between(3, 5)});
    plan.paints.push_back({Kind::letters, -plan.half_road * 0.5F, z + 0.5F, half * 0.6F, 2.6F});
  }
  if (dice.chance(0.1F)) plan.paints.push_back({Kind::box, 0, dice.between(8, 25), plan.half_road, 8});
}

inline void draw_ground(Plan& plan, Manner manner, Dice& dice) {
  bool const roomy = manner == Manner::green || manner == Manner::open;
  plan.half_road = roomy ? dice.between(3.6F, 6.5F) : dice.between(3.0F, 5.2F);
  for (int s = 0; s < 2; ++s) {
    plan.walk[s] = dice.chance(roomy ? 0.22F : 0.04F) ? dice.between(0.2F, 0.9F) : dice.between(1.5F, 3.6F);
    plan.grass[s] =
        roomy ? dice.between(1, 9)
              : (manner == Manner::suburb ? dice.between(0, 5) : (dice.chance(0.2F) ? dice.between(0, 3) : 0.0F));
    plan.wide[s] = dice.chance(0.2F) ? dice.between(1.5F, 3.5F) : 0.0F;
    if (manner == Manner::open && dice.chance(0.3F)) plan.wide[s] = dice.between(5, 14);
  }
  float const tone = dice.between(0.055F, 0.15F);
  plan.asphalt = {tone, tone * dice.between(1.0F, 1.04F), tone * dice.between(1.02F, 1.12F)};
  float const slab = dice.between(0.06F, 0.135F);
  plan.slabs = {slab * 1.03F, slab, slab * dice.between(0.9F, 1.03F)};
  plan.lawn = mix(Colour{0.075F, 0.12F, 0.03F}, Colour{0.14F, 0.14F, 0.06F}, dice.draw());
  plan.slab = dice.between(0.4F, 0.9F);
  plan.dash = dice.between(1.5F, 5), plan.gap = dice.between(1.5F, 6), plan.line = dice.between(0.08F, 0.16F);
  plan.edge_lines = dice.below(3);
  plan.red_lane = dice.chance(0.16F);
  plan.wear = dice.between(0.05F, 0.55F), plan.patches = dice.between(0, 0.7F);
}

/// The paper plan of a seed.
inline Plan draw_plan(std::uint64_t seed) {
  Dice dice(seed, 1, 0);
  Plan plan;
  plan.seed = dice.word();
  plan.mirror = dice.chance(0.25F);
  constexpr Manner manners[] = {Manner::high_street, Manner::high_street, Manner::high_street, Manner::high_street,
                                Manner::high_street, Manner::high_street, Manner::suburb,      Manner::suburb,
                                Manner::green,       Manner::green,       Manner::open};
  Manner const manner = dice.pick(manners);
  draw_ground(plan, manner, dice);
  plan.slope = 0.03F * dice.bell();
  plan.bend = dice.chance(0.55F) ? 0.0022F * dice.bell() : 0.0F;
  plan.crossed = dice.chance(0.3F);
  plan.end = dice.between(28, 80);
  draw_sides(plan, manner, dice);
  draw_paints(plan, dice);
  if (dice.chance(0.25F))
    plan.islands.push_back(
        {dice.between(-0.6F, 0.6F), dice.between(14, 45), dice.between(0.6F, 1.4F), dice.between(1.5F, 5)});
  return plan;
}

inline View draw_view(std::uint64_t seed, Plan const& plan) {
  Dice dice(seed, 2, 0);
  View view;
  view.eye_height = dice.between(1.2F, 1.6F);
  view.eye_lat = -plan.half_road * dice.between(0.3F, 0.7F);
  view.eye_lat += 0.2F * dice.bell();
  view.yaw = 0.05F * dice.bell();
  if (dice.chance(0.2F)) view.yaw = 0.14F * dice.bell();
  view.pitch = 0.015F + 0.02F * dice.bell();
  view.roll = 0.008F * dice.bell();
  view.focal = dice.between(0.95F, 1.3F);
  return view;
}

inline Light draw_light(std::uint64_t seed) {
  Dice dice(seed, 3, 0);
  Light light;
  light.sunny = dice.chance(0.6F);
  float const high = dice.between(0.25F, 0.9F), turn = dice.between(-3.1416F, 3.1416F);
  light.to_sun = unit({std::cos(high) * std::sin(turn), std::sin(high), std::cos(high) * std::cos(turn)});
  float const power = light.sunny ? dice.between(1.6F, 3.6F) : 0.0F;
  light.sun = Colour{1.0F, 0.94F, 0.84F} * power;
  float const soft = light.sunny ? dice.between(0.5F, 0.8F) : dice.between(0.75F, 1.1F);
  light.ambient =
      mix(Colour{1, 1, 1.02F}, Colour{0.88F, 0.97F, 1.16F}, light.sunny ? dice.draw() : 0.3F * dice.draw()) * soft;
  float const blue = light.sunny && dice.chance(0.6F) ? dice.draw() : 0.0F;
  light.sky_low = Colour{1.25F, 1.3F, 1.32F} * dice.between(1.3F, 2.2F);
  light.sky_high = mix(light.sky_low, Colour{0.75F, 1.2F, 1.6F}, blue);
  light.clouds = dice.chance(0.6F) ? dice.draw() : 0.0F;
  light.haze = dice.chance(0.2F) ? dice.between(0.0005F, 0.003F) : 0.0004F;
  light.luma = 116.0F + 20.0F * dice.bell();
  light.contrast = dice.between(1.1F, 1.6F);
  light.vignette = dice.between(0, 0.25F);
  light.sharpen = dice.between(-0.06F, 0.32F);
  light.noise = dice.between(0.8F, 3.5F);
  light.balance = {1 + 0.03F * dice.bell(), 1 + 0.012F * dice.bell(), 1 + 0.035F * dice.bell()};
  return light;
}

}  // namespace tadp::street
