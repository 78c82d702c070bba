// SPDX-License-Identifier: Apache-2.0
// The same layers on the processor and on the device of plain loops: no layer knows its device. A whole model of the
// reference's small preset, picture and text to logits, planned and taped.
#include "../plain_device.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/model.hpp"
#include "tadp/ops/loss.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;

constexpr UNetConfig small_unet{.model_channels = 16, .num_res_blocks = 1, .num_heads = 2, .context_dim = 32, .norm_groups = 8};
constexpr TextEncoderConfig small_text{.vocabulary = 64, .width = 32, .layers = 2, .heads = 2, .mlp = 64, .length = 9, .begin_token = 62, .end_token = 63};
using Tiny = Model<Backbone<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>>, PromptPolicy<Caption, Adapter>, Head<SegmentationOf<19, 32>>>;
using Small = Model<Backbone<UNetOf<small_unet>, TextEncoderOf<small_text>, VaeEncoderOf<VaeConfig{.base_channels = 8, .norm_groups = 4}>>,
                    PromptPolicy<Caption, AveragedEosOf<3>, Adapter>, Head<SegmentationOf<5, 16>>>;

std::vector<std::int32_t> tokens(index_t texts, TextEncoderConfig const& c) {
  std::vector<std::int32_t> ids;
  for (index_t i = 0; i < texts * c.length; ++i) {
    index_t const at = i % c.length;
    ids.push_back(at == 0 ? c.begin_token : at < 5 ? static_cast<std::int32_t>((7 * i + 3) % (c.vocabulary - 2)) : c.end_token);
  }
  return ids;
}
float colour(index_t i) { return 2.0F * random_unit(11, static_cast<std::uint64_t>(i)) - 1.0F; }

/// The text of the whole model: picture (N, H, W, 3), time (1, 1, 1, width) -> logits.
template <class Stack, class Ctx>
auto logits(Ctx& ctx, Stack const& model, typename Ctx::Value const& picture, typename Ctx::Value const& time, std::int32_t const* ids, index_t texts,
            std::int32_t const* text) {
  auto const& b = model.backbone();
  auto const latent = latent_of(ctx, {}, b.vae(ctx, picture));
  auto const context = model.context(ctx, ids, texts);
  UNetConditioning<typename Ctx::Value> const with{b.unet.time_projections(ctx, time), b.unet.keys_values(ctx, context), text};
  return model.head()(ctx, pyramid_of(ctx, b.unet(ctx, latent, with)));
}

using Stages = std::vector<std::pair<std::string, std::vector<float>>>;
template <class Device>
std::vector<float> numbers(Features<Device> v) {
  std::vector<float> out;
  for (index_t p = 0; p < v.shape.pixels(); ++p) out.insert(out.end(), v.pixel(p), v.pixel(p) + v.shape.channels());
  return out;
}
void check_equal(Stages const& a, Stages const& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(a[i].first);
    REQUIRE(a[i].second.size() == b[i].second.size());
    double worst = 0.0, largest = 1e-30;
    for (std::size_t j = 0; j < a[i].second.size(); ++j) {
      double const off = std::abs(static_cast<double>(a[i].second[j]) - static_cast<double>(b[i].second[j]));
      if (!(off <= worst)) worst = off;
      largest = std::max(largest, std::abs(static_cast<double>(b[i].second[j])));
    }
    CHECK(worst <= tolerance * largest);
  }
}

/// Every stage that the model announces, of `batch` pictures that all read one text.
template <class Stack, class Device>
Stages planned(Device device, TextEncoderConfig const& text_config, index_t batch, index_t height, index_t width) {
  Stack const model;
  Weights<Device> weights(device, model.parameters());
  fill_by_hash(weights, 0);
  std::vector<std::pair<std::string, PlannedValue>> noted;
  Plan<Device> plan(device, &weights.list(), weights.flat());
  PlanContext<Device> ctx(plan, [&](std::string const& name, PlannedValue v) { noted.emplace_back(name, plan.keep(v)); });
  auto const picture = plan.input({batch, height, width, 3});
  auto const time = plan.input({1, 1, 1, Stack::Backbone::UNet::config.model_channels});
  auto const ids = tokens(1, text_config);
  std::vector<std::int32_t> const text(static_cast<std::size_t>(batch), 0);
  noted.emplace_back("result", plan.keep(logits(ctx, model, picture, time, ids.data(), 1, text.data())));
  plan.finish();
  for (index_t i = 0; i < picture.shape.count(); ++i) plan.view(picture).data[i] = colour(i % (height * width * 3));
  auto const embedding = timestep_embedding(1.0F, static_cast<int>(time.shape.c()));
  std::copy(embedding.begin(), embedding.end(), plan.view(time).data);
  plan.run(device);
  Stages stages;
  for (auto const& [name, v] : noted) stages.emplace_back(name, numbers<Device>(plan.view(v)));
  return stages;
}

/// The loss and the gradient of every parameter.
template <class Stack, class Device>
Stages trained(Device device, TextEncoderConfig const& text_config, int classes, bool checkpoint) {
  Stack const model;
  Weights<Device> weights(device, model.parameters());
  fill_by_hash(weights, 0);
  std::vector<float> gradients(static_cast<std::size_t>(weights.list().floats()));
  std::vector<float*> pointers;
  for (auto const& spec : weights.list().specs()) pointers.push_back(spec.trainable ? gradients.data() + spec.offset : nullptr);
  TapeContext<Device> ctx(device, weights, pointers, {.checkpoint_blocks = checkpoint, .map_gradients = true, .seed = 3});
  auto const picture = ctx.empty({2, 64, 64, 3});
  for (index_t i = 0; i < picture.shape.count(); ++i) picture.slot->data().data[i] = colour(i);
  auto const time = ctx.empty({1, 1, 1, Stack::Backbone::UNet::config.model_channels});
  auto const embedding = timestep_embedding(1.0F, static_cast<int>(time.shape.c()));
  std::copy(embedding.begin(), embedding.end(), time.slot->data().data);
  auto const ids = tokens(2, text_config);
  auto const y = logits(ctx, model, picture, time, ids.data(), 2, nullptr);
  auto const labels = hash_labels("labels", y.shape.pixels(), classes, 0, 0.1);
  auto const loss = ctx.apply(CrossEntropyOp{Average::all_pixels, labels.data()}, {y})[0];
  Stages stages{{"loss", numbers<Device>(loss.slot->data())}};
  ctx.backward(loss);
  stages.emplace_back("gradients", gradients);
  stages.emplace_back("weights", std::vector<float>(weights.flat(), weights.flat() + weights.list().floats()));
  return stages;
}

}  // namespace

TEST_CASE("a model gives the same stages on both devices") {
  check_equal(planned<Tiny>(Cpu(2), tiny_text, 1, 64, 64), planned<Tiny>(plain::Device{}, tiny_text, 1, 64, 64), 1e-5);
  check_equal(planned<Small>(Cpu(2), small_text, 2, 64, 128), planned<Small>(plain::Device{}, small_text, 2, 64, 128), 1e-5);
}

TEST_CASE("a model learns the same on both devices, with and without forgotten blocks") {
  Stages const reference = trained<Small>(plain::Device{}, small_text, 5, false);
  check_equal(trained<Small>(Cpu(2), small_text, 5, false), reference, 1e-4);
  check_equal(trained<Small>(Cpu(2), small_text, 5, true), reference, 1e-4);
}

TEST_CASE("a model gives the same bytes for one and two threads, and for a picture alone and in a batch of eight") {
  Stages const alone = planned<Small>(Cpu(1), small_text, 1, 64, 64), two = planned<Small>(Cpu(2), small_text, 1, 64, 64);
  CHECK(alone == two);
  Stages const batch = planned<Small>(Cpu(2), small_text, 8, 64, 64);
  std::vector<float> const &one = alone.back().second, &eight = batch.back().second;
  REQUIRE(eight.size() == 8 * one.size());
  for (std::size_t n = 0; n < 8; ++n) CHECK(std::equal(one.begin(), one.end(), eight.begin() + static_cast<std::ptrdiff_t>(n * one.size())));
}

TEST_CASE("training gives the same bytes when it is done again") {
  CHECK(trained<Small>(Cpu(2), small_text, 5, false) == trained<Small>(Cpu(2), small_text, 5, false));
}

TEST_CASE("a picture whose latent cannot be halved three times is refused, with both numbers") {
  try {
    planned<Small>(Cpu(1), small_text, 1, 64, 96);
    FAIL("taken");
  } catch (Error const& error) {
    CHECK(error.code() == Errc::shape);
    CHECK(std::string(error.what()).find("8 x 12") != std::string::npos);
  }
}
