// SPDX-License-Identifier: Apache-2.0
// What detection learns from, on a device that runs kernels: boxes matched with true ones, rows sampled, targets.
// True boxes are (N, 1, T, 4) with labels (N, 1, T, 1) and counts (N, 1, 1, 1).
#pragma once

#include "tadp/kernels/cuda/matching.cuh"
#include "tadp/kernels/cuda/proposals.hpp"

namespace tadp {

/// y (N, 1, K + T, 4): the kept boxes of a picture and its true ones behind them; counts: of both.
template <KernelDevice D>
void append_boxes(D& device, Reads<float, D> kept, Reads<float, D> counts, Reads<float, D> truths, Reads<float, D> truth_counts, Writes<float, D> y,
                  Writes<float, D> y_counts) {
  auto const first = cuda::counts_of<D>(counts), second = cuda::counts_of<D>(truth_counts);
  index_t const a = kept.shape[2], b = truths.shape[2];
  cuda::for_each(device, y.shape[0] * (a + b), 4, cuda::AppendBoxes{cuda::rows(kept), cuda::rows(truths), first, second, a, b, cuda::rows(y)});
  cuda::for_each(device, y.shape[0], 1, cuda::AppendCounts{first, second, a, b, cuda::rows(y_counts)});
}

/// y (N, 1, R, 1): the true box of each of boxes (N or 1, 1, R, 4), or match_nothing or match_between. Rows past the counts
/// and pictures without a true box have match_nothing.
template <KernelDevice D>
void match_boxes(D& device, MatchRule const& rule, Reads<float, D> boxes, Reads<float, D> counts, Reads<float, D> truths, Reads<float, D> truth_counts,
                 Writes<float, D> y) {
  index_t const pictures = y.shape[0], most = truths.shape[2];
  cuda::Matching const m{cuda::box_list<D>(boxes), cuda::counts_of<D>(counts), cuda::rows(truths), most, cuda::counts_of<D>(truth_counts)};
  cuda::Scratch scratch(device, cuda::Scratch<D>::template bytes<float>(pictures * most));
  float* const best = rule.best_of_each ? scratch.template take<float>(pictures * most) : nullptr;
  if (best != nullptr) cuda::start(device, cuda::BestOverlaps{m, pictures, best});
  cuda::for_each(device, pictures * boxes.shape[2], 1, cuda::MatchBoxes{rule, m, best, cuda::rows(y)});
}

/// Rows to learn from by their matches (N, 1, R, 1), in rising order: picks (N, 1, B, 2) holds row and match, -1 past
/// y_counts (N, 1, 1, 1).
template <KernelDevice D>
void sample_rows(D& device, SampleRule const& rule, Reads<float, D> matches, Reads<float, D> counts, Writes<float, D> picks, Writes<float, D> y_counts) {
  index_t const pictures = matches.shape[0], rows = matches.shape[2], room = picks.shape[2];
  auto const count = cuda::counts_of<D>(counts);
  cuda::SampleSize const size{rule, room};
  using Parts = cuda::Scratch<D>;
  Parts scratch(device, Parts::template bytes<cuda::MatchCounts>(pictures) + Parts::template bytes<std::uint8_t>(pictures * rows));
  auto* const found = scratch.template take<cuda::MatchCounts>(pictures);
  auto* const chosen = scratch.template take<std::uint8_t>(pictures * rows);
  cuda::start(device, cuda::CountMatches{cuda::rows(matches), count, pictures, rows, found});
  cuda::for_each(device, pictures * rows, 1, cuda::ChooseRows{size, cuda::rows(matches), count, rows, found, chosen});
  cuda::for_each(device, pictures * rows, 1, cuda::PickRows{cuda::rows(matches), rows, room, chosen, cuda::rows(picks)});
  cuda::for_each(device, pictures * room, 2, cuda::EndPicks{size, found, cuda::rows(picks), cuda::rows(y_counts)});
}

/// What each pick has to become: y (N, 1, B, 5) holds its label (1 where there are no labels, 0 without a match, -1 where
/// nothing was picked) and, with a match, the code of its true box relative to its own of boxes (N or 1, 1, R, 4).
template <KernelDevice D>
void targets_of_rows(D& device, BoxCode const& code, Reads<float, D> picks, Reads<float, D> boxes, Reads<float, D> truths, Reads<float, D> labels,
                     Writes<float, D> y) {
  cuda::for_each(device, picks.shape.pixels(), 1,
                 cuda::TargetsOfRows{cuda::code_weights(code), cuda::rows(picks), picks.shape[2], cuda::box_list<D>(boxes), cuda::rows(truths),
                                     cuda::rows(labels), truths.shape[2], cuda::rows(y)});
}

}  // namespace tadp
