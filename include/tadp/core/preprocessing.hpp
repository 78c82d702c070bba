// SPDX-License-Identifier: Apache-2.0
// What stands between a picture's bytes and the UNet's latent: the normalisation, and which latent is taken.
// Both belong to a trained model, not to a program: a model file carries them.
#pragma once

#include "tadp/core/picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace tadp {

/// (value - mean) / deviation of bytes 0..255, in the order red, green, blue.
struct Normalisation {
  std::array<float, 3> mean{127.5F, 127.5F, 127.5F};
  std::array<float, 3> deviation{127.5F, 127.5F, 127.5F};

  /// That of ImageNet, with which the released Cityscapes and detection weights were trained (spec 1.2, Q13).
  static constexpr Normalisation imagenet() { return {{123.675F, 116.28F, 103.53F}, {58.395F, 57.12F, 57.375F}}; }
  friend constexpr bool operator==(Normalisation const&, Normalisation const&) = default;
};

/// Normalised numbers (height, width, 3) as the nearest bytes.
inline Picture picture_of(std::span<float const> values, int width, int height, Normalisation const& n) {
  Picture picture(width, height);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
    float const grey = std::nearbyint(values[i] * n.deviation[i % 3] + n.mean[i % 3]);
    picture.rgb[i] = static_cast<std::uint8_t>(grey >= 0.0F ? std::min(grey, 255.0F) : 0.0F);  // not a number: black
  }
  return picture;
}

/// Which latent the UNet reads: the posterior's mean or a sample of it, times a scale (spec 1.2, Q1).
struct LatentPolicy {
  bool sample = false;
  float scale = 0.18215F;
  friend constexpr bool operator==(LatentPolicy const&, LatentPolicy const&) = default;
};

}  // namespace tadp
