// SPDX-License-Identifier: Apache-2.0
// What several windows say of one picture, joined: maps as means over the windows, boxes as one list.
// Buffers only grow: a second picture of the same size allocates nothing but the one list that it is answered with.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/exec/picture_windows.hpp"
#include "tadp/heads/detection_config.hpp"
#include "tadp/heads/detection_result.hpp"

namespace tadp {

/// Where an answer belongs: a window of the picture, seen mirrored or not, with a weight.
struct Look {
  index_t window = 0;
  bool mirrored = false;
  float weight = 1.0F;
};

template <class Device>
class MapJoin {
 public:
  void begin(Device& device, PictureWindows<Device> const& windows, index_t channels) { sum_ = windows.zero_sum(device, sum_memory_, channels); }
  /// x: (1, h, w, channels) of any h and w, turned back where it was mirrored.
  void add(Device& device, PictureWindows<Device> const& windows, Look const& look, ConstFloats<Device> x) {
    if (look.mirrored) {
      Floats<Device> const turned{turned_memory_.at_least(device, x.shape.count()), x.shape};
      mirror(device, x, turned);
      x = turned;
    }
    windows.add(device, look.window, look.weight, x, sum_);
  }
  /// Sums become means at the picture's own size, (1, height, width, channels).
  Floats<Device> finish(Device& device, PictureWindows<Device>& windows, index_t height, index_t width) {
    windows.divide(device, sum_);
    if (sum_.shape[1] == height && sum_.shape[2] == width) return sum_;
    FeatureShape const shape{1, height, width, sum_.shape.channels()};
    Floats<Device> const full{full_memory_.at_least(device, shape.count()), shape};
    resize_bilinear(device, Corners::half_pixel, ConstFloats<Device>(sum_), full);
    return sum_ = full;
  }
  Floats<Device> result() const { return sum_; }

 private:
  Floats<Device> sum_{};
  GrowingBuffer<float, Device> sum_memory_, full_memory_, turned_memory_;
};

/// Boxes of all windows, shifted to their places; where there were several windows, the best of each class remain once
/// more, no more in all than one window gives. Mirrored looks are not counted: a list has no mean.
template <class Device>
class BoxJoin {
 public:
  /// Room for all that so many windows can say, `capacity` boxes each: how many are found then moves nothing.
  void begin(index_t windows, index_t capacity) {
    windows_ = 0, capacity_ = capacity, most_ = windows * capacity;
    rows_.clear();
    rows_.reserve(static_cast<std::size_t>(most_ * kept_channels));
  }
  /// rows (1, 1, capacity, kept_channels) in pixels of the window, count (1, 1, 1, 1).
  void add(Device& device, PictureWindows<Device> const& windows, Look const& look, ConstFloats<Device> rows, ConstFloats<Device> count) {
    if (look.mirrored) return;
    ++windows_;
    float n = 0.0F;
    device.copy_to_host(&n, count.data, sizeof n);
    auto const found = static_cast<std::size_t>(n), first = rows_.size();
    rows_.resize(first + found * kept_channels);
    if (found == 0) return;
    device.copy_to_host(&rows_[first], rows.data, found * kept_channels * sizeof(float));
    auto const top = static_cast<float>(windows.grid().top(look.window)), left = static_cast<float>(windows.grid().left(look.window));
    for (std::size_t at = first; at < rows_.size(); at += kept_channels) rows_[at] += left, rows_[at + 1] += top, rows_[at + 2] += left, rows_[at + 3] += top;
  }
  /// Boxes in pixels of a picture of height x width that was seen at seen_height x seen_width.
  DetectionResult finish(Device& device, index_t seen_height, index_t seen_width, int height, int width) {
    clip(static_cast<float>(seen_height), static_cast<float>(seen_width));
    if (windows_ > 1) suppress_again(device);
    return detections_of(rows_, static_cast<float>(rows_.size() / kept_channels), static_cast<float>(seen_height), static_cast<float>(seen_width), height, width);
  }

 private:
  /// What lies in a window's padding goes.
  void clip(float height, float width) {
    std::size_t kept = 0;
    for (std::size_t at = 0; at < rows_.size(); at += kept_channels) {
      Box const b = clipped(box_at(&rows_[at]), height, width);
      if (!(b.x2 > b.x1 && b.y2 > b.y1)) continue;
      put_box(&rows_[at], b);
      std::copy_n(&rows_[at], kept_channels, &rows_[kept]);
      kept += kept_channels;
    }
    rows_.resize(kept);
  }
  void suppress_again(Device& device) {
    auto const n = static_cast<index_t>(rows_.size()) / kept_channels;
    if (n == 0) return;
    candidates_.clear();
    candidates_.reserve(static_cast<std::size_t>(most_ * candidate_channels));
    for (std::size_t at = 0; at < rows_.size(); at += kept_channels) candidates_.insert(candidates_.end(), &rows_[at], &rows_[at] + candidate_channels);
    Floats<Device> const in{in_memory_.at_least(device, most_ * candidate_channels), FeatureShape{1, 1, n, candidate_channels}};
    index_t const last = std::min(n, capacity_);  // a picture of many windows has no more boxes than one of one
    Floats<Device> const out{out_memory_.at_least(device, capacity_ * kept_channels), FeatureShape{1, 1, last, kept_channels}};
    Floats<Device> const count{count_memory_.at_least(device, 1), FeatureShape{1, 1, 1, 1}};
    device.copy_from_host(in.data, candidates_.data(), candidates_.size() * sizeof(float));
    suppress(device, detection_rules::detections, ConstFloats<Device>(in), out, count);
    float left = 0.0F;
    device.copy_to_host(&left, count.data, sizeof left);
    rows_.resize(static_cast<std::size_t>(left) * kept_channels);
    device.copy_to_host(rows_.data(), out.data, rows_.size() * sizeof(float));
  }

  std::vector<float> rows_, candidates_;
  index_t windows_ = 0, capacity_ = 0, most_ = 0;
  GrowingBuffer<float, Device> in_memory_, out_memory_, count_memory_;
};

}  // namespace tadp
