// SPDX-License-Identifier: Apache-2.0
// What the CUDA device asks of cuBLASLt and cuDNN, with plain loops in their places: strides, transpositions, packing,
// padding and doubling, what is fused and what is added afterwards, against the plain device.
#include "library_trials.hpp"

using namespace host_cuda;

namespace {

ConvGeometry geometry(Dice& dice) {
  if (dice.integer(0, 2) == 0) return ConvGeometry::same(1);  // a linear layer
  constexpr int kernels[] = {1, 1, 3, 3, 3, 3, 5, 2};
  ConvGeometry g = ConvGeometry::same(kernels[dice.integer(0, 7)], static_cast<int>(dice.integer(1, 2)));
  if (g.kernel == 2) g.pad_top = g.pad_left = 0;                                          // one more below and right
  if (g.kernel == 3 && g.stride == 2 && dice.coin()) g.pad_top = g.pad_left = 0;          // the autoencoder's
  g.upsample = g.stride == 1 && g.pad_top == g.pad_bottom && dice.integer(0, 3) == 0;
  return g;
}

/// Writes down what it is asked for, and has it done.
struct Asked : WithLibraries {
  std::vector<std::string> kinds{};
};
void library_multiply(Asked& device, cuda::Product const& product, cuda::ProductOperands const& o) {
  device.kinds.push_back(product.text());
  library_multiply(static_cast<WithLibraries&>(device), product, o);
}
bool library_convolve(Asked& device, cuda::ConvolutionKind const& kind, cuda::ConvolutionOperands const& o) {
  device.kinds.push_back(kind.text());
  return library_convolve(static_cast<WithLibraries&>(device), kind, o);
}

/// What libraries are asked for by a convolution of 5 channels with bias and ReLU.
std::vector<std::string> asked(ConvGeometry const& g, index_t out, bool shifted) {
  Dice dice(233);
  FeatureShape const shape{1, 4, 4, 5}, result = g.out_shape(shape, out);
  Block<float> const x = block(dice, shape, 1.0F, false), weight = numbers(dice, out * g.taps() * 5), bias = numbers(dice, out), shift = numbers(dice, out);
  Block<float> y = block(dice, result, 1.0F, false);
  Asked device;
  conv2d(device, g, x.view<Asked>(), weight.memory.data(), bias.memory.data(), shifted ? shift.view<Asked>() : ConstFloats<Asked>{}, {}, y.view<Asked>(), true);
  return device.kinds;
}

}  // namespace

TEST_CASE("convolutions and linear layers by libraries, and their gradients, are plain loops'") {
  ConvGeometry g;
  bool relu = false;
  int linear = 0;
  kernels_agree(
      231,
      [&](Dice& dice) {
        g = geometry(dice);
        relu = dice.coin();
        linear += cuda::is_linear(g) ? 1 : 0;
        index_t const n = dice.integer(1, 3), in = dice.integer(0, 2) == 0 ? 4 * dice.integer(1, 5) : dice.odd(0, 20), out = dice.integer(1, 20);
        FeatureShape const x{n, dice.odd(2, 9), dice.odd(2, 9), in}, y = g.out_shape(x, out);
        Trial t{"conv " + to_string(x) + " -> " + to_string(y) + " kernel " + std::to_string(g.kernel) + (relu ? " ReLU" : ""), {}, {y}, {0, 1, 2}};
        t.contiguous_out = dice.coin();
        t.in = {block(dice, x), numbers(dice, out * g.taps() * in), dice.coin() ? numbers(dice, out) : Block<float>{},
                dice.integer(0, 2) == 0 ? block(dice, {dice.coin() ? n : 1, 1, 1, out}) : Block<float>{}, dice.coin() ? block(dice, y) : Block<float>{}};
        return t;
      },
      [&](auto& device, auto const& in, auto const& out) {
        with_libraries(device, [&](auto& d, auto const& as) { conv2d(d, g, as(in[0]), in[1].data, in[2].data, as(in[3]), as(in[4]), as(out[0]), relu); });
      },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        with_libraries(device, [&](auto& d, auto const& as) {
          if (d_in[0]) conv2d_input_gradient(d, g, as(d_out[0]), in[1].data, as(d_in[0]));
          if (d_in[1] || d_in[2]) conv2d_weight_gradient(d, g, as(in[0]), as(d_out[0]), d_in[1].data, d_in[2].data);
        });
      });
  if (shapes < 50) return;
  CHECK(linear >= 10);
  CHECK(linear <= shapes - 25);
}

TEST_CASE("a library is asked for the ReLU where nothing comes between") {
  for (ConvGeometry const& g : {ConvGeometry::same(1), ConvGeometry::same(3)}) {
    std::vector<std::string> const fused = asked(g, 7, false), apart = asked(g, 7, true);
    REQUIRE(fused.size() == 1);
    CHECK(fused[0].find(", ReLU, float") != std::string::npos);
    REQUIRE(apart.size() == 1);
    CHECK(apart[0].find("ReLU") == std::string::npos);
  }
}

TEST_CASE("transposed convolutions by libraries, and their gradients, are plain loops'") {
  ConvGeometry g;
  kernels_agree(
      232,
      [&](Dice& dice) {
        g = {.kernel = static_cast<int>(dice.integer(1, 5)), .stride = static_cast<int>(dice.integer(1, 3))};
        g.pad_top = g.pad_left = g.pad_bottom = g.pad_right = static_cast<int>(dice.integer(0, (g.kernel - 1) / 2));
        index_t const extra = dice.integer(0, g.stride - 1);
        FeatureShape const x{dice.integer(1, 3), dice.odd(2, 7), dice.odd(2, 7), dice.odd(0, 20)};
        auto const doubled = [&](index_t length) { return (length - 1) * g.stride - 2 * g.pad_top + g.kernel + extra; };
        FeatureShape const y{x.n(), doubled(x.h()), doubled(x.w()), dice.odd(0, 20)};
        Trial t{"transposed " + to_string(x) + " -> " + to_string(y), {block(dice, x), numbers(dice, x.c() * g.taps() * y.c())}, {y}, {0, 1}};
        t.contiguous_out = dice.coin();
        return t;
      },
      [&](auto& device, auto const& in, auto const& out) {
        with_libraries(device, [&](auto& d, auto const& as) { conv_transpose2d(d, g, as(in[0]), in[1].data, as(out[0])); });
      },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        with_libraries(device, [&](auto& d, auto const& as) {
          if (d_in[0]) conv_transpose2d_input_gradient(d, g, as(d_out[0]), in[1].data, as(d_in[0]));
          if (d_in[1]) conv_transpose2d_weight_gradient(d, g, as(in[0]), as(d_out[0]), d_in[1].data);
        });
      });
}

TEST_CASE("padding that cuDNN is not asked for is refused with its numbers") {
  ConvGeometry g = ConvGeometry::same(3);
  g.pad_bottom = 0;
  CHECK_THROWS_WITH_AS(cuda::SeenConvolution(cuda::ConvolutionPass::forward, g, {1, 8, 8, 4}, {1, 7, 8, 4}), doctest::Contains("padding 1 1 0 1"), Error);
}
