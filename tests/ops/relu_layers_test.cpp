// SPDX-License-Identifier: Apache-2.0
// Layers whose ReLU is a part of them: one operation of a plan where there were two, with the same numbers forward
// and backward.
#include "../plain_device.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/ops/layers.hpp"
#include "tadp/ops/loss.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace {

using namespace tadp;

/// A convolution and a linear layer, each with a ReLU: its own, or an operation that follows.
struct Net {
  Net(Scope const& s, bool with_relu)
      : together(with_relu), conv(s / "conv", 3, 21, ConvGeometry::same(3), Conv2d::Options{.relu = with_relu}), linear(s / "linear", 21, 10, Linear::Options{.relu = with_relu}) {}

  template <class Ctx>
  typename Ctx::Value operator()(Ctx& ctx, typename Ctx::Value const& x) const {
    auto const rectified = [&](typename Ctx::Value const& v) { return together ? v : activate(ctx, Activation::relu, v); };
    return rectified(linear(ctx, rectified(conv(ctx, x))));
  }

  bool together;
  Conv2d conv;
  Linear linear;
};

constexpr FeatureShape picture{2, 5, 7, 3};
std::vector<float> normals(index_t count, std::uint64_t key) {
  std::vector<float> values;
  for (index_t i = 0; i < count; ++i) values.push_back(random_normal(key, static_cast<std::uint64_t>(i)));
  return values;
}

template <class Device>
struct Trial {
  Device device{};
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  Net net;
  Weights<Device> weights;
  std::vector<float> x = normals(picture.count(), 1);

  explicit Trial(bool together) : net(Scope(*list), together), weights(device, list) {
    std::vector<float> const start = normals(list->floats(), 2);
    std::copy(start.begin(), start.end(), weights.flat());
  }
  /// The result of a plan, and how many operations that has.
  std::pair<std::vector<float>, std::size_t> planned() {
    Plan<Device> plan(device, list.get(), weights.flat());
    PlanContext<Device> ctx(plan);
    PlannedValue const y = plan.keep(net(ctx, plan.bound({x.data(), picture})));
    plan.finish();
    plan.run(device);
    return {{plan.view(y).data, plan.view(y).data + y.shape.count()}, plan.operations()};
  }
  /// The gradients of a squared error: of the parameters, then of the picture.
  std::vector<float> learned() {
    std::vector<float> gradients(static_cast<std::size_t>(list->floats()));
    std::vector<float*> pointers;
    for (auto const& spec : list->specs()) pointers.push_back(gradients.data() + spec.offset);
    TapeContext<Device> ctx(device, weights, pointers, {});
    auto const in = ctx.input({x.data(), picture});
    in.slot->learns = true;
    auto const y = net(ctx, in);
    std::vector<float> const target = normals(y.shape.count(), 3);
    ctx.backward(ctx.apply(MeanSquaredErrorOp{}, {y, ctx.input({target.data(), y.shape})})[0]);
    gradients.insert(gradients.end(), in.slot->gradient().data, in.slot->gradient().data + picture.count());
    return gradients;
  }
};

template <class Device>
void same_numbers() {
  Trial<Device> together(true), apart(false);
  auto const [result, operations] = together.planned();
  auto const [expected, more] = apart.planned();
  CHECK(operations == 2);
  CHECK(more == 4);
  CHECK(result == expected);
  CHECK(std::count(result.begin(), result.end(), 0.0F) > 50);  // there is something to cut
  std::vector<float> const gradients = together.learned();
  CHECK(gradients == apart.learned());
  CHECK(std::count(gradients.begin(), gradients.end(), 0.0F) < 200);  // of a thousand
}

}  // namespace

TEST_CASE("a layer with its ReLU is one operation and has the numbers of two, forward and backward") {
  same_numbers<Cpu>();
  same_numbers<plain::Device>();
}
