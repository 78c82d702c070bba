// SPDX-License-Identifier: Apache-2.0
// Several heads over one pass of the backbone: the same answers as each alone, in inference and in training.
#include "allocation_count.hpp"

#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/heads/smp_fpn.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/training_session.hpp"
#include "tadp/train/initialize.hpp"

#include <doctest/doctest.h>

namespace td = tadp;

namespace {

using Net = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
using Labels = td::SegmentationOf<td::dynamic, 32>;
using Metres = td::DepthOf<td::DepthConfig{.embed = 16, .filters = 8}>;
using Boxes = td::DetectionOf<td::dynamic, td::DetectionConfig{.width = 16, .representation = 32, .proposals = 50}>;
template <class... Heads>
using Stack = td::Model<Net, td::PromptPolicy<td::Caption>, Heads...>;
using All = Stack<td::Heads<td::Head<Labels>, td::Head<Metres>, td::Head<Boxes>>>;
template <class M>
using Infer = td::Session<M, td::Inference<td::Cpu>>;

template <class M>
std::shared_ptr<td::Weights<td::Cpu>> weights_of(M const& model) {
  auto weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model.parameters());
  td::initialize(*weights, 1, [](td::ParameterSpec const&) { return true; });  // keyed by names: the same in every stack
  return weights;
}

td::Picture picture_of(int width, int height) {
  td::Picture picture(width, height);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 7919 % 251);
  return picture;
}

template <class Task>
auto alone(td::Picture const& picture, td::SessionOptions const& options, td::index_t classes) {
  using M = Stack<td::Head<Task>>;
  auto const model = std::make_shared<M const>(td::ModelSizes{.classes = classes});
  Infer<M> session(model, weights_of(*model), options);
  return std::get<0>(session.perceive(td::PictureView(picture), {.ids = {5, 6}}));
}

}  // namespace

TEST_CASE("heads together answer as each alone, over windows, batches and mirrored looks") {
  auto const model = std::make_shared<All const>(td::ModelSizes{.classes = 5, .further_classes = {1, 4}});
  auto const picture = picture_of(90, 70);
  for (td::SessionOptions const& options : {td::SessionOptions{.window = {64, 64}}, td::SessionOptions{.window = {64, 64}, .flip = true, .batch = 2}, td::SessionOptions{.window = {64, 64}, .stretch = true}}) {
    Infer<All> session(model, weights_of(*model), options);
    auto const [labels, metres, boxes] = session.perceive(td::PictureView(picture), {.ids = {5, 6}});
    CHECK(labels.labels.labels == alone<Labels>(picture, options, 5).labels.labels);
    CHECK(metres.metres == alone<Metres>(picture, options, 1).metres);
    CHECK(boxes.objects == alone<Boxes>(picture, options, 4).objects);
    CHECK(!boxes.objects.empty());
    for (auto const& one : boxes.objects) {
      CHECK(one.box.x1 >= 0.0F);
      CHECK(one.box.x2 <= 90.0F);
      CHECK(one.box.y2 <= 70.0F);
    }
    CHECK(std::get<0>(session.perceive<Metres>(td::PictureView(picture), {.ids = {5, 6}})).metres == metres.metres);
    CHECK(session.depth(td::PictureView(picture), {.ids = {5, 6}}).metres == metres.metres);
    CHECK(session.detect(td::PictureView(picture), {.ids = {5, 6}}).objects == boxes.objects);
  }
}

TEST_CASE("two heads that both give labels answer each for itself") {
  using Coarse = td::SegmentationOf<3, td::SmpFpnOf{.pyramid = 32, .segmentation = 32}>;
  using Fine = td::SegmentationOf<5, 32>;
  using Two = Stack<td::Heads<td::Head<Fine>, td::Head<Coarse>>>;
  auto const model = std::make_shared<Two const>();
  auto const picture = picture_of(70, 64);
  td::SessionOptions const options{.window = {64, 64}};
  td::Wanted const wanted{.logits = true};
  Infer<Two> session(model, weights_of(*model), options);
  auto const [fine, coarse] = session.perceive(td::PictureView(picture), {.ids = {5, 6}}, wanted);
  CHECK(fine.labels.labels == alone<Fine>(picture, options, 5).labels.labels);
  CHECK(coarse.labels.labels == alone<Coarse>(picture, options, 3).labels.labels);
  CHECK(coarse.logits.size() == 70 * 64 * 3);
  Infer<Two> fresh(model, weights_of(*model), options);
  CHECK(std::get<0>(fresh.perceive<Coarse>(td::PictureView(picture), {.ids = {5, 6}}, wanted)).logits == coarse.logits);
  CHECK(fresh(td::PictureView(picture), {.ids = {5, 6}}).labels == fine.labels.labels);
}

TEST_CASE("a second picture allocates one block for boxes and one for metres, however many objects there are") {
#if TADP_COUNTS_ALLOCATIONS
  auto const model = std::make_shared<All const>(td::ModelSizes{.classes = 5, .further_classes = {1, 4}});
  Infer<All> session(model, weights_of(*model), {.window = {64, 64}, .batch = 2, .threads = 2});
  td::Prompt const prompt{.ids = {5, 6}};
  td::Picture const dark(90, 70), noisy = picture_of(90, 70);
  session.perceive(td::PictureView(dark), prompt);
  td::DetectionResult found;
  CHECK(allocation_count::during([&] { found = session.detect(td::PictureView(noisy), prompt); }) <= 1);
  CHECK(!found.objects.empty());
  CHECK(found.objects != session.detect(td::PictureView(dark), prompt).objects);
  CHECK(allocation_count::during([&] { session.depth(td::PictureView(noisy), prompt); }) == 1);
  CHECK(allocation_count::during([&] { session.perceive(td::PictureView(noisy), prompt); }) == 3);  // labels, metres, boxes
#else
  MESSAGE("skipped: a sanitizer stands in for the allocator");
#endif
}

TEST_CASE("metres follow the picture's focal length where the head was taught for one, at the scale of the look") {
  using Taught = td::DepthOf<td::DepthConfig{.embed = 16, .filters = 8, .focal = 100.0F}>;
  auto const model = std::make_shared<Stack<td::Head<Taught>> const>();
  auto picture = picture_of(128, 96);
  auto const metres = [&](td::SessionOptions const& options, float focal) {
    picture.focal = focal;
    return Infer<Stack<td::Head<Taught>>>(model, weights_of(*model), options).depth(picture, {.ids = {5}}).metres;
  };
  auto const require_ratio = [&](td::SessionOptions const& options, float focal, float ratio) {
    auto const without = metres(options, 0.0F), with = metres(options, focal);
    for (std::size_t i = 0; i < with.size(); ++i) REQUIRE(with[i] == doctest::Approx(ratio * without[i]));
  };
  require_ratio({.window = {96, 128}}, 250.0F, 2.5F);
  require_ratio({.window = {64, 64}, .fit = {64, 48}}, 250.0F, 1.25F);      // looked at in half the size
  require_ratio({.window = {64, 64}, .stretch = true}, 250.0F, 1.25F);
  require_ratio({.window = {96, 128}, .focal = 50.0F}, 250.0F, 5.0F);       // a file says another camera than the type
  require_ratio({.window = {96, 128}, .focal = 0.0F}, 250.0F, 1.0F);        // or none
  CHECK(metres({.window = {96, 128}}, 250.0F) != alone<Metres>(picture, {.window = {96, 128}}, 1).metres);
  picture.focal = 250.0F;
  auto const told = alone<Metres>(picture, {.window = {96, 128}}, 1).metres;
  picture.focal = 0.0F;
  CHECK(alone<Metres>(picture, {.window = {96, 128}}, 1).metres == told);  // a head that agreed on no camera
}

TEST_CASE("a head that a model does not have is not offered") {
  using OnlyDepth = Infer<Stack<td::Head<Metres>>>;
  CHECK(OnlyDepth::answers<td::DepthMap>);
  CHECK(!OnlyDepth::answers<td::SegmentationResult>);
  CHECK(!std::is_invocable_v<OnlyDepth&, td::PictureView>);
  CHECK(std::is_invocable_v<Infer<All>&, td::PictureView>);
}

TEST_CASE("heads learn together: the loss is the weighted sum, and a weight of zero leaves a head as it was") {
  auto const model = std::make_shared<All const>(td::ModelSizes{.classes = 5, .further_classes = {1, 4}});
  std::vector<float> pictures(64 * 64 * 3), depths(64 * 64, 2.0F);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<float>(i * 7919 % 251) / 125.0F - 1.0F;
  std::vector<std::uint8_t> const labels(64 * 64, 2);
  std::vector<std::vector<td::TrueBox>> const boxes{{{{5, 5, 40, 50}, 2}}};
  auto const ids = td::pad_tokens({}, td::tiny_text);
  td::TrainingBatch const batch{pictures, ids, labels, depths, boxes};
  auto const first_loss = [&](std::vector<float> weights) {
    using Fit = td::Session<All, td::Training<td::Cpu, td::UniformGroups>>;
    Fit fit(model, weights_of(*model), {.image = {64, 64}, .dropout = false, .loss_weights = std::move(weights)});
    return fit.step(batch);
  };
  float const a = first_loss({1, 0, 0}), b = first_loss({0, 1, 0}), c = first_loss({0, 0, 1});
  CHECK(first_loss({}) == doctest::Approx(a + b + c).epsilon(1e-5));
  CHECK(first_loss({1, 0.5F, 2}) == doctest::Approx(a + 0.5F * b + 2 * c).epsilon(1e-5));

  using Fit = td::Session<All, td::Training<td::Cpu, td::UniformGroups, td::Freeze<td::BackbonePart>>>;
  auto const weights = weights_of(*model);
  Fit fit(model, weights, {.image = {64, 64}, .adamw = {.lr = 1e-3}});
  float const before = fit.step(batch);
  float after = before;
  for (int i = 0; i < 10; ++i) after = fit.step(batch);
  CHECK(after < 0.9F * before);

  td::TrainingBatch short_of_depths = batch;
  short_of_depths.depths = short_of_depths.depths.subspan(1);
  CHECK_THROWS_WITH_AS(fit.step(short_of_depths), doctest::Contains("depths"), td::Error);
}
