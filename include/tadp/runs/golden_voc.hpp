// SPDX-License-Identifier: Apache-2.0
// The VOC form of segmentation in the cases of all stages: decoder, logits, and both losses.
// It reads the pyramid that the pass has made for mmsegmentation's head, maps included.
#pragma once

#include "tadp/heads/smp_fpn.hpp"
#include "tadp/runs/golden_heads.hpp"

namespace tadp {

/// Widths of the reference's two presets.
template <class Stack>
inline constexpr SmpFpnOf golden_voc = std::is_same_v<Stack, GoldenFull> ? SmpFpn : SmpFpnOf{.pyramid = 64, .segmentation = 64};

/// `pyramid`: with maps, of pictures of height x width. Error(unsupported) where the case has other widths.
template <class Stack, class Device>
void check_golden_voc(GoldenCheck& check, Device& device, GoldenPyramid<Device> const& pyramid, index_t height, index_t width) {
  Golden const& golden = check.golden();
  if (!golden_has_any(golden, "voc.")) return;
  auto const& sizes = golden.meta().at("heads").at("voc");
  auto const [ch, seg] = std::pair{sizes.at("ch").get<int>(), sizes.at("seg").get<int>()};
  if (ch != golden_voc<Stack>.pyramid || seg != golden_voc<Stack>.segmentation)
    throw Error(Errc::unsupported, "the VOC head has other widths", {.file = golden.path().string(), .key = "heads.voc", .found = sizes.dump()});
  auto const classes = sizes.at("classes").get<index_t>();
  auto const labels = hash_labels("input.voc_label", pyramid[0].shape[0] * height * width, static_cast<int>(classes), golden.seed(), 0.1);
  using Task = SegmentationOf<dynamic, golden_voc<Stack>>;
  check_golden_head<Task>(check, device, classes, pyramid, [&](auto& ctx, PlannedValue logits, auto const& note) {
    note("voc.loss_focal_sum", Task::loss(ctx, logits, {labels.data(), height, width}));
    note("voc.loss_ce_non_ignore", ctx.apply(CrossEntropyOp{Average::valid_pixels, labels.data()}, {logits})[0]);
  });
}

}  // namespace tadp
