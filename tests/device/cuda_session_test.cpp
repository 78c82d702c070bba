// SPDX-License-Identifier: Apache-2.0
// The same model text on the CUDA device: every head in inference and in training, against the processor and the reference.
// Without a device all of it is compiled and linked, and what is said about the missing part is checked.
#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/kernels/cuda.hpp"
#include "tadp/runs/training_session.hpp"
#include "tadp/train/initialize.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace {

using namespace tadp;

using Net = Backbone<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>>;
using Labels = SegmentationOf<dynamic, 32>;
using Metres = DepthOf<DepthConfig{.embed = 16, .filters = 8}>;
using Boxes = DetectionOf<dynamic, DetectionConfig{.width = 16, .representation = 32, .proposals = 50, .anchor_samples = 64, .box_samples = 64}>;
using All = Model<Net, PromptPolicy<Caption>, Heads<Head<Labels>, Head<Metres>, Head<Boxes>>>;

bool there_is_a_device() { return cuda_devices().missing.empty(); }
/// On a test that needs a device: shown as skipped where there is none.
doctest::skip with_a_device() { return doctest::skip(!there_is_a_device()); }

template <class M, class Device>
std::shared_ptr<Weights<Device>> weights_of(Device const& device, M const& model) {
  auto weights = std::make_shared<Weights<Device>>(device, model.parameters());
  initialize(*weights, 1, [](ParameterSpec const&) { return true; });
  return weights;
}
Picture picture_of(int width, int height) {
  Picture picture(width, height);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 7919 % 251);
  return picture;
}
std::shared_ptr<All const> all_heads() { return std::make_shared<All const>(ModelSizes{.classes = 5, .further_classes = {1, 4}}); }

template <class Device>
auto answers(Device const& device) {
  auto const model = all_heads();
  Session<All, Inference<Device>> session(model, weights_of(device, *model), {.window = {64, 64}, .flip = true, .batch = 2});
  return session.perceive(PictureView(picture_of(90, 70)), {.ids = {5, 6}}, {.logits = true, .confidence = true, .maps = {{1}, {2}}});
}

/// Losses of two steps, the second one of changed weights. More would differ by more than devices do: AdamW makes much of
/// gradients near zero.
template <class Device>
std::vector<float> losses(Device const& device) {
  auto const model = all_heads();
  using Learn = Session<All, Training<Device, CheckpointBlocks, UniformGroups>>;
  Learn session(model, weights_of(device, *model), {.image = {64, 64}, .batch = 2, .adamw = {.lr = 1e-5}, .clip = 1.0, .seed = 3});
  std::vector<float> pictures(2 * 64 * 64 * 3), depths(2 * 64 * 64);
  std::vector<std::uint8_t> labels(2 * 64 * 64);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = random_normal(1, i);
  for (std::size_t i = 0; i < depths.size(); ++i) depths[i] = 1.0F + 8.0F * random_unit(2, i), labels[i] = static_cast<std::uint8_t>(i * 5 / depths.size());
  std::vector<std::int32_t> ids(2 * static_cast<std::size_t>(tiny_text.length), 511);
  std::vector<std::vector<TrueBox>> const boxes{{{{4, 4, 30, 40}, 1}}, {{{10, 20, 60, 60}, 2}, {{0, 0, 12, 12}, 3}}};
  std::vector<float> all;
  for (int step = 0; step < 2; ++step) all.push_back(session.step({.pictures = pictures, .ids = ids, .labels = labels, .depths = depths, .boxes = boxes}));
  return all;
}

/// The largest difference, as a part of the largest number.
double departure(std::span<float const> a, std::span<float const> b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return worst / largest;
}

}  // namespace

TEST_CASE("without a CUDA device the error says which part is missing" * doctest::skip(there_is_a_device())) {
  std::string const missing = cuda_devices().missing;
  try {
    answers(Cuda{0});
    FAIL("no error");
  } catch (Error const& e) {
    CHECK(e.code() == Errc::unsupported);
    CHECK(std::string(e.what()).ends_with(missing));
  }
  CHECK_THROWS_AS(losses(Cuda{0}), Error);
}

TEST_CASE("a handle without a device says so") { CHECK_THROWS_WITH_AS(Cuda{}.finish(), "this Cuda names no device; expected: Cuda{0} for the first one", Error); }

TEST_CASE("a device that the machine does not have is refused by its number" * with_a_device()) {
  CHECK_THROWS_AS(Cuda{static_cast<int>(cuda_devices().devices.size())}, Error);
}

TEST_CASE("numbers come back from the device as they went there, in pieces too" * with_a_device()) {
  Cuda const device(0);
  std::vector<float> there(3'000'001), back(there.size());
  for (std::size_t i = 0; i < there.size(); ++i) there[i] = static_cast<float>(i);
  Tensor<float, 1, Cuda> memory(device, Shape<1>{{static_cast<index_t>(there.size())}});
  device.copy_from_host(memory.data(), there.data(), there.size() * sizeof(float));
  device.copy_to_host(back.data(), memory.data(), back.size() * sizeof(float));
  CHECK(back == there);
}

TEST_CASE("every head answers on the CUDA device what it answers on the processor" * with_a_device()) {
  auto const [labels, metres, boxes] = answers(Cuda{0});
  auto const [cpu_labels, cpu_metres, cpu_boxes] = answers(Cpu(1));
  CHECK(departure(labels.logits, cpu_labels.logits) < 1e-4);
  CHECK(departure(labels.confidence, cpu_labels.confidence) < 1e-4);
  CHECK(departure(labels.maps.values, cpu_labels.maps.values) < 1e-4);
  CHECK(departure(metres.metres, cpu_metres.metres) < 1e-4);
  std::size_t same = 0;
  for (std::size_t i = 0; i < labels.labels.labels.size(); ++i) same += labels.labels.labels[i] == cpu_labels.labels.labels[i] ? 1 : 0;
  CHECK(static_cast<double>(same) >= 0.999 * static_cast<double>(labels.labels.labels.size()));
  REQUIRE(boxes.objects.size() == cpu_boxes.objects.size());
  for (std::size_t i = 0; i < boxes.objects.size(); ++i) {
    CHECK(boxes.objects[i].label == cpu_boxes.objects[i].label);
    CHECK(boxes.objects[i].box.x1 == doctest::Approx(cpu_boxes.objects[i].box.x1).epsilon(1e-3));
    CHECK(boxes.objects[i].box.y2 == doctest::Approx(cpu_boxes.objects[i].box.y2).epsilon(1e-3));
  }
}

TEST_CASE("sliding windows on the CUDA device give the reference's logits and labels" * with_a_device()) {
  auto const base = std::filesystem::path(__FILE__).parent_path().parent_path() / "golden" / "fixture" / "tiny_windows";
  auto const manifest = nlohmann::json::parse(std::ifstream(base.string() + ".json"));
  SafetensorsFile const file(base.string() + ".safetensors");
  auto const& slide = manifest["meta"]["slide"];
  int const h = slide["image"][2], w = slide["image"][3], crop = slide["crop"];
  std::vector<float> picture(static_cast<std::size_t>(h) * static_cast<std::size_t>(w) * 3);
  HashStream const stream("input.slide", manifest["meta"]["seed"]);
  for (index_t c = 0; c < 3; ++c)
    for (index_t p = 0; p < index_t{h} * w; ++p) picture[static_cast<std::size_t>(p * 3 + c)] = stream.uniform(c * h * w + p, -1, 1);

  using Segmenter = Model<Net, PromptPolicy<Caption, Modifier>, Head<Labels>>;
  auto const model = std::make_shared<Segmenter const>(ModelSizes{.classes = 19});
  auto weights = std::make_shared<Weights<Cuda>>(Cuda{0}, model->parameters());
  fill_by_hash(*weights, manifest["meta"]["seed"]);
  Session<Segmenter, Inference<Cuda>> session(model, weights, {.window = {crop, crop}, .stride = slide["stride"], .batch = 3});
  auto const result = session.run(NormalisedView{picture.data(), w, h}, {.ids = manifest["meta"]["token_ids"][0].get<std::vector<std::int32_t>>()}, {.logits = true});

  auto const& info = manifest["tensors"]["slide.logits"];
  std::vector<float> expected(info["count"].get<std::size_t>());
  file.read_f32(*file.find("slide.logits"), expected.data());
  double worst = 0.0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    index_t const at = static_cast<index_t>(k) * info["stride"].get<index_t>(), c = at / (h * w), p = at % (h * w);
    worst = std::max(worst, std::abs(static_cast<double>(result.logits[static_cast<std::size_t>(p * 19 + c)]) - static_cast<double>(expected[k])));
  }
  CHECK(worst / info["absmax"].get<double>() < 1e-4);
}

TEST_CASE("all heads learn on the CUDA device as on the processor" * with_a_device()) {
  auto const gpu = losses(Cuda{0}), cpu = losses(Cpu(1));
  for (std::size_t i = 0; i < gpu.size(); ++i) CHECK(gpu[i] == doctest::Approx(cpu[i]).epsilon(1e-3));
}
