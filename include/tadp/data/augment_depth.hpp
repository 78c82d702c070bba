// SPDX-License-Identifier: Apache-2.0
// The training pipeline of the paper's depth program (spec 5.2, NYU) from a key: CutDepth, mirror, crop, colours.
// A view of a sample is made as bytes and metres; a batch takes it normalised and padded.
#pragma once

#include "tadp/core/preprocessing.hpp"
#include "tadp/core/random.hpp"
#include "tadp/data/photometric.hpp"
#include "tadp/data/sample.hpp"

#include <sstream>

namespace tadp {

/// A sample as a pipeline leaves it, not yet normalised or padded.
struct DepthView {
  Picture picture;
  DepthMap depth;
};

/// The NYUv2 program's, whose crop of 480 x 480 and colours are the defaults.
struct DepthPipeline {
  int crop_width = 480, crop_height = 480;
  std::uint64_t cut_depth_every = 4;  ///< samples from one with a strip of depth in its picture to the next; 0: never
  float mirror = 0.5F;                ///< chance
  float colour = 0.5F;                ///< chance of each change of colour
  float brightness = 0.2F, contrast = 0.2F;            ///< shares of the full range, and of 1
  float least_gamma = 0.8F, most_gamma = 1.2F;
  float hue = 20.0F, saturation = 30.0F, value = 20.0F;  ///< shifts, hue in steps of two degrees
  float focal = 0.0F;  ///< metres become those for a camera of this focal length in pixels; 0: as the sample has them
  Normalisation normalisation{};
};

/// What is drawn of a view, as a text: what a checkpoint of a training says of itself. The size is not in it.
inline std::string augmentation_text(DepthPipeline const& p) {
  std::ostringstream text;
  if (p.cut_depth_every > 0) text << "CutDepth in one of " << p.cut_depth_every << ", ";
  text << "mirror " << p.mirror << ", colours " << p.colour;
  if (p.colour > 0.0F)
    text << " of brightness " << p.brightness << ", contrast " << p.contrast << ", gamma " << p.least_gamma << " to " << p.most_gamma << ", hue " << p.hue << ", saturation " << p.saturation << ", value " << p.value;
  return text.str();
}

/// The draws of the colours; what is empty is not done.
struct DepthColourDraw {
  std::optional<std::array<float, 2>> contrast_brightness{};  ///< factor, and what is added as a share of the full range
  std::optional<double> gamma{};
  std::optional<std::array<float, 3>> hsv{};
};

namespace detail {

inline void look_up(Picture& picture, std::array<std::uint8_t, 256> const& table) {
  for (std::uint8_t& v : picture.rgb) v = table[v];
}
/// A number added in floats and cut to a byte, whose fraction is dropped; hue goes round.
inline std::uint8_t shifted_hue(std::uint8_t hue, float by) {
  float const turned = std::fmod(static_cast<float>(hue) + by, 180.0F);
  return static_cast<std::uint8_t>(std::min(turned < 0.0F ? turned + 180.0F : turned, 179.0F));
}
inline std::uint8_t shifted_byte(std::uint8_t v, float by) { return static_cast<std::uint8_t>(std::clamp(static_cast<float>(v) + by, 0.0F, 255.0F)); }

/// Streams of draws of one key; a number is never used for two purposes.
enum class DepthDraw : std::uint64_t { cut, flip, crop, colour };
inline std::uint64_t draw_key(std::uint64_t key, DepthDraw use) { return random_key(key, static_cast<std::uint64_t>(use)); }

}  // namespace detail

namespace detail {
inline void require_depth(Picture const& p, DepthMap const& d) {
  auto const size = [](int w, int h) { return std::to_string(w) + " x " + std::to_string(h); };
  if (p.width != d.width || p.height != d.height) throw Error(Errc::shape, "picture and depth have different sizes", {.expected = size(p.width, p.height), .found = size(d.width, d.height)});
}
}  // namespace detail

/// The pixels [left, left + width) show depth in place of colours: millimetres, of which a byte keeps the low eight bits (spec Q11).
inline void cut_depth(DepthView& view, int left, int width) {
  int const end = std::min(left + width, view.picture.width);
  for (int y = 0; y < view.picture.height; ++y)
    for (int x = std::max(left, 0); x < end; ++x) {
      auto const mm = std::llround(1000.0 * static_cast<double>(std::min(view.depth.at(x, y), 1e6F)));
      std::fill_n(view.picture.pixel(x, y), 3, static_cast<std::uint8_t>(mm & 0xFF));
    }
}
/// Left and width of a strip in a picture of that width, from two draws in [0, 1).
inline std::array<int, 2> cut_depth_strip(int width, float a, float b) {
  float const w = static_cast<float>(width);
  return {static_cast<int>(a * w), static_cast<int>(std::max((w - a * w) * b * 0.75F, 1.0F))};
}

inline void mirror(DepthView& view) {
  for (int y = 0; y < view.picture.height; ++y)
    for (int x = 0; x < view.picture.width / 2; ++x) {
      int const other = view.picture.width - 1 - x;
      std::swap_ranges(view.picture.pixel(x, y), view.picture.pixel(x, y) + 3, view.picture.pixel(other, y));
      std::swap(view.depth.at(x, y), view.depth.at(other, y));
    }
}
/// The part [x, x + width) x [y, y + height), which lies inside.
inline DepthView cut(DepthView const& in, int x, int y, int width, int height) {
  DepthView out{Picture(width, height), DepthMap(width, height)};
  for (int row = 0; row < height; ++row) {
    std::copy_n(in.picture.pixel(x, y + row), 3 * width, out.picture.pixel(0, row));
    auto const from = in.depth.metres.begin() + static_cast<std::ptrdiff_t>(y + row) * in.depth.width + x;
    std::copy_n(from, width, out.depth.metres.begin() + static_cast<std::ptrdiff_t>(row) * width);
  }
  return out;
}

/// Contrast and brightness, gamma, hue with saturation and value: to bytes after every step, fractions dropped.
inline void change_colours(Picture& picture, DepthColourDraw const& draw) {
  std::array<std::uint8_t, 256> table{};
  if (draw.contrast_brightness) {
    auto const [factor, share] = *draw.contrast_brightness;
    for (std::size_t v = 0; v < 256; ++v) table[v] = detail::convert_byte(static_cast<std::uint8_t>(v), factor, share * 255.0F);
    detail::look_up(picture, table);
  }
  if (draw.gamma) {
    for (std::size_t v = 0; v < 256; ++v) table[v] = static_cast<std::uint8_t>(std::pow(static_cast<double>(v) * (1.0 / 255.0), *draw.gamma) * 255.0);
    detail::look_up(picture, table);
  }
  if (draw.hsv) {
    auto const& by = *draw.hsv;
    change_hsv(picture, [&](Hsv& p) { p = {detail::shifted_hue(p[0], by[0]), detail::shifted_byte(p[1], by[1]), detail::shifted_byte(p[2], by[2])}; });
  }
}
inline DepthColourDraw draw_colours(DepthPipeline const& p, std::uint64_t key) {
  auto const within = [&](std::uint64_t at, float least, float most) { return least + (most - least) * random_unit(key, at); };
  DepthColourDraw draw;
  if (random_unit(key, 0) < p.colour) draw.contrast_brightness = {within(1, 1.0F - p.contrast, 1.0F + p.contrast), within(2, -p.brightness, p.brightness)};
  if (random_unit(key, 3) < p.colour) draw.gamma = static_cast<double>(within(4, p.least_gamma, p.most_gamma));
  if (random_unit(key, 5) < p.colour) draw.hsv = {within(6, -p.hue, p.hue), within(7, -p.saturation, p.saturation), within(8, -p.value, p.value)};
  return draw;
}

/// A view of at most crop_width x crop_height pixels: a smaller picture stays so. `number` counts the samples of a run: every
/// cut_depth_every-th has a strip. Error(shape) where the sample has no depth or one of another size.
inline DepthView augment(Sample const& sample, DepthPipeline const& p, std::uint64_t key, std::uint64_t number) {
  using detail::DepthDraw;
  detail::require_depth(sample.picture, sample.depth);
  DepthView view{sample.picture, sample.depth};
  if (float const ratio = focal_ratio(sample.picture.focal, p.focal); ratio != 1.0F)
    for (float& metres : view.depth.metres) metres *= ratio;
  if (p.cut_depth_every > 0 && number % p.cut_depth_every == 0) {
    std::uint64_t const strip = detail::draw_key(key, DepthDraw::cut);
    auto const [left, width] = cut_depth_strip(view.picture.width, random_unit(strip, 0), random_unit(strip, 1));
    cut_depth(view, left, width);
  }
  if (random_unit(detail::draw_key(key, DepthDraw::flip), 0) < p.mirror) mirror(view);
  int const w = std::min(view.picture.width, p.crop_width), h = std::min(view.picture.height, p.crop_height);
  std::uint64_t const places = detail::draw_key(key, DepthDraw::crop);
  auto const offset = [&](int from, int to, std::uint64_t draw) { return static_cast<int>(random_below(places, draw, static_cast<std::uint64_t>(from - to + 1))); };
  view = cut(view, offset(view.picture.width, w, 0), offset(view.picture.height, h, 1), w, h);
  change_colours(view.picture, draw_colours(p, detail::draw_key(key, DepthDraw::colour)));
  return view;
}

/// Adds a view to a batch of width x height windows: normalised, padded on the right and below with 0 and no depth. Labels are
/// unknown, and there are no boxes. Error(shape) where picture and depth differ in size.
inline void add_view(Batch& batch, DepthView const& view, int width, int height, Normalisation const& normalisation) {
  detail::require_depth(view.picture, view.depth);
  batch.width = width;
  batch.height = height;
  batch.depths.resize(batch.labels.size());  // windows without depth may stand before this one
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      bool const inside = x < view.picture.width && y < view.picture.height;
      batch.depths.push_back(inside ? view.depth.at(x, y) : 0.0F);
      for (std::size_t c = 0; c < 3; ++c)
        batch.pictures.push_back(inside ? (static_cast<float>(view.picture.pixel(x, y)[c]) - normalisation.mean[c]) / normalisation.deviation[c] : 0.0F);
    }
  batch.labels.resize(batch.depths.size(), ignore_label);
  batch.boxes.emplace_back();
}

/// A window of the pipeline with the sample's captions, as add_crop adds one.
inline void add_augmented(Batch& batch, Sample const& sample, DepthPipeline const& p, std::uint64_t key, std::uint64_t number) {
  add_view(batch, augment(sample, p, key, number), p.crop_width, p.crop_height, p.normalisation);
  batch.captions.push_back(sample.caption);
  batch.varied_captions.push_back(sample.varied_caption);
}

}  // namespace tadp
