// SPDX-License-Identifier: Apache-2.0
// The elementwise CUDA kernels on the host against plain loops.
#include "element_trials.hpp"

using namespace host_cuda;

namespace {

/// A trial whose inputs all have the shape of its result, but for the channels of the first: `factor` times as many.
Trial same(Dice& dice, int inputs, index_t factor = 1, float scale = 4.0F) {
  FeatureShape const y = odd_shape(dice);
  Trial t{"pointwise " + to_string(y), {block(dice, y.with_channels(factor * y.c()), scale)}, {y}};
  for (int i = 1; i < inputs; ++i) t.in.push_back(block(dice, y, scale));
  return t;
}

}  // namespace

TEST_CASE("the kernels of activations and their slopes are plain loops'") {
  for (Activation kind : {Activation::silu, Activation::gelu, Activation::quick_gelu, Activation::relu, Activation::sigmoid}) {
    INFO("activation " << static_cast<int>(kind));
    elements_agree(
        141 + static_cast<std::uint64_t>(kind), [](Dice& dice) { return same(dice, 1, 1, dice.coin() ? 100.0F : 4.0F); },
        [&](auto& device, auto const& in, auto const& out) { activation(device, kind, in[0], out[0]); },
        [&](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
          if (d_in[0]) activation_gradient(device, kind, in[0], d_out[0], d_in[0]);
        });
  }
}

TEST_CASE("the kernels of geglu are plain loops'") {
  elements_agree(
      151, [](Dice& dice) { return same(dice, 1, 2); }, [](auto& device, auto const& in, auto const& out) { geglu(device, in[0], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) geglu_gradient(device, in[0], d_out[0], d_in[0]);
      });
}

TEST_CASE("the kernels of sums, scales and copies are plain loops'") {
  elements_agree(152, [](Dice& dice) { return same(dice, 2); }, [](auto& device, auto const& in, auto const& out) { sum(device, in[0], in[1], out[0]); });
  elements_agree(153, [](Dice& dice) { return same(dice, 1); }, [](auto& device, auto const& in, auto const& out) { scale(device, 0.3F, in[0], out[0]); });
  elements_agree(154, [](Dice& dice) { return same(dice, 1); }, [](auto& device, auto const& in, auto const& out) { accumulate(device, -1.7F, in[0], out[0]); });
  elements_agree(166, [](Dice& dice) { return same(dice, 1); }, []<class D>(D& device, auto const& in, auto const& out) { accumulate(device, -1.7F, in[0], Floats<D>(out[0])); });
  elements_agree(167, [](Dice& dice) { return same(dice, 1); },
                 []<class D>(D& device, auto const& in, auto const& out) { accumulate(device, 0.6F, View<float const, 4, D>(in[0]), out[0]); });
  elements_agree(155, [](Dice& dice) { return same(dice, 1); }, [](auto& device, auto const& in, auto const& out) { copy(device, in[0], out[0]); });
}

TEST_CASE("the kernels of the text adapter's gate are plain loops'") {
  elements_agree(
      156,
      [](Dice& dice) {
        Trial t = same(dice, 2);
        t.in.push_back(numbers(dice, t.out[0].c()));
        t.learns = {1, 2};
        return t;
      },
      [](auto& device, auto const& in, auto const& out) { gated_sum(device, in[0], in[1], in[2].data, out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        gated_sum_gradient(device, in[1], in[2].data, d_out[0], d_in[1], d_in[2].data);
      });
}

TEST_CASE("the kernels of table look-ups are plain loops', where tokens repeat, too") {
  std::vector<std::int32_t> ids;
  elements_agree(
      157,
      [&](Dice& dice) {
        index_t const texts = dice.integer(1, 3), length = dice.odd(0, 30), width = dice.odd(0, 69), words = dice.odd(0, 20);
        ids.clear();
        for (index_t i = 0; i < texts * length; ++i) ids.push_back(static_cast<std::int32_t>(dice.integer(0, words - 1)));
        return Trial{"embed", {numbers(dice, words * width), numbers(dice, length * width)}, {FeatureShape{texts, 1, length, width}}, {0, 1}};
      },
      [&](auto& device, auto const& in, auto const& out) { embed(device, ids.data(), in[0].data, in[1].data, out[0]); },
      [&](auto& device, auto const&, auto const&, auto const& d_out, auto const& d_in) {
        embed_gradient(device, ids.data(), d_out[0], d_in[0].data, d_in[1].data);
      });
}

TEST_CASE("the kernels of posterior samples and of dropout are plain loops'") {
  elements_agree(
      158, [](Dice& dice) { return same(dice, 2, 2, dice.coin() ? 31.0F : 2.0F); },
      [](auto& device, auto const& in, auto const& out) { posterior_sample(device, 0.18215F, in[0], in[1], out[0]); },
      [](auto& device, auto const& in, auto const&, auto const& d_out, auto const& d_in) {
        if (d_in[0]) posterior_sample_gradient(device, 0.18215F, in[0], in[1], d_out[0], d_in[0]);
      });
  elements_agree(159, [](Dice& dice) { return same(dice, 1); },
                [](auto& device, auto const& in, auto const& out) { channel_dropout(device, 0.3F, 77, in[0], out[0]); });
}
