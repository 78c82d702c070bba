// SPDX-License-Identifier: Apache-2.0
// Normalisations of the processor against plain loops: groups of any width, means far from zero, all three activations.
#include "against_plain.hpp"

using namespace against_plain;

namespace {

/// Values about a mean that is not zero.
Block<float> lifted(Dice& dice, FeatureShape const& shape) {
  Block<float> b = block(dice, shape, 2.0F);
  float const lift = dice.number(3.0F);
  for (float& v : b.memory) v += lift;
  return b;
}

/// Attributes of the trial at hand; inputs are x, weight, bias [, running mean, running variance].
struct Norm {
  int groups = 1;
  bool after = false;  // the activation that follows
  bool fixed = false;
};

FeatureShape shape_of(Dice& dice, index_t limit, index_t batch = 0) {
  index_t const side = limit <= 5 ? 4 : dice.integer(0, 5) == 0 ? 40 : 12;
  return {batch != 0 ? batch : dice.integer(1, 3), dice.odd(0, side), dice.odd(0, side), dice.odd(0, limit - 1)};
}

Trial group_trial(Dice& dice, index_t limit, Norm& norm, index_t batch = 0) {
  FeatureShape x = shape_of(dice, limit, batch);
  norm.groups = static_cast<int>(dice.integer(1, limit <= 5 ? 3 : 8));
  norm.after = dice.coin();
  x[3] = norm.groups * dice.odd(0, std::max<index_t>(1, limit / norm.groups - 1));
  if (x.positions() * x.c() / norm.groups == 1) x[2] = 3;  // one element alone has no spread
  return {"group norm " + to_string(x) + " of " + std::to_string(norm.groups) + (norm.after ? " with silu" : ""),
          {lifted(dice, x), numbers(dice, x.c(), 2.0F), numbers(dice, x.c())},
          {x, FeatureShape{x.n(), 1, 1, 2 * x.c()}},
          {0, 1, 2}};
}

}  // namespace

TEST_CASE("group normalisation and its gradients are those of plain loops") {
  Norm norm;
  auto const forward = [&](auto& device, auto const& in, auto const& out) {
    group_norm(device, norm.groups, 1e-5F, norm.after, in[0], in[1].data, in[2].data, out[0], out[1]);
  };
  auto const backward = [&](auto& device, auto const& in, auto const& out, auto const& d_out, auto const& d_in) {
    group_norm_gradient(device, norm.groups, norm.after, in[0], in[1].data, in[2].data, out[1], d_out[0], d_in[0], d_in[1].data, d_in[2].data);
  };
  agree(21, 40, [&](Dice& dice, index_t limit) { return group_trial(dice, limit, norm); }, forward, backward);
  Dice dice(22);
  for (int i = 0; i < 8; ++i) alone_agrees(dice, group_trial(dice, 70, norm, 8), forward);
}

TEST_CASE("layer normalisation and its gradients are those of plain loops") {
  auto const forward = [](auto& device, auto const& in, auto const& out) { layer_norm(device, 1e-5F, in[0], in[1].data, in[2].data, out[0], out[1]); };
  auto const backward = [](auto& device, auto const& in, auto const& out, auto const& d_out, auto const& d_in) {
    layer_norm_gradient(device, in[0], in[1].data, out[1], d_out[0], d_in[0], d_in[1].data, d_in[2].data);
  };
  auto const trial = [](Dice& dice, index_t limit, index_t batch = 0) {
    FeatureShape x = shape_of(dice, limit, batch);
    x[3] = std::max<index_t>(3, x.c());
    return Trial{"layer norm " + to_string(x), {lifted(dice, x), numbers(dice, x.c(), 2.0F), numbers(dice, x.c())}, {x, x.with_channels(2)}, {0, 1, 2}};
  };
  agree(23, 40, trial, forward, backward);
  Dice dice(24);
  for (int i = 0; i < 8; ++i) alone_agrees(dice, trial(dice, 70, 8), forward);
}

TEST_CASE("batch normalisation by the batch and by running statistics is that of plain loops") {
  Norm norm;
  auto const forward = [&](auto& device, auto const& in, auto const& out) {
    index_t const c = in[0].shape.channels();
    if (!norm.fixed) batch_statistics(device, in[0], out[1]);
    auto const* const mean = norm.fixed ? in[3].data : out[1].data;
    auto const* const var = norm.fixed ? in[4].data : mean + c;
    batch_norm(device, 1e-5F, norm.after, in[0], in[1].data, in[2].data, mean, var, out[0]);
  };
  auto const backward = [&](auto& device, auto const& in, auto const& out, auto const& d_out, auto const& d_in) {
    auto const* const mean = norm.fixed ? in[3].data : out[1].data;
    auto const* const var = norm.fixed ? in[4].data : mean + in[0].shape.channels();
    batch_norm_gradient(device, 1e-5F, norm.after, norm.fixed, in[0], in[1].data, in[2].data, mean, var, d_out[0], d_in[0], d_in[1].data, d_in[2].data);
  };
  auto const trial = [&](Dice& dice, index_t limit, index_t batch = 0) {
    FeatureShape x = shape_of(dice, limit, batch);
    if (x.pixels() == 1) x[2] = 3;
    norm.fixed = batch != 0 || dice.coin();
    norm.after = dice.coin();
    Block<float> var = numbers(dice, x.c());
    for (float& v : var.memory) v = 1.2F + v;
    Trial t{"batch norm " + to_string(x), {lifted(dice, x), numbers(dice, x.c(), 2.0F), numbers(dice, x.c()), numbers(dice, x.c()), var}, {x}, {0, 1, 2}};
    if (batch == 0) t.out.push_back({1, 1, 1, 2 * x.c()});
    t.contiguous_out = true;
    return t;
  };
  agree(25, 40, trial, forward, backward);
  Dice dice(26);
  for (int i = 0; i < 8; ++i) alone_agrees(dice, trial(dice, 70, 8), forward);
}

TEST_CASE("running statistics move as plain loops move them") {
  Dice dice(27);
  for (int i = 0; i < 30; ++i) {
    index_t const c = dice.odd(0, 69), pixels = dice.integer(1, 50);
    Block<float> const stats = numbers(dice, 2 * c);
    compare({numbers(dice, c), numbers(dice, c)}, [&]<class Device>(Device& device, std::vector<Features<Device>> const& running) {
      move_statistics(device, 0.1F, pixels, c, stats.memory.data(), running[0].data, running[1].data);
    });
  }
}
