// SPDX-License-Identifier: Apache-2.0
// How far two lists of numbers are from each other.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

/// The length of the difference over the length of b.
inline double distance(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  double off = 0.0, length = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    off += d * d;
    length += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(off / length);
}
