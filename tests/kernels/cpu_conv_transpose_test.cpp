// SPDX-License-Identifier: Apache-2.0
// Transposed convolutions of the processor against plain loops: kernels that leave gaps, meet, and overlap, odd sizes.
#include "against_plain.hpp"

using namespace against_plain;

namespace {

struct Transposed {
  ConvGeometry g{};

  /// inputs: x, weight.
  Trial trial(Dice& dice, index_t limit, index_t batch = 0) {
    g = {.kernel = static_cast<int>(dice.integer(1, 5)), .stride = static_cast<int>(dice.integer(1, 3))};
    g.pad_top = g.pad_left = g.pad_bottom = g.pad_right = static_cast<int>(dice.integer(0, (g.kernel - 1) / 2));
    index_t const extra = dice.integer(0, g.stride - 1), side = limit <= 5 ? 3 : 12;
    FeatureShape const x{batch != 0 ? batch : dice.integer(1, 3), dice.odd(2, side), dice.odd(2, side), dice.odd(0, limit - 1)};
    auto const doubled = [&](index_t length) { return (length - 1) * g.stride - 2 * g.pad_top + g.kernel + extra; };
    FeatureShape const y{x.n(), doubled(x.h()), doubled(x.w()), dice.odd(0, limit - 1)};
    REQUIRE(g.out_shape(y, x.c()) == x);
    return {"transposed " + to_string(x) + " -> " + to_string(y) + " kernel " + std::to_string(g.kernel) + " stride " + std::to_string(g.stride),
            {block(dice, x), numbers(dice, x.c() * g.taps() * y.c())},
            {y},
            {0, 1}};
  }
  auto forward() const {
    return [this](auto& device, auto const& in, auto const& out) { conv_transpose2d(device, g, in[0], in[1].data, out[0]); };
  }
  auto backward() const {
    return [this](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
      if (d_in[0]) conv_transpose2d_input_gradient(device, g, d_out[0], in[1].data, d_in[0]);
      if (d_in[1]) conv_transpose2d_weight_gradient(device, g, in[0], d_out[0], d_in[1].data);
    };
  }
};

}  // namespace

TEST_CASE("transposed convolutions of the processor and their gradients are those of plain loops") {
  Transposed t;
  agree(91, 50, [&](Dice& dice, index_t limit) { return t.trial(dice, limit); }, t.forward(), t.backward());
}

TEST_CASE("a transposed convolution of many channels, as a decoder begins") {
  Transposed t{{.kernel = 2, .stride = 2}};
  Dice dice(92);
  Trial const wide{"1031 channels", {block(dice, {1, 3, 5, 1031}), numbers(dice, 1031 * 4 * 32)}, {FeatureShape{1, 6, 10, 32}}, {0, 1}};
  forward_agrees(dice, wide, t.forward());
  backward_agrees(dice, wide, t.forward(), t.backward());
}

TEST_CASE("a transposed convolution of a picture has the same bytes alone and in a batch") {
  Transposed t;
  Dice dice(93);
  for (int i = 0; i < 8; ++i) alone_agrees(dice, t.trial(dice, 40, 8), t.forward());
}
