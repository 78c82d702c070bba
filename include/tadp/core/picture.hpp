// SPDX-License-Identifier: Apache-2.0
// 8-bit pictures and label maps as values, and a non-owning view of pixels that somebody else holds.
// The first and the last form of data in the library: a picture comes in, a label map goes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tadp {

enum class PixelOrder : std::uint8_t { rgb, bgr };

/// Pixels of somebody else: rows of 3 bytes a pixel, `row_bytes` apart (0 means 3 * width).
struct PictureView {
  std::uint8_t const* data = nullptr;
  int width = 0;
  int height = 0;
  std::ptrdiff_t row_bytes = 0;
  PixelOrder order = PixelOrder::rgb;
  float focal = 0.0F;  ///< the camera's focal length in pixels of this picture; 0: not known. Only metres depend on it

  std::uint8_t const* row(int y) const {
    return data + static_cast<std::ptrdiff_t>(y) * (row_bytes != 0 ? row_bytes : std::ptrdiff_t{3} * width);
  }
};

/// Numbers of somebody else that a network can read as they are: (height, width, 3) without gaps, RGB, normalised.
struct NormalisedView {
  float const* data = nullptr;
  int width = 0;
  int height = 0;
};

/// An owned picture, (height, width, 3) bytes, RGB.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb{};
  float focal = 0.0F;  ///< as of the view

  Picture() = default;
  Picture(int w, int h) : width(w), height(h), rgb(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3) {}

  std::uint8_t* pixel(int x, int y) { return rgb.data() + 3 * (static_cast<std::ptrdiff_t>(y) * width + x); }
  std::uint8_t const* pixel(int x, int y) const {
    return rgb.data() + 3 * (static_cast<std::ptrdiff_t>(y) * width + x);
  }
  operator PictureView() const { return {rgb.data(), width, height, 0, PixelOrder::rgb, focal}; }
};

/// The label that no class has: pixels that losses and metrics pass over.
inline constexpr std::uint8_t ignore_label = 255;

/// One class index a pixel, (height, width) bytes; `ignore_label` where the answer is not known.
struct LabelMap {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> labels{};

  LabelMap() = default;
  LabelMap(int w, int h, std::uint8_t fill = 0)
      : width(w), height(h), labels(static_cast<std::size_t>(w) * static_cast<std::size_t>(h), fill) {}

  std::uint8_t& at(int x, int y) { return labels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)]; }
  std::uint8_t at(int x, int y) const { return labels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)]; }
};

}  // namespace tadp
