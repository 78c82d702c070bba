// SPDX-License-Identifier: Apache-2.0
// From a picture's bytes to windows of numbers and back, on a device that runs kernels.
// Results of windows are added at full size without a full-size copy of each: resized while they are added.
#pragma once

#include "tadp/core/preprocessing.hpp"
#include "tadp/kernels/cuda/resize.hpp"
#include "tadp/kernels/cuda/windows.cuh"

namespace tadp {

/// out (1, H, W, 3) = the bytes of a picture, RGB without gaps, normalised.
template <KernelDevice D>
void normalise_picture(D& device, Normalisation const& normalisation, std::uint8_t const* rgb, Writes<float, D> out) {
  cuda::NormalisePicture work{{}, {}, rgb, cuda::rows(out)};
  std::copy(normalisation.mean.begin(), normalisation.mean.end(), work.mean);
  std::copy(normalisation.deviation.begin(), normalisation.deviation.end(), work.deviation);
  cuda::for_each(device, out.shape.pixels(), 3, work);
}

/// out (1, h, w, C) = the part of x (1, H, W, C) from (top, left) on; zero past the edges of x.
template <KernelDevice D, class T>
void cut_window(D& device, View<T const, 4, D> x, index_t top, index_t left, Writes<T, D> out) {
  cuda::CutWindow<T> const work{cuda::extents(x.shape), top, left, out.shape[2], cuda::rows(x), cuda::rows(out)};
  cuda::for_each(device, out.shape.pixels(), out.shape.channels(), work);
}

/// sum (1, H, W, C) += factor * x (1, h, w, C) resized to the window of `height` x `width` at (top, left), cut at the
/// edges of sum; bilinear between half-pixel centres.
template <KernelDevice D, class T>
void add_window(D& device, float factor, View<T const, 4, D> x, index_t height, index_t width, index_t top, index_t left, Writes<float, D> sum) {
  index_t const rows = std::min(height, sum.shape[1] - top), columns = std::min(width, sum.shape[2] - left);
  if (rows <= 0 || columns <= 0) return;
  cuda::Grid const grid = cuda::grid(x.shape, {1, height, width, x.shape.channels()});
  cuda::for_each(device, rows * columns, x.shape.channels(),
                 cuda::AddWindow<T>{grid, factor, top, left, columns, sum.shape[2], cuda::rows(x), cuda::rows(sum)});
}

/// sum (1, H, W, C) divided at each pixel by rows[y] * columns[x], the count of windows that were added there.
template <KernelDevice D>
void divide_by_windows(D& device, float const* rows, float const* columns, Writes<float, D> sum) {
  cuda::for_each(device, sum.shape.pixels(), sum.shape.channels(), cuda::DivideByWindows{rows, columns, sum.shape[2], cuda::rows(sum)});
}

/// y (.., 1) = the mean of the channels of x that are listed, a duplicate counting twice.
template <KernelDevice D, class T>
void mean_of_channels(D& device, View<T const, 4, D> x, std::int32_t const* channels, index_t count, Writes<float, D> y) {
  cuda::for_each(device, x.shape.pixels(), 1, cuda::MeanOfChannels<T>{channels, count, cuda::rows(x), cuda::rows(y)});
}

/// The class of the largest logit of each pixel (the first of equals), and its softmax where `confidence` is not null.
template <KernelDevice D, class T>
void decide(D& device, View<T const, 4, D> logits, std::uint8_t* labels, float* confidence) {
  cuda::for_each(device, logits.shape.pixels(), 1, cuda::Decide<T>{cuda::rows(logits), logits.shape.channels(), labels, confidence});
}

}  // namespace tadp
