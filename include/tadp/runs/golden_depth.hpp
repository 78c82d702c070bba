// SPDX-License-Identifier: Apache-2.0
// Depth in the goldens: the head's sizes in the reference's two presets, the truth by the hash rule, and the stages of
// a pass, which reads the features without maps.
#pragma once

#include "tadp/heads/depth.hpp"
#include "tadp/runs/golden_heads.hpp"

namespace tadp {

/// Widths of the reference's two presets.
template <class Stack>
inline constexpr DepthConfig golden_depth = std::is_same_v<Stack, GoldenFull> ? DepthConfig{} : DepthConfig{.embed = 24, .filters = 16};

template <class Stack, class Prompt>
using GoldenDepthModel = Model<typename Stack::Model::Backbone, Prompt, Head<DepthOf<golden_depth<Stack>>>>;

/// Metres of 0.5 to 10, and zero for a share of 0.15.
inline std::vector<float> golden_depth_truth(index_t pixels, std::uint64_t seed) {
  HashStream const value("input.depth_gt", seed), invalid("input.depth_gt.invalid", seed);
  std::vector<float> metres;
  for (index_t i = 0; i < pixels; ++i) metres.push_back(invalid.unit(i) + 0.5 < 0.15 ? 0.0F : value.uniform(i, 0.5, 10.0));
  return metres;
}

/// `pyramid`: without maps, of pictures of height x width. Error(unsupported) where the case has other widths.
template <class Stack, class Device>
void check_golden_depth(GoldenCheck& check, Device& device, GoldenPyramid<Device> const& pyramid, index_t height, index_t width) {
  Golden const& golden = check.golden();
  if (!golden_has_any(golden, "depth.")) return;
  auto const& sizes = golden.meta().at("heads").at("depth");
  constexpr DepthConfig config = golden_depth<Stack>;
  if (sizes.at("embed").get<int>() != config.embed || sizes.at("filters").get<std::vector<int>>() != std::vector<int>(config.deconvs, config.filters))
    throw Error(Errc::unsupported, "the depth head has other widths", {.file = golden.path().string(), .key = "heads.depth", .found = sizes.dump()});
  auto const truth = golden_depth_truth(pyramid[0].shape[0] * height * width, golden.seed());
  using Task = DepthOf<config>;
  check_golden_head<Task>(check, device, 1, pyramid, [&](auto& ctx, PlannedValue metres, auto const& note) {
    note("depth.loss_silog", Task::loss(ctx, metres, {truth.data(), height, width}));
  });
}

}  // namespace tadp
