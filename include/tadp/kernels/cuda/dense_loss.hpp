// SPDX-License-Identifier: Apache-2.0
// The losses of depth and of the VOC form of segmentation on a device that runs kernels.
// Sums are taken in double over fixed chunks, in order.
#pragma once

#include "tadp/kernels/cuda/dense_loss.cuh"
#include "tadp/kernels/cuda/loss.hpp"

namespace tadp {

/// sqrt(mean d^2 - lambda (mean d)^2), d = ln truth - ln depth, over the pixels of the batch whose truth is finite and
/// above zero; 0 where there is none. depth (N, H, W, 1); truth: one number a pixel.
template <KernelDevice D, class T>
void silog(D& device, float lambda, View<T const, 4, D> depth, float const* truth, Writes<float, D> loss) {
  using Term = cuda::LogDifferences<T>;
  cuda::Scratch scratch(device, cuda::pixel_sum_bytes<Term>(depth.shape.pixels()));
  cuda::sum_pixels(device, scratch, depth.shape.pixels(), Term{cuda::rows(depth), truth}, cuda::StoreSilog{lambda, loss.data});
}
/// ddepth +=; nothing where the loss is zero, which has no slope.
template <KernelDevice D, class T>
void silog_gradient(D& device, float lambda, View<T const, 4, D> depth, float const* truth, float upstream, Writes<T, D> ddepth) {
  index_t const pixels = depth.shape.pixels();
  cuda::with_sums(device, pixels, cuda::LogDifferences<T>{cuda::rows(depth), truth}, [&](cuda::Sums<3> const* sums) {
    cuda::for_each(device, pixels, 1, cuda::SilogGradient<T>{lambda, upstream, cuda::rows(depth), truth, sums, cuda::rows(ddepth)});
  });
}

/// The sum over classes of the mean over pixels with a label of (1 - p)^2 (-ln p), p being what the class's sigmoid gives
/// to the truth; logits (N, H, W, K), K <= 255.
template <KernelDevice D, class T>
void focal_loss(D& device, View<T const, 4, D> logits, std::uint8_t const* labels, Writes<float, D> loss) {
  cuda::FocalLoss<T> const term{{labels, nullptr, false}, cuda::rows(logits), logits.shape.channels()};
  cuda::mean_of(device, logits.shape.pixels(), term, loss.data);
}
template <KernelDevice D, class T>
void focal_loss_gradient(D& device, View<T const, 4, D> logits, std::uint8_t const* labels, float upstream, Writes<T, D> dlogits) {
  cuda::LabelWeights const valid{labels, nullptr, false};
  index_t const pixels = logits.shape.pixels();
  cuda::with_sums(device, pixels, cuda::CountLabels{valid}, [&](cuda::Sums<1> const* count) {
    cuda::for_each(device, pixels, logits.shape.channels(), cuda::FocalLossGradient<T>{valid, cuda::rows(logits), upstream, count, cuda::rows(dlogits)});
  });
}

}  // namespace tadp
