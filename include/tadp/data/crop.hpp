// SPDX-License-Identifier: Apache-2.0
// Windows cut from samples at a drawn scale and place: the street recipe's own augmentation (augment.hpp has those of the paper).
// Every draw is keyed, so that a run which resumes sees the same data.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/data/sample.hpp"

#include <algorithm>

namespace tadp {

/// How a window is cut: scale, place and mirror are drawn, brightness and contrast jittered where asked for.
struct CropOptions {
  int width = 256, height = 192;
  float min_scale = 1.0F, max_scale = 1.0F;
  bool mirror = true;
  bool photometric = false;
  float min_saturation = 1.0F, max_saturation = 1.0F;  ///< 0: grey; above 1: stronger colours
};

/// Adds one window of `sample` to the batch; every draw is keyed. Bilinear for pixels, nearest for labels; what lies
/// outside the sample is mid grey without a label.
inline void add_crop(Batch& batch, Sample const& sample, CropOptions const& options, std::uint64_t key) {
  batch.width = options.width;
  batch.height = options.height;
  float const scale = options.min_scale + (options.max_scale - options.min_scale) * random_unit(key, 0);
  float const step = 1.0F / scale;
  auto const offset = [&](int size, int window, std::uint64_t draw) {
    return (static_cast<float>(size) - static_cast<float>(window) * step) * random_unit(key, draw);
  };
  float const left = offset(sample.picture.width, options.width, 1), top = offset(sample.picture.height, options.height, 2);
  bool const mirrored = options.mirror && random_unit(key, 3) < 0.5F;
  float gain[3] = {1, 1, 1}, lift = 0.0F;
  if (options.photometric) {
    lift = 0.25F * (random_unit(key, 4) - 0.5F);
    float const contrast = 0.6F + 0.8F * random_unit(key, 5);
    for (std::uint64_t c = 0; c < 3; ++c) gain[c] = contrast * (0.9F + 0.2F * random_unit(key, 6 + c));
  }
  float const saturation = options.min_saturation + (options.max_saturation - options.min_saturation) * random_unit(key, 9);
  int const w = sample.picture.width, h = sample.picture.height;
  for (int y = 0; y < options.height; ++y)
    for (int i = 0; i < options.width; ++i) {
      int const x = mirrored ? options.width - 1 - i : i;
      float const sx = left + (static_cast<float>(x) + 0.5F) * step - 0.5F, sy = top + (static_cast<float>(y) + 0.5F) * step - 0.5F;
      int const nx = static_cast<int>(std::floor(sx + 0.5F)), ny = static_cast<int>(std::floor(sy + 0.5F));
      bool const inside = nx >= 0 && ny >= 0 && nx < w && ny < h;
      batch.labels.push_back(inside ? sample.labels.at(nx, ny) : ignore_label);
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
  batch.captions.push_back(sample.caption);
  batch.varied_captions.push_back(sample.varied_caption);
}

}  // namespace tadp
