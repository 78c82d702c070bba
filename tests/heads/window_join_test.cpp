// SPDX-License-Identifier: Apache-2.0
// Boxes of several windows as one list: moved to their places, doubles suppressed, no more than one window may give.
#include "tadp/heads/window_join.hpp"
#include "tadp/kernels/cpu.hpp"

#include <doctest/doctest.h>

#include <set>

namespace {
using namespace tadp;

/// Two windows of 32 x 32 over a picture of 32 x 48: at columns 0 and 16.
struct TwoWindows {
  Cpu device{1};
  PictureWindows<Cpu> windows;
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(32 * 48 * 3, 0);
  BoxJoin<Cpu> join;
  index_t capacity;  ///< boxes that one window may give

  explicit TwoWindows(index_t most) : capacity(most) {
    windows.set(device, PictureView{.data = bytes.data(), .width = 48, .height = 32}, Normalisation{});
    windows.lay_out(device, {32, 32}, {16, 16});
    join.begin(windows.grid().count(), capacity);
  }
  /// Rows of (x1, y1, x2, y2, score, class) in pixels of a window.
  void add(index_t window, std::vector<std::array<float, 6>> const& boxes) {
    std::vector<float> rows(static_cast<std::size_t>(capacity * kept_channels), 0.0F);
    for (std::size_t i = 0; i < boxes.size(); ++i) std::copy(boxes[i].begin(), boxes[i].end(), rows.begin() + static_cast<std::ptrdiff_t>(i) * kept_channels);
    auto const count = static_cast<float>(boxes.size());
    join.add(device, windows, {.window = window}, ConstFeatures<Cpu>{rows.data(), FeatureShape{1, 1, capacity, kept_channels}}, ConstFeatures<Cpu>{&count, FeatureShape{1, 1, 1, 1}});
  }
  DetectionResult finish() { return join.finish(device, 32, 48, 32, 48); }
};

TEST_CASE("an object that two windows see whole is told once, at its place in the picture") {
  TwoWindows two(4);
  two.add(0, {{20, 4, 30, 14, 0.8F, 1}});
  two.add(1, {{4, 4, 14, 14, 0.9F, 1}});
  auto const found = two.finish();
  REQUIRE(found.objects.size() == 1);
  CHECK(found.objects[0].score == 0.9F);
  CHECK(found.objects[0].box == Box{20, 4, 30, 14});
}

TEST_CASE("windows together give no more objects than one may, the best of all") {
  TwoWindows two(3);
  two.add(0, {{0, 0, 4, 4, 0.9F, 1}, {0, 8, 4, 12, 0.5F, 1}, {0, 16, 4, 20, 0.4F, 1}});
  two.add(1, {{20, 0, 24, 4, 0.8F, 1}, {20, 8, 24, 12, 0.7F, 1}});
  auto const found = two.finish();
  std::multiset<float> scores;
  for (auto const& object : found.objects) scores.insert(object.score);
  CHECK(scores == std::multiset<float>{0.7F, 0.8F, 0.9F});
}

}  // namespace
