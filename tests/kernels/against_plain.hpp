// SPDX-License-Identifier: Apache-2.0
// Tries a kernel of the processor against the plain device: numbers, bytes for one, two and three threads, bytes of a
// picture alone and in a batch; and the plain device's gradients against central differences in double.
#pragma once

#include "../plain_device.hpp"
#include "tadp/kernels/cpu.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace against_plain {

using namespace tadp;

/// Numbers of a seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : key_(random_key(seed)) {}
  index_t integer(index_t low, index_t high) { return low + static_cast<index_t>(random_below(key_, at_++, static_cast<std::uint64_t>(high - low + 1))); }
  index_t odd(index_t low, index_t high) { return integer(low, high) / 2 * 2 + 1; }
  bool coin() { return integer(0, 1) == 1; }
  float number(float scale = 1.0F) { return scale * (2.0F * random_unit(key_, at_++) - 1.0F); }

 private:
  std::uint64_t key_, at_ = 0;
};

/// Memory of exactly the size that a view needs; the view is a slice of its pixels. Empty: a view that is left out.
template <class T>
struct Block {
  FeatureShape shape{};
  index_t stride = 0, first = 0;
  std::vector<T> memory{};

  template <class Device>
  View<T, 4, Device> view() {
    return memory.empty() ? View<T, 4, Device>{} : View<T, 4, Device>{memory.data() + first, shape, stride};
  }
  template <class Device>
  View<T const, 4, Device> view() const {
    return memory.empty() ? View<T const, 4, Device>{} : View<T const, 4, Device>{memory.data() + first, shape, stride};
  }
};

inline Block<float> block(Dice& dice, FeatureShape const& shape, float scale = 1.0F, bool strided = true) {
  Block<float> b{shape, shape.c(), 0, {}};
  if (strided && dice.coin()) {
    b.first = dice.integer(0, 5);
    b.stride = b.first + shape.c() + dice.integer(0, 5);
  }
  // The last pixel ends where its channels end: a kernel that reads on is seen by the sanitizer.
  b.memory.resize(static_cast<std::size_t>(shape.count() == 0 ? 0 : b.first + (shape.pixels() - 1) * b.stride + shape.c()));
  for (float& v : b.memory) v = dice.number(scale);
  return b;
}
/// A vector that is passed as a pointer.
inline Block<float> numbers(Dice& dice, index_t count, float scale = 1.0F) { return block(dice, {1, 1, 1, count}, scale, false); }

using Blocks = std::vector<Block<float>>;

template <class Device, class T>
auto reads(std::vector<Block<T>> const& blocks) {
  std::vector<View<T const, 4, Device>> views;
  for (auto const& b : blocks) views.push_back(b.template view<Device>());
  return views;
}
template <class Device, class T>
auto writes(std::vector<Block<T>>& blocks) {
  std::vector<View<T, 4, Device>> views;
  for (auto& b : blocks) views.push_back(b.template view<Device>());
  return views;
}
inline std::vector<Block<double>> widened(Blocks const& blocks) {
  std::vector<Block<double>> wide;
  for (auto const& b : blocks) wide.push_back({b.shape, b.stride, b.first, std::vector<double>(b.memory.begin(), b.memory.end())});
  return wide;
}

/// What a kernel reads (views, and vectors that it takes as pointers), what it writes, and what has a gradient.
struct Trial {
  std::string what;
  Blocks in;
  std::vector<FeatureShape> out;
  std::vector<std::size_t> learns{0};  ///< inputs that have a gradient
  std::vector<std::size_t> flows{0};   ///< results whose gradient is given
  bool contiguous_out = false;         ///< results that are passed as pointers
  int roundings = 1;                   ///< of an element on the way to a result, where a kernel computes in halves
};

inline Cpu& cpu(int threads) {
  static std::array<Cpu, 3> devices{Cpu(1), Cpu(2), Cpu(3)};
  return devices[static_cast<std::size_t>(threads - 1)];
}

/// Largest |actual - expected| over the tolerance; what was there before counts apart, since gradients are added to it.
inline double error_of(Block<float> const& expected, Block<float> const& actual, Block<float> const& before) {
  double largest = 0.0, start = 0.0, worst = 0.0;
  for (std::size_t i = 0; i < expected.memory.size(); ++i) {
    double const e = static_cast<double>(expected.memory[i]), b = static_cast<double>(before.memory[i]);
    largest = std::max(largest, std::abs(e - b));
    start = std::max(start, std::abs(b));
    double const off = std::abs(static_cast<double>(actual.memory[i]) - e);
    worst = std::isnan(off) ? off : std::max(worst, off);
    if (std::isnan(worst)) return worst;
  }
  return worst / (2e-5 * largest + 2e-7 * start + 1e-30);
}
inline bool same_bytes(Blocks const& a, Blocks const& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!a[i].memory.empty() && std::memcmp(a[i].memory.data(), b[i].memory.data(), a[i].memory.size() * sizeof(float)) != 0) return false;
  return true;
}

/// Runs call(device, written views) on the plain device and on the processor from the same memory, and compares all of it:
/// what lies between the pixels of a slice must stay as it was.
template <class Call>
void compare(Blocks const& before, Call const& call) {
  plain::Device reference;
  Blocks expected = before, first;
  auto views = writes<plain::Device>(expected);
  call(reference, views);
  for (int threads = 1; threads <= 3; ++threads) {
    Blocks actual = before;
    auto const targets = writes<Cpu>(actual);
    call(cpu(threads), targets);
    if (threads == 1) {
      for (std::size_t i = 0; i < actual.size(); ++i) {
        INFO("result " << i << " of shape " << to_string(actual[i].shape) << ", stride " << actual[i].stride);
        CHECK(error_of(expected[i], actual[i], before[i]) <= 1.0);
      }
      first = std::move(actual);
    } else {
      INFO(threads << " threads");
      CHECK(same_bytes(first, actual));
    }
  }
}

/// What `compare` does, as a value: a trial takes another one for another device. `operand`: the numbers that it can take.
struct OnProcessor {
  Block<float> operand(Block<float> b) const { return b; }
  template <class Call>
  void operator()(Blocks const& before, Call const& call) const {
    compare(before, call);
  }
};

/// forward(device, in, out).
template <class Forward, class Compare = OnProcessor>
void forward_agrees(Dice& dice, Trial const& t, Forward const& forward, Compare const& compared = {}) {
  INFO(t.what);
  Blocks out;
  for (FeatureShape const& s : t.out) out.push_back(block(dice, s, 1.0F, !t.contiguous_out));
  compared(out, [&]<class Device>(Device& device, auto const& targets) { forward(device, reads<Device>(t.in), targets); });
}

/// backward(device, in, out, d_out, d_in): adds to every d_in that is not empty.
template <class Forward, class Backward, class Compare = OnProcessor>
void backward_agrees(Dice& dice, Trial const& t, Forward const& forward, Backward const& backward, Compare const& compared = {}) {
  INFO(t.what);
  plain::Device reference;
  Blocks out, d_out(t.out.size()), d_in(t.in.size());
  for (FeatureShape const& s : t.out) out.push_back(block(dice, s, 1.0F, !t.contiguous_out));
  forward(reference, reads<plain::Device>(t.in), writes<plain::Device>(out));
  for (std::size_t i : t.flows) d_out[i] = compared.operand(block(dice, t.out[i]));
  bool const sparse = dice.integer(0, 2) == 0;  // now and then somebody wants not every gradient
  for (std::size_t i : t.learns)
    if (!t.in[i].memory.empty() && !(sparse && dice.coin() && t.learns.size() > 1)) d_in[i] = block(dice, t.in[i].shape, 0.1F, t.in[i].shape.pixels() > 1);
  compared(d_in, [&]<class Device>(Device& device, auto const& targets) {
    backward(device, reads<Device>(t.in), reads<Device>(out), reads<Device>(d_out), targets);
  });
}

/// The plain device's gradient of sum(d_out * out) against central differences of its own forward, in double.
template <class Forward, class Backward>
void slopes_agree(Dice& dice, Trial const& t, Forward const& forward, Backward const& backward) {
  INFO(t.what);
  plain::Device device;
  Blocks noise(t.out.size()), zero(t.in.size());
  for (std::size_t i : t.flows) noise[i] = block(dice, t.out[i], 1.0F, false);
  for (std::size_t i : t.learns) {
    zero[i] = t.in[i];
    std::fill(zero[i].memory.begin(), zero[i].memory.end(), 0.0F);
  }
  auto in = widened(t.in), d_out = widened(noise), d_in = widened(zero);
  std::vector<Block<double>> out;
  for (FeatureShape const& s : t.out) out.push_back({s, s.c(), 0, std::vector<double>(static_cast<std::size_t>(s.count()))});
  auto const loss = [&] {
    forward(device, reads<plain::Device>(in), writes<plain::Device>(out));
    double total = 0.0;
    for (std::size_t i : t.flows)
      for (std::size_t j = 0; j < out[i].memory.size(); ++j) total += out[i].memory[j] * d_out[i].memory[j];
    return total;
  };
  loss();
  backward(device, reads<plain::Device>(in), reads<plain::Device>(out), reads<plain::Device>(d_out), writes<plain::Device>(d_in));
  for (std::size_t i : t.learns) {
    if (in[i].memory.empty()) continue;
    double largest = 0.0;
    for (double v : d_in[i].memory) largest = std::max(largest, std::abs(v));
    for (int pick = 0; pick < 8; ++pick) {
      index_t const p = dice.integer(0, in[i].shape.pixels() - 1), c = dice.integer(0, in[i].shape.c() - 1);
      auto const at = static_cast<std::size_t>(in[i].first + p * in[i].stride + c);
      double const middle = in[i].memory[at], step = 1e-5;
      in[i].memory[at] = middle + step;
      double const above = loss();
      in[i].memory[at] = middle - step;
      double const below = loss();
      in[i].memory[at] = middle;
      INFO("input " << i << " pixel " << p << " channel " << c);
      CHECK(std::abs((above - below) / (2.0 * step) - d_in[i].memory[at]) <= 1e-6 * largest + 1e-9);
    }
  }
}

/// Every picture of a batch of eight has the bytes that it has alone. Inputs whose first extent is eight are per picture.
template <class Forward>
void alone_agrees(Dice& dice, Trial const& t, Forward const& forward) {
  INFO(t.what);
  Blocks out;
  for (FeatureShape const& s : t.out) out.push_back(block(dice, s));
  auto const in = reads<Cpu>(t.in);
  auto const all = writes<Cpu>(out);
  forward(cpu(2), in, all);
  for (index_t n = 0; n < 8; ++n) {
    auto const picture = [n](auto view) {
      if (!view || view.shape[0] != 8) return view;
      view.data = view.pixel(n * view.shape[1] * view.shape[2]);
      view.shape[0] = 1;
      return view;
    };
    std::vector<ConstFeatures<Cpu>> one;
    for (auto const& v : in) one.push_back(picture(v));
    Blocks single;
    for (FeatureShape s : t.out) single.push_back(block(dice, {1, s.h(), s.w(), s.c()}));
    auto const targets = writes<Cpu>(single);
    forward(cpu(1 + static_cast<int>(n % 3)), one, targets);
    bool same = true;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      auto const expected = picture(all[i]);
      for (index_t p = 0; p < targets[i].shape.pixels(); ++p)
        same = same && std::memcmp(targets[i].pixel(p), expected.pixel(p), static_cast<std::size_t>(targets[i].shape.channels()) * sizeof(float)) == 0;
    }
    INFO("picture " << n);
    CHECK(same);
  }
}

/// `count` odd trials of make(dice, limit) on all counts; `small` trials (limit 5) for slopes.
template <class Make, class Forward, class Backward>
void agree(std::uint64_t seed, int count, Make const& make, Forward const& forward, Backward const& backward) {
  Dice dice(seed);
  for (int i = 0; i < count; ++i) {
    Trial const t = make(dice, index_t{70});
    forward_agrees(dice, t, forward);
    backward_agrees(dice, t, forward, backward);
  }
  for (int i = 0; i < 6; ++i) slopes_agree(dice, make(dice, index_t{5}), forward, backward);
}

}  // namespace against_plain
