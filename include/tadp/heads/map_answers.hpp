// SPDX-License-Identifier: Apache-2.0
// Joined maps as the values that a session gives: labels and what else was wanted of them, metres, numbers.
// Labels are decided on the device; its buffers only grow.
#pragma once

#include "tadp/device/values_on_host.hpp"
#include "tadp/exec/picture_windows.hpp"
#include "tadp/heads/dense_result.hpp"
#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/segmentation_result.hpp"

namespace tadp {

/// `joined`, everywhere: (1, height, width, channels) of one picture.
template <class Device>
class MapAnswers {
 public:
  /// The largest channel of every pixel, and its softmax where `confidence` has room for it.
  void decide_into(Device& device, Floats<Device> joined, std::span<std::uint8_t> labels, std::span<float> confidence) {
    index_t const pixels = joined.shape.pixels();
    std::uint8_t* const decided = label_memory_.at_least(device, pixels);
    float* const sure = confidence.empty() ? nullptr : confidence_memory_.at_least(device, pixels);
    decide(device, ConstFloats<Device>(joined), decided, sure);
    device.copy_to_host(labels.data(), decided, labels.size());
    if (sure != nullptr) device.copy_to_host(confidence.data(), sure, confidence.size_bytes());
  }
  SegmentationResult labels(Device& device, Floats<Device> joined, Wanted const& wanted) {
    SegmentationResult result;
    result.labels = LabelMap(width(joined), height(joined));
    if (wanted.confidence) result.confidence.resize(result.labels.labels.size());
    decide_into(device, joined, result.labels.labels, result.confidence);
    if (wanted.logits) result.logits = values_on_host(device, joined);
    return result;
  }
  /// Metres times `ratio`, which a picture's focal length asks for.
  static DepthMap metres(Device& device, Floats<Device> joined, float ratio) {
    DepthMap map;
    map.width = width(joined), map.height = height(joined), map.metres = values_on_host(device, joined);
    if (ratio != 1.0F)
      for (float& metres : map.metres) metres *= ratio;
    return map;
  }
  static DenseMap numbers(Device& device, Floats<Device> joined) { return {width(joined), height(joined), static_cast<int>(joined.shape.channels()), values_on_host(device, joined)}; }

 private:
  static int width(Floats<Device> const& v) { return static_cast<int>(v.shape[2]); }
  static int height(Floats<Device> const& v) { return static_cast<int>(v.shape[1]); }

  GrowingBuffer<float, Device> confidence_memory_;
  GrowingBuffer<std::uint8_t, Device> label_memory_;
};

}  // namespace tadp
