// SPDX-License-Identifier: Apache-2.0
// A window of a picture as the network takes it: cut, mirrored where it is looked at so, and padded to the input's size;
// and the noise of latents that are samples. Buffers only grow.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/heads/window_join.hpp"

namespace tadp {

template <class Device>
class WindowInput {
 public:
  /// Fills `input`, (1, H, W, 3), with a window of height x width, at most H x W.
  void picture(Device& device, PictureWindows<Device> const& windows, Look const& look, std::array<int, 2> window, Floats<Device> input) {
    FeatureShape const seen{1, window[0], window[1], 3};
    auto const room = [&](GrowingBuffer<float, Device>& memory) { return Floats<Device>{memory.at_least(device, seen.count()), seen}; };
    bool const whole = input.shape == seen;  // nothing is padded
    auto cut = whole && !look.mirrored ? input : room(cut_);
    windows.window(device, look.window, cut);
    if (look.mirrored) {
      auto const turned = whole ? input : room(turned_);
      mirror(device, ConstFloats<Device>(cut), turned);
      cut = turned;
    }
    if (!whole) reframe(device, ConstFloats<Device>(cut), input);
  }
  /// Standard normal numbers of the window, not of its place in a batch: a batch of eight draws what eight batches of one draw.
  void noise(Device& device, PictureWindows<Device> const& windows, Look const& look, std::uint64_t seed, Floats<Device> to) {
    noise_.resize(static_cast<std::size_t>(to.shape.count()));
    std::uint64_t const key = random_key(seed, windows.grid().top(look.window), windows.grid().left(look.window));
    for (std::size_t i = 0; i < noise_.size(); ++i) noise_[i] = random_normal(key, i);
    device.copy_from_host(to.data, noise_.data(), noise_.size() * sizeof(float));
  }

 private:
  GrowingBuffer<float, Device> cut_, turned_;
  std::vector<float> noise_;
};

}  // namespace tadp
