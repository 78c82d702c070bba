// SPDX-License-Identifier: Apache-2.0
// Boxes as detection counts them, and the rules that its kernels share: anchors, codes, suppression, matching, sampling.
// Plain numbers for layers, operations and the kernels of every device; a list of boxes is rows of a feature tensor.
#pragma once

#include "tadp/core/shape.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace tadp {

/// Corners in pixels; a width is x2 - x1.
struct Box {
  float x1 = 0.0F, y1 = 0.0F, x2 = 0.0F, y2 = 0.0F;
  friend constexpr bool operator==(Box const&, Box const&) = default;
};

/// a * b as one rounding of its own: a compiler that fuses it with a sum would decide ties otherwise than torchvision, and
/// two loops over the same boxes differently from each other.
inline float product_of(float a, float b) {
  float product = a * b;
  asm("" : "+m"(product));  // what stands in memory is rounded; a detour through double is not enough, GCC sees through it
  return product;
}
inline float area_of(Box const& b) { return product_of(b.x2 - b.x1, b.y2 - b.y1); }
/// Intersection over union; 0 where the union has no area.
inline float overlap_of(Box const& a, float area_a, Box const& b, float area_b) {
  float const w = std::max(0.0F, std::min(a.x2, b.x2) - std::max(a.x1, b.x1)), h = std::max(0.0F, std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
  float const shared = product_of(w, h), all = area_a + area_b - shared;
  return all > 0.0F ? shared / all : 0.0F;
}
inline float overlap_of(Box const& a, Box const& b) { return overlap_of(a, area_of(a), b, area_of(b)); }
/// The box inside of a picture.
inline Box clipped(Box const& b, float height, float width) {
  return {std::clamp(b.x1, 0.0F, width), std::clamp(b.y1, 0.0F, height), std::clamp(b.x2, 0.0F, width), std::clamp(b.y2, 0.0F, height)};
}
inline Box box_at(float const* p) { return {p[0], p[1], p[2], p[3]}; }
inline void put_box(float* p, Box const& b) { p[0] = b.x1, p[1] = b.y1, p[2] = b.x2, p[3] = b.y2; }

/// What a row of a list holds: corners, score and group (a level or a class), and the row that it was taken from.
/// Candidates have the first six, a score of minus infinity standing for no box; rows that were kept have all seven.
inline constexpr index_t candidate_channels = 6, kept_channels = 7;

inline constexpr int most_levels = 4;
/// Anchors: one size a level in three shapes, on the corner of every cell.
struct AnchorGrid {
  struct Level {
    index_t height = 0, width = 0;      ///< cells
    index_t stride_y = 1, stride_x = 1; ///< pixels a cell
    int size = 1;                       ///< the side of a square of the same area, in pixels
    friend constexpr bool operator==(Level const&, Level const&) = default;
  };
  static constexpr std::array<float, 3> ratios{0.5F, 1.0F, 2.0F};  ///< height over width
  static constexpr index_t shapes = 3;
  std::array<Level, most_levels> level{};

  /// The anchor of a shape about the origin; sides are rounded to even counts of half pixels, as torch rounds.
  static Box cell(int size, float ratio) {
    float const tall = std::sqrt(ratio), half_h = product_of(tall, static_cast<float>(size)) / 2.0F, half_w = product_of(1.0F / tall, static_cast<float>(size)) / 2.0F;
    return {std::nearbyint(-half_w), std::nearbyint(-half_h), std::nearbyint(half_w), std::nearbyint(half_h)};
  }
  std::array<index_t, most_levels> counts() const {
    std::array<index_t, most_levels> n{};
    for (std::size_t l = 0; l < n.size(); ++l) n[l] = level[l].height * level[l].width * shapes;
    return n;
  }
  index_t count() const {
    index_t sum = 0;
    for (index_t n : counts()) sum += n;
    return sum;
  }
};

/// How a box is written relative to another one.
struct BoxCode {
  std::array<float, 4> weights{1.0F, 1.0F, 1.0F, 1.0F};
  static constexpr float most = 4.135166556742356F;  ///< of a logarithm of sides: ln(1000 / 16)

  Box decode(float const* code, Box const& from) const {
    float const w = from.x2 - from.x1, h = from.y2 - from.y1;
    float const x = product_of(code[0] / weights[0], w) + (from.x1 + 0.5F * w), y = product_of(code[1] / weights[1], h) + (from.y1 + 0.5F * h);
    float const half_w = 0.5F * product_of(std::exp(std::min(code[2] / weights[2], most)), w), half_h = 0.5F * product_of(std::exp(std::min(code[3] / weights[3], most)), h);
    return {x - half_w, y - half_h, x + half_w, y + half_h};
  }
  std::array<float, 4> encode(Box const& target, Box const& from) const {
    float const w = from.x2 - from.x1, h = from.y2 - from.y1, tw = target.x2 - target.x1, th = target.y2 - target.y1;
    float const dx = (target.x1 + 0.5F * tw) - (from.x1 + 0.5F * w), dy = (target.y1 + 0.5F * th) - (from.y1 + 0.5F * h);
    return {product_of(weights[0], dx) / w, product_of(weights[1], dy) / h, product_of(weights[2], std::log(tw / w)), product_of(weights[3], std::log(th / h))};
  }
};

/// What a candidate has to be: inside of the picture, of some size, of some score.
struct CandidateRule {
  float height, width;  ///< of the picture
  float smallest;       ///< side
  float score = 0.0F;   ///< strictly above, for detections
};

/// Boxes of one group that overlap a better one by more than `overlap` go.
struct SuppressionRule {
  double overlap;
  /// torchvision moves the groups apart by an offset where there are this many boxes at most, and compares the moved,
  /// rounded boxes; it compares them as they are where there are more.
  static constexpr index_t most_moved = 1000;
};

/// Which pooled cells a box is cut into, and on which level.
struct RoiGeometry {
  int size = 7;      ///< cells a side
  int sampling = 2;  ///< samples a side and cell
  int first_level = 3;  ///< the logarithm of the finest level's stride

  index_t cells() const { return index_t{size} * size; }
  float scale(int level) const { return std::ldexp(1.0F, -(first_level + level)); }
  /// A box of 224 pixels reads the level of stride 16.
  int level_of(Box const& b, int levels) const {
    if (levels == 1) return 0;
    float const at = std::floor(4.0F + std::log2(std::sqrt(area_of(b)) / 224.0F) + 1e-6F);
    return static_cast<int>(std::clamp(at, static_cast<float>(first_level), static_cast<float>(first_level + levels - 1))) - first_level;
  }
};

/// Matches have the index of a true box, or one of these.
inline constexpr float match_nothing = -1.0F, match_between = -2.0F;
struct MatchRule {
  float high, low;    ///< a match from `high` on, nothing below `low`
  bool best_of_each;  ///< the boxes that overlap a true box most match, whatever that overlap is
};

/// At most `count` rows a picture, of which at most `positives` match; drawn by a key, or evenly spaced for comparisons.
struct SampleRule {
  index_t count, positives;
  std::uint64_t key = 0;
  bool even = false;
};

}  // namespace tadp
