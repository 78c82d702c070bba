// SPDX-License-Identifier: Apache-2.0
// The tape: slopes of a small net against central differences, blocks that are forgotten and computed again with the
// same numbers and draws, constants, and nothing recorded where nothing learns. On the device of plain loops.
#include "tadp/exec/training.hpp"

#include "../plain_device.hpp"
#include "tadp/ops/attention.hpp"
#include "tadp/ops/layers.hpp"
#include "tadp/ops/loss.hpp"

#include <doctest/doctest.h>

#include <functional>

namespace {

using namespace tadp;

template <class Statistics>
using Context = TapeContext<plain::Device, Statistics>;

/// Convolution, group norm, batch norm, attention with its map, dropout, a concatenation and a slice in one small net.
struct Net {
  explicit Net(Scope const& s)
      : first(s / "first", 3, 6, ConvGeometry::same(3)), norm(s / "norm", 6, 2, 1e-5F, true), query(s / "query", 6, 6), key(s / "key", 6, 6),
        value(s / "value", 6, 6), batch(s / "batch", 6, true), last(s / "last", 10, 4, ConvGeometry::same(1)) {}

  template <class Ctx>
  auto body(Ctx& ctx, typename Ctx::Value const& x) const {
    using Value = typename Ctx::Value;
    auto const attend = [this](Ctx& c, std::span<Value const> in) {
      auto const h = norm(c, in[0]);
      auto const a = c.apply(AttentionOp{{2, false}, true}, {query(c, h), key(c, h), value(c, h)});
      return std::array<Value, 2>{plus(c, dropout2d(c, 0.5F, a[0]), in[0]), a[2]};
    };
    auto const normalise = [this](Ctx& c, std::span<Value const> in) { return std::array<Value, 1>{batch(c, dropout2d(c, 0.25F, in[0]))}; };
    auto const attended = ctx.checkpoint(attend, {first(ctx, x)});
    auto const h = ctx.checkpoint(normalise, {attended[0]})[0];
    Value const parts[] = {h, ctx.slice(ctx.map_of(attended[1]), 1, 4)};
    return last(ctx, ctx.concatenate(parts));
  }

  Conv2d first;
  GroupNorm norm;
  Linear query, key, value;
  BatchNorm batch;
  Conv2d last;
};

struct Run {
  float loss = 0.0F;
  std::vector<float> gradients{}, weights{}, input{};
};

struct Harness {
  plain::Device device{};
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  Net net{Scope(*list)};
  FeatureShape shape{2, 3, 5, 3};
  std::vector<float> picture{}, target{};
  std::vector<float> start{};  // the weights of every run

  Harness() {
    auto const fill = [](std::vector<float>& v, index_t count, std::uint64_t key) {
      for (index_t i = 0; i < count; ++i) v.push_back(random_normal(key, static_cast<std::uint64_t>(i)));
    };
    fill(picture, shape.count(), 1);
    fill(target, shape.with_channels(4).count(), 2);
    fill(start, list->floats(), 3);
    for (auto const& spec : list->specs())
      if (spec.name.ends_with("running_var"))
        for (index_t i = 0; i < spec.count; ++i) start[static_cast<std::size_t>(spec.offset + i)] = 1.5F;
  }

  template <class Statistics = BatchStatistics>
  Run run(TapeOptions const& options, std::uint64_t step = 7, std::function<bool(ParameterSpec const&)> const& learns = [](auto const&) { return true; },
          bool input_learns = true) {
    Weights<plain::Device> weights(device, list);
    std::copy(start.begin(), start.end(), weights.flat());
    Run r;
    r.gradients.resize(start.size());
    std::vector<float*> pointers;
    for (auto const& spec : list->specs()) pointers.push_back(spec.trainable && learns(spec) ? r.gradients.data() + spec.offset : nullptr);
    Context<Statistics> ctx(device, weights, pointers, options);
    ctx.begin_step(step);
    auto x = ctx.input({picture.data(), shape});
    x.slot->learns = input_learns;
    auto const y = net.body(ctx, x);
    auto const loss = ctx.apply(MeanSquaredErrorOp{}, {y, ctx.input({target.data(), y.shape})})[0];
    r.loss = loss.slot->data().data[0];
    ctx.backward(loss);
    r.weights.assign(weights.flat(), weights.flat() + list->floats());
    if (x.slot->has_gradient()) r.input.assign(x.slot->gradient().data, x.slot->gradient().data + shape.count());
    return r;
  }
};

}  // namespace

TEST_CASE("slopes of a small net are its central differences") {
  Harness h;
  TapeOptions const options{.map_gradients = true, .seed = 5};
  for (bool const running : {false, true}) {
    auto const run = [&] { return running ? h.run<RunningStatistics>(options) : h.run<BatchStatistics>(options); };
    Run const here = run();
    double largest = 0.0;
    for (float g : here.gradients) largest = std::max(largest, std::abs(static_cast<double>(g)));
    auto const slope = [&](float& number) {
      float const middle = number, step = 4e-3F;
      number = middle + step;
      double const above = static_cast<double>(run().loss);
      number = middle - step;
      double const below = static_cast<double>(run().loss);
      number = middle;
      return (above - below) / (2.0 * static_cast<double>(step));
    };
    for (auto const& spec : h.list->specs()) {
      if (!spec.trainable) continue;
      for (index_t i = 0; i < spec.count; i += 1 + spec.count / 5) {
        auto const at = static_cast<std::size_t>(spec.offset + i);
        INFO(spec.name << " " << i);
        CHECK(std::abs(slope(h.start[at]) - static_cast<double>(here.gradients[at])) < 2e-3 * largest);
      }
    }
    for (std::size_t i = 0; i < h.picture.size(); i += 7) CHECK(std::abs(slope(h.picture[i]) - static_cast<double>(here.input[i])) < 2e-3 * largest);
  }
}

TEST_CASE("blocks that are computed again give the same gradients and draws, and move statistics once") {
  Harness h;
  for (bool const maps : {false, true}) {
    TapeOptions const kept{.map_gradients = maps, .seed = 5}, again{.checkpoint_blocks = true, .map_gradients = maps, .seed = 5};
    Run const a = h.run(kept), b = h.run(again);
    CHECK(a.loss == b.loss);
    CHECK(a.gradients == b.gradients);
    CHECK(a.input == b.input);
    CHECK(a.weights == b.weights);
    CHECK(a.weights != h.start);  // the running statistics
    CHECK(h.run(again, 8).loss != b.loss);  // another step draws other channels
    CHECK(h.run(again, 7).gradients == b.gradients);
  }
  CHECK(h.run({.dropout = false}).loss != h.run({.dropout = true}).loss);
  CHECK(h.run<RunningStatistics>({}).weights == h.start);
}

TEST_CASE("maps carry a gradient only where they are asked to") {
  Harness h;
  auto const query_gradient = [&](bool maps) {
    Run const r = h.run({.map_gradients = maps, .dropout = false});
    return r.gradients[static_cast<std::size_t>((*h.list)[h.list->find("query.weight")].offset)];
  };
  CHECK(query_gradient(true) != query_gradient(false));
}

TEST_CASE("frozen parameters get no gradient, and the others the same as before") {
  Harness h;
  TapeOptions const options{.checkpoint_blocks = true, .map_gradients = true};
  Run const all = h.run(options);
  Run const some = h.run(options, 7, [](ParameterSpec const& s) { return !s.name.starts_with("first") && !s.name.starts_with("key"); }, false);
  CHECK(some.input.empty());
  for (auto const& spec : h.list->specs()) {
    bool const frozen = spec.name.starts_with("first") || spec.name.starts_with("key") || !spec.trainable;
    for (index_t i = 0; i < spec.count; ++i) {
      auto const at = static_cast<std::size_t>(spec.offset + i);
      CHECK(some.gradients[at] == (frozen ? 0.0F : all.gradients[at]));
    }
  }
}

TEST_CASE("nothing is kept where nothing learns") {
  plain::Device device;
  auto list = std::make_shared<ParameterList>();
  Weights<plain::Device> weights(device, list);
  Context<BatchStatistics> ctx(device, weights, {}, {});
  std::vector<float> numbers{1.0F, 2.0F};
  auto x = ctx.input({numbers.data(), FeatureShape{1, 1, 1, 2}});
  auto y = scaled(ctx, 3.0F, x);
  CHECK(!y.slot->learns);
  std::weak_ptr<TapeSlot<plain::Device>> const first = y.slot;
  y = scaled(ctx, 2.0F, y);
  CHECK(first.expired());
  ctx.backward(ctx.slice(y, 0, 1));
  CHECK(!x.slot->has_gradient());
  // The same text with an input that learns keeps the value in between until the tape is gone back.
  x.slot->learns = true;
  y = scaled(ctx, 3.0F, x);
  std::weak_ptr<TapeSlot<plain::Device>> const second = y.slot;
  y = scaled(ctx, 2.0F, y);
  CHECK(!second.expired());
  ctx.backward(ctx.slice(y, 1, 1));
  CHECK(second.expired());
  CHECK(x.slot->gradient().data[0] == 0.0F);
  CHECK(x.slot->gradient().data[1] == 6.0F);
}

TEST_CASE("a detached value has the same numbers and stops the gradient") {
  plain::Device device;
  auto list = std::make_shared<ParameterList>();
  Weights<plain::Device> weights(device, list);
  Context<BatchStatistics> ctx(device, weights, {}, {});
  std::vector<float> numbers{5.0F};
  auto x = ctx.input({numbers.data(), FeatureShape{1, 1, 1, 1}});
  x.slot->learns = true;
  auto const y = scaled(ctx, 3.0F, x);
  auto const constant = ctx.detached(y);
  CHECK(constant.slot->data().data[0] == 15.0F);
  CHECK(!constant.slot->learns);
  ctx.backward(plus(ctx, y, constant), 2.0F);
  CHECK(x.slot->gradient().data[0] == 6.0F);  // of one summand, times the upstream gradient
}

TEST_CASE("a value that is read several times collects its gradients, and so does one that is joined twice") {
  plain::Device device;
  auto list = std::make_shared<ParameterList>();
  Weights<plain::Device> weights(device, list);
  Context<BatchStatistics> ctx(device, weights, {}, {});
  std::vector<float> numbers{5.0F};
  auto x = ctx.input({numbers.data(), FeatureShape{1, 1, 1, 1}});
  x.slot->learns = true;
  auto const y = scaled(ctx, 3.0F, x);
  decltype(y) parts[] = {y, plus(ctx, y, y), y};
  auto const all = ctx.concatenate(parts);
  CHECK(std::vector<float>(all.slot->data().data, all.slot->data().data + 3) == std::vector<float>{15.0F, 30.0F, 15.0F});
  ctx.backward(plus(ctx, ctx.slice(all, 1, 1), ctx.slice(all, 2, 1)));
  CHECK(x.slot->gradient().data[0] == 9.0F);
}

TEST_CASE("forgetting the insides of blocks keeps fewer values") {
  plain::Device device;
  auto list = std::make_shared<ParameterList>();
  Weights<plain::Device> weights(device, list);
  std::vector<float> numbers(64, 0.5F);
  auto const alive_before_backward = [&](bool checkpoint) {
    using Ctx = Context<BatchStatistics>;
    using Value = Ctx::Value;
    std::vector<std::weak_ptr<TapeSlot<plain::Device>>> made;
    Ctx ctx(device, weights, {}, {.checkpoint_blocks = checkpoint});
    auto x = ctx.input({numbers.data(), FeatureShape{1, 1, 1, 64}});
    x.slot->learns = true;
    Value h = x;
    for (int block = 0; block < 4; ++block)
      h = ctx.checkpoint(
          [&made](Ctx& c, std::span<Value const> in) {
            Value v = in[0];
            for (int i = 0; i < 6; ++i) made.emplace_back((v = activate(c, Activation::gelu, v)).slot);
            return std::array<Value, 1>{v};
          },
          {h})[0];
    auto const alive = std::count_if(made.begin(), made.end(), [](auto const& slot) { return !slot.expired(); });
    ctx.backward(ctx.slice(h, 3, 1));
    return std::pair(alive, x.slot->gradient().data[3]);
  };
  auto const kept = alive_before_backward(false), forgotten = alive_before_backward(true);
  CHECK(kept.first == 24);
  CHECK(forgotten.first == 4);
  CHECK(kept.second == forgotten.second);
  CHECK(kept.second != 0.0F);
}
