// SPDX-License-Identifier: Apache-2.0
// Self-attention as the CUDA device asks libraries for it, with plain loops in their places: two products about a softmax in
// float, one call in halves; and what stays with our own kernel.
#include "library_trials.hpp"

using namespace host_cuda;

namespace {

struct Operands {
  FeatureShape q, k;
  int heads;

  explicit Operands(Dice& dice, index_t width) : heads(static_cast<int>(dice.integer(1, 3))) {
    q = {dice.integer(1, 3), dice.odd(2, 9), dice.odd(8, 17), heads * width};
    k = {q.n(), 1, dice.odd(cuda::key_tile, 220), q.c()};
  }
};

/// In elements of a kind on the device with libraries, against plain loops on the same numbers.
template <class T>
void halves_agree(Dice& dice, index_t width) {
  Operands const s(dice, width);
  auto const rounded = [&](FeatureShape const& shape) {
    Block<float> wide = block(dice, shape, 2.0F, false);
    Block<T> narrow{shape, shape.c(), 0, {}};
    for (float& v : wide.memory) {
      narrow.memory.push_back(cuda::from_float<T>(v));
      v = cuda::to_float(narrow.memory.back());
    }
    return std::pair(wide, narrow);
  };
  auto [q, q_narrow] = rounded(s.q);
  auto [k, k_narrow] = rounded(s.k);
  auto [v, v_narrow] = rounded(s.k);
  auto [o, o_narrow] = rounded(s.q);
  Block<float> sum = block(dice, s.q.with_channels(s.heads), 1.0F, false), sum_narrow = sum;
  AttentionGeometry const g{s.heads, false};
  plain::Device reference;
  using Read = View<float const, 4, plain::Device>;
  auto const plain_of = [](Block<float> const& b) { return Read{b.memory.data(), b.shape}; };
  attention(reference, g, plain_of(q), plain_of(k), plain_of(v), nullptr, View<float, 4, plain::Device>{o.memory.data(), s.q}, View<float, 4, plain::Device>{sum.memory.data(), sum.shape}, {});
  WithLibraries device;
  auto const there = [](Block<T> const& b) { return View<T const, 4, WithLibraries>{b.memory.data(), b.shape}; };
  attention(device, g, there(q_narrow), there(k_narrow), there(v_narrow), nullptr, View<T, 4, WithLibraries>{o_narrow.memory.data(), s.q},
            View<float, 4, WithLibraries>{sum_narrow.memory.data(), sum.shape}, {});
  double const unit = std::is_same_v<T, Half> ? 0x1p-11 : 0x1p-8;
  double worst = 0.0, worst_sum = 0.0;
  for (std::size_t i = 0; i < o.memory.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(cuda::to_float(o_narrow.memory[i])) - static_cast<double>(o.memory[i])));
  for (std::size_t i = 0; i < sum.memory.size(); ++i) worst_sum = std::max(worst_sum, std::abs(static_cast<double>(sum_narrow.memory[i]) - static_cast<double>(sum.memory[i])));
  INFO(to_string(s.q) << " keys " << to_string(s.k) << ", " << s.heads << " heads: " << worst << ", " << worst_sum);
  CHECK(worst <= 3.0 * unit * 2.0);  // values are at most 2; probabilities and the result are rounded
  CHECK(worst_sum <= 2e-5);
}

}  // namespace

TEST_CASE("self-attention by products is plain loops'") {
  AttentionGeometry g;
  kernels_agree(
      241,
      [&](Dice& dice) {
        Operands const s(dice, dice.odd(0, 40));
        g = {s.heads, false};
        return Trial{"attention " + to_string(s.q) + " keys " + to_string(s.k), {block(dice, s.q, 2.0F), block(dice, s.k, 2.0F), block(dice, s.k, 2.0F)}, {s.q, s.q.with_channels(s.heads)}, {0, 1, 2}};
      },
      [&](auto& device, auto const& in, auto const& out) {
        with_libraries(device, [&](auto& d, auto const& as) { attention(d, g, as(in[0]), as(in[1]), as(in[2]), nullptr, as(out[0]), as(out[1]), {}); });
      });
}

TEST_CASE("self-attention in halves is plain loops' to the rounding, by one call and by products") {
  Dice dice(242);
  for (int i = 0; i < shapes; ++i) {
    index_t const width = dice.coin() ? 8 * dice.integer(1, 5) : dice.odd(0, 40);
    halves_agree<Half>(dice, width);
    halves_agree<BFloat16>(dice, width);
  }
}

TEST_CASE("a map, a mask, a shared text and few keys are plain loops' on a device with libraries, too") {
  Dice dice(243);
  for (int i = 0; i < 20; ++i) {
    int const which = i % 4;
    AttentionGeometry const g{2, which == 1};
    index_t const pictures = 2, queries = 121, keys = which == 3 ? 77 : which == 1 ? queries : 131;
    std::vector<std::int32_t> const text{0, 0};
    FeatureShape const q{pictures, 1, queries, 16}, k{which == 2 ? 1 : pictures, 1, keys, 16};
    Trial t{"attention", {block(dice, q), block(dice, k), block(dice, k)}, {q, q.with_channels(2)}, {0, 1, 2}};
    if (which == 0) t.out.push_back(q.with_channels(keys));
    forward_agrees(dice, t, [&](auto& device, auto const& in, auto const& out) {
      with_libraries(device, [&](auto& d, auto const& as) {
        attention(d, g, as(in[0]), as(in[1]), as(in[2]), which == 2 ? text.data() : nullptr, as(out[0]), as(out[1]), which == 0 ? as(out[2]) : decltype(as(out[0])){});
      });
    }, OnHostKernels{});
  }
}
