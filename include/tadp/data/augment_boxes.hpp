// SPDX-License-Identifier: Apache-2.0
// Detection's way from a sample to a frame (spec 4.4): normalised, then resized to a fixed size whatever the proportions, the
// boxes with it. The paper's program does no more; mirror and colours are there for small data sets.
#pragma once

#include "tadp/core/preprocessing.hpp"
#include "tadp/core/random.hpp"
#include "tadp/data/photometric.hpp"
#include "tadp/data/sample.hpp"
#include "tadp/io/resize.hpp"

namespace tadp {

/// A frame as the network sees it: numbers (height, width, 3), normalised, and boxes in its pixels.
struct BoxView {
  int width = 0, height = 0;
  std::vector<float> values;
  std::vector<TrueBox> boxes;
};

struct BoxPipeline {
  int width = 512, height = 512;
  float mirror = 0.0F;       ///< chance
  bool photometric = false;  ///< photometric.hpp's draws for brightness, contrast, saturation and hue
  Normalisation normalisation = Normalisation::imagenet();
};

/// Picture and boxes seen in a mirror. Corners are lines between pixels that count from 0.
inline void mirror(Picture& p, std::vector<TrueBox>& boxes) {
  for (int y = 0; y < p.height; ++y)
    for (int x = 0; x < p.width / 2; ++x) std::swap_ranges(p.pixel(x, y), p.pixel(x, y) + 3, p.pixel(p.width - 1 - x, y));
  for (TrueBox& one : boxes) {
    auto const width = static_cast<float>(p.width);
    one.box = {width - one.box.x2, one.box.y1, width - one.box.x1, one.box.y2};
  }
}

/// Boxes of a picture in a frame of another size.
inline std::vector<TrueBox> scaled_boxes(std::vector<TrueBox> boxes, int from_width, int from_height, int width, int height) {
  float const sx = static_cast<float>(width) / static_cast<float>(from_width), sy = static_cast<float>(height) / static_cast<float>(from_height);
  for (TrueBox& one : boxes) one.box = {one.box.x1 * sx, one.box.y1 * sy, one.box.x2 * sx, one.box.y2 * sy};
  return boxes;
}

/// The picture normalised and then resized as torch resizes tensors (bilinear, half-pixel centres, no antialias), not rounded:
/// (height, width, 3). Error(argument) if a side is below 1.
inline std::vector<float> resized_values(Picture const& picture, int width, int height, Normalisation const& n) {
  detail::check_resize(picture.width, picture.height, width, height);
  auto const across = detail::TorchBilinear::taps(picture.width, width), down = detail::TorchBilinear::taps(picture.height, height);
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  for (std::size_t y = 0; y < down.from.size(); y += 2)
    for (std::size_t x = 0; x < across.from.size(); x += 2)
      for (std::size_t c = 0; c < 3; ++c) {
        auto const at = [&](std::size_t i, std::size_t j) { return (static_cast<float>(picture.pixel(across.from[x + i], down.from[y + j])[c]) - n.mean[c]) / n.deviation[c]; };
        auto const row = [&](std::size_t j) { return across.weight[x] * at(0, j) + across.weight[x + 1] * at(1, j); };
        out.push_back(down.weight[y] * row(0) + down.weight[y + 1] * row(1));
      }
  return out;
}

/// The view of a sample without any draw: what evaluation sees.
inline BoxView view_of(Sample const& sample, BoxPipeline const& p) {
  auto const& picture = sample.picture;
  return {p.width, p.height, resized_values(picture, p.width, p.height, p.normalisation), scaled_boxes(sample.boxes, picture.width, picture.height, p.width, p.height)};
}
inline BoxView augment(Sample const& sample, BoxPipeline const& p, std::uint64_t key) {
  bool const mirrored = random_unit(random_key(key, 0), 0) < p.mirror;
  if (!mirrored && !p.photometric) return view_of(sample, p);
  Sample changed{sample.picture, {}, {}, {}, {}, sample.boxes};
  if (mirrored) mirror(changed.picture, changed.boxes);
  if (p.photometric) distort(changed.picture, draw_photometric(random_key(key, 1)));
  return view_of(changed, p);
}

/// Adds a frame to a batch of frames of its size, whose labels and depth are unknown. Error(shape) for another size.
inline void add_view(Batch& batch, BoxView&& view) {
  auto const size = [](int w, int h) { return std::to_string(w) + " x " + std::to_string(h); };
  if (!batch.pictures.empty() && (batch.width != view.width || batch.height != view.height))
    throw Error(Errc::shape, "the frames of a batch have one size", {.expected = size(batch.width, batch.height), .found = size(view.width, view.height)});
  batch.width = view.width;
  batch.height = view.height;
  batch.pictures.insert(batch.pictures.end(), view.values.begin(), view.values.end());
  batch.labels.resize(batch.pictures.size() / 3, ignore_label);
  if (!batch.depths.empty()) batch.depths.resize(batch.labels.size());
  batch.boxes.push_back(std::move(view.boxes));
}
/// A frame of the pipeline with the sample's captions, as add_crop adds one.
inline void add_augmented(Batch& batch, Sample const& sample, BoxPipeline const& p, std::uint64_t key) {
  add_view(batch, augment(sample, p, key));
  batch.captions.push_back(sample.caption);
  batch.varied_captions.push_back(sample.varied_caption);
}

}  // namespace tadp
