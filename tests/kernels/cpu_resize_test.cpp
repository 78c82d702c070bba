// SPDX-License-Identifier: Apache-2.0
// Resizing layers of the processor against plain loops: up, down, to one pixel, from one pixel, both rules of corners.
#include "against_plain.hpp"

using namespace against_plain;

namespace {

Trial trial(Dice& dice, index_t limit, bool addend, index_t batch = 0) {
  index_t const side = limit <= 5 ? 4 : 20;
  FeatureShape const x{batch != 0 ? batch : dice.integer(1, 3), dice.odd(0, side), dice.odd(0, side), dice.odd(0, limit - 1)};
  FeatureShape const y{x.n(), dice.integer(1, 2 * side), dice.integer(1, 2 * side), x.c()};
  Trial t{"resize " + to_string(x) + " -> " + to_string(y), {block(dice, x)}, {y}};
  t.in.push_back(addend && dice.coin() ? block(dice, y) : Block<float>{});
  return t;
}

}  // namespace

TEST_CASE("bilinear resizing is that of plain loops") {
  for (Corners corners : {Corners::half_pixel, Corners::aligned}) {
    auto const forward = [&](auto& device, auto const& in, auto const& out) { resize_bilinear(device, corners, in[0], out[0]); };
    auto const backward = [&](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
      if (d_in[0]) resize_bilinear_gradient(device, corners, d_out[0], d_in[0]);
    };
    agree(51 + static_cast<std::uint64_t>(corners), 30, [](Dice& dice, index_t limit) { return trial(dice, limit, false); }, forward, backward);
    Dice dice(53);
    for (int i = 0; i < 5; ++i) alone_agrees(dice, trial(dice, 70, false, 8), forward);
  }
}

TEST_CASE("nearest resizing with an addend is that of plain loops") {
  auto const forward = [](auto& device, auto const& in, auto const& out) { resize_nearest(device, in[0], in[1], out[0]); };
  auto const backward = [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
    if (d_in[0]) resize_nearest_gradient(device, d_out[0], d_in[0]);
  };
  agree(54, 30, [](Dice& dice, index_t limit) { return trial(dice, limit, true); }, forward, backward);
  Dice dice(55);
  for (int i = 0; i < 5; ++i) alone_agrees(dice, trial(dice, 70, true, 8), forward);
}
