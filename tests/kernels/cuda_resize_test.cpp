// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of resizing and of frames on the host against plain loops: up, down, to and from one pixel, both rules
// of corners.
#include "element_trials.hpp"

using namespace host_cuda;

namespace {

Trial resized(Dice& dice, bool addend) {
  FeatureShape const x{dice.integer(1, 3), dice.odd(0, 14), dice.odd(0, 14), dice.odd(0, 20)};
  FeatureShape const y{x.n(), dice.integer(1, 30), dice.integer(1, 30), x.c()};
  Trial t{"resize " + to_string(x) + " -> " + to_string(y), {block(dice, x)}, {y}};
  t.in.push_back(addend && dice.coin() ? block(dice, y) : Block<float>{});
  return t;
}

}  // namespace

TEST_CASE("the kernels of bilinear resizing are plain loops'") {
  for (Corners corners : {Corners::half_pixel, Corners::aligned})
    elements_agree(
        161 + static_cast<std::uint64_t>(corners), [](Dice& dice) { return resized(dice, false); },
        [&](auto& device, auto const& in, auto const& out) { resize_bilinear(device, corners, in[0], out[0]); },
        [&](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) resize_bilinear_gradient(device, corners, d_out[0], d_in[0]);
        });
}

TEST_CASE("the kernels of nearest resizing with an addend are plain loops'") {
  elements_agree(
      163, [](Dice& dice) { return resized(dice, true); },
      [](auto& device, auto const& in, auto const& out) { resize_nearest(device, in[0], in[1], out[0]); },
      [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) resize_nearest_gradient(device, d_out[0], d_in[0]);
      });
}

TEST_CASE("the kernels of frames and mirrors are plain loops'") {
  elements_agree(
      164, [](Dice& dice) { return resized(dice, false); }, [](auto& device, auto const& in, auto const& out) { reframe(device, in[0], out[0]); },
      [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) reframe_gradient(device, d_out[0], d_in[0]);
      });
  elements_agree(
      165,
      [](Dice& dice) {
        FeatureShape const x = odd_shape(dice);
        return Trial{"mirror " + to_string(x), {block(dice, x)}, {x}};
      },
      [](auto& device, auto const& in, auto const& out) { mirror(device, in[0], out[0]); },
      [](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) mirror_gradient(device, d_out[0], d_in[0]);
      });
}
