// SPDX-License-Identifier: Apache-2.0
// The pixel-wise entries of the case `prim`: mean IoU of segmentation, and the colour changes of augmentation.
// Their pictures and labels are hash inputs, changed as the reference changes them.
#pragma once

#include "tadp/data/photometric.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_inputs.hpp"
#include "tadp/runs/metrics.hpp"

namespace tadp {

namespace golden_detail {
template <class Number>
std::vector<std::int32_t> wide(std::vector<Number> const& numbers) {
  std::vector<std::int32_t> out;
  for (Number n : numbers) out.push_back(static_cast<std::int32_t>(n));
  return out;
}
}  // namespace golden_detail

/// miou.*: two maps of twelve classes, made to agree on most pixels, with class 7 nowhere.
inline void check_golden_metrics(GoldenCheck& check) {
  Golden const& golden = check.golden();
  constexpr int classes = 12;
  index_t const pixels = golden.tensor("miou.label").elements();
  auto labels = hash_labels("input.prim.miou.label", pixels, classes, golden.seed(), 0.1);
  auto predicted = hash_labels("input.prim.miou.pred", pixels, classes, golden.seed(), 0.0);
  HashStream const same("input.prim.miou.same", golden.seed());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != ignore_label && same.unit(static_cast<index_t>(i)) < 0.2) predicted[i] = labels[i];
    for (auto* v : {&labels[i], &predicted[i]})
      if (*v == 7) *v = 3;
  }
  check.integers("miou.label", golden_detail::wide(labels));
  check.integers("miou.pred", golden_detail::wide(predicted));
  SegmentationScore score(classes);
  score.add(std::span<std::uint8_t const>(predicted), std::span<std::uint8_t const>(labels));
  auto const by_class = [&](std::string const& entry, std::uint64_t (SegmentationScore::*count)(int) const) {
    std::vector<std::int32_t> counts;
    for (int c = 0; c < classes; ++c) counts.push_back(static_cast<std::int32_t>((score.*count)(c)));
    check.integers(entry, counts);
  };
  by_class("miou.intersect", &SegmentationScore::intersect);
  by_class("miou.union", &SegmentationScore::union_of);
  by_class("miou.area_pred", &SegmentationScore::predicted);
  by_class("miou.area_label", &SegmentationScore::labelled);
  check.scalar("miou.mmseg_nanmean", score.miou());
  check.scalar("miou.smp_zero_division_1", score.miou_smp());
  check.scalar("miou.all_acc", score.pixel_accuracy());
}

/// pmd.*: one picture under given draws; where hue and saturation went back to colours, one grey level is allowed.
inline void check_golden_colours(GoldenCheck& check) {
  Golden const& golden = check.golden();
  auto const& shape = golden.tensor("pmd.image_bgr").shape;
  Picture picture(static_cast<int>(shape.at(1)), static_cast<int>(shape.at(0)));
  HashStream const stream("input.prim.pmd.image", golden.seed());
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      std::array<int, 3> bgr{};
      for (std::size_t c = 0; c < 3; ++c) bgr[c] = static_cast<int>((stream.unit((index_t{y} * picture.width + x) * 3 + static_cast<index_t>(c)) + 0.5) * 256.0);
      if (y < 8) for (int& v : bgr) v = v / 4 * 4;
      if (y >= 8 && y < 12) bgr = {bgr[0], bgr[0], bgr[0]};
      for (std::size_t c = 0; c < 3; ++c) picture.pixel(x, y)[2 - c] = static_cast<std::uint8_t>(bgr[c]);
    }
  auto const turned = [](Picture const& p) {
    auto bgr = golden_detail::wide(p.rgb);
    for (std::size_t i = 0; i + 2 < bgr.size(); i += 3) std::swap(bgr[i], bgr[i + 2]);
    return bgr;
  };
  auto const within_one_level = [&](std::string const& entry, std::vector<std::int32_t> const& found) {
    check.integers(entry, found, [&](index_t i, std::int32_t expected) { return std::abs(found[static_cast<std::size_t>(i)] - expected) <= 1; });
  };
  check.integers("pmd.image_bgr", turned(picture));
  std::vector<std::int32_t> hsv;
  Picture back = picture;
  change_hsv(back, [&](Hsv& p) { hsv.insert(hsv.end(), p.begin(), p.end()); });
  check.integers("pmd.hsv", hsv);
  within_one_level("pmd.hsv_back", turned(back));
  auto const& draws = golden.table("pmd").at("draws");
  for (std::size_t i = 0; i < draws.size(); ++i) {
    auto const number = [&](char const* key) { return draws[i].at(key).is_null() ? std::optional<float>{} : std::optional<float>(draws[i].at(key).template get<float>()); };
    auto const hue = number("hue");
    Picture changed = picture;
    distort(changed, {.brightness = number("brightness"),
                      .contrast_first = draws[i].at("mode").template get<int>() == 1,
                      .contrast = number("contrast"),
                      .saturation = number("saturation"),
                      .hue = hue ? std::optional<int>(static_cast<int>(*hue)) : std::optional<int>{}});
    within_one_level("pmd.out." + std::to_string(i), turned(changed));
  }
  check.mark("pmd");
}

}  // namespace tadp
