// SPDX-License-Identifier: Apache-2.0
// The plain device's kernels of detection: anchors, codes, suppression, matching, pooled regions and losses.
// Beside plain_device.hpp, and written to be read like it: what is decided is decided in float, as on any device.
#pragma once

#include "plain_device.hpp"
#include "tadp/core/boxes.hpp"

#include <span>

namespace plain {

template <class T>
Box box_of(T const* p) {
  return {static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]), static_cast<float>(p[3])};
}
template <class T>
void write_box(T* p, Box const& b) {
  for (auto const& [i, v] : {std::pair{0, b.x1}, std::pair{1, b.y1}, std::pair{2, b.x2}, std::pair{3, b.y2}}) set(p[i], static_cast<double>(v));
}
/// The pixel of row `r` of picture `n`, in a list of its own or in one that all share.
template <class T>
T* row_of(View<T, 4, Device> const& list, index_t n, index_t r) {
  return list.pixel((list.shape[0] == 1 ? 0 : n) * list.shape[2] + r);
}
template <class T>
index_t rows_there(View<T, 4, Device> const& counts, index_t n, index_t most) {
  return counts ? std::min(static_cast<index_t>(counts.pixel(n)[0]), most) : most;
}

template <class T>
void anchors(Device&, AnchorGrid const& grid, View<T, 4, Device> y) {
  index_t row = 0;
  for (auto const& level : grid.level)
    for (index_t cell = 0; cell < level.height * level.width; ++cell)
      for (float ratio : AnchorGrid::ratios) {
        auto const x = static_cast<float>(cell % level.width * level.stride_x), v = static_cast<float>(cell / level.width * level.stride_y);
        Box const b = AnchorGrid::cell(level.size, ratio);
        write_box(y.pixel(row++), {b.x1 + x, b.y1 + v, b.x2 + x, b.y2 + v});
      }
}
/// use(pixel of the list, first channel, pixel of the level).
template <class Use>
void for_each_joined(FeatureShape const& level, FeatureShape const& list, index_t first, Use const& use) {
  index_t const per = level.c() / list.c();
  for (index_t p = 0; p < level.pixels(); ++p)
    for (index_t a = 0; a < per; ++a) use(p / level.positions() * list.w() + first + p % level.positions() * per + a, a * list.c(), p);
}
template <class T>
void join_rows(Device&, Read<T> x, index_t first, Writes<T> y) {
  for_each_joined(x.shape, y.shape, first, [&](index_t to, index_t channel, index_t from) { std::copy_n(x.pixel(from) + channel, y.shape.channels(), y.pixel(to)); });
}
template <class T>
void join_rows_gradient(Device&, Read<T> dy, index_t first, Writes<T> dx) {
  for_each_joined(dx.shape, dy.shape, first, [&](index_t from, index_t channel, index_t to) {
    for (index_t c = 0; c < dy.shape.channels(); ++c) add(dx.pixel(to)[channel + c], static_cast<double>(dy.pixel(from)[c]));
  });
}
template <class T>
void decode_boxes(Device&, BoxCode const& code, Read<T> codes, Reads<T> boxes, Writes<T> y) {
  for (index_t p = 0; p < codes.shape.pixels(); ++p)
    for (index_t k = 0; k < codes.shape.channels(); k += 4) {
      Box const b = box_of(codes.pixel(p) + k);
      float const numbers[] = {b.x1, b.y1, b.x2, b.y2};
      write_box(y.pixel(p) + k, code.decode(numbers, box_of(boxes.pixel(p % boxes.shape.pixels()))));
    }
}
template <class T>
void gather_rows(Device&, Read<T> x, Reads<T> picks, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) {
    auto const row = static_cast<index_t>(picks.pixel(p)[0]);
    y.pixel(p)[c] = row < 0 ? T{} : row_of(x, p / y.shape[2], row)[c];
  });
}
template <class T>
void gather_rows_gradient(Device&, Read<T> dy, Reads<T> picks, Writes<T> dx) {
  Sums sums(dx.shape.count());
  each(dy.shape, [&](index_t p, index_t c) {
    auto const row = static_cast<index_t>(picks.pixel(p)[0]);
    if (row >= 0) sums[(p / dy.shape[2] * dx.shape[2] + row) * dx.shape.channels() + c] += static_cast<double>(dy.pixel(p)[c]);
  });
  sums.add_to(dx);
}

// ---- proposals ----

template <class T>
void top_rows(Device&, std::span<index_t const> segments, index_t most, Read<T> scores, Writes<T> y) {
  for (index_t n = 0; n < scores.shape[0]; ++n) {
    index_t first = 0, to = 0;
    for (index_t length : segments) {
      std::vector<index_t> rows;
      for (index_t r = first; r < first + length; ++r) rows.push_back(r);
      std::stable_sort(rows.begin(), rows.end(), [&](index_t a, index_t b) { return row_of(scores, n, a)[0] > row_of(scores, n, b)[0]; });
      rows.resize(static_cast<std::size_t>(std::min(most, length)));
      for (index_t r : rows) {
        row_of(y, n, to)[0] = row_of(scores, n, r)[0];
        set(row_of(y, n, to++)[1], static_cast<double>(r));
      }
      first += length;
    }
  }
}
template <class T>
void write_candidate(T* row, Box const& b, bool good, double score, index_t group) {
  write_box(row, b);
  set(row[4], good ? score : -std::numeric_limits<double>::infinity());
  set(row[5], static_cast<double>(group));
}
inline bool wide_enough(Box const& b, float smallest) { return std::min(b.x2 - b.x1, b.y2 - b.y1) >= smallest; }
template <class T>
void proposal_candidates(Device&, CandidateRule const& rule, std::span<index_t const> segments, index_t most, Read<T> top, Reads<T> boxes, Writes<T> y) {
  for (index_t n = 0; n < top.shape[0]; ++n) {
    index_t row = 0;
    for (std::size_t s = 0; s < segments.size(); ++s)
      for (index_t i = 0; i < std::min(most, segments[s]); ++i, ++row) {
        T const* const found = row_of(top, n, row);
        Box const b = clipped(box_of(row_of(boxes, n, static_cast<index_t>(found[1]))), rule.height, rule.width);
        write_candidate(row_of(y, n, row), b, wide_enough(b, rule.smallest), 1.0 / (1.0 + std::exp(-static_cast<double>(found[0]))), static_cast<index_t>(s));
      }
  }
}
template <class T>
void detection_candidates(Device&, CandidateRule const& rule, Read<T> logits, Reads<T> boxes, Reads<T> counts, Writes<T> y) {
  index_t const classes = logits.shape.channels(), rows = logits.shape.pixels() / y.shape[0];
  for (index_t p = 0; p < logits.shape.pixels(); ++p) {
    auto const sure = probabilities(logits, p);
    for (index_t c = 1; c < classes; ++c) {
      Box const b = clipped(box_of(boxes.pixel(p) + 4 * c), rule.height, rule.width);
      double const score = sure[static_cast<std::size_t>(c)];
      bool const good = p % rows < rows_there(counts, p / rows, rows) && score > static_cast<double>(rule.score) && wide_enough(b, rule.smallest);
      write_candidate(y.pixel(p * (classes - 1) + c - 1), b, good, score, c);
    }
  }
}
template <class T>
void suppress(Device&, SuppressionRule const& rule, Read<T> candidates, Writes<T> kept, Writes<T> counts) {
  for (index_t n = 0; n < candidates.shape[0]; ++n) {
    std::vector<index_t> order;
    float farthest = -std::numeric_limits<float>::infinity();
    for (index_t r = 0; r < candidates.shape[2]; ++r) {
      T const* const row = row_of(candidates, n, r);
      if (static_cast<double>(row[4]) == -std::numeric_limits<double>::infinity()) continue;
      order.push_back(r);
      for (int i = 0; i < 4; ++i) farthest = std::max(farthest, static_cast<float>(row[i]));
    }
    std::stable_sort(order.begin(), order.end(), [&](index_t a, index_t b) { return row_of(candidates, n, a)[4] > row_of(candidates, n, b)[4]; });
    float const apart = order.size() <= static_cast<std::size_t>(SuppressionRule::most_moved) ? farthest + 1.0F : 0.0F;
    auto const moved = [&](index_t r) {
      T const* const row = row_of(candidates, n, r);
      float const by = product_of(static_cast<float>(row[5]), apart);
      Box const b = box_of(row);
      return Box{b.x1 + by, b.y1 + by, b.x2 + by, b.y2 + by};
    };
    std::vector<index_t> taken;
    for (index_t r : order) {
      bool good = static_cast<index_t>(taken.size()) < kept.shape[2];
      for (index_t other : taken)
        if (row_of(candidates, n, other)[5] == row_of(candidates, n, r)[5] && static_cast<double>(overlap_of(moved(other), moved(r))) > rule.overlap) good = false;
      if (good) taken.push_back(r);
    }
    for (index_t k = 0; k < kept.shape[2]; ++k) {
      T* const to = row_of(kept, n, k);
      std::fill_n(to, kept_channels, T{});
      if (k >= static_cast<index_t>(taken.size())) continue;
      std::copy_n(row_of(candidates, n, taken[static_cast<std::size_t>(k)]), candidate_channels, to);
      set(to[6], static_cast<double>(taken[static_cast<std::size_t>(k)]));
    }
    set(counts.pixel(n)[0], static_cast<double>(taken.size()));
  }
}

// ---- pooled regions ----

/// use(cell, pixel of the level, weight) for a box, as torchvision's roi_align reads.
template <class Use>
void for_each_sample(RoiGeometry const& g, Box const& box, double scale, FeatureShape const& s, Use const& use) {
  double const x1 = static_cast<double>(box.x1) * scale, y1 = static_cast<double>(box.y1) * scale;
  double const cell_w = std::max(static_cast<double>(box.x2) * scale - x1, 1.0) / g.size, cell_h = std::max(static_cast<double>(box.y2) * scale - y1, 1.0) / g.size;
  for (int cell = 0; cell < g.size * g.size; ++cell)
    for (int sample = 0; sample < g.sampling * g.sampling; ++sample) {
      double const y = y1 + (cell / g.size + (sample / g.sampling + 0.5) / g.sampling) * cell_h, x = x1 + (cell % g.size + (sample % g.sampling + 0.5) / g.sampling) * cell_w;
      if (y < -1.0 || y > static_cast<double>(s.h()) || x < -1.0 || x > static_cast<double>(s.w())) continue;
      double const v = std::clamp(y, 0.0, static_cast<double>(s.h() - 1)), u = std::clamp(x, 0.0, static_cast<double>(s.w() - 1));
      for (int corner = 0; corner < 4; ++corner) {
        double const dy = v - std::floor(v), dx = u - std::floor(u);
        index_t const iy = std::min(static_cast<index_t>(v) + corner / 2, s.h() - 1), ix = std::min(static_cast<index_t>(u) + corner % 2, s.w() - 1);
        use(cell, iy * s.w() + ix, (corner / 2 == 1 ? dy : 1.0 - dy) * (corner % 2 == 1 ? dx : 1.0 - dx) / (g.sampling * g.sampling));
      }
    }
}
template <class T>
void roi_align(Device&, RoiGeometry const& g, std::span<Read<T> const> levels, Reads<T> boxes, Reads<T> counts, Writes<T> y) {
  for (index_t p = 0; p < boxes.shape.pixels(); ++p) {
    index_t const n = p / boxes.shape[2];
    Sums sums(y.shape.channels());
    Box const box = box_of(boxes.pixel(p));
    int const level = g.level_of(box, static_cast<int>(levels.size()));
    Read<T> const x = levels[static_cast<std::size_t>(level)];
    FeatureShape const s = x.shape;
    if (p % boxes.shape[2] < rows_there(counts, n, boxes.shape[2]))
      for_each_sample(g, box, static_cast<double>(g.scale(level)), s, [&](index_t cell, index_t at, double weight) {
        for (index_t c = 0; c < s.c(); ++c) sums[c * g.cells() + cell] += weight * static_cast<double>(x.pixel(n * s.positions() + at)[c]);
      });
    for (index_t i = 0; i < y.shape.channels(); ++i) set(y.pixel(p)[i], sums[i]);
  }
}
template <class T>
void roi_align_gradient(Device&, RoiGeometry const& g, Read<T> dy, Reads<T> boxes, Reads<T> counts, std::span<View<T, 4, Device> const> dlevels) {
  for (std::size_t l = 0; l < dlevels.size(); ++l) {
    if (!dlevels[l]) continue;
    FeatureShape const s = dlevels[l].shape;
    Sums sums(s.count());
    for (index_t p = 0; p < boxes.shape.pixels(); ++p) {
      index_t const n = p / boxes.shape[2];
      Box const box = box_of(boxes.pixel(p));
      int const level = g.level_of(box, static_cast<int>(dlevels.size()));
      if (level != static_cast<int>(l) || p % boxes.shape[2] >= rows_there(counts, n, boxes.shape[2])) continue;
      for_each_sample(g, box, static_cast<double>(g.scale(level)), s, [&](index_t cell, index_t at, double weight) {
        for (index_t c = 0; c < s.c(); ++c) sums[(n * s.positions() + at) * s.c() + c] += weight * static_cast<double>(dy.pixel(p)[c * g.cells() + cell]);
      });
    }
    sums.add_to(dlevels[l]);
  }
}

// ---- matching ----

template <class T>
void append_boxes(Device&, Read<T> kept, Reads<T> counts, Reads<T> truths, Reads<T> truth_counts, Writes<T> y, Writes<T> y_counts) {
  each(y.shape, [&](index_t p, index_t c) { y.pixel(p)[c] = T{}; });
  for (index_t n = 0; n < y.shape[0]; ++n) {
    index_t const a = rows_there(counts, n, kept.shape[2]), b = rows_there(truth_counts, n, truths.shape[2]);
    for (index_t r = 0; r < a; ++r) std::copy_n(row_of(kept, n, r), 4, row_of(y, n, r));
    for (index_t r = 0; r < b; ++r) std::copy_n(row_of(truths, n, r), 4, row_of(y, n, a + r));
    set(y_counts.pixel(n)[0], static_cast<double>(a + b));
  }
}
template <class T>
void match_boxes(Device&, MatchRule const& rule, Read<T> boxes, Reads<T> counts, Reads<T> truths, Reads<T> truth_counts, Writes<T> y) {
  for (index_t n = 0; n < y.shape[0]; ++n) {
    index_t const rows = rows_there(counts, n, boxes.shape[2]), known = rows_there(truth_counts, n, truths.shape[2]);
    auto const overlap = [&](index_t r, index_t t) { return tadp::overlap_of(box_of(row_of(truths, n, t)), box_of(row_of(boxes, n, r))); };
    for (index_t r = 0; r < boxes.shape[2]; ++r) {
      index_t best = 0;
      for (index_t t = 1; r < rows && t < known; ++t)
        if (overlap(r, t) > overlap(r, best)) best = t;
      float const at = r < rows && known > 0 ? overlap(r, best) : 0.0F;
      auto found = static_cast<float>(best);
      if (at < rule.high) found = match_between;
      if (at < rule.low || r >= rows || known == 0) found = match_nothing;
      for (index_t t = 0; rule.best_of_each && r < rows && t < known; ++t) {
        bool first = overlap(r, t) > 0.0F;
        for (index_t other = 0; other < rows; ++other) first = first && overlap(other, t) <= overlap(r, t);
        if (first) found = static_cast<float>(best);
      }
      set(row_of(y, n, r)[0], static_cast<double>(found));
    }
  }
}
template <class T>
void sample_rows(Device&, SampleRule const& rule, Read<T> matches, Reads<T> counts, Writes<T> picks, Writes<T> y_counts) {
  for (index_t n = 0; n < matches.shape[0]; ++n) {
    std::vector<index_t> chosen;
    auto const choose = [&](index_t most, bool positive) {
      std::vector<index_t> all;
      for (index_t r = 0; r < rows_there(counts, n, matches.shape[2]); ++r) {
        auto const m = static_cast<float>(row_of(matches, n, r)[0]);
        if (positive ? m >= 0.0F : m == match_nothing) all.push_back(r);
      }
      auto const found = static_cast<index_t>(all.size()), count = std::min(most, found);
      std::uint64_t const key = random_key(rule.key, n, most);
      auto const draw = [&](index_t r) { return random_bits(key, static_cast<std::uint64_t>(r)); };
      if (!rule.even) std::stable_sort(all.begin(), all.end(), [&](index_t a, index_t b) { return draw(a) < draw(b); });
      for (index_t i = 0; i < count; ++i) chosen.push_back(all[static_cast<std::size_t>(rule.even ? i * found / count : i)]);
    };
    index_t const room = std::min(rule.count, picks.shape[2]);
    choose(std::min(rule.positives, room), true);
    choose(room - static_cast<index_t>(chosen.size()), false);
    std::sort(chosen.begin(), chosen.end());
    for (index_t i = 0; i < picks.shape[2]; ++i) {
      bool const there = i < static_cast<index_t>(chosen.size());
      set(row_of(picks, n, i)[0], there ? static_cast<double>(chosen[static_cast<std::size_t>(i)]) : -1.0);
      set(row_of(picks, n, i)[1], there ? static_cast<double>(row_of(matches, n, chosen[static_cast<std::size_t>(i)])[0]) : -1.0);
    }
    set(y_counts.pixel(n)[0], static_cast<double>(chosen.size()));
  }
}
template <class T>
void targets_of_rows(Device&, BoxCode const& code, Read<T> picks, Reads<T> boxes, Reads<T> truths, Reads<T> labels, Writes<T> y) {
  for (index_t p = 0; p < picks.shape.pixels(); ++p) {
    index_t const n = p / picks.shape[2];
    auto const row = static_cast<index_t>(picks.pixel(p)[0]), match = static_cast<index_t>(picks.pixel(p)[1]);
    std::fill_n(y.pixel(p), 5, T{});
    if (row < 0) set(y.pixel(p)[0], -1.0);
    if (row < 0 || match < 0) continue;
    set(y.pixel(p)[0], labels ? static_cast<double>(row_of(labels, n, match)[0]) : 1.0);
    auto const numbers = code.encode(box_of(row_of(truths, n, match)), box_of(row_of(boxes, n, row)));
    for (std::size_t i = 0; i < 4; ++i) set(y.pixel(p)[1 + i], static_cast<double>(numbers[i]));
  }
}

// ---- losses of rows ----

template <class T>
double rows_that_count(View<T, 4, Device> const& targets) {
  double count = 0.0;
  for (index_t p = 0; p < targets.shape.pixels(); ++p) count += static_cast<double>(targets.pixel(p)[0]) >= 0.0 ? 1.0 : 0.0;
  return std::max(count, 1.0);
}
template <class T>
void binary_cross_entropy(Device&, Read<T> logits, Reads<T> targets, Writes<T> loss) {
  double total = 0.0;
  for (index_t p = 0; p < logits.shape.pixels(); ++p) {
    auto const z = static_cast<double>(logits.pixel(p)[0]), y = static_cast<double>(targets.pixel(p)[0]);
    if (y >= 0.0) total += std::log1p(std::exp(-std::abs(z))) + std::max(y > 0.0 ? -z : z, 0.0);
  }
  set(loss.data[0], total / rows_that_count(targets));
}
template <class T>
void binary_cross_entropy_gradient(Device&, Read<T> logits, Reads<T> targets, float upstream, Writes<T> dlogits) {
  for (index_t p = 0; p < logits.shape.pixels(); ++p) {
    auto const y = static_cast<double>(targets.pixel(p)[0]);
    double const sure = 1.0 / (1.0 + std::exp(-static_cast<double>(logits.pixel(p)[0])));
    if (y >= 0.0) add(dlogits.pixel(p)[0], static_cast<double>(upstream) / rows_that_count(targets) * (sure - (y > 0.0 ? 1.0 : 0.0)));
  }
}
template <class T>
void row_cross_entropy(Device&, Read<T> logits, Reads<T> targets, Writes<T> loss) {
  double total = 0.0;
  for (index_t p = 0; p < logits.shape.pixels(); ++p)
    if (auto const label = static_cast<int>(targets.pixel(p)[0]); label >= 0) total -= std::log(probabilities(logits, p)[static_cast<std::size_t>(label)]);
  set(loss.data[0], total / rows_that_count(targets));
}
template <class T>
void row_cross_entropy_gradient(Device&, Read<T> logits, Reads<T> targets, float upstream, Writes<T> dlogits) {
  double const share = static_cast<double>(upstream) / rows_that_count(targets);
  each(logits.shape, [&](index_t p, index_t c) {
    auto const label = static_cast<index_t>(targets.pixel(p)[0]);
    if (label >= 0) add(dlogits.pixel(p)[c], share * (probabilities(logits, p)[static_cast<std::size_t>(c)] - (c == label ? 1.0 : 0.0)));
  });
}
/// use(pixel, channel of the codes, difference) for every code that a loss reads.
template <class T, class Use>
void for_each_code(Read<T> codes, Read<T> targets, Use const& use) {
  for (index_t p = 0; p < codes.shape.pixels(); ++p) {
    auto const label = static_cast<index_t>(targets.pixel(p)[0]);
    for (index_t i = 0; label > 0 && i < 4; ++i) {
      index_t const c = codes.shape.channels() == 4 ? i : 4 * label + i;
      use(p, c, static_cast<double>(codes.pixel(p)[c]) - static_cast<double>(targets.pixel(p)[1 + i]));
    }
  }
}
template <class T>
void smooth_l1(Device&, float beta, Read<T> codes, Reads<T> targets, Writes<T> loss) {
  double total = 0.0;
  auto const b = static_cast<double>(beta);
  for_each_code(codes, targets, [&](index_t, index_t, double d) { total += std::abs(d) < b ? d * d / (2.0 * b) : std::abs(d) - b / 2.0; });
  set(loss.data[0], total / rows_that_count(targets));
}
template <class T>
void smooth_l1_gradient(Device&, float beta, Read<T> codes, Reads<T> targets, float upstream, Writes<T> dcodes) {
  double const share = static_cast<double>(upstream) / rows_that_count(targets), b = static_cast<double>(beta);
  for_each_code(codes, targets, [&](index_t p, index_t c, double d) { add(dcodes.pixel(p)[c], share * std::clamp(d / b, -1.0, 1.0)); });
}

}  // namespace plain
