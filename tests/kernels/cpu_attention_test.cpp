// SPDX-License-Identifier: Apache-2.0
// Attention of the processor against plain loops: heads, causal masks, maps, texts that several pictures share.
#include "against_plain.hpp"

using namespace against_plain;

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

/// results: values, log-sums, map.
Trial trial(Dice& dice, index_t limit, Attention& a, index_t batch = 0) {
  bool const small = limit <= 5;
  a.g = {static_cast<int>(dice.integer(1, small ? 2 : 4)), dice.integer(0, 2) == 0};
  index_t const n = batch != 0 ? batch : dice.integer(1, 3), d = dice.odd(0, small ? 3 : 40);
  index_t const h = dice.odd(0, small ? 2 : 10), w = dice.odd(0, small ? 3 : 14);
  bool const large = !small && batch == 0 && dice.integer(0, 9) == 0;  // more rows than a tile of queries, several blocks
  FeatureShape const q{n, large ? 21 : h, large ? 23 : w, a.g.heads * d};
  index_t const keys = a.g.causal ? q.positions() : dice.odd(0, small ? 6 : 90);
  a.map = dice.coin();
  a.text.clear();
  index_t texts = n;
  if (dice.coin()) {
    texts = batch != 0 ? 1 : dice.integer(1, 2);
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

TEST_CASE("attention of the processor and its gradients are those of plain loops") {
  Attention a;
  agree(11, 40, [&](Dice& dice, index_t limit) { return trial(dice, limit, a); }, a.forward(), a.backward());
}

TEST_CASE("attention of a picture has the same bytes alone and in a batch") {
  Attention a;
  Dice dice(12);
  for (int i = 0; i < 12; ++i) alone_agrees(dice, trial(dice, 70, a, 8), a.forward());
}

TEST_CASE("scores of several hundred neither overflow nor lose the largest") {
  Attention a;
  Dice dice(13);
  Trial t{"large scores", {block(dice, {1, 1, 5, 9}, 40.0F), block(dice, {1, 1, 33, 9}, 40.0F), block(dice, {1, 1, 33, 9})}, {{1, 1, 5, 9}, {1, 1, 5, 1}}, {0, 1, 2}};
  forward_agrees(dice, t, a.forward());
}
