// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of attention on the host against plain loops: one tile of keys and several, causal masks, maps, texts
// that several pictures share.
#include "cuda_trials.hpp"

using namespace host_cuda;

namespace {

struct Attention {
  AttentionGeometry g{};
  std::vector<std::int32_t> text{};
  bool map = false;

  std::int32_t const* index() const { return text.empty() ? nullptr : text.data(); }
  auto forward() const {
    return [this](auto& device, auto const& in, auto const& out) {
      attention(device, g, in[0], in[1], in[2], index(), out[0], out[1], map ? out[2] : typename std::decay_t<decltype(out)>::value_type{});
    };
  }
  auto backward() const {
    return [this](auto& device, auto const& in, auto const& out, auto const& d_out, auto const& d_in) {
      attention_gradient(device, g, in[0], in[1], in[2], index(), out[1], d_out[0], map ? d_out[2] : typename std::decay_t<decltype(in)>::value_type{},
                         d_in[0], d_in[1], d_in[2]);
    };
  }
};

Trial trial(Dice& dice, Attention& a) {
  a.g = {static_cast<int>(dice.integer(1, 4)), dice.integer(0, 3) == 0};
  index_t const n = dice.integer(1, 3), width = dice.odd(0, dice.integer(0, 9) == 0 ? 190 : 40);
  FeatureShape const q{n, dice.odd(0, 5), dice.odd(0, 9), a.g.heads * width};
  index_t const keys = a.g.causal ? q.positions() : dice.coin() ? 77 : dice.odd(0, 210);
  a.map = dice.coin();
  a.text.clear();
  index_t texts = n;
  if (dice.coin()) {
    texts = dice.integer(1, 2);
    for (index_t i = 0; i < n; ++i) a.text.push_back(static_cast<std::int32_t>(dice.integer(0, texts - 1)));
  }
  FeatureShape const k{texts, 1, keys, q.c()};
  Trial t{"attention " + to_string(q) + " keys " + to_string(k) + " heads " + std::to_string(a.g.heads) + (a.g.causal ? " causal" : "") + (a.map ? " map" : ""),
          {block(dice, q, 2.0F), block(dice, k, 2.0F), block(dice, k, 2.0F)},
          {q, q.with_channels(a.g.heads)},
          {0, 1, 2},
          {0}};
  if (a.map) {
    t.out.push_back(q.with_channels(keys));
    t.flows.push_back(2);
    if (dice.integer(0, 3) == 0) t.flows = {2};  // only the map was read
  }
  return t;
}

}  // namespace

TEST_CASE("the kernels of attention and its gradients are plain loops'") {
  Attention a;
  kernels_agree(131, [&](Dice& dice) { return trial(dice, a); }, a.forward(), a.backward());
}

TEST_CASE("the kernel of attention neither overflows nor loses the largest of scores of several hundred") {
  Attention a;
  Dice dice(132);
  Trial t{"large scores", {block(dice, {1, 1, 5, 9}, 40.0F), block(dice, {1, 1, 133, 9}, 40.0F), block(dice, {1, 1, 133, 9})}, {{1, 1, 5, 9}, {1, 1, 5, 1}}, {0, 1, 2}};
  forward_agrees(dice, t, a.forward(), OnHostKernels{});
}

TEST_CASE("a head that is wider than the kernels is refused with a sentence") {
  Device device;
  std::vector<float> memory(3000);
  FeatureShape const shape{1, 1, 1, 513};
  ConstFeatures<Device> const x{memory.data(), shape};
  Features<Device> const y{memory.data() + 600, shape}, log_sum{memory.data() + 1200, FeatureShape{1, 1, 1, 1}};
  CHECK_THROWS_AS(attention(device, AttentionGeometry{}, x, x, x, nullptr, y, log_sum, {}), Error);
}
