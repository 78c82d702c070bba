// SPDX-License-Identifier: Apache-2.0
// Training in half and in bfloat16: float master weights, the scale of the loss, and a run that resumes to the same numbers.
// A small network on the CUDA kernels, run on the host.
#include "../host_cuda.hpp"
#include "tadp/ops/layers.hpp"
#include "tadp/ops/loss.hpp"
#include "tadp/train/fit.hpp"
#include "tadp/train/initialize.hpp"

#include "../io/scratch.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using Home = host_cuda::Device;
template <class Element>
using In = InElement<Home, Element>;

/// Two convolutions with a norm between them, and a target.
struct Small {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  Conv2d first{Scope(*list) / "first", 3, 8, ConvGeometry::same(3)};
  GroupNorm norm{Scope(*list) / "norm", 8, 4, 1e-5F, true};
  Conv2d last{Scope(*list) / "last", 8, 2, ConvGeometry::same(1)};
  std::vector<float> picture = std::vector<float>(6 * 5 * 3), target = std::vector<float>(6 * 5 * 2);

  Small() {
    for (std::size_t i = 0; i < picture.size(); ++i) picture[i] = random_normal(1, i);
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = random_normal(2, i);
  }
  std::shared_ptr<Weights<Home>> weights() const {
    auto all = std::make_shared<Weights<Home>>(Home{}, list);
    initialize(*all, 3, [](ParameterSpec const&) { return true; });
    return all;
  }
  auto loss() const {
    return [this](auto& ctx, int) {
      auto const x = ctx.input({picture.data(), FeatureShape{1, 6, 5, 3}}), y = ctx.input({target.data(), FeatureShape{1, 6, 5, 2}});
      return ctx.apply(MeanSquaredErrorOp{}, {last(ctx, norm(ctx, first(ctx, x))), y})[0];
    };
  }
};

template <class Device>
struct Run {
  std::shared_ptr<Weights<Home>> weights;
  Fit<Device> fit;
  Run(Small const& small, FitOptions const& options) : weights(small.weights()), fit(Device{}, weights, options) {}
  std::vector<float> numbers() const { return {weights->flat(), weights->flat() + weights->list().floats()}; }
};

template <class Element>
double loss_after(Small const& small, int steps) {
  Run<In<Element>> run(small, {.adamw = {.lr = 1e-2}});
  float loss = 0.0F;
  for (int i = 0; i < steps; ++i) loss = run.fit.step(small.loss());
  return static_cast<double>(loss);
}

}  // namespace

TEST_CASE("the scale of a loss halves where gradients are not finite and doubles after two thousand steps") {
  LossScale scale;
  CHECK(scale.factor() == 65536.0F);
  CHECK(!scale.take(false));
  CHECK(scale.factor() == 32768.0F);
  CHECK(scale.left_out == 1);
  for (int i = 1; i < 2000; ++i) REQUIRE(scale.take(true));
  CHECK(scale.factor() == 32768.0F);
  CHECK(!scale.take(false));  // counts from the start again
  for (int i = 1; i < 2000; ++i) REQUIRE(scale.take(true));
  CHECK(scale.factor() == 16384.0F);
  CHECK(scale.take(true));
  CHECK(scale.factor() == 32768.0F);
}

TEST_CASE("gradients that are not numbers under any scale end the run") {
  LossScale scale{.exponent = -23};
  CHECK(!scale.take(false));
  CHECK_THROWS_WITH_AS(scale.take(false), doctest::Contains("the gradients are not numbers under any scale of the loss"), Error);
}

TEST_CASE("a step with gradients beyond half is left out, and the scale falls until they fit") {
  Small const small;
  Run<In<Half>> run(small, {.adamw = {.lr = 1e-3}, .loss_scale = {.exponent = 30}});
  auto const before = run.numbers();
  float const loss = run.fit.step(small.loss());
  CHECK(run.numbers() == before);
  CHECK(run.fit.loss_scale().exponent == 29);
  CHECK(run.fit.steps() == 1);
  CHECK(run.fit.optimizer().steps() == 0);
  int left_out = 1;
  for (; run.fit.optimizer().steps() == 0 && left_out < 30; ++left_out) CHECK(run.fit.step(small.loss()) == loss);  // the same weights
  CHECK(run.numbers() != before);
  CHECK(run.fit.loss_scale().exponent > 8);
}

TEST_CASE("the scale of the loss is taken out of the gradients") {
  Small const small;
  Run<In<Half>> low(small, {.loss_scale = {.exponent = 2}}), high(small, {.loss_scale = {.exponent = 9}});
  Run<Home> in_float(small, {});
  low.fit.step(small.loss()), high.fit.step(small.loss()), in_float.fit.step(small.loss());
  double off = 0.0, length = 0.0;
  for (index_t i = 0; i < in_float.fit.gradients().floats(); ++i) {
    auto const g = static_cast<double>(in_float.fit.gradients().flat()[i]);
    for (auto* const run : {&low, &high}) off += std::pow(static_cast<double>(run->fit.gradients().flat()[i]) - g, 2);
    length += g * g;
  }
  CHECK(std::sqrt(off / 2.0 / length) <= 5e-3);
}

TEST_CASE("steps too small for the element add up in the master weights") {
  Small const small;
  Run<In<BFloat16>> run(small, {.adamw = {.lr = 1e-5, .weight_decay = 0.0}});
  auto const before = run.numbers();
  for (int i = 0; i < 5; ++i) run.fit.step(small.loss());
  auto const after = run.numbers();
  ParameterSpec const& spec = run.weights->list()[run.weights->list().find("first.weight")];
  double moved = 0.0;
  for (index_t i = spec.offset; i < spec.offset + spec.count; ++i) moved = std::max(moved, std::abs(static_cast<double>(after[static_cast<std::size_t>(i)]) - static_cast<double>(before[static_cast<std::size_t>(i)])));
  CHECK(moved >= 3e-5);  // five steps of AdamW in one direction; bfloat16 has steps of 4e-4 near 0.1
  CHECK(moved <= 6e-5);
}

TEST_CASE("what is computed follows the master weights") {
  Small const small;
  Run<In<BFloat16>> run(small, {.adamw = {.lr = 1e-2}});
  for (int i = 0; i < 3; ++i) run.fit.step(small.loss());
  Run<In<BFloat16>> again(small, {.adamw = {.lr = 1e-2}});
  std::copy_n(run.weights->flat(), run.weights->list().floats(), again.weights->flat());
  again.fit.context().refresh_weights();
  CHECK(again.fit.step(small.loss()) == run.fit.step(small.loss()));
}

TEST_CASE("half and bfloat16 learn as float does") {
  Small const small;
  double const start = loss_after<Half>(small, 1), half = loss_after<Half>(small, 60), bfloat = loss_after<BFloat16>(small, 60);
  Run<Home> run(small, {.adamw = {.lr = 1e-2}});
  float in_float = 0.0F;
  for (int i = 0; i < 60; ++i) in_float = run.fit.step(small.loss());
  CHECK(static_cast<double>(in_float) < 0.6 * start);
  CHECK(half == doctest::Approx(static_cast<double>(in_float)).epsilon(0.02));
  CHECK(bfloat == doctest::Approx(static_cast<double>(in_float)).epsilon(0.06));
}

TEST_CASE("a run in half resumes to the same numbers, the scale of its loss among them") {
  Small const small;
  FitOptions const options{.adamw = {.lr = 1e-3}, .clip = 0.5, .loss_scale = {.exponent = 24}};
  scratch::Folder const folder;
  auto const file = folder / "run.safetensors";
  Run<In<Half>> whole(small, options);
  for (int i = 0; i < 20; ++i) whole.fit.step(small.loss());
  whole.fit.save(file, {{"kind", "test"}});
  Run<In<Half>> resumed(small, options);
  auto const notes = resumed.fit.resume(file);
  CHECK(notes.at("kind") == "test");
  CHECK(resumed.fit.loss_scale().exponent == whole.fit.loss_scale().exponent);
  CHECK(resumed.fit.loss_scale().exponent < 24);
  CHECK(resumed.fit.steps() == 20);
  for (int i = 0; i < 3; ++i) CHECK(resumed.fit.step(small.loss()) == whole.fit.step(small.loss()));
  CHECK(resumed.numbers() == whole.numbers());
}
