// SPDX-License-Identifier: Apache-2.0
// Losses of a device that runs kernels. Each writes one number, the mean, and its gradient adds upstream * slope.
// Sums are taken in double over fixed chunks, in order.
#pragma once

#include "tadp/kernels/cuda/launch.hpp"
#include "tadp/kernels/cuda/loss.cuh"

namespace tadp {
namespace cuda {

/// *to = the first sum of the term over the second.
template <class D, class Term>
void mean_of(D& device, index_t pixels, Term const& term, float* to) {
  Scratch scratch(device, pixel_sum_bytes<Term>(pixels));
  sum_pixels(device, scratch, pixels, term, StoreRatio{to});
}
/// use(what the terms sum to, on the device); the scratch of the device is taken until `use` is done.
template <class D, class Term, class Use>
void with_sums(D& device, index_t pixels, Term const& term, Use const& use) {
  using Kept = Sums<Term::sums>;
  Scratch scratch(device, Scratch<D>::template bytes<Kept>(1) + pixel_sum_bytes<Term>(pixels));
  Kept* const kept = scratch.template take<Kept>(1);
  sum_pixels(device, scratch, pixels, term, KeepSums<Term::sums>{kept});
  use(kept);
}

}  // namespace cuda

/// Mean cross-entropy of logits (N, H, W, K) with one label a pixel; `ignore_label` adds nothing. class_weights: K
/// factors, or null for ones.
template <KernelDevice D, class T>
void cross_entropy(D& device, Average average, View<T const, 4, D> logits, std::uint8_t const* labels, float const* class_weights, Writes<float, D> loss) {
  cuda::LabelWeights const weights{labels, class_weights, average == Average::all_pixels};
  cuda::mean_of(device, logits.shape.pixels(), cuda::CrossEntropy<T>{weights, cuda::rows(logits), logits.shape.channels()}, loss.data);
}
template <KernelDevice D, class T>
void cross_entropy_gradient(D& device, Average average, View<T const, 4, D> logits, std::uint8_t const* labels, float const* class_weights, float upstream,
                            Writes<T, D> dlogits) {
  cuda::LabelWeights const weights{labels, class_weights, average == Average::all_pixels};
  index_t const pixels = logits.shape.pixels();
  cuda::with_sums(device, pixels, cuda::CountLabels{weights}, [&](cuda::Sums<1> const* count) {
    cuda::for_each(device, pixels, 1,
                   cuda::CrossEntropyGradient<T>{weights, cuda::rows(logits), logits.shape.channels(), upstream, count, cuda::rows(dlogits)});
  });
}

/// Mean of (a - b)^2.
template <KernelDevice D, class T>
void mean_squared_error(D& device, View<T const, 4, D> a, Reads<T, D> b, Writes<float, D> loss) {
  cuda::mean_of(device, a.shape.pixels(), cuda::SquaredError<T>{cuda::rows(a), cuda::rows(b), a.shape.channels()}, loss.data);
}
template <KernelDevice D, class T>
void mean_squared_error_gradient(D& device, View<T const, 4, D> a, Reads<T, D> b, float upstream, Writes<T, D> da) {
  float const weight = 2.0F * upstream / static_cast<float>(a.shape.count());
  cuda::for_each(device, a.shape.pixels(), a.shape.channels(), cuda::SquaredErrorGradient<T>{weight, cuda::rows(a), cuda::rows(b), cuda::rows(da)});
}

/// Mean of |a - b|, plus `edges` times the mean of |horizontal and vertical differences of (a - b)|, plus `colour` times
/// that of |differences between neighbouring channels of (a - b)|.
template <KernelDevice D, class T>
void absolute_error(D& device, float edges, float colour, View<T const, 4, D> a, Reads<T, D> b, Writes<float, D> loss) {
  cuda::Difference<T> const error{cuda::rows(a), cuda::rows(b), cuda::extents(a.shape), edges, colour};
  cuda::mean_of(device, a.shape.pixels(), cuda::AbsoluteError<T>{error}, loss.data);
}
template <KernelDevice D, class T>
void absolute_error_gradient(D& device, float edges, float colour, View<T const, 4, D> a, Reads<T, D> b, float upstream, Writes<T, D> da) {
  cuda::Difference<T> const error{cuda::rows(a), cuda::rows(b), cuda::extents(a.shape), edges, colour};
  float const weight = upstream / static_cast<float>(a.shape.count());
  cuda::for_each(device, a.shape.pixels(), a.shape.channels(), cuda::AbsoluteErrorGradient<T>{weight, error, cuda::rows(da)});
}

/// Mean over elements of the divergence of N(mean, exp(log variance)) from N(0, 1); moments hold both side by side.
template <KernelDevice D, class T>
void gaussian_divergence(D& device, View<T const, 4, D> moments, Writes<float, D> loss) {
  cuda::mean_of(device, moments.shape.pixels(), cuda::GaussianDivergence<T>{cuda::rows(moments), moments.shape.channels() / 2}, loss.data);
}
template <KernelDevice D, class T>
void gaussian_divergence_gradient(D& device, View<T const, 4, D> moments, float upstream, Writes<T, D> dmoments) {
  index_t const half = moments.shape.channels() / 2, pixels = moments.shape.pixels();
  float const weight = upstream / static_cast<float>(pixels * half);
  cuda::for_each(device, pixels, half, cuda::GaussianDivergenceGradient<T>{weight, cuda::rows(moments), half, cuda::rows(dmoments)});
}

}  // namespace tadp
