// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of losses on the host against plain loops: both averages, labels to be ignored, depths that nobody saw,
// batches of which nothing counts.
#include "element_trials.hpp"

using namespace host_cuda;

namespace {

constexpr FeatureShape one{1, 1, 1, 1};

/// A gradient of a loss takes the upstream number itself.
float number(auto const& d_out) { return static_cast<float>(d_out.data[0]); }

std::vector<std::uint8_t> labels_of(Dice& dice, FeatureShape const& x) {
  std::vector<std::uint8_t> labels;
  index_t const ignored = dice.integer(0, 9) == 0 ? 10 : 2;  // of ten
  for (index_t p = 0; p < x.pixels(); ++p) labels.push_back(dice.integer(0, 9) < ignored ? ignore_label : static_cast<std::uint8_t>(dice.integer(0, x.c() - 1)));
  return labels;
}
FeatureShape wide_shape(Dice& dice) {
  FeatureShape x = odd_shape(dice);
  if (dice.integer(0, 9) == 0) x = {2, 41, 43, 3};  // more pixels than a chunk
  return x;
}

}  // namespace

TEST_CASE("the kernels of cross-entropy are plain loops'") {
  Average average{};
  std::vector<std::uint8_t> labels;
  std::vector<float> weights;
  auto const factors = [&] { return weights.empty() ? nullptr : weights.data(); };
  elements_agree(
      181,
      [&](Dice& dice) {
        FeatureShape const x = wide_shape(dice);
        average = dice.coin() ? Average::all_pixels : Average::valid_pixels;
        weights.clear();
        for (index_t c = 0, count = dice.coin() ? x.c() : 0; c < count; ++c) weights.push_back(0.25F + 0.5F * static_cast<float>(dice.integer(0, 6)));
        labels = labels_of(dice, x);
        return Trial{"cross-entropy " + to_string(x), {block(dice, x, dice.coin() ? 50.0F : 3.0F)}, {one}};
      },
      [&](auto& device, auto const& in, auto const& out) { cross_entropy(device, average, in[0], labels.data(), factors(), out[0]); },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) cross_entropy_gradient(device, average, in[0], labels.data(), factors(), number(d_out[0]), d_in[0]);
      });
}

TEST_CASE("the kernels of squared and absolute errors are plain loops'") {
  auto const two = [](Dice& dice) {
    FeatureShape const x = wide_shape(dice);
    return Trial{"error " + to_string(x), {block(dice, x), block(dice, x)}, {one}};
  };
  elements_agree(
      182, two, [](auto& device, auto const& in, auto const& out) { mean_squared_error(device, in[0], in[1], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) mean_squared_error_gradient(device, in[0], in[1], number(d_out[0]), d_in[0]);
      });
  float edges = 0.0F, colour = 0.0F;
  elements_agree(
      183,
      [&](Dice& dice) {
        edges = dice.coin() ? 0.5F : 0.0F, colour = dice.coin() ? 2.0F : 0.0F;
        return two(dice);
      },
      [&](auto& device, auto const& in, auto const& out) { absolute_error(device, edges, colour, in[0], in[1], out[0]); },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) absolute_error_gradient(device, edges, colour, in[0], in[1], number(d_out[0]), d_in[0]);
      });
}

TEST_CASE("the kernels of the divergence from a standard normal are plain loops'") {
  elements_agree(
      184,
      [](Dice& dice) {
        FeatureShape x = odd_shape(dice);
        x[3] = 2 * dice.odd(0, 6);
        return Trial{"divergence " + to_string(x), {block(dice, x, dice.coin() ? 3.0F : 31.0F)}, {one}};
      },
      [](auto& device, auto const& in, auto const& out) { gaussian_divergence(device, in[0], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) gaussian_divergence_gradient(device, in[0], number(d_out[0]), d_in[0]);
      });
}

TEST_CASE("the kernels of SiLog are plain loops'") {
  float lambda = 0.5F;
  std::vector<float> truth;
  elements_agree(
      185,
      [&](Dice& dice) {
        FeatureShape const x = wide_shape(dice).with_channels(1);
        lambda = 0.1F * static_cast<float>(dice.integer(0, 9));
        bool const none = dice.integer(0, 9) == 0;
        float const nothing[] = {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
        truth.clear();
        for (index_t p = 0; p < x.pixels(); ++p) truth.push_back(none || dice.integer(0, 4) == 0 ? nothing[dice.integer(0, 3)] : 5.1F + dice.number(5.0F));
        Block<float> depth = block(dice, x, 4.0F);
        for (float& v : depth.memory) v += 5.0F;
        return Trial{"silog " + to_string(x), {depth}, {one}};
      },
      [&](auto& device, auto const& in, auto const& out) { silog(device, lambda, in[0], truth.data(), out[0]); },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) silog_gradient(device, lambda, in[0], truth.data(), number(d_out[0]), d_in[0]);
      });
}

TEST_CASE("the kernels of the focal loss are plain loops'") {
  std::vector<std::uint8_t> labels;
  elements_agree(
      186,
      [&](Dice& dice) {
        FeatureShape const x = wide_shape(dice);
        labels = labels_of(dice, x);
        return Trial{"focal " + to_string(x), {block(dice, x, dice.coin() ? 40.0F : 3.0F)}, {one}};
      },
      [&](auto& device, auto const& in, auto const& out) { focal_loss(device, in[0], labels.data(), out[0]); },
      [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) focal_loss_gradient(device, in[0], labels.data(), number(d_out[0]), d_in[0]);
      });
}
