// SPDX-License-Identifier: Apache-2.0
// The training pipelines of the paper's segmentation programs (spec 5.2): ADE20K, Cityscapes and VOC, from a key.
// A view of a sample is made as bytes; a batch takes it normalised and padded.
#pragma once

#include "tadp/core/preprocessing.hpp"
#include "tadp/data/photometric.hpp"
#include "tadp/data/sample.hpp"
#include "tadp/io/resize.hpp"

namespace tadp {

/// A sample as a pipeline leaves it, not yet normalised or padded.
struct AugmentedView {
  Picture picture;
  LabelMap labels;
};

namespace detail {

/// The part [x, x + width) x [y, y + height), which lies inside.
inline AugmentedView cut(AugmentedView const& in, int x, int y, int width, int height) {
  AugmentedView out{Picture(width, height), LabelMap(width, height)};
  for (int row = 0; row < height; ++row) {
    std::copy_n(in.picture.pixel(x, y + row), 3 * width, out.picture.pixel(0, row));
    std::copy_n(&in.labels.labels[static_cast<std::size_t>(y + row) * static_cast<std::size_t>(in.labels.width) + static_cast<std::size_t>(x)], width,
                &out.labels.labels[static_cast<std::size_t>(row) * static_cast<std::size_t>(width)]);
  }
  return out;
}

inline void mirror(AugmentedView& view) {
  for (int y = 0; y < view.picture.height; ++y)
    for (int x = 0; x < view.picture.width / 2; ++x) {
      int const other = view.picture.width - 1 - x;
      std::swap_ranges(view.picture.pixel(x, y), view.picture.pixel(x, y) + 3, view.picture.pixel(other, y));
      std::swap(view.labels.at(x, y), view.labels.at(other, y));
    }
}

/// Whether a window is worth training on: more than one label, none with `most` of the labelled pixels.
inline bool varied(LabelMap const& labels, int x, int y, int width, int height, double most) {
  std::array<std::int64_t, 256> counts{};
  for (int row = y; row < y + height; ++row)
    for (int column = x; column < x + width; ++column) ++counts[labels.at(column, row)];
  counts[ignore_label] = 0;
  std::int64_t total = 0, largest = 0, kinds = 0;
  for (std::int64_t const n : counts) total += n, largest = std::max(largest, n), kinds += n > 0 ? 1 : 0;
  return kinds > 1 && static_cast<double>(largest) < most * static_cast<double>(total);
}

/// Streams of draws of one key; a number is never used for two purposes.
enum class AugmentDraw : std::uint64_t { scale, flip, crop, photometric, hsv };
inline std::uint64_t draw_key(std::uint64_t key, AugmentDraw use) { return random_key(key, static_cast<std::uint64_t>(use)); }

}  // namespace detail

/// Keep-ratio resize, random crop, mirror, colours: mmseg's pipeline, whose defaults are those of ADE20K.
struct CropPipeline {
  int long_side = 2048, short_side = 512;  ///< what the resized picture fits into, before the jitter
  float min_scale = 0.5F, max_scale = 2.0F;
  int crop_width = 512, crop_height = 512;
  double most_of_a_label = 0.75;  ///< windows with more of one label are drawn again
  int retries = 10;
  float mirror = 0.5F;  ///< chance
  bool photometric = true;
  Normalisation normalisation{};

  static CropPipeline ade() { return {}; }
  /// Without jitter of the scale; the released weights were trained with ImageNet's normalisation (spec Q13).
  static CropPipeline cityscapes() {
    CropPipeline p;
    p.long_side = 1280, p.short_side = 720, p.min_scale = p.max_scale = 1.0F, p.normalisation = Normalisation::imagenet();
    return p;
  }
};

/// The VOC program's: shift of hue, saturation and value, mirror, scale, square crop, resize to a fixed size whatever the proportions.
struct VocPipeline {
  float min_scale = 0.5F, max_scale = 2.0F;
  int side = 512;
  float mirror = 0.5F;
  Normalisation normalisation{};
};

/// A view of at most crop_width x crop_height pixels: a picture that is smaller after the resize stays so.
inline AugmentedView augment(Sample const& sample, CropPipeline const& p, std::uint64_t key) {
  using detail::AugmentDraw;
  float const ratio = p.min_scale + (p.max_scale - p.min_scale) * random_unit(detail::draw_key(key, AugmentDraw::scale), 0);
  auto const limit = [&](int side) { return std::max(1, static_cast<int>(static_cast<float>(side) * ratio)); };
  auto const [width, height] = keep_ratio_size(sample.picture.width, sample.picture.height, limit(p.long_side), limit(p.short_side));
  AugmentedView view{resize(sample.picture, width, height, Resize::cv2_bilinear), resize_nearest(sample.labels, width, height)};
  int const w = std::min(width, p.crop_width), h = std::min(height, p.crop_height);
  std::uint64_t const places = detail::draw_key(key, AugmentDraw::crop);
  auto const offset = [&](int from, int to, std::uint64_t draw) { return static_cast<int>(random_below(places, draw, static_cast<std::uint64_t>(from - to + 1))); };
  // As in mmseg the window that follows the last retry is taken unseen.
  int x = 0, y = 0;
  for (int tries = 0; tries <= p.retries; ++tries) {
    y = offset(height, h, 2 * static_cast<std::uint64_t>(tries));
    x = offset(width, w, 2 * static_cast<std::uint64_t>(tries) + 1);
    if (tries < p.retries && detail::varied(view.labels, x, y, w, h, p.most_of_a_label)) break;
  }
  view = detail::cut(view, x, y, w, h);
  if (random_unit(detail::draw_key(key, AugmentDraw::flip), 0) < p.mirror) detail::mirror(view);
  if (p.photometric) distort(view.picture, draw_photometric(detail::draw_key(key, AugmentDraw::photometric)));
  return view;
}

/// A view of side x side pixels.
inline AugmentedView augment(Sample const& sample, VocPipeline const& p, std::uint64_t key) {
  using detail::AugmentDraw;
  AugmentedView view{sample.picture, sample.labels};
  shift_hsv(view.picture, draw_hsv_shift(detail::draw_key(key, AugmentDraw::hsv)));
  if (random_unit(detail::draw_key(key, AugmentDraw::flip), 0) < p.mirror) detail::mirror(view);
  float const scale = p.min_scale + (p.max_scale - p.min_scale) * random_unit(detail::draw_key(key, AugmentDraw::scale), 0);
  auto const scaled = [&](int side) { return std::max(1, static_cast<int>(static_cast<float>(side) * scale)); };
  int const width = scaled(view.picture.width), height = scaled(view.picture.height);
  view = {resize(view.picture, width, height, Resize::cv2_cubic), resize_nearest(view.labels, width, height)};
  int const w = std::min(p.side, width), h = std::min(p.side, height);
  std::uint64_t const places = detail::draw_key(key, AugmentDraw::crop);
  int const x = static_cast<int>(random_below(places, 0, static_cast<std::uint64_t>(width - w + 1)));
  int const y = static_cast<int>(random_below(places, 1, static_cast<std::uint64_t>(height - h + 1)));
  view = detail::cut(view, x, y, w, h);
  return {resize(view.picture, p.side, p.side, Resize::cv2_cubic), resize_nearest(view.labels, p.side, p.side)};
}

/// Adds a view to a batch of width x height windows: normalised, padded on the right and below with 0 and no label.
inline void add_view(Batch& batch, AugmentedView const& view, int width, int height, Normalisation const& normalisation) {
  batch.width = width;
  batch.height = height;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      bool const inside = x < view.picture.width && y < view.picture.height;
      batch.labels.push_back(inside ? view.labels.at(x, y) : ignore_label);
      for (std::size_t c = 0; c < 3; ++c)
        batch.pictures.push_back(inside ? (static_cast<float>(view.picture.pixel(x, y)[c]) - normalisation.mean[c]) / normalisation.deviation[c] : 0.0F);
    }
}

/// A window of the pipeline with the sample's captions, as add_crop adds one.
inline void add_augmented(Batch& batch, Sample const& sample, CropPipeline const& p, std::uint64_t key) {
  add_view(batch, augment(sample, p, key), p.crop_width, p.crop_height, p.normalisation);
  batch.captions.push_back(sample.caption);
  batch.varied_captions.push_back(sample.varied_caption);
}
inline void add_augmented(Batch& batch, Sample const& sample, VocPipeline const& p, std::uint64_t key) {
  add_view(batch, augment(sample, p, key), p.side, p.side, p.normalisation);
  batch.captions.push_back(sample.caption);
  batch.varied_captions.push_back(sample.varied_caption);
}

}  // namespace tadp
