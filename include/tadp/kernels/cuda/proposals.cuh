// SPDX-License-Identifier: Apache-2.0
// From scores to boxes that stay: the best of each level, candidates, suppression. Everything runs at capacity; what is
// not there has a score of minus infinity, and only a count on the device says how much is left.
#pragma once

#include "tadp/kernels/cuda/boxes.cuh"

namespace tadp::cuda {

inline constexpr float no_score = -std::numeric_limits<float>::infinity();

/// Best first, the earlier row where two are alike; what is not a number comes last.
TADP_DEVICE inline float comparable(float score) { return score == score ? score : no_score; }
TADP_DEVICE inline bool better(float a, index_t row_a, float b, index_t row_b) { return a != b ? a > b : row_a < row_b; }

/// Parts of a list of scores, each of which gives its best `most`.
struct Segments {
  index_t length[most_levels];
  int count;
  index_t most;
  TADP_DEVICE index_t kept(int s) const { return length[s] < most ? length[s] : most; }
};

/// Each row counts the rows that are better: that is its place.
struct TopRows {
  Segments segments;
  index_t rows, kept;  ///< of a picture
  Rows<float const> scores;
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    index_t const start = p / rows * rows, r = p % rows;
    index_t first = 0, to = 0;
    int s = 0;
    while (s + 1 < segments.count && r >= first + segments.length[s]) {
      first += segments.length[s];
      to += segments.kept(s++);
    }
    float const score = comparable(scores.get(p, 0));
    index_t place = 0;
    for (index_t q = first; q < first + segments.length[s] && place < segments.kept(s); ++q)
      if (better(comparable(scores.get(start + q, 0)), q, score, r)) ++place;
    if (place >= segments.kept(s)) return;
    index_t const row = p / rows * kept + to + place;
    y.set(row, 0, scores.get(p, 0));
    y.set(row, 1, static_cast<float>(r));
  }
};

TADP_DEVICE inline void set_candidate(Rows<float> const& y, index_t row, Box const& b, float score, index_t group) {
  set_box(y, row, 0, b);
  y.set(row, 4, score);
  y.set(row, 5, static_cast<float>(group));
}
TADP_DEVICE inline bool large_enough(Box const& b, float smallest) { return b.x2 - b.x1 >= smallest && b.y2 - b.y1 >= smallest; }

struct ProposalCandidates {
  CandidateRule rule;
  Segments segments;
  index_t rows, anchors;  ///< of a picture
  Rows<float const> top, boxes;
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    int group = 0;
    for (index_t end = segments.kept(0); group + 1 < segments.count && p % rows >= end;) end += segments.kept(++group);
    Box const b = clipped_box(box_of(boxes, p / rows * anchors + static_cast<index_t>(top.get(p, 1))), rule.height, rule.width);
    float const score = 1.0F / (1.0F + std::exp(-top.get(p, 0)));
    set_candidate(y, p, b, large_enough(b, rule.smallest) ? score : no_score, group);
  }
};

/// One row with a box and a score for each class but the background.
struct DetectionCandidates {
  CandidateRule rule;
  index_t rows, classes;
  Rows<float const> logits, boxes;
  Counts counts;
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    bool const there = p % rows < counts.of(p / rows, rows);
    float top = logits.get(p, 0), sum = 0.0F;
    for (index_t c = 1; c < classes; ++c) top = larger(top, logits.get(p, c));
    for (index_t c = 0; c < classes; ++c) sum += std::exp(logits.get(p, c) - top);
    for (index_t c = 1; c < classes; ++c) {
      Box const b = clipped_box(box_of(boxes, p, 4 * c), rule.height, rule.width);
      float const score = std::exp(logits.get(p, c) - top) / sum;
      bool const good = there && score > rule.score && large_enough(b, rule.smallest);
      set_candidate(y, p * (classes - 1) + c - 1, b, good ? score : no_score, c);
    }
  }
};

/// order[place] = row, for the candidates that are there.
struct OrderCandidates {
  Rows<float const> candidates;
  index_t rows;
  std::int32_t* order;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    index_t const start = p / rows * rows;
    float const score = candidates.get(p, 4);
    if (!(score > no_score)) return;
    index_t place = 0;
    for (index_t q = start; q < start + rows; ++q)
      if (float const other = candidates.get(q, 4); other > no_score && better(other, q, score, p)) ++place;
    order[start + place] = static_cast<std::int32_t>(p - start);
  }
};

/// A box that was moved apart from those of other groups, with its area and group.
struct MovedBox {
  Box box;
  float area, group;
  TADP_DEVICE bool suppresses(MovedBox const& other, double most) const {
    return group == other.group && static_cast<double>(overlap(box, area, other.box, other.area)) > most;
  }
};

/// One picture a block, a tile of candidates at a time: those that a kept box suppresses go, then the tile settles itself.
struct Suppress {
  static constexpr int threads = 256;
  struct Shared {
    MovedBox box[threads];
    bool alive[threads];
  };
  double most_overlap;
  Rows<float const> candidates;
  index_t pictures, rows, most;
  std::int32_t const* order;
  MovedBox* taken;  ///< (pictures, most)
  Rows<float> kept, counts;

  index_t blocks() const { return pictures; }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const n = block.index();
    typename Block::template PerThread<index_t> mine;
    typename Block::template PerThread<float> far_off;
    block.each([&](int t) {
      mine[t] = 0;
      far_off[t] = no_score;
      for (index_t r = t; r < rows; r += threads) {
        if (!(candidates.get(n * rows + r, 4) > no_score)) continue;
        ++mine[t];
        for (index_t i = 0; i < 4; ++i) far_off[t] = larger(far_off[t], candidates.get(n * rows + r, i));
      }
    });
    index_t const there = block.join(mine, Sum{});
    float const farthest = block.join(far_off, Largest{}), apart = there <= SuppressionRule::most_moved ? farthest + 1.0F : 0.0F;
    index_t count = 0;
    for (index_t first = 0; first < there && count < most; first += threads) count = settle(block, n, first, there, apart, count);
    block.each([&](int t) {
      for (index_t i = count * kept_channels + t; i < most * kept_channels; i += threads) kept.set(n * most + i / kept_channels, i % kept_channels, 0.0F);
      if (t == 0) counts.set(n, 0, static_cast<float>(count));
    });
  }

 private:
  template <class Block>
  TADP_DEVICE index_t settle(Block& block, index_t n, index_t first, index_t there, float apart, index_t count) const {
    Shared& s = block.shared();
    block.each([&](int t) {
      s.alive[t] = first + t < there;
      if (!s.alive[t]) return;
      index_t const row = n * rows + order[n * rows + first + t];
      Box const b = box_of(candidates, row);
      float const group = candidates.get(row, 5), shift = product_of(group, apart);
      Box const moved{b.x1 + shift, b.y1 + shift, b.x2 + shift, b.y2 + shift};
      s.box[t] = {moved, area(moved), group};
      for (index_t k = 0; k < count && s.alive[t]; ++k) s.alive[t] = !taken[n * most + k].suppresses(s.box[t], most_overlap);
    });
    for (int best = 0; best < threads && count < most; ++best) {
      if (!s.alive[best]) continue;
      block.each([&](int t) {
        if (t == best) {
          index_t const row = order[n * rows + first + t], to = n * most + count;
          for (index_t c = 0; c < candidate_channels; ++c) kept.set(to, c, candidates.get(n * rows + row, c));
          kept.set(to, candidate_channels, static_cast<float>(row));
          taken[to] = s.box[t];
        } else if (t > best && s.alive[t]) {
          s.alive[t] = !s.box[best].suppresses(s.box[t], most_overlap);
        }
      });
      ++count;
    }
    block.each([](int) {});  // nobody fills the next tile while somebody reads this one
    return count;
  }
};

}  // namespace tadp::cuda
