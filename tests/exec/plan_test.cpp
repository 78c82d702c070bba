// SPDX-License-Identifier: Apache-2.0
// The planned pass: buffers that share an arena, slices and concatenations without copies, replays without allocation.
#include "tadp/exec/inference.hpp"

#include "../plain_device.hpp"
#include "tadp/ops/layers.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using plain::Device;

/// Counts what is allocated on it.
struct CountingDevice : Device {
  int* allocations = nullptr;
  void* allocate(std::size_t bytes) const {
    if (allocations != nullptr) ++*allocations;
    return Device::allocate(bytes);
  }
};

/// A planned pass over a device without weights.
template <class D = Device>
struct Pass {
  D device{};
  Plan<D> plan{device, nullptr, nullptr};
  PlanContext<D> ctx{plan};

  PlannedValue number(float value) {  // an input of two channels that holds value, value + 0.5
    PlannedValue const v = plan.input({1, 2, 3, 2});
    inputs.emplace_back(v, value);
    return v;
  }
  PlannedValue join(std::initializer_list<PlannedValue> parts) {
    std::vector<PlannedValue> const all(parts);
    return ctx.concatenate(all);
  }
  void run() {
    for (auto const& [v, value] : inputs)
      for (index_t p = 0; p < 6; ++p)
        for (index_t c = 0; c < 2; ++c) plan.view(v).pixel(p)[c] = value + 0.5F * static_cast<float>(c) + 10.0F * static_cast<float>(p);
    plan.run(device);
  }
  /// The channels of pixel 4.
  std::vector<float> at(PlannedValue v) const {
    std::vector<float> row;
    for (index_t c = 0; c < v.shape.c(); ++c) row.push_back(plan.view(v).pixel(4)[c]);
    return row;
  }
  std::vector<std::pair<PlannedValue, float>> inputs{};
};
using Row = std::vector<float>;

/// The square of one number, on the counting device: the other kernels belong to the plain one.
struct Square {
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const { return {in[0]}; }
  std::span<ParameterId const> parameters() const { return {}; }
  void forward(CountingDevice&, Operands<CountingDevice> const& a) const { a.out[0].data[0] = a.in[0].data[0] * a.in[0].data[0]; }
};

}  // namespace

TEST_CASE("buffers whose last reads are past share their memory") {
  Pass<> p;
  PlannedValue v = p.number(1.0F);
  for (int i = 0; i < 10; ++i) v = scaled(p.ctx, 2.0F, v);
  p.plan.keep(v);
  p.plan.finish();
  CHECK(p.plan.operations() == 10);
  CHECK(p.plan.unshared_floats() == 11 * 12);
  CHECK(p.plan.arena_floats() <= 4 * 16);  // the input, two in turns, and the result
  p.run();
  CHECK(p.at(v) == Row{41.0F * 1024.0F, 41.5F * 1024.0F});
}

TEST_CASE("a buffer with a slice lives no longer than one without") {
  Pass<> p;
  PlannedValue v = p.number(1.0F);
  for (int i = 0; i < 10; ++i) v = p.join({p.ctx.slice(scaled(p.ctx, 2.0F, v), 1, 1), p.ctx.slice(scaled(p.ctx, 2.0F, v), 0, 1)});
  p.plan.keep(v);
  p.plan.finish();
  p.run();
  CHECK(p.at(v) == Row{41.0F * 1024.0F, 41.5F * 1024.0F});
  CHECK(p.plan.arena_floats() <= 5 * 16);
}

TEST_CASE("parts of a concatenation are written in place and can still be read") {
  Pass<> p;
  PlannedValue const a = scaled(p.ctx, 1.0F, p.number(1.0F)), b = scaled(p.ctx, 1.0F, p.number(2.0F));
  PlannedValue const both = p.plan.keep(p.join({a, b}));
  PlannedValue const later = p.plan.keep(plus(p.ctx, a, b));
  p.plan.finish();
  CHECK(p.plan.operations() == 3);  // nothing is copied
  p.run();
  CHECK(p.at(both) == Row{41.0F, 41.5F, 42.0F, 42.5F});
  CHECK(p.at(later) == Row{83.0F, 84.0F});
  CHECK(p.plan.view(a).data == p.plan.view(both).data);
  CHECK(p.plan.view(b).pixel_stride == 4);
}

TEST_CASE("a value stands in several concatenations, and twice in one") {
  Pass<> p;
  PlannedValue const a = scaled(p.ctx, 1.0F, p.number(1.0F)), b = scaled(p.ctx, 1.0F, p.number(2.0F));
  PlannedValue const twice = p.plan.keep(p.join({a, a}));
  PlannedValue const first = p.plan.keep(p.join({b, a}));
  PlannedValue const second = p.plan.keep(p.join({a, b, first}));
  p.plan.finish();
  p.run();
  CHECK(p.at(twice) == Row{41.0F, 41.5F, 41.0F, 41.5F});
  CHECK(p.at(first) == Row{42.0F, 42.5F, 41.0F, 41.5F});
  CHECK(p.at(second) == Row{41.0F, 41.5F, 42.0F, 42.5F, 42.0F, 42.5F, 41.0F, 41.5F});
}

TEST_CASE("concatenations of concatenations and of their slices") {
  Pass<> p;
  PlannedValue const a = scaled(p.ctx, 1.0F, p.number(1.0F)), b = scaled(p.ctx, 1.0F, p.number(2.0F));
  PlannedValue const inner = p.join({a, b});
  PlannedValue const middle = p.ctx.slice(inner, 1, 2);
  PlannedValue const outer = p.plan.keep(p.join({scaled(p.ctx, 2.0F, a), inner, middle}));
  PlannedValue const copied = p.plan.keep(scaled(p.ctx, 1.0F, middle));
  p.plan.finish();
  p.run();
  CHECK(p.at(outer) == Row{82.0F, 83.0F, 41.0F, 41.5F, 42.0F, 42.5F, 41.5F, 42.0F});
  CHECK(p.at(copied) == Row{41.5F, 42.0F});
}

TEST_CASE("inputs, kept and bound values keep their own memory when they are concatenated") {
  Pass<> p;
  std::vector<float> outside(12, 7.0F);
  PlannedValue const input = p.number(1.0F);
  PlannedValue const kept = p.plan.keep(scaled(p.ctx, 3.0F, input));
  PlannedValue const bound = p.plan.bound({outside.data(), FeatureShape{1, 2, 3, 2}});
  PlannedValue const all = p.plan.keep(p.join({input, kept, bound, p.ctx.slice(bound, 1, 1)}));
  for (int i = 0; i < 5; ++i) scaled(p.ctx, 0.0F, all);
  p.plan.finish();
  p.run();
  CHECK(p.at(all) == Row{41.0F, 41.5F, 123.0F, 124.5F, 7.0F, 7.0F, 7.0F});
  CHECK(p.at(kept) == Row{123.0F, 124.5F});
  CHECK(p.at(input) == Row{41.0F, 41.5F});
  CHECK(p.plan.view(kept).contiguous());
  CHECK(p.plan.view(bound).data == outside.data());
}

TEST_CASE("slices are views, of slices, too") {
  Pass<> p;
  PlannedValue const all = p.join({scaled(p.ctx, 1.0F, p.number(1.0F)), scaled(p.ctx, 1.0F, p.number(2.0F))});
  PlannedValue const part = p.ctx.slice(p.ctx.slice(all, 1, 3), 1, 2);
  PlannedValue const result = p.plan.keep(plus(p.ctx, part, p.ctx.slice(all, 0, 2)));
  p.plan.finish();
  CHECK(p.plan.operations() == 3);
  p.run();
  CHECK(p.at(result) == Row{83.0F, 84.0F});
}

TEST_CASE("replays give the same results, follow their inputs, and allocate nothing") {
  int allocations = 0;
  CountingDevice device;
  device.allocations = &allocations;
  Plan<CountingDevice> plan(device, nullptr, nullptr);
  PlannedValue const x = plan.input({1, 1, 1, 1});
  PlanContext<CountingDevice> ctx(plan);
  PlannedValue const y = ctx.apply(Square{}, {ctx.apply(Square{}, {x})[0]})[0];
  plan.keep(y);
  CHECK(allocations == 0);
  plan.finish();
  CHECK(allocations == 1);
  for (float const value : {2.0F, 2.0F, 3.0F}) {
    plan.view(x).data[0] = value;
    plan.run(device);
    CHECK(plan.view(y).data[0] == value * value * value * value);
  }
  CHECK(allocations == 1);
}

TEST_CASE("progress is told between operations and may stop the pass") {
  Pass<> p;
  PlannedValue v = p.number(1.0F);
  for (int i = 0; i < 4; ++i) v = scaled(p.ctx, 2.0F, v);
  p.plan.keep(v);
  p.plan.finish();
  std::vector<std::size_t> told;
  p.plan.run(p.device, [&](std::size_t done, std::size_t total) {
    CHECK(total == 4);
    told.push_back(done);
  });
  CHECK(told == std::vector<std::size_t>{1, 2, 3, 4});
  CHECK_THROWS_AS(p.plan.run(p.device, [](std::size_t, std::size_t) { throw Error(Errc::cancelled, "stopped"); }), Error);
}
