// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of normalisation on the host against plain loops: means far from zero, each activation, both statistics.
#include "element_trials.hpp"

using namespace host_cuda;

namespace {

/// Values about a mean that is not zero.
Block<float> lifted(Dice& dice, FeatureShape const& shape, bool strided) {
  Block<float> b = block(dice, shape, 2.0F, strided);
  float const lift = dice.number(3.0F);
  for (float& v : b.memory) v += lift;
  return b;
}

/// `fours`: channels in fours without gaps, which a kernel may take together.
Trial norm_trial(Dice& dice, bool fours, FeatureShape const& x, FeatureShape const& stats) {
  Trial t{"norm " + to_string(x), {lifted(dice, x, !fours), numbers(dice, x.c(), 2.0F), numbers(dice, x.c())}, {x, stats}, {0, 1, 2}};
  t.contiguous_out = fours;
  return t;
}

}  // namespace

TEST_CASE("the kernels of group normalisation and its gradients are plain loops'") {
  int groups = 1;
  bool silu = false;
  for (bool fours : {false, true})
    elements_agree(
        fours ? 125 : 121,
        [&](Dice& dice) {
          FeatureShape x = odd_shape(dice);
          groups = static_cast<int>(dice.integer(1, 8));
          silu = dice.coin();
          x[3] = groups * dice.odd(0, 8) * (fours ? 4 : 1);
          if (x.positions() * x.c() / groups == 1) x[2] = 3;  // one element alone has no spread
          return norm_trial(dice, fours, x, {x.n(), 1, 1, 2 * x.c()});
        },
        [&](auto& device, auto const& in, auto const& out) { group_norm(device, groups, 1e-5F, silu, in[0], in[1].data, in[2].data, out[0], out[1]); },
        [&](auto& device, auto const& in, auto const& out, auto const& d_out, auto const& d_in) {
          group_norm_gradient(device, groups, silu, in[0], in[1].data, in[2].data, out[1], d_out[0], d_in[0], d_in[1].data, d_in[2].data);
        });
}

TEST_CASE("the kernels of layer normalisation and its gradients are plain loops'") {
  for (bool fours : {false, true})
    elements_agree(
        fours ? 126 : 122,
        [&](Dice& dice) {
          FeatureShape x = odd_shape(dice, 150);
          x[3] = fours ? x.c() / 4 * 4 + 4 : std::max<index_t>(3, x.c());
          return norm_trial(dice, fours, x, x.with_channels(2));
        },
        [](auto& device, auto const& in, auto const& out) { layer_norm(device, 1e-5F, in[0], in[1].data, in[2].data, out[0], out[1]); },
        [](auto& device, auto const& in, auto const& out, auto const& d_out, auto const& d_in) {
          layer_norm_gradient(device, in[0], in[1].data, out[1], d_out[0], d_in[0], d_in[1].data, d_in[2].data);
        });
}

TEST_CASE("the kernels of batch normalisation by both statistics are plain loops'") {
  bool fixed = false, relu = false;
  elements_agree(
      123,
      [&](Dice& dice) {
        FeatureShape x = odd_shape(dice);
        if (x.pixels() == 1) x[2] = 3;
        bool const fours = dice.coin();
        if (fours) x[3] = x.c() / 4 * 4 + 4;
        fixed = dice.coin();
        relu = dice.coin();
        Trial t = norm_trial(dice, fours, x, {1, 1, 1, 2 * x.c()});
        t.in.push_back(numbers(dice, x.c()));
        t.in.push_back(numbers(dice, x.c()));
        for (float& v : t.in.back().memory) v += 1.2F;
        t.contiguous_out = true;
        return t;
      },
      [&](auto& device, auto const& in, auto const& out) {
        batch_statistics(device, in[0], out[1]);
        float const* const mean = fixed ? static_cast<float const*>(in[3].data) : out[1].data;
        batch_norm(device, 1e-5F, relu, in[0], in[1].data, in[2].data, mean, fixed ? static_cast<float const*>(in[4].data) : mean + in[0].shape.channels(), out[0]);
      },
      [&](auto& device, auto const& in, auto const& out, auto const& d_out, auto const& d_in) {
        float const* const mean = fixed ? static_cast<float const*>(in[3].data) : out[1].data;
        batch_norm_gradient(device, 1e-5F, relu, fixed, in[0], in[1].data, in[2].data, mean, fixed ? static_cast<float const*>(in[4].data) : mean + in[0].shape.channels(),
                            d_out[0], d_in[0], d_in[1].data, d_in[2].data);
      });
}

TEST_CASE("the kernel of running statistics moves them as plain loops do") {
  Dice dice(124);
  for (int i = 0; i < shapes; ++i) {
    index_t const c = dice.odd(0, 69), pixels = dice.integer(1, 50);
    Block<float> const stats = numbers(dice, 2 * c);
    compare_kernels({numbers(dice, c), numbers(dice, c)}, [&]<class D>(D& device, std::vector<Features<D>> const& running) {
      move_statistics(device, 0.1F, pixels, c, stats.memory.data(), running[0].data, running[1].data);
    });
  }
}
