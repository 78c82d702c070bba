// SPDX-License-Identifier: Apache-2.0
// Windows cut from samples at a drawn scale and place: the street recipe's own augmentation (augment.hpp has those of the paper).
// Every draw is keyed, so that a run which resumes sees the same data.
#pragma once

#include "tadp/data/crop_window.hpp"
#include "tadp/data/sample.hpp"

#include <algorithm>
#include <string>

namespace tadp {

namespace detail {

/// Metres and boxes of the picture that was added last. A batch in which some samples have a depth and others have none
/// says 0, not measured, for the latter.
inline void add_answers(Batch& batch, Sample const& sample, CropWindow const& window, float focal) {
  batch.boxes.push_back(boxes_in_window(sample.boxes, window));
  bool const measured = !sample.depth.metres.empty();
  if (!measured && batch.depths.empty()) return;
  std::size_t const each = static_cast<std::size_t>(window.width) * static_cast<std::size_t>(window.height);
  batch.depths.resize(batch.labels.size() - each);
  if (measured)
    add_depth_window(batch.depths, sample.depth, window, focal_ratio(sample.picture.focal, focal));
  else
    batch.depths.resize(batch.labels.size());
}

}  // namespace detail

/// Adds one window of `sample` to the batch; every draw is keyed. Bilinear for pixels, nearest for labels; what lies
/// outside the sample is mid grey without a label, as all is in a sample without labels. Depth and boxes follow where the sample has them; Error(shape) for a depth
/// of another size than the picture.
inline void add_crop(Batch& batch, Sample const& sample, CropOptions const& options, std::uint64_t key) {
  int const w = sample.picture.width, h = sample.picture.height;
  if (!sample.depth.metres.empty() && (sample.depth.width != w || sample.depth.height != h))
    throw Error(Errc::shape, "picture and depth have different sizes",
                {.expected = std::to_string(w) + " x " + std::to_string(h), .found = std::to_string(sample.depth.width) + " x " + std::to_string(sample.depth.height)});
  bool const labelled = !sample.labels.labels.empty();
  batch.width = options.width;
  batch.height = options.height;
  CropWindow const window = draw_window(w, h, options, key);
  float const step = 1.0F / window.scale, left = window.left, top = window.top;
  float gain[3] = {1, 1, 1}, lift = 0.0F;
  if (options.photometric) {
    lift = 0.25F * (random_unit(key, 4) - 0.5F);
    float const contrast = 0.6F + 0.8F * random_unit(key, 5);
    for (std::uint64_t c = 0; c < 3; ++c) gain[c] = contrast * (0.9F + 0.2F * random_unit(key, 6 + c));
  }
  float const saturation = options.min_saturation + (options.max_saturation - options.min_saturation) * random_unit(key, 9);
  for (int y = 0; y < options.height; ++y)
    for (int i = 0; i < options.width; ++i) {
      int const x = window.mirrored ? options.width - 1 - i : i;
      float const sx = left + (static_cast<float>(x) + 0.5F) * step - 0.5F, sy = top + (static_cast<float>(y) + 0.5F) * step - 0.5F;
      int const nx = static_cast<int>(std::floor(sx + 0.5F)), ny = static_cast<int>(std::floor(sy + 0.5F));
      bool const inside = nx >= 0 && ny >= 0 && nx < w && ny < h;
      batch.labels.push_back(inside && labelled ? sample.labels.at(nx, ny) : ignore_label);
      int const x0 = std::clamp(static_cast<int>(std::floor(sx)), 0, w - 1), x1 = std::min(x0 + 1, w - 1);
      int const y0 = std::clamp(static_cast<int>(std::floor(sy)), 0, h - 1), y1 = std::min(y0 + 1, h - 1);
      float const u = std::clamp(sx - static_cast<float>(x0), 0.0F, 1.0F), v = std::clamp(sy - static_cast<float>(y0), 0.0F, 1.0F);
      float value[3];
      for (int c = 0; c < 3; ++c) {
        auto const at = [&](int px, int py) { return static_cast<float>(sample.picture.pixel(px, py)[c]); };
        float const upper = at(x0, y0) + u * (at(x1, y0) - at(x0, y0)), lower = at(x0, y1) + u * (at(x1, y1) - at(x0, y1));
        value[c] = ((upper + v * (lower - upper)) - 127.5F) / 127.5F;
      }
      float const grey = 0.299F * value[0] + 0.587F * value[1] + 0.114F * value[2];
      for (int c = 0; c < 3; ++c) {
        float const coloured = saturation == 1.0F ? value[c] : grey + saturation * (value[c] - grey);
        batch.pictures.push_back(inside ? std::clamp(coloured * gain[c] + lift, -1.0F, 1.0F) : 0.0F);
      }
    }
  detail::add_answers(batch, sample, window, options.focal);
  batch.captions.push_back(sample.caption);
  batch.varied_captions.push_back(sample.varied_caption);
}

}  // namespace tadp
