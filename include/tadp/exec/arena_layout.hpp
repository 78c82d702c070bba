// SPDX-License-Identifier: Apache-2.0
// Places in one piece of memory for buffers that do not all live at the same time.
// Knows when buffers live and how long they are, and nothing of what they hold.
#pragma once

#include "tadp/core/shape.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace tadp {

/// Alive from operation `first` to operation `last`, both included; lengths in floats.
struct ArenaBuffer {
  int id = 0;  ///< the caller's
  int first = 0, last = 0;
  index_t length = 0;
  index_t offset = 0;  ///< the result: a multiple of 16
};

/// Largest first, each at the lowest place that no buffer alive at the same time takes. Returns the length of the whole.
inline index_t lay_out(std::vector<ArenaBuffer>& buffers) {
  auto const rounded = [](ArenaBuffer const& b) { return (b.length + 15) / 16 * 16; };
  std::stable_sort(buffers.begin(), buffers.end(), [](ArenaBuffer const& a, ArenaBuffer const& b) { return a.length > b.length; });
  index_t whole = 0;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    ArenaBuffer& buffer = buffers[i];
    std::vector<std::pair<index_t, index_t>> taken;
    for (std::size_t placed = 0; placed < i; ++placed) {
      ArenaBuffer const& other = buffers[placed];
      if (other.first <= buffer.last && buffer.first <= other.last) taken.emplace_back(other.offset, other.offset + rounded(other));
    }
    std::sort(taken.begin(), taken.end());
    for (auto const& [begin, end] : taken) {
      if (buffer.offset + rounded(buffer) <= begin) break;
      buffer.offset = std::max(buffer.offset, end);
    }
    whole = std::max(whole, buffer.offset + rounded(buffer));
  }
  return whole;
}

}  // namespace tadp
