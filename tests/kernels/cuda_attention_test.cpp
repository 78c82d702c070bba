// SPDX-License-Identifier: Apache-2.0
// The CUDA kernels of attention on the host against plain loops: one tile of keys and several, causal masks, maps, texts
// that several pictures share.
#include "element_trials.hpp"

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
      attention_gradient(device, g, in[0], in[1], in[2], index(), out[1], d_out[0], map ? d_out[2] : typename std::decay_t<decltype(in)>::value_type{}, d_in[0], d_in[1], d_in[2]);
    };
  }
};

/// How many keys, which heads, and how they lie: one kernel of several takes them.
struct Sizes {
  FeatureShape q{};
  index_t keys = 0;
  bool strided = true;
};

/// A map, and texts that pictures share, now and then.
Trial trial(Dice& dice, Attention& a, Sizes const& s) {
  index_t const n = s.q.n();
  a.map = dice.coin();
  a.text.clear();
  index_t texts = n;
  if (dice.coin()) {
    texts = dice.integer(1, 2);
    for (index_t i = 0; i < n; ++i) a.text.push_back(static_cast<std::int32_t>(dice.integer(0, texts - 1)));
  }
  FeatureShape const k{texts, 1, s.keys, s.q.c()};
  Trial t{"attention " + to_string(s.q) + " keys " + to_string(k) + " heads " + std::to_string(a.g.heads) + (a.g.causal ? " causal" : "") + (a.map ? " map" : ""),
          {block(dice, s.q, 2.0F, s.strided), block(dice, k, 2.0F, s.strided), block(dice, k, 2.0F, s.strided)},
          {s.q, s.q.with_channels(a.g.heads)},
          {0, 1, 2},
          {0}};
  t.contiguous_out = !s.strided;
  if (a.map) {
    t.out.push_back(s.q.with_channels(s.keys));
    t.flows.push_back(2);
    if (dice.integer(0, 3) == 0) t.flows = {2};            // only the map was read
    if (s.keys > cuda::key_tile) t.roundings = a.g.heads;  // the heads are added up in the map itself
  }
  return t;
}

/// Heads of at most 160 channels, of any odd width or of channels in fours without gaps, with and without a mask. Few keys:
/// what a tile holds, as a text is.
Trial narrow_trial(Dice& dice, Attention& a, bool few, bool fours) {
  a.g = {static_cast<int>(dice.integer(1, few ? 12 : 4)), dice.integer(0, 2) == 0};
  index_t const most = dice.integer(0, 9) == 0 ? 160 : a.g.heads > 4 ? 16 : 40, width = fours ? 4 * dice.integer(1, most / 4) : dice.odd(0, most - 2);
  FeatureShape q{dice.integer(1, 3), dice.odd(0, 5), dice.odd(0, 9), a.g.heads * width};
  if (a.g.causal) q = few ? FeatureShape{q.n(), 1, dice.odd(0, 40), q.c()} : FeatureShape{q.n(), 9, dice.odd(11, 14), q.c()};
  index_t const keys = a.g.causal ? q.positions() : !few ? dice.odd(cuda::key_tile + 1, 210) : dice.coin() ? 77 : dice.odd(0, cuda::key_tile - 1);
  return trial(dice, a, {q, keys, !fours});
}

/// Heads that only the kernels for wide ones take: few queries, and mostly few keys.
Trial wide_trial(Dice& dice, Attention& a) {
  a.g = {static_cast<int>(dice.integer(1, 2)), dice.integer(0, 3) == 0};
  FeatureShape const q{dice.integer(1, 2), dice.odd(0, 3), dice.odd(0, 5), a.g.heads * dice.odd(161, 511)};
  return trial(dice, a, {q, a.g.causal ? q.positions() : dice.odd(0, dice.integer(0, 5) == 0 ? 120 : 30), true});
}

}  // namespace

TEST_CASE("the kernels of attention to few keys and its gradients are plain loops'") {
  Attention a;
  for (bool fours : {false, true})
    elements_agree(
        fours ? 134 : 131, [&](Dice& dice) { return narrow_trial(dice, a, true, fours); }, a.forward(), a.backward());
}

TEST_CASE("the kernels of attention to several tiles of keys and its gradients are plain loops'") {
  Attention a;
  elements_agree(
      135, [&](Dice& dice) { return narrow_trial(dice, a, false, dice.coin()); }, a.forward(), a.backward());
}

TEST_CASE("the kernels of attention by wide heads and its gradients are plain loops'") {
  Attention a;
  elements_agree(
      133, [&](Dice& dice) { return wide_trial(dice, a); }, a.forward(), a.backward());
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
