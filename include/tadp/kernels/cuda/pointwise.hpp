// SPDX-License-Identifier: Apache-2.0
// Elementwise operations of a device that runs kernels: activations, GEGLU, sums, copies of slices, table look-ups.
// Gradients add to their results; what each function means stands in kernels/cpu_pointwise.hpp.
#pragma once

#include "tadp/kernels/cuda/launch.hpp"
#include "tadp/kernels/cuda/pointwise.cuh"

namespace tadp {

template <KernelDevice D, class T>
void activation(D& device, Activation kind, View<T const, 4, D> x, Writes<T, D> y) {
  cuda::for_each(device, x.shape.pixels(), x.shape.channels(), cuda::Activate<T>{kind, cuda::rows(x), cuda::rows(y)});
}
template <KernelDevice D, class T>
void activation_gradient(D& device, Activation kind, View<T const, 4, D> x, Reads<T, D> dy, Writes<T, D> dx) {
  cuda::for_each(device, x.shape.pixels(), x.shape.channels(), cuda::ActivateGradient<T>{kind, cuda::rows(x), cuda::rows(dy), cuda::rows(dx)});
}

/// y = first half of x's channels * gelu(second half).
template <KernelDevice D, class T>
void geglu(D& device, View<T const, 4, D> x, Writes<T, D> y) {
  index_t const half = y.shape.channels();
  cuda::for_each(device, y.shape.pixels(), half, cuda::Geglu<T>{cuda::rows(x), cuda::rows(y), half});
}
template <KernelDevice D, class T>
void geglu_gradient(D& device, View<T const, 4, D> x, Reads<T, D> dy, Writes<T, D> dx) {
  index_t const half = dy.shape.channels();
  cuda::for_each(device, dy.shape.pixels(), half, cuda::GegluGradient<T>{cuda::rows(x), cuda::rows(dy), cuda::rows(dx), half});
}

template <KernelDevice D, class T>
void sum(D& device, View<T const, 4, D> a, Reads<T, D> b, Writes<T, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::AddTwo<T>{cuda::rows(a), cuda::rows(b), cuda::rows(y)});
}
/// y = factor * x.
template <KernelDevice D, class T>
void scale(D& device, float factor, View<T const, 4, D> x, Writes<T, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::Scale<T>{factor, cuda::rows(x), cuda::rows(y)});
}
/// y += factor * x; the two may be numbers of different types.
template <KernelDevice D, class T, class To>
void accumulate(D& device, float factor, View<T const, 4, D> x, View<To, 4, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::Accumulate<T, To>{factor, cuda::rows(x), cuda::rows(y)});
}
/// y = the nearest to x in numbers of its own type.
template <KernelDevice D, class T, class To>
void convert(D& device, View<T const, 4, D> x, View<To, 4, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::Convert<T, To>{cuda::rows(x), cuda::rows(y)});
}
/// y = x, between views of any strides.
template <KernelDevice D, class T>
void copy(D& device, View<T const, 4, D> x, Writes<T, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::Copy<T>{cuda::rows(x), cuda::rows(y)});
}

/// y = x + gamma * f, gamma [C].
template <KernelDevice D, class T>
void gated_sum(D& device, View<T const, 4, D> x, Reads<T, D> f, float const* gamma, Writes<T, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::GatedSum<T>{cuda::rows(x), cuda::rows(f), gamma, cuda::rows(y)});
}
/// df += gamma * dy (may be empty), dgamma += sum over pixels of f * dy (may be null).
template <KernelDevice D, class T>
void gated_sum_gradient(D& device, View<T const, 4, D> f, float const* gamma, Reads<T, D> dy, Writes<T, D> df, float* dgamma) {
  index_t const pixels = f.shape.pixels(), c = f.shape.channels();
  if (df) cuda::for_each(device, pixels, c, cuda::GatedSumGradient<T>{gamma, cuda::rows(dy), cuda::rows(df)});
  if (dgamma == nullptr) return;
  using Term = cuda::Products<T>;
  cuda::Scratch scratch(device, cuda::channel_sum_bytes<Term>(1, pixels, c));
  cuda::sum_channels(device, scratch, 1, pixels, c, Term{cuda::rows(f), cuda::rows(dy)}, cuda::AddSums{dgamma});
}

/// y (N, 1, L, C) = table[ids[n, l]] + positions[l].
template <KernelDevice D, class T>
void embed(D& device, std::int32_t const* ids, float const* table, float const* positions, View<T, 4, D> y) {
  cuda::for_each(device, y.shape.pixels(), y.shape.channels(), cuda::Embed<T>{ids, table, positions, cuda::rows(y), y.shape[2], y.shape.channels()});
}
/// dtable and dpositions += (each may be null).
template <KernelDevice D, class T>
void embed_gradient(D& device, std::int32_t const* ids, View<T const, 4, D> dy, float* dtable, float* dpositions) {
  index_t const tokens = dy.shape.pixels(), length = dy.shape[2], c = dy.shape.channels();
  if (dtable != nullptr) cuda::for_each(device, tokens, c, cuda::EmbedGradient<T>{ids, cuda::rows(dy), dtable, tokens, c});
  if (dpositions != nullptr) cuda::for_each(device, length, c, cuda::PositionGradient<T>{cuda::rows(dy), dpositions, tokens, length, c});
}

/// z = factor * (mean + exp(clamp(log variance, -30, 20) / 2) * noise).
template <KernelDevice D, class T>
void posterior_sample(D& device, float factor, View<T const, 4, D> moments, Reads<T, D> noise, Writes<T, D> z) {
  index_t const half = z.shape.channels();
  cuda::for_each(device, z.shape.pixels(), half, cuda::PosteriorSample<T>{factor, cuda::rows(moments), cuda::rows(noise), cuda::rows(z), half});
}
template <KernelDevice D, class T>
void posterior_sample_gradient(D& device, float factor, View<T const, 4, D> moments, Reads<T, D> noise, Reads<T, D> dz, Writes<T, D> dmoments) {
  index_t const half = dz.shape.channels();
  cuda::for_each(device, dz.shape.pixels(), half,
                 cuda::PosteriorSampleGradient<T>{factor, cuda::rows(moments), cuda::rows(noise), cuda::rows(dz), cuda::rows(dmoments), half});
}

/// y += x on the channels of a picture that the key keeps, scaled by 1 / (1 - p).
template <KernelDevice D, class T>
void channel_dropout(D& device, float p, std::uint64_t key, View<T const, 4, D> x, Writes<T, D> y) {
  index_t const c = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  cuda::for_each(device, x.shape.pixels(), c, cuda::ChannelDropout<T>{p, 1.0F / (1.0F - p), key, cuda::rows(x), cuda::rows(y), positions, c});
}

}  // namespace tadp
