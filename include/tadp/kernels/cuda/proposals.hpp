// SPDX-License-Identifier: Apache-2.0
// From scores to boxes that stay, on a device that runs kernels: the best of each level, candidates, suppression.
// Everything runs at capacity, with a count on the device; nothing here waits for it.
#pragma once

#include "tadp/kernels/cuda/boxes.hpp"
#include "tadp/kernels/cuda/proposals.cuh"

#include <span>

namespace tadp {
namespace cuda {

/// Error(unsupported) for more segments than a pyramid has levels.
inline Segments segments_of(std::span<index_t const> lengths, index_t most) {
  if (lengths.empty() || lengths.size() > static_cast<std::size_t>(most_levels))
    throw Error(Errc::unsupported, "the kernels take the best of another count of levels",
                {.expected = "1 to " + std::to_string(most_levels), .found = std::to_string(lengths.size())});
  Segments segments{{}, static_cast<int>(lengths.size()), most};
  std::copy(lengths.begin(), lengths.end(), segments.length);
  return segments;
}

}  // namespace cuda

/// The best `most` scores of each segment of scores (N, 1, A, 1), best first: y (N, 1, sum of min(most, segment), 2) holds
/// score and row. The segments' lengths add up to A.
template <KernelDevice D>
void top_rows(D& device, std::span<index_t const> segments, index_t most, Reads<float, D> scores, Writes<float, D> y) {
  cuda::TopRows const work{cuda::segments_of(segments, most), scores.shape[2], y.shape[2], cuda::rows(scores), cuda::rows(y)};
  cuda::for_each(device, scores.shape.pixels(), 1, work);
}

/// Candidates (N, 1, R, 6) of the rows that top_rows found among boxes (N, 1, A, 4): clipped, the sigmoid as the score and
/// the segment as the group; nothing where a side is too small.
template <KernelDevice D>
void proposal_candidates(D& device, CandidateRule const& rule, std::span<index_t const> segments, index_t most, Reads<float, D> top,
                         Reads<float, D> boxes, Writes<float, D> y) {
  cuda::ProposalCandidates const work{rule,            cuda::segments_of(segments, most), top.shape[2], boxes.shape[2], cuda::rows(top),
                                      cuda::rows(boxes), cuda::rows(y)};
  cuda::for_each(device, top.shape.pixels(), 1, work);
}

/// Candidates (N, 1, K (C - 1), 6) of K rows a picture with logits (N K, C) and one box a class (N K, 4 C): the softmax as
/// the score and the class as the group. Class 0 is the background.
template <KernelDevice D>
void detection_candidates(D& device, CandidateRule const& rule, Reads<float, D> logits, Reads<float, D> boxes, Reads<float, D> counts,
                          Writes<float, D> y) {
  index_t const rows = logits.shape.pixels();
  if (rows == 0 || y.shape[0] == 0) return;
  cuda::for_each(device, rows, 1,
                 cuda::DetectionCandidates{rule, rows / y.shape[0], logits.shape.channels(), cuda::rows(logits), cuda::rows(boxes),
                                           cuda::counts_of<D>(counts), cuda::rows(y)});
}

/// Of candidates (N, 1, R, 6), the best D a picture that no better one of their group overlaps too far: kept (N, 1, D, 7),
/// best first and zero past counts (N, 1, 1, 1).
template <KernelDevice D>
void suppress(D& device, SuppressionRule const& rule, Reads<float, D> candidates, Writes<float, D> kept, Writes<float, D> counts) {
  index_t const pictures = candidates.shape[0], rows = candidates.shape[2], most = kept.shape[2];
  using Parts = cuda::Scratch<D>;
  Parts scratch(device, Parts::template bytes<std::int32_t>(pictures * rows) + Parts::template bytes<cuda::MovedBox>(pictures * most));
  auto* const order = scratch.template take<std::int32_t>(pictures * rows);
  auto* const taken = scratch.template take<cuda::MovedBox>(pictures * most);
  cuda::for_each(device, pictures * rows, 1, cuda::OrderCandidates{cuda::rows(candidates), rows, order});
  cuda::start(device, cuda::Suppress{rule.overlap, cuda::rows(candidates), pictures, rows, most, order, taken, cuda::rows(kept), cuda::rows(counts)});
}

}  // namespace tadp
