// SPDX-License-Identifier: Apache-2.0
// How far the measured pixels of depth maps are: the middle of one map, and a summary of any number of them whose memory is
// bounded.
#pragma once

#include "tadp/heads/depth_result.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tadp {

/// The middle of what is measured, in metres, the lower one of two; 0 where nothing is.
inline float median_depth(DepthMap const& map) {
  std::vector<float> measured;
  for (float const m : map.metres)
    if (m > 0.0F) measured.push_back(m);
  if (measured.empty()) return 0.0F;
  auto const middle = measured.begin() + static_cast<std::ptrdiff_t>((measured.size() - 1) / 2);
  std::nth_element(measured.begin(), middle, measured.end());
  return *middle;
}

/// How many pixels of all maps are measured, and how far they are.
class DepthSummary {
 public:
  void add(DepthMap const& map) {
    pixels_ += map.metres.size();
    for (float const m : map.metres) {
      if (!(m > 0.0F)) continue;
      ++valid_;
      least_ = std::min(least_, m), most_ = std::max(most_, m);
      ++counts_[std::bit_cast<std::uint32_t>(m) >> shift_];
      if (counts_.size() > most_counted) coarsen();
    }
  }
  std::uint64_t pixels() const { return pixels_; }
  std::uint64_t valid() const { return valid_; }
  double valid_fraction() const { return pixels_ > 0 ? static_cast<double>(valid_) / static_cast<double>(pixels_) : 0.0; }
  /// Metres; 0 where nothing is measured.
  float least() const { return valid_ > 0 ? least_ : 0.0F; }
  float most() const { return most_; }
  /// That of median_depth over all maps while these hold at most `most_counted` different depths, as those of PNG files do at
  /// any distance; beyond that to one part in 4000 at worst.
  float median() const {
    std::vector<std::pair<std::uint32_t, std::uint64_t>> sorted(counts_.begin(), counts_.end());
    std::sort(sorted.begin(), sorted.end());
    std::uint64_t below = 0;
    for (auto const& [key, count] : sorted)
      if ((below += count) * 2 >= valid_) return std::bit_cast<float>(key << shift_ | (std::uint32_t{1} << shift_) >> 1U);
    return 0.0F;
  }

  static constexpr std::size_t most_counted = std::size_t{1} << 20;

 private:
  /// Floats above zero are in the order of their bits: without the last one, two neighbours count as one.
  void coarsen() {
    while (counts_.size() > most_counted / 2) {
      ++shift_;
      std::unordered_map<std::uint32_t, std::uint64_t> fewer;
      for (auto const& [key, count] : counts_) fewer[key >> 1U] += count;
      counts_ = std::move(fewer);
    }
  }

  std::uint64_t pixels_ = 0, valid_ = 0;
  float least_ = std::numeric_limits<float>::infinity(), most_ = 0.0F;
  std::uint32_t shift_ = 0;  ///< bits of a depth that are not counted
  std::unordered_map<std::uint32_t, std::uint64_t> counts_{};
};

}  // namespace tadp
