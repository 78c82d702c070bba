// SPDX-License-Identifier: Apache-2.0
// Extents of tensors: a fixed count of sizes, always written in the order of memory, (N, H, W, C) for features.
// Data for every op and kernel; image size and batch are never template arguments.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace tadp {

using index_t = std::int64_t;

/// `Rank` extents, the last one contiguous in memory.
template <int Rank>
struct Shape {
  std::array<index_t, static_cast<std::size_t>(Rank)> extent{};

  constexpr index_t operator[](int axis) const { return extent[static_cast<std::size_t>(axis)]; }
  constexpr index_t& operator[](int axis) { return extent[static_cast<std::size_t>(axis)]; }
  constexpr index_t channels() const { return extent[static_cast<std::size_t>(Rank - 1)]; }

  /// Number of pixels: all extents but the channels.
  constexpr index_t pixels() const {
    index_t product = 1;
    for (int axis = 0; axis + 1 < Rank; ++axis) product *= (*this)[axis];
    return product;
  }
  constexpr index_t count() const { return pixels() * channels(); }
  friend constexpr bool operator==(Shape const&, Shape const&) = default;
};

/// Features of a batch: (N, H, W, C). A token matrix of L tokens is (N, 1, L, C): the same memory.
struct FeatureShape : Shape<4> {
  constexpr FeatureShape() = default;
  constexpr FeatureShape(index_t n_, index_t h_, index_t w_, index_t c_) : Shape<4>{{n_, h_, w_, c_}} {}
  constexpr explicit(false) FeatureShape(Shape<4> const& shape) : Shape<4>(shape) {}
  constexpr index_t n() const { return (*this)[0]; }
  constexpr index_t h() const { return (*this)[1]; }
  constexpr index_t w() const { return (*this)[2]; }
  constexpr index_t c() const { return (*this)[3]; }
  /// Pixels of one picture of the batch.
  constexpr index_t positions() const { return h() * w(); }
  constexpr FeatureShape with_channels(index_t c_) const { return {n(), h(), w(), c_}; }
};

template <int Rank>
std::string to_string(Shape<Rank> const& shape) {
  std::string text = "[";
  for (int axis = 0; axis < Rank; ++axis) text += (axis == 0 ? "" : ", ") + std::to_string(shape[axis]);
  return text + "]";
}

}  // namespace tadp
