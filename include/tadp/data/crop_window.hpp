// SPDX-License-Identifier: Apache-2.0
// A window of a picture, and how the answers that are no labels follow it: metres and boxes.
// Drawn by add_crop; usable alone for samples of other kinds.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/detection_target.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace tadp {

/// How a window is cut: scale, place and mirror are drawn, brightness and contrast jittered where asked for.
struct CropOptions {
  int width = 256, height = 192;
  float min_scale = 1.0F, max_scale = 1.0F;
  bool mirror = true;
  bool photometric = false;
  float min_saturation = 1.0F, max_saturation = 1.0F;  ///< 0: grey; above 1: stronger colours
  float focal = 0.0F;  ///< metres become those for a camera of this focal length in pixels of the window; 0: as the sample has them
};

/// What is drawn of a window, as a text: what a checkpoint of a training says of itself. The size is not in it.
inline std::string augmentation_text(CropOptions const& o) {
  std::ostringstream text;
  text << "scales " << o.min_scale << " to " << o.max_scale << (o.mirror ? ", mirror" : "") << (o.photometric ? ", brightness and contrast" : "");
  if (o.min_saturation != 1.0F || o.max_saturation != 1.0F) text << ", saturation " << o.min_saturation << " to " << o.max_saturation;
  return text.str();
}

/// A window of width x height pixels whose upper left corner lies at (left, top) of a picture that was made `scale` times
/// as large; left and top are in the picture's own pixels. Mirrored: the window's columns in reverse.
struct CropWindow {
  int width = 0, height = 0;
  float left = 0.0F, top = 0.0F, scale = 1.0F;
  bool mirrored = false;
};

/// The window of a key in a picture of width x height.
inline CropWindow draw_window(int width, int height, CropOptions const& options, std::uint64_t key) {
  CropWindow window{.width = options.width, .height = options.height};
  window.scale = options.min_scale + (options.max_scale - options.min_scale) * random_unit(key, 0);
  float const step = 1.0F / window.scale;
  auto const offset = [&](int size, int side, std::uint64_t draw) {
    return (static_cast<float>(size) - static_cast<float>(side) * step) * random_unit(key, draw);
  };
  window.left = offset(width, options.width, 1), window.top = offset(height, options.height, 2);
  window.mirrored = options.mirror && random_unit(key, 3) < 0.5F;
  return window;
}

/// Adds the window's metres to `out`, (height, width), each from the nearest pixel and multiplied by `ratio`; 0 outside of the
/// map. They are divided by the scale: what is drawn `scale` times as large looks as from a `scale`-th of the distance, and a
/// network that is not told of another focal length could not tell the two apart.
inline void add_depth_window(std::vector<float>& out, DepthMap const& depth, CropWindow const& window, float ratio = 1.0F) {
  float const step = 1.0F / window.scale;
  for (int y = 0; y < window.height; ++y)
    for (int i = 0; i < window.width; ++i) {
      int const x = window.mirrored ? window.width - 1 - i : i;
      // The expressions of add_crop, so that metres and labels come from the same pixel.
      float const sx = window.left + (static_cast<float>(x) + 0.5F) * step - 0.5F, sy = window.top + (static_cast<float>(y) + 0.5F) * step - 0.5F;
      int const nx = static_cast<int>(std::floor(sx + 0.5F)), ny = static_cast<int>(std::floor(sy + 0.5F));
      bool const inside = nx >= 0 && ny >= 0 && nx < depth.width && ny < depth.height;
      out.push_back(inside ? depth.at(nx, ny) * ratio / window.scale : 0.0F);
    }
}

/// What must remain of a box in a window, or nobody could say of which object it is: a share of its area, and pixels.
inline constexpr float least_share_of_box = 0.4F, least_side_of_box = 3.0F, least_area_of_box = 12.0F;

/// The boxes in pixels of the window: scaled, shifted, mirrored and clipped; those of which too little remains are left out.
/// A box that was cut is that of the whole object, clipped: the object's own pixels may end before its edge.
inline std::vector<TrueBox> boxes_in_window(std::span<TrueBox const> boxes, CropWindow const& window) {
  std::vector<TrueBox> out;
  auto const w = static_cast<float>(window.width), h = static_cast<float>(window.height);
  for (TrueBox const& one : boxes) {
    Box b{(one.box.x1 - window.left) * window.scale, (one.box.y1 - window.top) * window.scale, (one.box.x2 - window.left) * window.scale, (one.box.y2 - window.top) * window.scale};
    if (window.mirrored) b = {w - b.x2, b.y1, w - b.x1, b.y2};
    Box const rest = clipped(b, h, w);
    float const area = area_of(rest);
    bool const enough = rest.x2 - rest.x1 >= least_side_of_box && rest.y2 - rest.y1 >= least_side_of_box && area >= least_area_of_box && area >= least_share_of_box * area_of(b);
    if (enough) out.push_back({rest, one.label, one.difficult});
  }
  return out;
}

}  // namespace tadp
