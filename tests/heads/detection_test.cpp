// SPDX-License-Identifier: Apache-2.0
// The detection head whole: planned and taped alike, without allocation on a second pass, on the plain device as on the
// processor, learning what it is shown, and what happens to boxes that cannot be found.
#include "../plain_detection.hpp"
#include "../root/allocation_hooks.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/heads/detection_result.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/train/fit.hpp"
#include "tadp/train/initialize.hpp"

#include <doctest/doctest.h>

using namespace tadp;

namespace {

constexpr DetectionConfig small{.width = 16, .representation = 24, .best_of_level = 60, .proposals = 80, .training_best_of_level = 90, .training_proposals = 100, .anchor_samples = 64, .box_samples = 48, .detections = 20};
constexpr int classes = 4;
using Task = DetectionOf<classes, small>;
constexpr FeatureChannels channels_in{5, 6, 7, 8};
constexpr index_t height = 128, width = 192;

struct SmallHead {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  Task::Net net{Scope(*list), channels_in, classes};

  template <class Device>
  std::shared_ptr<Weights<Device>> weights(Device device, std::uint64_t seed) const {
    auto w = std::make_shared<Weights<Device>>(device, list);
    initialize(*w, seed, [](ParameterSpec const&) { return true; });
    return w;
  }
};

/// A pyramid of a batch, in memory.
struct Pyramid {
  std::array<FeatureShape, 4> shapes;
  std::array<std::vector<float>, 4> numbers;

  Pyramid(index_t pictures, std::uint64_t seed) {
    for (std::size_t l = 0; l < 4; ++l) {
      shapes[l] = {pictures, height >> (3 + l), width >> (3 + l), channels_in[l]};
      numbers[l].resize(static_cast<std::size_t>(shapes[l].count()));
      for (std::size_t i = 0; i < numbers[l].size(); ++i) numbers[l][i] = random_normal(random_key(seed, l), i);
    }
  }
  template <class Ctx>
  std::array<typename Ctx::Value, 4> values(Ctx& ctx) const {
    std::array<typename Ctx::Value, 4> all;
    for (std::size_t l = 0; l < 4; ++l) all[l] = ctx.input({numbers[l].data(), shapes[l]});
    return all;
  }
  /// Raises the features inside of a box by a pattern of its class.
  void show(index_t picture, TrueBox const& one) {
    for (std::size_t l = 0; l < 4; ++l)
      for (index_t y = 0; y < shapes[l].h(); ++y)
        for (index_t x = 0; x < shapes[l].w(); ++x) {
          float const stride = static_cast<float>(8 << l), cx = (static_cast<float>(x) + 0.5F) * stride, cy = (static_cast<float>(y) + 0.5F) * stride;
          if (cx < one.box.x1 || cx > one.box.x2 || cy < one.box.y1 || cy > one.box.y2) continue;
          auto const at = ((picture * shapes[l].h() + y) * shapes[l].w() + x) * shapes[l].c() + one.label;
          numbers[l][static_cast<std::size_t>(at)] += 4.0F;
        }
  }
};

/// A planned pass over a pyramid.
struct Planned {
  Cpu cpu;
  Plan<Cpu> plan;
  std::array<PlannedValue, 4> in;
  BoxList<PlannedValue> found;

  Planned(SmallHead const& head, Weights<Cpu> const& weights, Pyramid const& pyramid, int threads) : cpu(threads), plan(cpu, head.list.get(), weights.flat()) {
    PlanContext<Cpu> ctx(plan);
    for (std::size_t l = 0; l < 4; ++l) in[l] = plan.input(pyramid.shapes[l]);
    found = head.net.detections(ctx, head.net(ctx, in));
    plan.keep(found.rows);
    plan.keep(found.counts);
    plan.finish();
  }
  void run(Pyramid const& pyramid) {
    for (std::size_t l = 0; l < 4; ++l) std::copy(pyramid.numbers[l].begin(), pyramid.numbers[l].end(), plan.view(in[l]).data);
    plan.run(cpu);
  }
  std::span<float const> rows() const { return {plan.view(found.rows).data, static_cast<std::size_t>(found.rows.shape.count())}; }
  std::span<float const> counts() const { return {plan.view(found.counts).data, static_cast<std::size_t>(found.counts.shape.count())}; }
};

TrueBox truth(float x1, float y1, float x2, float y2, int label) { return {{x1, y1, x2, y2}, label, false}; }

struct Step {
  DetectionLosses<double> losses{};
  std::vector<float> gradients;
};
/// Losses and gradients of one step on a device.
template <class Device>
Step step_of(SmallHead const& head, Device device, Pyramid const& pyramid, PackedBoxes const& boxes, std::uint64_t seed, std::uint64_t step = 0) {
  auto const weights = head.weights(device, 3);
  Step s;
  s.gradients.resize(static_cast<std::size_t>(head.list->floats()));
  std::vector<float*> pointers;
  for (auto const& spec : head.list->specs()) pointers.push_back(s.gradients.data() + spec.offset);
  TapeContext<Device> ctx(device, *weights, pointers, {.seed = seed});
  ctx.begin_step(step);
  auto const losses = head.net.losses(ctx, head.net(ctx, pyramid.values(ctx)), boxes.target());
  auto const number = [](auto const& v) { return static_cast<double>(v.slot->data().data[0]); };
  s.losses = {number(losses.classes), number(losses.boxes), number(losses.objectness), number(losses.anchors), number(losses.total)};
  ctx.backward(losses.total);
  return s;
}

}  // namespace

TEST_CASE("a planned pass finds what a taped one finds, for any count of threads, and a second one allocates nothing") {
  SmallHead const head;
  auto const weights = head.weights(Cpu(1), 1);
  Pyramid const pyramid(2, 5), other(2, 6);
  TapeContext<Cpu> ctx(Cpu(1), *weights, std::vector<float*>(head.list->specs().size()), {});
  auto const taped = head.net.detections(ctx, head.net(ctx, pyramid.values(ctx)));
  std::vector<float> const expected(taped.rows.slot->data().data, taped.rows.slot->data().data + taped.rows.shape.count());
  for (int threads = 1; threads <= 3; ++threads) {
    Planned pass(head, *weights, pyramid, threads);
    pass.run(pyramid);
    CHECK(std::vector<float>(pass.rows().begin(), pass.rows().end()) == expected);
    CHECK(pass.counts()[0] > 0.0F);
    CHECK(pass.counts()[0] <= static_cast<float>(small.detections));
    if (TADP_COUNTS_ALLOCATIONS == 0) continue;
    // Another picture has other counts, at the same capacity.
    CHECK(allocation_count::during([&] { pass.run(other); }) == 0);
    CHECK(allocation_count::during([&] { pass.run(pyramid); }) == 0);
  }
}

TEST_CASE("the head learns on a device of plain loops as on the processor") {
  SmallHead const head;
  Pyramid const pyramid(2, 7);
  std::vector<std::vector<TrueBox>> const boxes{{truth(20, 30, 80, 90, 1), truth(100, 10, 150, 120, 3)}, {truth(60, 40, 130, 100, 2)}};
  PackedBoxes const packed(boxes, classes, height, width);
  Step const ours = step_of(head, Cpu(2), pyramid, packed, 1), expected = step_of(head, plain::Device{}, pyramid, packed, 1);
  for (auto const& [a, b] : {std::pair{ours.losses.classes, expected.losses.classes}, std::pair{ours.losses.boxes, expected.losses.boxes},
                             std::pair{ours.losses.objectness, expected.losses.objectness}, std::pair{ours.losses.anchors, expected.losses.anchors}}) {
    CHECK(b > 0.0);
    CHECK(a == doctest::Approx(b).epsilon(1e-4));
  }
  double squares = 0.0, errors = 0.0;
  for (std::size_t i = 0; i < ours.gradients.size(); ++i) {
    squares += std::pow(static_cast<double>(expected.gradients[i]), 2);
    errors += std::pow(static_cast<double>(ours.gradients[i]) - static_cast<double>(expected.gradients[i]), 2);
  }
  CHECK(squares > 0.0);
  CHECK(std::sqrt(errors) <= 1e-3 * std::sqrt(squares));
}

TEST_CASE("what is drawn follows from seed and step") {
  SmallHead const head;
  Pyramid const pyramid(1, 8);
  std::vector<std::vector<TrueBox>> const boxes{{truth(20, 30, 80, 90, 1)}};
  PackedBoxes const packed(boxes, classes, height, width);
  auto const total = [&](std::uint64_t seed, std::uint64_t step) { return step_of(head, Cpu(1), pyramid, packed, seed, step).losses.total; };
  CHECK(total(1, 0) == total(1, 0));
  CHECK(total(1, 0) != total(1, 1));
  CHECK(total(1, 0) != total(2, 0));
}

TEST_CASE("pictures without a box teach what is background") {
  SmallHead const head;
  Pyramid const pyramid(2, 9);
  std::vector<std::vector<TrueBox>> const none(2), outside{{truth(-40, -40, -10, -10, 1)}, {truth(30, 30, 30, 60, 2)}};
  for (auto const& boxes : {none, outside}) {
    PackedBoxes const packed(boxes, classes, height, width);
    Step const s = step_of(head, Cpu(1), pyramid, packed, 1);
    CHECK(s.losses.anchors == 0.0);
    CHECK(s.losses.boxes == 0.0);
    CHECK(s.losses.objectness > 0.0);
    CHECK(s.losses.classes > 0.0);
    CHECK(std::all_of(s.gradients.begin(), s.gradients.end(), [](float g) { return std::isfinite(g); }));
  }
}

TEST_CASE("boxes that are shown are found again") {
  SmallHead const head;
  auto const weights = head.weights(Cpu(2), 4);
  Pyramid pyramid(2, 10);
  std::vector<std::vector<TrueBox>> const boxes{{truth(16, 24, 72, 88, 1), truth(104, 16, 168, 72, 2)}, {truth(48, 32, 144, 112, 3)}};
  for (std::size_t n = 0; n < 2; ++n)
    for (TrueBox const& one : boxes[n]) pyramid.show(static_cast<index_t>(n), one);
  PackedBoxes const packed(boxes, classes, height, width);
  Fit<Cpu> fit(Cpu(2), weights, {.adamw = {.lr = 3e-3, .weight_decay = 0.0}});
  float first = 0.0F, last = 0.0F;
  for (int step = 0; step < 120; ++step) {
    last = fit.step([&](auto& ctx, int) { return Task::loss(ctx, head.net, head.net(ctx, pyramid.values(ctx)), packed.target()); });
    if (step == 0) first = last;
  }
  CHECK(last < 0.3F * first);
  Planned pass(head, *weights, pyramid, 1);
  pass.run(pyramid);
  for (std::size_t n = 0; n < 2; ++n) {
    auto const result = detections_of(pass.rows().subspan(n * static_cast<std::size_t>(small.detections * kept_channels)), pass.counts()[n], height, width, 2 * height, 2 * width);
    for (TrueBox const& one : boxes[n]) {
      Box const doubled{2 * one.box.x1, 2 * one.box.y1, 2 * one.box.x2, 2 * one.box.y2};
      CHECK(std::any_of(result.objects.begin(), result.objects.end(), [&](Detected const& d) { return d.label == one.label && d.score > 0.5F && overlap_of(d.box, doubled) > 0.6F; }));
    }
  }
}

TEST_CASE("boxes of a batch are clipped, and what cannot be found is left out") {
  std::vector<std::vector<TrueBox>> const boxes{{truth(-10, 20, 50, 400, 1), truth(300, 300, 320, 320, 2), truth(5, 5, 5, 9, 1), truth(9, 9, 7, 20, 1), truth(1, 2, 3, 4, 3)}, {}};
  PackedBoxes const packed(boxes, classes, 100, 200);
  CHECK(packed.most() == 5);
  CHECK(packed.counts()[0] == 2.0F);
  CHECK(packed.counts()[1] == 0.0F);
  CHECK(box_at(packed.boxes().data()) == Box{0, 20, 50, 100});
  CHECK(box_at(packed.boxes().data() + 4) == Box{1, 2, 3, 4});
  CHECK(packed.labels()[1] == 3.0F);
  CHECK(PackedBoxes(std::vector<std::vector<TrueBox>>(3), classes, 9, 9).most() == 1);
  for (TrueBox const& bad : {truth(1, 1, 2, 2, 0), truth(1, 1, 2, 2, classes), truth(1, std::nanf(""), 2, 2, 1)})
    CHECK_THROWS_AS(PackedBoxes(std::vector<std::vector<TrueBox>>{{bad}}, classes, 9, 9), Error);
}

TEST_CASE("rows become boxes in pixels of the picture") {
  std::vector<float> const rows{10, 20, 30, 40, 0.75F, 2, 7, 0, 0, 0, 0, 0, 0, 0};
  auto const result = detections_of(rows, 1.0F, 100, 200, 50, 600);
  REQUIRE(result.objects.size() == 1);
  CHECK(result.objects[0] == Detected{{30, 10, 90, 20}, 2, 0.75F});
  CHECK(detections_of(rows, 0.0F, 100, 200, 50, 600).objects.empty());
  CHECK_THROWS_AS(detections_of(rows, 3.0F, 100, 200, 50, 600), Error);
}

TEST_CASE("names of parameters are the original's") {
  SmallHead const head;
  for (char const* name : {"fpn.inner_blocks.0.0.weight", "fpn.layer_blocks.3.0.bias", "decode_head.rpn.head.conv.0.0.weight", "decode_head.rpn.head.cls_logits.bias", "decode_head.rpn.head.bbox_pred.weight",
                           "decode_head.roi_heads.box_head.fc6.weight", "decode_head.roi_heads.box_head.fc7.bias", "decode_head.roi_heads.box_predictor.cls_score.weight", "decode_head.roi_heads.box_predictor.bbox_pred.weight"})
    CHECK(head.list->find(name));
  CHECK(head.list->specs().size() == 30);
}
