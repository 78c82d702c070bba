// SPDX-License-Identifier: Apache-2.0
// Trees bare and leafy, evergreens, hedges and bushes: rods for wood, cards for twigs and leaves.
// A bare crown also gets a hull, which labels the whole crown as people who draw labels do.
#pragma once

#include "tadp/data/street/plan.hpp"
#include "tadp/data/street/stage.hpp"

namespace tadp::street {

struct TreeLooks {
  std::uint16_t wood = 0, crown = 0, hull = 0;
  bool leafy = false;
};

inline TreeLooks draw_tree_looks(Stage& stage, bool leafy, Dice& dice) {
  Colour const bark = mix(Colour{0.06F, 0.055F, 0.045F}, Colour{0.14F, 0.13F, 0.11F}, dice.draw());
  Colour const green = mix(Colour{0.035F, 0.06F, 0.022F}, Colour{0.11F, 0.115F, 0.065F}, dice.draw());
  Colour const leaf = mix(green, Colour{0.12F, 0.085F, 0.035F}, dice.chance(0.15F) ? dice.draw() : 0.0F);
  TreeLooks looks;
  looks.leafy = leafy;
  looks.wood =
      stage.add({.kind = Surface::round, .label = tree, .base = bark, .second = bark * 0.6F, .seed = dice.word()});
  looks.crown = stage.add({.kind = leafy ? Surface::leaves : Surface::twigs,
                           .label = tree,
                           .base = leafy ? leaf : mix(bark, Colour{0.14F, 0.13F, 0.12F}, 0.5F),
                           .second = leaf * 0.35F,
                           .seed = dice.word()});
  looks.hull = stage.add({.kind = Surface::plain, .label = tree, .seed = dice.word()});
  return looks;
}

inline void add_branches(Stage& stage, TreeLooks const& looks, Vec3 from, Vec3 way, float len, float radius, int depth,
                         Dice& dice) {
  Vec3 const to = from + way * len;
  stage.rod(from, to, radius, radius * 0.65F, looks.wood, 0, 0.15F);
  if (depth == 0) {
    float const size = len * dice.between(1.5F, 2.3F);
    stage.cards.push_back({.centre = to,
                           .width = size,
                           .height = size,
                           .look = looks.crown,
                           .mask = looks.leafy ? Mask::leaves : Mask::twigs});
    return;
  }
  int const arms = 2 + dice.below(3);
  for (int i = 0; i < arms; ++i) {
    Vec3 const turn{dice.bell() * 0.5F, 0.12F + dice.bell() * 0.22F, dice.bell() * 0.5F};
    Vec3 const start = mix(from, to, i == 0 ? 1.0F : dice.between(0.45F, 1.0F));
    add_branches(stage, looks, start, unit(way + turn), len * dice.between(0.6F, 0.85F), radius * 0.55F, depth - 1,
                 dice);
  }
}

/// A tree with a trunk, `height` metres high at `foot`.
inline void add_tree(Stage& stage, Vec3 foot, float height, bool leafy, Dice& dice) {
  if (foot.z > 3 && foot.z < 70) ++(leafy ? stage.leafy_trees : stage.bare_trees);
  TreeLooks const looks = draw_tree_looks(stage, leafy, dice);
  float const far = foot.z;
  int const depth = far > 55 ? 1 : (far > 25 ? 2 : 3);
  float const trunk = height * dice.between(0.2F, 0.34F), girth = height * dice.between(0.012F, 0.032F);
  stage.rod(foot, foot + up_axis * trunk, girth * 1.25F, girth, looks.wood, 0, 0.4F);
  int const limbs = 3 + dice.below(3);
  float const spread = dice.between(0.4F, 0.95F);
  for (int i = 0; i < limbs; ++i) {
    Vec3 const way = unit({dice.bell() * spread, 1.1F, dice.bell() * spread});
    add_branches(stage, looks, foot + up_axis * (trunk * dice.between(0.75F, 1.0F)), way,
                 height * (depth == 1 ? 0.36F : 0.27F), girth * 0.6F, depth - 1, dice);
  }
  if (!leafy) {
    float const wide = height * (0.5F + 0.3F * spread);
    stage.cards.push_back({.centre = foot + up_axis * (height * 0.64F),
                           .width = wide,
                           .height = height * 0.76F,
                           .look = looks.hull,
                           .mask = Mask::blob,
                           .hull = true});
  }
  stage.blots.push_back({.x = foot.x, .z = foot.z, .half_width = girth * 2, .half_length = girth * 2, .dark = 0.5F});
}

/// A cone of dark green, or a birch-like plume.
inline void add_evergreen(Stage& stage, Vec3 foot, float height, Dice& dice) {
  TreeLooks const looks = draw_tree_looks(stage, true, dice);
  stage.rod(foot, foot + up_axis * (height * 0.9F), height * 0.015F, 0.03F, looks.wood, 0, 0.3F);
  float const wide = height * dice.between(0.3F, 0.5F);
  for (int i = 0; i < 9; ++i) {
    float const t = (static_cast<float>(i) + 0.8F) / 9.5F, size = wide * (1.15F - t);
    stage.cards.push_back({.centre = foot + Vec3{0.1F * size * dice.bell(), height * t, 0.1F * size * dice.bell()},
                           .width = size,
                           .height = size * 0.9F,
                           .look = looks.crown,
                           .mask = Mask::leaves});
  }
}

/// A hedge or a heap of bushes from a to b.
inline void add_hedge(Stage& stage, Vec3 a, Vec3 b, float height, float thick, Dice& dice) {
  Colour const leaf = mix(Colour{0.02F, 0.035F, 0.014F}, Colour{0.07F, 0.075F, 0.03F}, dice.draw());
  Look const look{.kind = Surface::hedge, .label = tree, .base = leaf, .second = leaf * 0.3F, .seed = dice.word()};
  auto const id = stage.add(look);
  Vec3 const along = unit(b - a), side = cross(up_axis, along);
  float const len = length(b - a);
  for (float const off : {-thick / 2, thick / 2})
    stage.quad(a + side * off, along, up_axis, len, height, id, Mask::hedge);
  stage.quad(a - side * (thick / 2), side, up_axis, thick, height * 0.95F, id);
  stage.quad(a - side * (thick / 2) + up_axis * (height * 0.85F), along, side, len, thick, id);
}

inline void add_bush(Stage& stage, Vec3 foot, float size, Dice& dice) {
  Colour const leaf = mix(Colour{0.025F, 0.045F, 0.018F}, Colour{0.09F, 0.085F, 0.04F}, dice.draw());
  auto const id =
      stage.add({.kind = Surface::leaves, .label = tree, .base = leaf, .second = leaf * 0.35F, .seed = dice.word()});
  for (int i = 0; i < 4; ++i)
    stage.cards.push_back({.centre = foot + Vec3{dice.bell() * size * 0.35F, size * dice.between(0.25F, 0.55F),
                                                 dice.bell() * size * 0.35F},
                           .width = size * 1.1F,
                           .height = size,
                           .look = id,
                           .mask = Mask::leaves});
}

/// A bare, leafy or evergreen tree as the season of the street has it.
inline void add_some_tree(Stage& stage, Vec3 foot, float bare, Dice& dice) {
  if (dice.chance(0.14F)) return add_evergreen(stage, foot, dice.between(4, 11), dice);
  float const height = dice.between(5, 14);
  add_tree(stage, foot, height, !dice.chance(bare), dice);
}

}  // namespace tadp::street
