// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of convolutions on the host against plain loops: odd sizes, strides, paddings, doublings, slices,
// residuals, ReLU, and transposed ones whose taps leave gaps, meet and overlap.
#include "element_trials.hpp"

using namespace host_cuda;

namespace {

ConvGeometry geometry(Dice& dice) {
  constexpr int kernels[] = {1, 1, 3, 3, 3, 5, 2};
  ConvGeometry g = ConvGeometry::same(kernels[dice.integer(0, 6)], static_cast<int>(dice.integer(1, 2)));
  if (g.kernel == 2) g.pad_bottom = g.pad_right = 0;
  if (g.kernel == 3 && g.stride == 2 && dice.coin()) g.pad_top = g.pad_left = 0;  // the autoencoder's
  g.upsample = g.stride == 1 && dice.integer(0, 3) == 0;
  return g;
}

}  // namespace

TEST_CASE("the kernels of convolutions and their gradients are plain loops'") {
  ConvGeometry g;
  bool relu = false;
  elements_agree(
      221,
      [&](Dice& dice) {
        g = geometry(dice);
        relu = dice.coin();
        bool const vectors = dice.integer(0, 4) == 0;  // the time projection: a linear layer of one row
        if (vectors) g = ConvGeometry::same(1);
        index_t const n = dice.integer(1, 3), in = dice.odd(0, 40), out = dice.odd(0, 69), side = in * out > 500 ? 7 : 12;
        FeatureShape const x{n, vectors ? 1 : dice.odd(2, side), vectors ? 1 : dice.odd(2, side), in}, y = g.out_shape(x, out);
        Trial t{"conv " + to_string(x) + " -> " + to_string(y) + " kernel " + std::to_string(g.kernel) + (relu ? " ReLU" : ""), {}, {y}, {0, 1, 2}};
        t.in = {block(dice, x), numbers(dice, out * g.taps() * in), dice.coin() ? numbers(dice, out) : Block<float>{},
                dice.coin() ? block(dice, {dice.coin() ? n : 1, 1, 1, out}) : Block<float>{}, dice.coin() ? block(dice, y) : Block<float>{}};
        return t;
      },
      [&](auto& device, auto const& in, auto const& out) { conv2d(device, g, in[0], in[1].data, in[2].data, in[3], in[4], out[0], relu); },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) conv2d_input_gradient(device, g, d_out[0], in[1].data, d_in[0]);
        if (d_in[1] || d_in[2]) conv2d_weight_gradient(device, g, in[0], d_out[0], d_in[1].data, d_in[2].data);
      });
}

TEST_CASE("the kernels of transposed convolutions and their gradients are plain loops'") {
  ConvGeometry g;
  elements_agree(
      222,
      [&](Dice& dice) {
        g = {.kernel = static_cast<int>(dice.integer(1, 5)), .stride = static_cast<int>(dice.integer(1, 3))};
        g.pad_top = g.pad_left = g.pad_bottom = g.pad_right = static_cast<int>(dice.integer(0, (g.kernel - 1) / 2));
        index_t const extra = dice.integer(0, g.stride - 1);
        FeatureShape const x{dice.integer(1, 3), dice.odd(2, 7), dice.odd(2, 7), dice.odd(0, 40)};
        auto const doubled = [&](index_t length) { return (length - 1) * g.stride - 2 * g.pad_top + g.kernel + extra; };
        FeatureShape const y{x.n(), doubled(x.h()), doubled(x.w()), dice.odd(0, 40)};
        return Trial{"transposed " + to_string(x) + " -> " + to_string(y), {block(dice, x), numbers(dice, x.c() * g.taps() * y.c())}, {y}, {0, 1}};
      },
      [&](auto& device, auto const& in, auto const& out) { conv_transpose2d(device, g, in[0], in[1].data, out[0]); },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) conv_transpose2d_input_gradient(device, g, d_out[0], in[1].data, d_in[0]);
        if (d_in[1]) conv_transpose2d_weight_gradient(device, g, in[0], d_out[0], d_in[1].data);
      });
}
