// SPDX-License-Identifier: Apache-2.0
// Elementwise kernels of the processor against plain loops.
#include "against_plain.hpp"

using namespace against_plain;

namespace {

FeatureShape shape_of(Dice& dice, index_t limit, index_t batch = 0) {
  index_t const side = limit <= 5 ? 4 : dice.integer(0, 5) == 0 ? 40 : 12;
  return {batch != 0 ? batch : dice.integer(1, 3), dice.odd(0, side), dice.odd(0, side), dice.odd(0, limit - 1)};
}

/// A trial whose inputs all have the shape of its result, but for the channels of the first: `factor` times as many.
Trial same(Dice& dice, index_t limit, int inputs, index_t factor = 1, float scale = 4.0F, index_t batch = 0) {
  FeatureShape const y = shape_of(dice, limit, batch);
  Trial t{"pointwise " + to_string(y), {block(dice, y.with_channels(factor * y.c()), scale)}, {y}};
  for (int i = 1; i < inputs; ++i) t.in.push_back(block(dice, y, scale));
  return t;
}

}  // namespace

TEST_CASE("activations and their slopes are those of plain loops") {
  for (Activation kind : {Activation::silu, Activation::gelu, Activation::quick_gelu, Activation::relu, Activation::sigmoid}) {
    INFO("activation " << static_cast<int>(kind));
    auto const forward = [&](auto& device, auto const& in, auto const& out) { activation(device, kind, in[0], out[0]); };
    auto const backward = [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
      if (d_in[0]) activation_gradient(device, kind, in[0], d_out[0], d_in[0]);
    };
    agree(31 + static_cast<std::uint64_t>(kind), 30, [](Dice& dice, index_t limit) { return same(dice, limit, 1, 1, limit > 5 && dice.coin() ? 100.0F : 4.0F); },
          forward, backward);
    Dice dice(41);
    for (int i = 0; i < 3; ++i) alone_agrees(dice, same(dice, 70, 1, 1, 4.0F, 8), forward);
  }
}

TEST_CASE("geglu is that of plain loops") {
  auto const forward = [](auto& device, auto const& in, auto const& out) { geglu(device, in[0], out[0]); };
  auto const backward = [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
    if (d_in[0]) geglu_gradient(device, in[0], d_out[0], d_in[0]);
  };
  agree(42, 30, [](Dice& dice, index_t limit) { return same(dice, limit, 1, 2); }, forward, backward);
  Dice dice(43);
  for (int i = 0; i < 5; ++i) alone_agrees(dice, same(dice, 70, 1, 2, 4.0F, 8), forward);
}

TEST_CASE("sums, scales and copies are those of plain loops") {
  Dice dice(44);
  auto const add_two = [](auto& device, auto const& in, auto const& out) { sum(device, in[0], in[1], out[0]); };
  auto const scaled = [](auto& device, auto const& in, auto const& out) { scale(device, 0.3F, in[0], out[0]); };
  auto const added = [](auto& device, auto const& in, auto const& out) { accumulate(device, -1.7F, in[0], out[0]); };
  auto const copied = [](auto& device, auto const& in, auto const& out) { copy(device, in[0], out[0]); };
  for (int i = 0; i < 30; ++i) {
    forward_agrees(dice, same(dice, 70, 2), add_two);
    forward_agrees(dice, same(dice, 70, 1), scaled);
    forward_agrees(dice, same(dice, 70, 1), added);
    forward_agrees(dice, same(dice, 70, 1), copied);
  }
  alone_agrees(dice, same(dice, 70, 2, 1, 4.0F, 8), add_two);
  alone_agrees(dice, same(dice, 70, 1, 1, 4.0F, 8), scaled);
}

TEST_CASE("the gate of the text adapter is that of plain loops") {
  auto const forward = [](auto& device, auto const& in, auto const& out) { gated_sum(device, in[0], in[1], in[2].data, out[0]); };
  auto const backward = [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
    gated_sum_gradient(device, in[1], in[2].data, d_out[0], d_in[1], d_in[2].data);
  };
  agree(45, 30,
        [](Dice& dice, index_t limit) {
          Trial t = same(dice, limit, 2);
          t.in.push_back(numbers(dice, t.out[0].c()));
          t.learns = {1, 2};
          return t;
        },
        forward, backward);
}

TEST_CASE("table look-ups and their gradients are those of plain loops, where tokens repeat, too") {
  std::vector<std::int32_t> ids;
  auto const forward = [&](auto& device, auto const& in, auto const& out) { embed(device, ids.data(), in[0].data, in[1].data, out[0]); };
  auto const backward = [&](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
    embed_gradient(device, ids.data(), d_out[0], d_in[0].data, d_in[1].data);
  };
  agree(46, 30,
        [&](Dice& dice, index_t limit) {
          index_t const texts = dice.integer(1, 3), length = dice.odd(0, limit <= 5 ? 3 : 30), width = dice.odd(0, limit - 1), words = dice.odd(0, 20);
          ids.clear();
          for (index_t i = 0; i < texts * length; ++i) ids.push_back(static_cast<std::int32_t>(dice.integer(0, words - 1)));
          return Trial{"embed", {numbers(dice, words * width), numbers(dice, length * width)}, {FeatureShape{texts, 1, length, width}}, {0, 1}};
        },
        forward, backward);
}

TEST_CASE("samples of the posterior are those of plain loops, clamped variances included") {
  auto const forward = [](auto& device, auto const& in, auto const& out) { posterior_sample(device, 0.18215F, in[0], in[1], out[0]); };
  auto const backward = [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
    if (d_in[0]) posterior_sample_gradient(device, 0.18215F, in[0], in[1], d_out[0], d_in[0]);
  };
  agree(47, 30, [](Dice& dice, index_t limit) { return same(dice, std::min<index_t>(limit, 9), 2, 2, limit > 5 && dice.coin() ? 31.0F : 2.0F); }, forward, backward);
  Dice dice(48);
  for (int i = 0; i < 5; ++i) alone_agrees(dice, same(dice, 9, 2, 2, 2.0F, 8), forward);
}

TEST_CASE("dropout of channels draws the same channels on both devices and keeps the mean") {
  auto const forward = [](auto& device, auto const& in, auto const& out) { channel_dropout(device, 0.3F, 77, in[0], out[0]); };
  Dice dice(49);
  for (int i = 0; i < 30; ++i) forward_agrees(dice, same(dice, 70, 1), forward);
  std::vector<float> ones(20000, 1.0F), kept(20000, 0.0F);
  FeatureShape const shape{20, 1, 1, 1000};
  channel_dropout(cpu(2), 0.3F, 5, ConstFeatures<Cpu>{ones.data(), shape}, Features<Cpu>{kept.data(), shape});
  double mean = 0.0;
  for (float v : kept) mean += static_cast<double>(v) / 20000.0;
  CHECK(mean == doctest::Approx(1.0).epsilon(0.02));
}
