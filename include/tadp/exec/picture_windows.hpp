// SPDX-License-Identifier: Apache-2.0
// One picture under sliding windows: its bytes on the device, and the sums that the windows' results are joined in.
// Buffers only grow: a second picture of the same size allocates nothing.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/core/preprocessing.hpp"
#include "tadp/core/tensor.hpp"
#include "tadp/core/windows.hpp"
#include "tadp/exec/growing_buffer.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

namespace tadp {

/// Error(argument) unless there are pixels to look at.
template <class View>
void require_pixels(View const& picture) {
  if (picture.data == nullptr || picture.width <= 0 || picture.height <= 0)
    throw Error(Errc::argument, "the picture has no pixels",
                {.expected = "at least 1 x 1", .found = std::to_string(picture.width) + " x " + std::to_string(picture.height)});
}

template <class Device>
class PictureWindows {
 public:
  /// Takes a picture to the device and normalises it there; Error(argument) where it has no pixels or rows overlap.
  void set(Device& device, PictureView const& picture, Normalisation const& normalisation) {
    require_pixels(picture);
    auto const row = static_cast<std::size_t>(picture.width) * 3;
    if (picture.row_bytes != 0 && std::abs(picture.row_bytes) < static_cast<std::ptrdiff_t>(row))
      throw Error(Errc::argument, "the rows of the picture overlap",
                  {.expected = "at least " + std::to_string(row) + " bytes a row", .found = std::to_string(picture.row_bytes)});
    host_.resize(row * static_cast<std::size_t>(picture.height));
    for (int y = 0; y < picture.height; ++y) {
      std::uint8_t* const to = host_.data() + row * static_cast<std::size_t>(y);
      std::copy_n(picture.row(y), row, to);
      if (picture.order == PixelOrder::bgr)
        for (std::size_t x = 0; x < row; x += 3) std::swap(to[x], to[x + 2]);
    }
    std::uint8_t* const bytes = bytes_.at_least(device, static_cast<index_t>(host_.size()));
    device.copy_from_host(bytes, host_.data(), host_.size());
    normalise_picture(device, normalisation, bytes, room_for(device, picture.height, picture.width));
  }
  /// The same for numbers that are normalised already.
  void set(Device& device, NormalisedView const& picture, Normalisation const&) {
    require_pixels(picture);
    auto const to = room_for(device, picture.height, picture.width);
    device.copy_from_host(to.data, picture.data, static_cast<std::size_t>(to.shape.count()) * sizeof(float));
  }
  /// Lays out windows of height x width over the picture.
  void lay_out(Device& device, std::array<index_t, 2> window, std::array<index_t, 2> stride) {
    grid_ = {{picture_.shape[1], window[0], stride[0]}, {picture_.shape[2], window[1], stride[1]}};
    fill_counts(device, grid_.vertical, rows_);
    fill_counts(device, grid_.horizontal, columns_);
  }

  WindowGrid const& grid() const { return grid_; }
  /// Of the picture that was set.
  index_t height() const { return picture_.shape[1]; }
  index_t width() const { return picture_.shape[2]; }

  /// Fills (1, height, width, 3) with a window of the picture, zero past its edges.
  void window(Device& device, index_t i, Floats<Device> out) const {
    cut_window(device, ConstFloats<Device>(picture_), grid_.top(i), grid_.left(i), out);
  }
  /// A zero sum of `channels` numbers a pixel.
  Floats<Device> zero_sum(Device& device, GrowingBuffer<float, Device>& memory, index_t channels) const {
    FeatureShape const shape{1, picture_.shape[1], picture_.shape[2], channels};
    float* const data = memory.at_least(device, shape.count());
    device.zero(data, shape.count());
    return {data, shape};
  }
  /// Adds what a window gave, (1, h, w, C) of any h and w.
  void add(Device& device, index_t i, float factor, ConstFloats<Device> x, Floats<Device> sum) const {
    add_window(device, factor, x, grid_.vertical.length, grid_.horizontal.length, grid_.top(i), grid_.left(i), sum);
  }
  /// Sums become means over the windows.
  void divide(Device& device, Floats<Device> sum) {
    if (grid_.count() > 1) divide_by_windows(device, rows_.data(), columns_.data(), sum);
  }

 private:
  void fill_counts(Device& device, WindowAxis const& axis, GrowingBuffer<float, Device>& counts) {
    counts_.assign(static_cast<std::size_t>(axis.size), 0.0F);
    for (index_t i = 0; i < axis.count(); ++i)
      for (index_t p = axis.start(i); p < std::min(axis.start(i) + axis.length, axis.size); ++p) counts_[static_cast<std::size_t>(p)] += 1.0F;
    device.copy_from_host(counts.at_least(device, axis.size), counts_.data(), counts_.size() * sizeof(float));
  }

  Floats<Device> room_for(Device& device, index_t height, index_t width) {
    FeatureShape const shape{1, height, width, 3};
    return picture_ = {pixels_.at_least(device, shape.count()), shape};
  }

  Floats<Device> picture_{};
  WindowGrid grid_{};
  std::vector<std::uint8_t> host_;
  std::vector<float> counts_;
  GrowingBuffer<std::uint8_t, Device> bytes_;
  GrowingBuffer<float, Device> pixels_, rows_, columns_;
};

}  // namespace tadp
