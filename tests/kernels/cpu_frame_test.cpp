// SPDX-License-Identifier: Apache-2.0
// Frames of the processor against plain loops: cut and padded at once, mirrored, one pixel, slices of pixels.
#include "against_plain.hpp"

using namespace against_plain;

namespace {

FeatureShape picture(Dice& dice, index_t limit, index_t batch = 0) {
  index_t const side = limit <= 5 ? 4 : 17;
  return {batch != 0 ? batch : dice.integer(1, 3), dice.integer(1, side), dice.integer(1, side), dice.odd(0, limit - 1)};
}

}  // namespace

TEST_CASE("pictures in another frame are those of plain loops") {
  auto const make = [](Dice& dice, index_t limit, index_t batch) {
    FeatureShape const x = picture(dice, limit, batch), size = picture(dice, limit);
    FeatureShape const y{x.n(), size.h(), size.w(), x.c()};
    return Trial{"frame " + to_string(x) + " -> " + to_string(y), {block(dice, x)}, {y}};
  };
  auto const forward = [](auto& device, auto const& in, auto const& out) { reframe(device, in[0], out[0]); };
  agree(94, 30, [&](Dice& dice, index_t limit) { return make(dice, limit, 0); }, forward,
        [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) reframe_gradient(device, d_out[0], d_in[0]);
        });
  Dice dice(95);
  for (int i = 0; i < 5; ++i) alone_agrees(dice, make(dice, 70, 8), forward);
}

TEST_CASE("mirrored pictures are those of plain loops, and twice mirrored the same") {
  auto const make = [](Dice& dice, index_t limit, index_t batch) {
    FeatureShape const x = picture(dice, limit, batch);
    return Trial{"mirror " + to_string(x), {block(dice, x)}, {x}};
  };
  auto const forward = [](auto& device, auto const& in, auto const& out) { mirror(device, in[0], out[0]); };
  agree(96, 30, [&](Dice& dice, index_t limit) { return make(dice, limit, 0); }, forward,
        [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) mirror_gradient(device, d_out[0], d_in[0]);
        });
  Dice dice(97);
  for (int i = 0; i < 5; ++i) alone_agrees(dice, make(dice, 70, 8), forward);
  auto const x = block(dice, {2, 3, 5, 7}, 1.0F, false);
  auto once = x, twice = x;
  mirror(cpu(2), x.view<Cpu>(), once.view<Cpu>());
  mirror(cpu(2), std::as_const(once).view<Cpu>(), twice.view<Cpu>());
  CHECK(once.memory != x.memory);
  CHECK(twice.memory == x.memory);
}
