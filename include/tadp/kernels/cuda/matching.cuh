// SPDX-License-Identifier: Apache-2.0
// What detection learns from: boxes matched with true ones, rows sampled by their draws, classes and codes to learn.
// A row finds its own place by counting: no list is built, no order left to chance.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/kernels/cuda/boxes.cuh"

namespace tadp::cuda {

/// (row of y, channel of a box); the counts are another kernel's.
struct AppendBoxes {
  Rows<float const> kept, truths;
  Counts counts, truth_counts;
  index_t capacity, truth_capacity;
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const all = capacity + truth_capacity, n = p / all, r = p % all;
    index_t const first = counts.of(n, capacity), second = truth_counts.of(n, truth_capacity);
    float v = 0.0F;
    if (r < first) v = kept.get(n * capacity + r, c);
    if (r >= first && r < first + second) v = truths.get(n * truth_capacity + r - first, c);
    y.set(p, c, v);
  }
};
struct AppendCounts {
  Counts counts, truth_counts;
  index_t capacity, truth_capacity;
  Rows<float> y;
  TADP_DEVICE void operator()(index_t n, index_t) const { y.set(n, 0, static_cast<float>(counts.of(n, capacity) + truth_counts.of(n, truth_capacity))); }
};

/// Boxes, and the true ones that they are compared with.
struct Matching {
  BoxList boxes;
  Counts counts;
  Rows<float const> truths;
  index_t most;  ///< true boxes of a picture
  Counts truth_counts;

  TADP_DEVICE float overlap_of(index_t n, index_t t, index_t r) const {
    Box const truth = box_of(truths, n * most + t), box = box_of(boxes.rows, boxes.row(n, r));
    return overlap(truth, area(truth), box, area(box));
  }
};
/// The overlap of a true box with the box that fits it best: one true box a block.
struct BestOverlaps {
  static constexpr int threads = 256;
  using Shared = Nothing;
  Matching m;
  index_t pictures;
  float* best;  ///< (pictures, most)

  index_t blocks() const { return pictures * m.most; }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const n = block.index() / m.most, t = block.index() % m.most;
    typename Block::template PerThread<float> mine;
    block.each([&](int thread) {
      mine[thread] = 0.0F;
      if (t < m.truth_counts.of(n, m.most))
        for (index_t r = thread; r < m.counts.of(n, m.boxes.capacity); r += threads) mine[thread] = larger(mine[thread], m.overlap_of(n, t, r));
    });
    float const most = block.join(mine, Largest{});
    block.each([&](int thread) {
      if (thread == 0) best[block.index()] = most;
    });
  }
};
struct MatchBoxes {
  MatchRule rule;
  Matching m;
  float const* best;  ///< null unless the rule wants the best of each
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    index_t const n = p / m.boxes.capacity, r = p % m.boxes.capacity, known = m.truth_counts.of(n, m.most);
    bool const there = r < m.counts.of(n, m.boxes.capacity);
    float most = 0.0F, found = match_nothing;
    bool is_best = false;
    for (index_t t = 0; there && t < known; ++t) {
      float const at = m.overlap_of(n, t, r);
      if (found < 0.0F || at > most) most = at, found = static_cast<float>(t);
      is_best = is_best || (rule.best_of_each && at == best[n * m.most + t] && at > 0.0F);  // what nothing overlaps is nobody's
    }
    if (found >= 0.0F && !is_best) found = most < rule.low ? match_nothing : most < rule.high ? match_between : found;
    y.set(p, 0, found);
  }
};

/// How many rows of a picture match, and how many match nothing.
struct MatchCounts {
  index_t positive, negative;
};
struct CountMatches {
  static constexpr int threads = 256;
  using Shared = Nothing;
  Rows<float const> matches;
  Counts counts;
  index_t pictures, rows;
  MatchCounts* found;

  index_t blocks() const { return pictures; }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const n = block.index();
    typename Block::template PerThread<index_t> positive, negative;
    block.each([&](int t) {
      positive[t] = negative[t] = 0;
      for (index_t r = t; r < counts.of(n, rows); r += threads) {
        float const match = matches.get(n * rows + r, 0);
        positive[t] += match >= 0.0F ? 1 : 0;
        negative[t] += match == match_nothing ? 1 : 0;
      }
    });
    MatchCounts const all{block.join(positive, Sum{}), block.join(negative, Sum{})};
    block.each([&](int t) {
      if (t == 0) found[n] = all;
    });
  }
};
/// How many of each kind are taken.
struct SampleSize {
  SampleRule rule;
  index_t room;
  TADP_DEVICE index_t limit() const { return rule.count < room ? rule.count : room; }
  TADP_DEVICE index_t most_positive() const { return rule.positives < limit() ? rule.positives : limit(); }
  TADP_DEVICE index_t positive(MatchCounts const& found) const { return found.positive < most_positive() ? found.positive : most_positive(); }
  TADP_DEVICE index_t most_negative(MatchCounts const& found) const { return limit() - positive(found); }
  TADP_DEVICE index_t negative(MatchCounts const& found) const { return found.negative < most_negative(found) ? found.negative : most_negative(found); }
};
/// Whether a row is taken: every so-and-so many-th of its kind, or those with the smallest draws.
struct ChooseRows {
  SampleSize size;
  Rows<float const> matches;
  Counts counts;
  index_t rows;
  MatchCounts const* found;
  std::uint8_t* chosen;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    index_t const n = p / rows, r = p % rows, there = counts.of(n, rows);
    float const match = matches.get(p, 0);
    bool const positive = match >= 0.0F;
    chosen[p] = 0;
    if (r >= there || (!positive && match != match_nothing)) return;
    index_t const all = positive ? found[n].positive : found[n].negative, count = positive ? size.positive(found[n]) : size.negative(found[n]);
    std::uint64_t const key = random_key(size.rule.key, n, positive ? size.most_positive() : size.most_negative(found[n]));
    index_t place = 0;
    for (index_t q = 0; q < there; ++q) {
      float const other = matches.get(n * rows + q, 0);
      if (positive ? !(other >= 0.0F) : other != match_nothing) continue;
      if (size.rule.even) {
        place += q < r ? 1 : 0;
      } else {
        std::uint64_t const a = random_bits(key, static_cast<std::uint64_t>(q)), b = random_bits(key, static_cast<std::uint64_t>(r));
        place += a != b ? (a < b ? 1 : 0) : (q < r ? 1 : 0);
      }
    }
    if (!size.rule.even) {
      chosen[p] = place < count ? 1 : 0;
    } else if (count > 0) {
      index_t const i = (place * count + all - 1) / all;  // the first i with i * all / count >= place
      chosen[p] = i < count && i * all / count == place ? 1 : 0;
    }
  }
};
/// picks (N, 1, B, 2) of row and match in rising order: a chosen row counts those before it.
struct PickRows {
  Rows<float const> matches;
  index_t rows, room;
  std::uint8_t const* chosen;
  Rows<float> picks;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    if (chosen[p] == 0) return;
    index_t place = 0;
    for (index_t q = p / rows * rows; q < p; ++q) place += chosen[q];
    picks.set(p / rows * room + place, 0, static_cast<float>(p % rows));
    picks.set(p / rows * room + place, 1, matches.get(p, 0));
  }
};
/// What stands past the count, and the count.
struct EndPicks {
  SampleSize size;
  MatchCounts const* found;
  Rows<float> picks, counts;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const n = p / size.room, taken = size.positive(found[n]) + size.negative(found[n]);
    if (p % size.room >= taken) picks.set(p, c, -1.0F);
    if (p % size.room == 0 && c == 0) counts.set(n, 0, static_cast<float>(taken));
  }
};

struct TargetsOfRows {
  CodeWeights code;
  Rows<float const> picks;
  index_t room;
  BoxList boxes;
  Rows<float const> truths, labels;  ///< labels may be empty
  index_t most;
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    index_t const n = p / room;
    auto const row = static_cast<index_t>(picks.get(p, 0)), match = static_cast<index_t>(picks.get(p, 1));
    y.set(p, 0, row < 0 ? -1.0F : 0.0F);
    set_box(y, p, 1, {});
    if (row < 0 || match < 0) return;
    y.set(p, 0, labels.there() ? labels.get(n * most + match, 0) : 1.0F);
    set_box(y, p, 1, code.encode(box_of(truths, n * most + match), box_of(boxes.rows, boxes.row(n, row))));
  }
};

}  // namespace tadp::cuda
