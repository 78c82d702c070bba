// SPDX-License-Identifier: Apache-2.0
// Losses of the processor against plain loops: both averages, labels to be ignored, pictures of which nothing counts.
#include "against_plain.hpp"

using namespace against_plain;

namespace {

constexpr FeatureShape one{1, 1, 1, 1};

FeatureShape shape_of(Dice& dice, index_t limit) {
  index_t const side = limit <= 5 ? 4 : dice.integer(0, 5) == 0 ? 60 : 12;
  return {dice.integer(1, 3), dice.odd(0, side), dice.odd(0, side), dice.odd(0, limit - 1)};
}

/// A gradient kernel of a loss takes the upstream number itself.
template <class View>
float number(View const& d_out) {
  return static_cast<float>(d_out.data[0]);
}

}  // namespace

TEST_CASE("cross-entropy and its gradient are those of plain loops") {
  Average average{};
  std::vector<std::uint8_t> labels;
  std::vector<float> weights;
  auto const factors = [&] { return weights.empty() ? nullptr : weights.data(); };
  auto const forward = [&](auto& device, auto const& in, auto const& out) { cross_entropy(device, average, in[0], labels.data(), factors(), out[0]); };
  auto const backward = [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
    if (d_in[0]) cross_entropy_gradient(device, average, in[0], labels.data(), factors(), number(d_out[0]), d_in[0]);
  };
  agree(61, 40,
        [&](Dice& dice, index_t limit) {
          FeatureShape const x = shape_of(dice, limit);
          average = dice.coin() ? Average::all_pixels : Average::valid_pixels;
          labels.clear();
          weights.clear();
          for (index_t c = 0, count = dice.coin() ? x.c() : 0; c < count; ++c) weights.push_back(0.25F + 0.5F * static_cast<float>(dice.integer(0, 6)));
          index_t const ignored = dice.integer(0, 9) == 0 ? 10 : 2;  // of ten
          for (index_t p = 0; p < x.pixels(); ++p)
            labels.push_back(dice.integer(0, 9) < ignored ? ignore_label : static_cast<std::uint8_t>(dice.integer(0, x.c() - 1)));
          return Trial{"cross-entropy " + to_string(x), {block(dice, x, dice.coin() ? 50.0F : 3.0F)}, {one}};
        },
        forward, backward);
}

TEST_CASE("the squared error is that of plain loops") {
  agree(62, 30, [](Dice& dice, index_t limit) { FeatureShape const x = shape_of(dice, limit); return Trial{"squared error " + to_string(x), {block(dice, x), block(dice, x)}, {one}}; },
        [](auto& device, auto const& in, auto const& out) { mean_squared_error(device, in[0], in[1], out[0]); },
        [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) mean_squared_error_gradient(device, in[0], in[1], number(d_out[0]), d_in[0]);
        });
}

TEST_CASE("the absolute error with its edges is that of plain loops") {
  float edges = 0.0F, colour = 0.0F;
  agree(63, 30,
        [&](Dice& dice, index_t limit) {
          edges = dice.coin() ? 0.5F : 0.0F;
          colour = dice.coin() ? 2.0F : 0.0F;
          FeatureShape const x = shape_of(dice, limit);
          return Trial{"absolute error " + to_string(x), {block(dice, x), block(dice, x)}, {one}};
        },
        [&](auto& device, auto const& in, auto const& out) { absolute_error(device, edges, colour, in[0], in[1], out[0]); },
        [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) absolute_error_gradient(device, edges, colour, in[0], in[1], number(d_out[0]), d_in[0]);
        });
}

TEST_CASE("the divergence from a standard normal is that of plain loops") {
  agree(64, 30,
        [](Dice& dice, index_t limit) {
          FeatureShape x = shape_of(dice, limit);
          x[3] = 2 * dice.odd(0, 6);
          return Trial{"divergence " + to_string(x), {block(dice, x, 3.0F)}, {one}};
        },
        [](auto& device, auto const& in, auto const& out) { gaussian_divergence(device, in[0], out[0]); },
        [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) gaussian_divergence_gradient(device, in[0], number(d_out[0]), d_in[0]);
        });
}
