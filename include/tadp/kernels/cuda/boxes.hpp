// SPDX-License-Identifier: Apache-2.0
// Lists of boxes on a device that runs kernels: anchors, levels side by side in one list, codes to boxes, rows picked.
// A list is (N, 1, rows, channels); one that all pictures share has N = 1.
#pragma once

#include "tadp/kernels/cuda/boxes.cuh"
#include "tadp/kernels/cuda/launch.hpp"

namespace tadp {
namespace cuda {

inline CodeWeights code_weights(BoxCode const& code) { return {{code.weights[0], code.weights[1], code.weights[2], code.weights[3]}}; }
template <class D>
BoxList box_list(View<float const, 4, D> list) {
  return {rows(list), list.shape[0], list.shape[2]};
}
template <class D>
Counts counts_of(View<float const, 4, D> counts) {
  return {rows(counts)};
}
/// Levels of (N, h, w, per * c) in a list (N, 1, R, c).
inline JoinedRows joined_rows(FeatureShape const& level, FeatureShape const& list, index_t first) {
  return {level.positions(), level.c() / list.c(), list.c(), first, list.w()};
}

}  // namespace cuda

/// y (1, 1, anchors, 4): level by level, cell by cell, shape by shape.
template <KernelDevice D>
void anchors(D& device, AnchorGrid const& grid, Writes<float, D> y) {
  cuda::Anchors work{{}, cuda::rows(y)};
  for (std::size_t l = 0; l < grid.level.size(); ++l) {
    AnchorGrid::Level const& level = grid.level[l];
    work.level[l] = {level.height, level.width, level.stride_y, level.stride_x, {}};
    for (std::size_t s = 0; s < AnchorGrid::ratios.size(); ++s) work.level[l].cell[s] = AnchorGrid::cell(level.size, AnchorGrid::ratios[s]);
  }
  cuda::for_each(device, grid.count(), 1, work);
}

/// Rows [first, first + cells * per) of every picture of y (N, 1, R, c) from x (N, h, w, per * c).
template <KernelDevice D, class T>
void join_rows(D& device, View<T const, 4, D> x, index_t first, Writes<T, D> y) {
  cuda::for_each(device, x.shape.pixels(), x.shape.channels(), cuda::JoinRows<T>{cuda::joined_rows(x.shape, y.shape, first), cuda::rows(x), cuda::rows(y)});
}
template <KernelDevice D, class T>
void join_rows_gradient(D& device, View<T const, 4, D> dy, index_t first, Writes<T, D> dx) {
  cuda::JoinRowsGradient<T> const work{cuda::joined_rows(dx.shape, dy.shape, first), cuda::rows(dy), cuda::rows(dx)};
  cuda::for_each(device, dx.shape.pixels(), dx.shape.channels(), work);
}

/// y (rows of codes, 4 K) from codes (rows, 4 K) relative to boxes, of which there may be one list for all pictures.
template <KernelDevice D>
void decode_boxes(D& device, BoxCode const& code, Reads<float, D> codes, Reads<float, D> boxes, Writes<float, D> y) {
  cuda::DecodeBoxes const work{cuda::code_weights(code), cuda::rows(codes), cuda::rows(boxes), boxes.shape.pixels(), cuda::rows(y)};
  cuda::for_each(device, codes.shape.pixels(), codes.shape.channels() / 4, work);
}

/// Row r of y (N, 1, B, C) is the row of x whose number stands in the first channel of picks (N, 1, B, ..); zero where
/// that is negative. Takes the first C channels of x.
template <KernelDevice D, class T>
void gather_rows(D& device, View<T const, 4, D> x, Reads<float, D> picks, Writes<T, D> y) {
  cuda::GatherRows<T> const work{cuda::rows(x), x.shape[0], x.shape[2], cuda::rows(picks), picks.shape[2], cuda::rows(y)};
  cuda::for_each(device, picks.shape.pixels(), y.shape.channels(), work);
}
/// dx (N, 1, R, C) +=; a row may be picked twice.
template <KernelDevice D, class T>
void gather_rows_gradient(D& device, View<T const, 4, D> dy, Reads<float, D> picks, Writes<T, D> dx) {
  cuda::GatherRowsGradient<T> const work{cuda::rows(dy), cuda::rows(picks), picks.shape[2], dx.shape[2], cuda::rows(dx)};
  cuda::for_each(device, picks.shape.pixels(), dy.shape.channels(), work);
}

}  // namespace tadp
