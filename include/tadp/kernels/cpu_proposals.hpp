// SPDX-License-Identifier: Apache-2.0
// From scores to boxes that stay, on the processor: the best of each level, candidates of a picture, suppression.
// Everything runs at capacity: what is not there has a score of minus infinity, and only a count says how much is left.
#pragma once

#include "tadp/kernels/cpu_boxes.hpp"

#include <limits>
#include <span>

namespace tadp {
inline namespace TADP_ISA {
namespace proposals_detail {

inline constexpr float no_score = -std::numeric_limits<float>::infinity();

/// Best first; the earlier row where two are alike. What is not a number comes last, so that the order is one.
inline auto better(float const* scores, index_t stride) {
  auto const score = [scores, stride](std::int32_t row) { return std::isnan(scores[row * stride]) ? no_score : scores[row * stride]; };
  return [score](std::int32_t a, std::int32_t b) {
    float const x = score(a), y = score(b);
    return x != y ? x > y : a < b;
  };
}
/// Scratch for numbers of rows.
inline std::int32_t* row_scratch(Cpu& cpu, int worker, index_t count) { return reinterpret_cast<std::int32_t*>(cpu.threads().scratch(worker, count)); }

inline void put_candidate(float* row, Box const& b, float score, index_t group) {
  put_box(row, b);
  row[4] = score;
  row[5] = static_cast<float>(group);
}
inline bool large_enough(Box const& b, float smallest) { return b.x2 - b.x1 >= smallest && b.y2 - b.y1 >= smallest; }

}  // namespace proposals_detail

/// The best `most` scores of each segment of scores (N, 1, A, 1), best first: y (N, 1, sum of min(most, segment), 2) holds
/// score and row. The segments' lengths add up to A.
inline void top_rows(Cpu& cpu, std::span<index_t const> segments, index_t most, ConstFeatures<Cpu> scores, Features<Cpu> y) {
  auto const count = static_cast<index_t>(segments.size());
  cpu.threads().run(scores.shape[0] * count, [&](index_t task, int worker) {
    index_t first = task / count * scores.shape[2], to = task / count * y.shape[2];
    for (index_t s = 0; s < task % count; ++s) {
      index_t const length = segments[static_cast<std::size_t>(s)];
      first += length;
      to += std::min(most, length);
    }
    index_t const length = segments[static_cast<std::size_t>(task % count)], kept = std::min(most, length);
    std::int32_t* const order = proposals_detail::row_scratch(cpu, worker, length);
    for (index_t i = 0; i < length; ++i) order[i] = static_cast<std::int32_t>(i);
    auto const better = proposals_detail::better(scores.pixel(first), scores.pixel_stride);
    if (kept < length) std::nth_element(order, order + kept, order + length, better);
    std::sort(order, order + kept, better);
    index_t const start = task / count * scores.shape[2];
    for (index_t i = 0; i < kept; ++i) {
      y.pixel(to + i)[0] = scores.pixel(first + order[i])[0];
      y.pixel(to + i)[1] = static_cast<float>(first - start + order[i]);
    }
  });
}

/// Candidates (N, 1, R, 6) of the rows that top_rows found among boxes (N, 1, A, 4): clipped, the sigmoid as the score and
/// the segment as the group; nothing where a side is too small.
inline void proposal_candidates(Cpu& cpu, CandidateRule const& rule, std::span<index_t const> segments, index_t most, ConstFeatures<Cpu> top,
                                ConstFeatures<Cpu> boxes, Features<Cpu> y) {
  index_t const rows = top.shape[2];
  pointwise_detail::for_pixels(cpu, top.shape.pixels(), candidate_channels, [&](index_t p) {
    index_t group = 0, end = 0;
    for (; group + 1 < static_cast<index_t>(segments.size()); ++group) {
      end += std::min(most, segments[static_cast<std::size_t>(group)]);
      if (p % rows < end) break;
    }
    Box const b = clipped(box_at(boxes.pixel(p / rows * boxes.shape[2] + static_cast<index_t>(top.pixel(p)[1]))), rule.height, rule.width);
    float const score = 1.0F / (1.0F + std::exp(-top.pixel(p)[0]));
    proposals_detail::put_candidate(y.pixel(p), b, proposals_detail::large_enough(b, rule.smallest) ? score : proposals_detail::no_score, group);
  });
}

/// Candidates (N, 1, K (C - 1), 6) of K rows a picture with logits (N K, C) and one box a class (N K, 4 C): the softmax as
/// the score and the class as the group. Class 0 is the background.
inline void detection_candidates(Cpu& cpu, CandidateRule const& rule, ConstFeatures<Cpu> logits, ConstFeatures<Cpu> boxes, ConstFeatures<Cpu> counts,
                                 Features<Cpu> y) {
  index_t const classes = logits.shape.channels(), rows = y.shape[0] == 0 ? 0 : logits.shape.pixels() / y.shape[0];
  pointwise_detail::for_pixels(cpu, logits.shape.pixels(), classes * candidate_channels, [&](index_t p) {
    bool const there = p % rows < boxes_detail::count_of(counts, p / rows, rows);
    float const* const z = logits.pixel(p);
    float const top = *std::max_element(z, z + classes);
    float sum = 0.0F;
    for (index_t c = 0; c < classes; ++c) sum += std::exp(z[c] - top);
    for (index_t c = 1; c < classes; ++c) {
      Box const b = clipped(box_at(boxes.pixel(p) + 4 * c), rule.height, rule.width);
      float const score = std::exp(z[c] - top) / sum;
      bool const good = there && score > rule.score && proposals_detail::large_enough(b, rule.smallest);
      proposals_detail::put_candidate(y.pixel(p * (classes - 1) + c - 1), b, good ? score : proposals_detail::no_score, c);
    }
  });
}

namespace proposals_detail {

/// The boxes of one picture that were kept so far, moved apart by their groups where the rule moves them.
struct Kept {
  float* moved;  // 6 numbers each: corners, area, group
  index_t count = 0;

  bool suppresses(Box const& b, float area, float group, double overlap) const {
    for (index_t k = 0; k < count; ++k) {
      float const* const other = moved + 6 * k;
      if (other[5] == group && static_cast<double>(overlap_of(box_at(other), other[4], b, area)) > overlap) return true;
    }
    return false;
  }
  void add(Box const& b, float area, float group) {
    float* const row = moved + 6 * count++;
    put_box(row, b);
    row[4] = area;
    row[5] = group;
  }
};

}  // namespace proposals_detail

/// Of candidates (N, 1, R, 6), the best D a picture that no better one of their group overlaps too far: kept (N, 1, D, 7),
/// best first and zero past counts (N, 1, 1, 1).
inline void suppress(Cpu& cpu, SuppressionRule const& rule, ConstFeatures<Cpu> candidates, Features<Cpu> kept, Features<Cpu> counts) {
  index_t const rows = candidates.shape[2], most = kept.shape[2];
  cpu.threads().run(candidates.shape[0], [&](index_t n, int worker) {
    std::int32_t* const order = proposals_detail::row_scratch(cpu, worker, rows + 6 * most);
    proposals_detail::Kept taken{reinterpret_cast<float*>(order + rows)};
    auto const row = [&](index_t i) { return candidates.pixel(n * rows + i); };
    index_t there = 0;
    float farthest = proposals_detail::no_score;
    for (index_t i = 0; i < rows; ++i) {
      if (!(row(i)[4] > proposals_detail::no_score)) continue;
      order[there++] = static_cast<std::int32_t>(i);
      farthest = std::max(farthest, *std::max_element(row(i), row(i) + 4));
    }
    if (rows > 0) std::sort(order, order + there, proposals_detail::better(row(0) + 4, candidates.pixel_stride));
    float const apart = there <= SuppressionRule::most_moved ? farthest + 1.0F : 0.0F;
    for (index_t i = 0; i < there && taken.count < most; ++i) {
      float const* const from = row(order[i]);
      float const shift = product_of(from[5], apart);
      Box const b{from[0] + shift, from[1] + shift, from[2] + shift, from[3] + shift};
      float const area = area_of(b);
      if (taken.suppresses(b, area, from[5], rule.overlap)) continue;
      float* const to = kept.pixel(n * most + taken.count);
      std::copy_n(from, candidate_channels, to);
      to[6] = static_cast<float>(order[i]);
      taken.add(b, area, from[5]);
    }
    for (index_t k = taken.count; k < most; ++k) std::fill_n(kept.pixel(n * most + k), kept_channels, 0.0F);
    counts.pixel(n)[0] = static_cast<float>(taken.count);
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
