// SPDX-License-Identifier: Apache-2.0
// What detection learns from, on the processor: boxes matched with true ones, rows sampled, classes and codes to learn.
// True boxes are (N, 1, T, 4) with labels (N, 1, T, 1) and counts (N, 1, 1, 1).
#pragma once

#include "tadp/kernels/cpu_proposals.hpp"

namespace tadp {
inline namespace TADP_ISA {

/// y (N, 1, K + T, 4): the kept boxes of a picture and its true ones behind them; counts: of both.
inline void append_boxes(Cpu& cpu, ConstFeatures<Cpu> kept, ConstFeatures<Cpu> counts, ConstFeatures<Cpu> truths, ConstFeatures<Cpu> truth_counts,
                         Features<Cpu> y, Features<Cpu> y_counts) {
  index_t const a = kept.shape[2], b = truths.shape[2];
  cpu.threads().run(y.shape[0], [&](index_t n, int) {
    index_t const first = boxes_detail::count_of(counts, n, a), second = boxes_detail::count_of(truth_counts, n, b);
    for (index_t r = 0; r < a + b; ++r) {
      float* const to = y.pixel(n * (a + b) + r);
      if (r < first)
        std::copy_n(kept.pixel(n * a + r), 4, to);
      else if (r < first + second)
        std::copy_n(truths.pixel(n * b + r - first), 4, to);
      else
        std::fill_n(to, 4, 0.0F);
    }
    y_counts.pixel(n)[0] = static_cast<float>(first + second);
  });
}

/// y (N, 1, R, 1): the true box of each of boxes (N or 1, 1, R, 4), or match_nothing or match_between. Rows past the counts
/// and pictures without a true box have match_nothing.
inline void match_boxes(Cpu& cpu, MatchRule const& rule, ConstFeatures<Cpu> boxes, ConstFeatures<Cpu> counts, ConstFeatures<Cpu> truths,
                        ConstFeatures<Cpu> truth_counts, Features<Cpu> y) {
  index_t const rows = boxes.shape[2], most = truths.shape[2];
  cpu.threads().run(y.shape[0], [&](index_t n, int worker) {
    index_t const there = boxes_detail::count_of(counts, n, rows), known = boxes_detail::count_of(truth_counts, n, most);
    auto const truth = [&](index_t t) { return box_at(truths.pixel(n * most + t)); };
    auto const box = [&](index_t r) { return box_at(boxes.pixel(boxes_detail::row_of(boxes.shape, n, r))); };
    float* const best = cpu.threads().scratch(worker, most + 1);  // overlap of each true box with the box that fits it best
    std::fill_n(best, most, 0.0F);
    if (rule.best_of_each)
      for (index_t r = 0; r < there; ++r)
        for (index_t t = 0; t < known; ++t) best[t] = std::max(best[t], overlap_of(truth(t), box(r)));
    for (index_t r = 0; r < rows; ++r) {
      float most_overlap = 0.0F, found = match_nothing;
      bool is_best = false;
      for (index_t t = 0; r < there && t < known; ++t) {
        float const overlap = overlap_of(truth(t), box(r));
        if (found < 0.0F || overlap > most_overlap) most_overlap = overlap, found = static_cast<float>(t);
        // A true box that nothing overlaps is nobody's.
        is_best = is_best || (rule.best_of_each && overlap == best[t] && overlap > 0.0F);
      }
      if (found >= 0.0F && !is_best) found = most_overlap < rule.low ? match_nothing : most_overlap < rule.high ? match_between : found;
      y.pixel(n * rows + r)[0] = found;
    }
  });
}

/// Rows to learn from by their matches (N, 1, R, 1), in rising order: picks (N, 1, B, 2) holds row and match, -1 past
/// y_counts (N, 1, 1, 1).
inline void sample_rows(Cpu& cpu, SampleRule const& rule, ConstFeatures<Cpu> matches, ConstFeatures<Cpu> counts, Features<Cpu> picks, Features<Cpu> y_counts) {
  index_t const rows = matches.shape[2], room = picks.shape[2];
  cpu.threads().run(matches.shape[0], [&](index_t n, int worker) {
    index_t const there = boxes_detail::count_of(counts, n, rows);
    std::int32_t* const chosen = proposals_detail::row_scratch(cpu, worker, room + there);
    std::int32_t* const all = chosen + room;
    auto const match = [&](index_t r) { return matches.pixel(n * rows + r)[0]; };
    index_t taken = 0;
    // Of the rows whose match is as wanted, `most`: every so-and-so many-th, or those with the smallest draws.
    auto const choose = [&](index_t most, auto const& wanted) {
      index_t found = 0;
      for (index_t r = 0; r < there; ++r)
        if (wanted(match(r))) all[found++] = static_cast<std::int32_t>(r);
      index_t const count = std::min(most, found);
      std::uint64_t const key = random_key(rule.key, n, most);
      if (!rule.even && count < found)
        std::nth_element(all, all + count, all + found, [key](std::int32_t a, std::int32_t b) {
          auto const draw = [key](std::int32_t r) { return random_bits(key, static_cast<std::uint64_t>(r)); };
          return draw(a) != draw(b) ? draw(a) < draw(b) : a < b;
        });
      for (index_t i = 0; i < count; ++i) chosen[taken++] = rule.even ? all[i * found / count] : all[i];
    };
    index_t const limit = std::min(rule.count, room);
    choose(std::min(rule.positives, limit), [](float m) { return m >= 0.0F; });
    choose(limit - taken, [](float m) { return m == match_nothing; });
    std::sort(chosen, chosen + taken);
    for (index_t i = 0; i < room; ++i) {
      float* const to = picks.pixel(n * room + i);
      to[0] = i < taken ? static_cast<float>(chosen[i]) : -1.0F;
      to[1] = i < taken ? match(chosen[i]) : -1.0F;
    }
    y_counts.pixel(n)[0] = static_cast<float>(taken);
  });
}

/// What each pick has to become: y (N, 1, B, 5) holds its label (1 where there are no labels, 0 without a match, -1 where
/// nothing was picked) and, with a match, the code of its true box relative to its own of boxes (N or 1, 1, R, 4).
inline void targets_of_rows(Cpu& cpu, BoxCode const& code, ConstFeatures<Cpu> picks, ConstFeatures<Cpu> boxes, ConstFeatures<Cpu> truths,
                            ConstFeatures<Cpu> labels, Features<Cpu> y) {
  index_t const rows = picks.shape[2], most = truths.shape[2];
  pointwise_detail::for_pixels(cpu, picks.shape.pixels(), 64, [&](index_t p) {
    index_t const n = p / rows;
    auto const row = static_cast<index_t>(picks.pixel(p)[0]), match = static_cast<index_t>(picks.pixel(p)[1]);
    float* const to = y.pixel(p);
    std::fill_n(to, 5, 0.0F);
    if (row < 0) to[0] = -1.0F;
    if (row < 0 || match < 0) return;
    to[0] = labels ? labels.pixel(n * most + match)[0] : 1.0F;
    auto const numbers = code.encode(box_at(truths.pixel(n * most + match)), box_at(boxes.pixel(boxes_detail::row_of(boxes.shape, n, row))));
    std::copy(numbers.begin(), numbers.end(), to + 1);
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
