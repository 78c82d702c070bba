// SPDX-License-Identifier: Apache-2.0
// Convolutions of the processor against plain loops over odd sizes, strides, paddings, doublings, slices, residuals
// and ReLU.
#include "against_plain.hpp"

using namespace against_plain;

namespace {

ConvGeometry geometry(Dice& dice) {
  constexpr int kernels[] = {1, 1, 3, 3, 3, 5, 2};
  ConvGeometry g = ConvGeometry::same(kernels[dice.integer(0, 6)], static_cast<int>(dice.integer(1, 2)));
  if (g.kernel == 2) g.pad_bottom = g.pad_right = 0;
  if (g.kernel == 3 && g.stride == 2 && dice.coin()) g.pad_top = g.pad_left = 0;  // the autoencoder's
  g.upsample = g.stride == 1 && dice.integer(0, 3) == 0;
  return g;
}

/// inputs: x, weight, bias, shift, residual.
Trial trial(Dice& dice, index_t limit, ConvGeometry& g, index_t batch = 0) {
  g = geometry(dice);
  bool const vectors = dice.integer(0, 4) == 0;  // the time projection: a linear layer of one row
  if (vectors) g = ConvGeometry::same(1);
  index_t const n = batch != 0 ? batch : dice.integer(1, 3), in = dice.odd(0, limit - 1), out = dice.odd(0, limit - 1);
  index_t const side = in * out > 900 ? 17 : std::min<index_t>(limit, 23);
  FeatureShape const x{n, vectors ? 1 : dice.odd(2, side), vectors ? 1 : dice.odd(2, side), in};
  FeatureShape const y = g.out_shape(x, out);
  Trial t{"conv " + to_string(x) + " -> " + to_string(y) + " kernel " + std::to_string(g.kernel) + " stride " + std::to_string(g.stride) +
              (g.upsample ? " doubled" : ""),
          {}, {y}, {0, 1, 2}};
  t.in = {block(dice, x), numbers(dice, out * g.taps() * in), dice.coin() ? numbers(dice, out) : Block<float>{},
          dice.coin() ? block(dice, {dice.coin() ? n : 1, 1, 1, out}) : Block<float>{}, dice.coin() ? block(dice, y) : Block<float>{}};
  return t;
}

struct Convolution {
  ConvGeometry g{};
  bool relu = false;
  auto forward() const {
    return [this](auto& device, auto const& in, auto const& out) { conv2d(device, g, in[0], in[1].data, in[2].data, in[3], in[4], out[0], relu); };
  }
  auto backward() const {
    return [this](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
      if (d_in[0]) conv2d_input_gradient(device, g, d_out[0], in[1].data, d_in[0]);
      if (d_in[1] || d_in[2]) conv2d_weight_gradient(device, g, in[0], d_out[0], d_in[1].data, d_in[2].data);
    };
  }
};

}  // namespace

TEST_CASE("convolutions of the processor and their gradients are those of plain loops") {
  Convolution c;
  agree(1, 60, [&](Dice& dice, index_t limit) { return trial(dice, limit, c.g); }, c.forward(), c.backward());
}

TEST_CASE("a convolution with its ReLU is that of plain loops, and has the bytes of the activation afterwards") {
  Convolution together, apart;
  together.relu = true;
  Dice dice(4);
  for (int i = 0; i < 30; ++i) {
    Trial const t = trial(dice, 70, together.g);
    apart.g = together.g;
    forward_agrees(dice, t, together.forward());
    Blocks one{block(dice, t.out[0])}, two = one;
    auto const in = reads<Cpu>(t.in);
    auto const of_one = writes<Cpu>(one), of_two = writes<Cpu>(two);
    together.forward()(cpu(2), in, of_one);
    apart.forward()(cpu(2), in, of_two);
    activation(cpu(2), Activation::relu, ConstFeatures<Cpu>(of_two[0]), of_two[0]);
    CHECK(same_bytes(one, two));
  }
}

TEST_CASE("a convolution of a picture has the same bytes alone and in a batch") {
  Convolution c;
  Dice dice(2);
  for (int i = 0; i < 12; ++i) alone_agrees(dice, trial(dice, 40, c.g, 8), c.forward());
}

TEST_CASE("long sums and wide results cross the blocks of a matrix product") {
  Convolution c{ConvGeometry::same(1)};
  Dice dice(3);
  for (auto const& [pixels, in, out] : {std::array<index_t, 3>{7, 1031, 19}, {263, 257, 211}, {1, 520, 401}, {601, 5, 3}}) {
    Trial t{"linear", {block(dice, {1, 1, pixels, in}), numbers(dice, out * in), numbers(dice, out), {}, {}}, {FeatureShape{1, 1, pixels, out}}, {0, 1, 2}};
    forward_agrees(dice, t, c.forward());
    backward_agrees(dice, t, c.forward(), c.backward());
  }
}
