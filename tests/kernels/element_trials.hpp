// SPDX-License-Identifier: Apache-2.0
// Trials of the CUDA kernels in half and bfloat16 against the plain device on the same numbers.
// Operands lie in memory twice, in elements and in float: which one an operation takes, its signature says.
#pragma once

#include "cuda_trials.hpp"
#include "tadp/device/kernel_device.hpp"

#include <memory>
#include <string>
#include <utility>

namespace host_cuda {

template <class E>
using FloatOf = std::conditional_t<std::is_const_v<E>, float const, float>;

/// A vector in elements and in float, as a pointer to either. `asked` learns that it was taken in float.
template <class E>
class Start {
 public:
  Start() = default;
  Start(E* elements, FloatOf<E>* floats, bool* asked) : elements_(elements), floats_(floats), asked_(asked) {}
  operator E*() const { return elements_; }
  operator FloatOf<E>*() const {
    if (asked_ != nullptr) *asked_ = true;
    return floats_;
  }
  float operator[](index_t i) const { return floats_[i]; }

 private:
  E* elements_ = nullptr;
  FloatOf<E>* floats_ = nullptr;
  bool* asked_ = nullptr;
};

/// A view of elements that is one of floats where an operation reads or writes these.
template <class E, class D>
struct Operand : View<E, 4, D> {
  Start<E> data{};

  Operand() = default;
  Operand(View<E, 4, D> const& elements, FloatOf<E>* floats, bool* asked) : View<E, 4, D>(elements), data(elements.data, floats, asked) {}
  operator View<FloatOf<E>, 4, D>() const { return {data, this->shape, this->pixel_stride}; }
};
/// The view that a list of views takes.
template <class T, class D>
View<T, 4, D> view_of(View<T, 4, D> const& view) {
  return view;
}

template <class E>
Block<E> in_elements(Block<float> const& b) {
  Block<E> narrow{b.shape, b.stride, b.first, {}};
  for (float v : b.memory) narrow.memory.push_back(cuda::from_float<E>(v));
  return narrow;
}

template <class E, class D>
struct OperandList : std::vector<Operand<E const, D>> {
  std::vector<Block<E>> elements;
};

/// What a kernel writes: every result in both, and in which of them it was asked for.
template <class E>
class Results {
 public:
  explicit Results(Blocks const& before) : floats(before), asked_(std::make_unique<bool[]>(before.size())) {
    for (auto const& b : before) elements.push_back(in_elements<E>(b));
  }
  template <class D>
  std::vector<Operand<E, D>> views() {
    std::vector<Operand<E, D>> all;
    for (std::size_t i = 0; i < floats.size(); ++i) all.emplace_back(elements[i].template view<D>(), floats[i].template view<D>().data, &asked_[i]);
    return all;
  }
  bool in_float(std::size_t i) const { return asked_[i]; }
  bool same_bytes_as(Results const& other) const {
    bool same = same_bytes(floats, other.floats);
    for (std::size_t i = 0; i < elements.size(); ++i) same = same && same_elements(i, other.elements[i]);
    return same;
  }
  bool same_elements(std::size_t i, Block<E> const& other) const {
    return other.memory.empty() || std::memcmp(elements[i].memory.data(), other.memory.data(), other.memory.size() * sizeof(E)) == 0;
  }

  Blocks floats;
  std::vector<Block<E>> elements;

 private:
  std::unique_ptr<bool[]> asked_;
};

/// The largest error over the tolerance: what a float kernel may be off by, and some roundings of each number.
template <class E>
double error_of(Block<float> const& expected, Block<E> const& actual, Block<float> const& before, int roundings) {
  constexpr bool half = std::is_same_v<E, Half>;
  constexpr double unit = half ? 0x1p-11 : 0x1p-8, least = half ? 0x1p-25 : 0x1p-134;
  double largest = 0.0, start = 0.0, worst = 0.0;
  for (std::size_t i = 0; i < expected.memory.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected.memory[i]) - static_cast<double>(before.memory[i])));
    start = std::max(start, std::abs(static_cast<double>(before.memory[i])));
  }
  for (std::size_t i = 0; i < expected.memory.size(); ++i) {
    float const want = expected.memory[i], got = cuda::to_float(actual.memory[i]);
    if (std::isinf(cuda::to_float(cuda::from_float<E>(want))) && std::isinf(got) && std::signbit(got) == std::signbit(want)) continue;
    double const rounding = roundings * (unit * std::abs(static_cast<double>(want)) + least);
    double const off = std::abs(static_cast<double>(got) - static_cast<double>(want)) / (rounding + 2e-5 * largest + 2e-7 * start);
    if (!(off <= worst)) worst = off;
    if (std::isnan(worst)) return worst;
  }
  return worst;
}

/// Compares as compare_kernels does, in elements. Both devices take the same numbers, which are elements.
template <class E>
struct OnElementKernels {
  int roundings;

  Block<float> operand(Block<float> b) const {
    for (float& v : b.memory) v = cuda::to_float(cuda::from_float<E>(v));
    return b;
  }
  Blocks operands(Blocks blocks) const {
    for (auto& b : blocks) b = operand(std::move(b));
    return blocks;
  }
  template <class Call>
  void operator()(Blocks const& given, Call const& call) const {
    Blocks const before = operands(given);
    plain::Device reference;
    Blocks expected = before;
    call(reference, writes<plain::Device>(expected));
    Results<E> const unchanged(before);
    Results<E> actual(before), backwards(before);
    using Narrow = InElement<Device, E>;
    Narrow device;
    call(device, actual.template views<Narrow>());
    for (std::size_t i = 0; i < before.size(); ++i) {
      INFO("result " << i << " of shape " << to_string(before[i].shape) << ", stride " << before[i].stride << std::string(actual.in_float(i) ? ", float" : ""));
      if (actual.in_float(i)) {
        CHECK(error_of(expected[i], actual.floats[i], before[i]) <= 1.0);
        CHECK(actual.same_elements(i, unchanged.elements[i]));
      } else {
        CHECK(error_of(expected[i], actual.elements[i], before[i], roundings) <= 1.0);
      }
    }
    device.order = Order::falling;
    call(device, backwards.template views<Narrow>());
    CHECK(actual.same_bytes_as(backwards));
  }
};

template <class E, class... Passes>
void agrees_in(Dice& dice, Trial t, Passes const&... passes) {
  INFO(std::string(std::is_same_v<E, Half> ? "half" : "bfloat16"));
  OnElementKernels<E> const compared{t.roundings};
  t.in = compared.operands(std::move(t.in));
  agrees(dice, t, compared, passes...);
}

/// kernels_agree for kernels of each element: the same trials in float, rounded to half and rounded to bfloat16.
template <class Make, class... Passes>
void elements_agree(std::uint64_t seed, Make const& make, Passes const&... passes) {
  Dice dice(seed), others(~seed);
  for (int i = 0; i < shapes; ++i) {
    Trial const t = make(dice);
    agrees(dice, t, OnHostKernels{}, passes...);
    agrees_in<Half>(others, t, passes...);
    agrees_in<BFloat16>(others, t, passes...);
  }
}

}  // namespace host_cuda

namespace against_plain {

/// What a device that computes in elements reads.
template <class D>
requires(!tadp::computes_in_float<D>) auto reads(Blocks const& blocks) {
  using E = tadp::element_of<D>;
  host_cuda::OperandList<E, D> list;
  for (auto const& b : blocks) list.elements.push_back(host_cuda::in_elements<E>(b));
  for (std::size_t i = 0; i < blocks.size(); ++i) list.emplace_back(std::as_const(list.elements[i]).template view<D>(), blocks[i].template view<D>().data, nullptr);
  return list;
}

}  // namespace against_plain
