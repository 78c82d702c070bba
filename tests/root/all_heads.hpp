// SPDX-License-Identifier: Apache-2.0
// One model with all heads under both policies, in any element of any device: what it answers and what it learns, as numbers.
#pragma once

#include "../distance.hpp"
#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/runs/training_session.hpp"
#include "tadp/train/initialize.hpp"

#include <doctest/doctest.h>

#include <cmath>

namespace all_heads {

using namespace tadp;

using Labels = SegmentationOf<dynamic, 32>;
using Metres = DepthOf<DepthConfig{.embed = 16, .filters = 8}>;
using Boxes = DetectionOf<dynamic, DetectionConfig{.width = 16, .representation = 32, .proposals = 50}>;
using All = Model<Backbone<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>>, PromptPolicy<Caption>, Heads<Head<Labels>, Head<Metres>, Head<Boxes>>>;

inline std::shared_ptr<All const> model() { return std::make_shared<All const>(ModelSizes{.classes = 5, .further_classes = {1, 4}}); }

/// Keyed by names: the same on every device.
template <class Device>
std::shared_ptr<Weights<Device>> weights_of(Device const& device, All const& model) {
  auto weights = std::make_shared<Weights<Device>>(device, model.parameters());
  initialize(*weights, 1, [](ParameterSpec const&) { return true; });
  return weights;
}

/// Numbers under their names.
using Numbers = std::vector<std::pair<std::string, std::vector<float>>>;

/// What all heads say of a picture that is larger than a window, looked at twice, and the map of a word.
template <class... Policies, class Device>
Numbers answers(Device const& device) {
  Picture picture(90, 70);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 7919 % 251);
  auto const all = model();
  Session<All, Inference<Device, Policies...>> session(all, weights_of(device, *all), {.window = {64, 64}, .flip = true, .batch = 2});
  auto const [labels, metres, boxes] = session.perceive(PictureView(picture), {.ids = {5, 6}}, {.logits = true, .confidence = true, .maps = {{1}, {2, 3}}});
  Numbers out{{"logits", labels.logits}, {"confidence", labels.confidence}, {"map", session.maps().values}, {"metres", metres.metres}, {"boxes", {}}};
  for (auto const& one : boxes.objects) out.back().second.insert(out.back().second.end(), {one.box.x1, one.box.y1, one.box.x2, one.box.y2, one.score});
  return out;
}

/// The losses of two steps of all heads together, and the gradients of the first, clipped. Later numbers would differ by
/// more than a device does: AdamW makes much of gradients near zero. In halves a ReLU near zero may open or close, and the
/// coarsest levels have a pixel or four: with pictures a little brighter, fp16's gradients depart by 0.003 to 0.16 of their
/// length and bf16's by 0.07 to 0.26, on the host and on the device. Losses depart by far less.
template <class... Policies, class Device>
Numbers lessons(Device const& device, LossScale const& loss_scale = {}) {
  std::vector<float> pictures(64 * 64 * 3), depths(64 * 64);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<float>(i * 7919 % 251) / 125.0F - 1.0F;
  std::vector<std::uint8_t> labels(64 * 64);
  for (std::size_t i = 0; i < depths.size(); ++i) depths[i] = 1.0F + 8.0F * random_unit(2, i), labels[i] = static_cast<std::uint8_t>((i / 17 * 7 + i / 900) % 5);
  std::vector<std::vector<TrueBox>> const boxes{{{{5, 5, 40, 50}, 2}}};
  auto const ids = pad_tokens({}, tiny_text);
  TrainingBatch const batch{pictures, ids, labels, depths, boxes};
  auto const all = model();
  Session<All, Training<Device, UniformGroups, CheckpointBlocks, Policies...>> session(all, weights_of(device, *all), {.image = {64, 64}, .adamw = {.lr = 1e-5}, .clip = 1.0, .loss_scale = loss_scale});
  Numbers out{{"losses", {session.step(batch)}}, {"gradients", {}}};
  auto& gradients = session.fit().gradients();
  out[1].second.resize(static_cast<std::size_t>(gradients.floats()));
  device.copy_to_host(out[1].second.data(), gradients.flat(), out[1].second.size() * sizeof(float));
  out[0].second.push_back(session.step(batch));
  return out;
}

/// The largest departure over the largest number; infinity where the counts differ.
inline double departure(std::vector<float> const& a, std::vector<float> const& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double worst = 0.0, largest = 1e-30;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const off = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(off <= worst)) worst = off;
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return worst / largest;
}

inline void check_near(Numbers const& a, Numbers const& b, double tolerance) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    INFO(b[i].first << ", " << a[i].second.size() << " and " << b[i].second.size() << " numbers");
    CHECK(!b[i].second.empty());
    CHECK(departure(a[i].second, b[i].second) <= tolerance);
  }
}

/// Maps by their distance. Which boxes stay is decided by scores that nearly tie: there have to be some.
inline void near_answers(Numbers const& a, Numbers const& b, double tolerance) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    CHECK(!a[i].second.empty());
    if (b[i].first == "boxes") continue;
    double const d = distance(a[i].second, b[i].second);
    INFO(b[i].first << " departs by " << d);
    CHECK(d <= tolerance);
  }
}

struct LessonLimits {
  double losses, gradients;
};
inline void near_lessons(Numbers const& a, Numbers const& b, LessonLimits const& limits) {
  double const losses = distance(a[0].second, b[0].second), gradients = distance(a[1].second, b[1].second);
  INFO("losses depart by " << losses << ", gradients by " << gradients);
  CHECK(losses <= limits.losses);
  CHECK(gradients <= limits.gradients);
}

}  // namespace all_heads
