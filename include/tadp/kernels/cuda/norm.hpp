// SPDX-License-Identifier: Apache-2.0
// Normalisations of a device that runs kernels, with the activation that follows them fused in.
// Statistics and weights are float; gradients add to their results, each of which may be left out.
#pragma once

#include "tadp/kernels/cuda/launch.hpp"
#include "tadp/kernels/cuda/norm.cuh"

namespace tadp {
namespace cuda {

/// The gradient of a normalisation by channel; `fixed`: its statistics were constants. Groups of `size` channels share them.
template <class D, class T>
void normalise_gradient(D& device, index_t segments, index_t channels, index_t size, bool fixed, ChannelNorm<T> const& norm, Rows<T const> dy,
                        Rows<T> dx, float* dw, float* db) {
  using Term = NormaliseSlopes<T>;
  index_t const groups = channels / size;
  Scratch scratch(device, Scratch<D>::template bytes<Sums<2>>(segments * channels) + Scratch<D>::template bytes<Sums<2>>(segments * groups) +
                              channel_sum_bytes<Term>(segments, norm.positions, channels));
  auto* const sums = scratch.template take<Sums<2>>(segments * channels);
  auto* const means = scratch.template take<Sums<2>>(segments * groups);
  sum_channels(device, scratch, segments, norm.positions, channels, Term{norm, dy}, KeepSums<2>{sums, channels});
  if (dw != nullptr || db != nullptr) for_each(device, 1, channels, AddNormSums{sums, segments, channels, dw, db});
  if (dx.data == nullptr) return;
  if (!fixed) for_each(device, segments, groups, GroupSlopes{sums, norm.w, means, groups, size, static_cast<double>(size * norm.positions)});
  for_each(device, segments * norm.positions, channels, NormaliseGradient<T>{norm, dy, dx, fixed ? nullptr : means, groups, size});
}

/// y = after((x - mean) / deviation * w + b), channels four at a time where memory allows.
template <class D, class T>
void normalise(D& device, index_t pixels, index_t channels, ChannelNorm<T> const& norm, Rows<T> y) {
  for_step(Normalise<T, 4>{norm, y}.fits(channels), [&]<int Step>(std::integral_constant<int, Step>) { for_each(device, pixels, channels / Step, Normalise<T, Step>{norm, y}); });
}

/// stats (N, 1, 1, 2 C).
template <class D>
Statistics group_statistics(View<float const, 4, D> stats) {
  return {stats.data, stats.data + stats.shape.channels() / 2, stats.pixel_stride, 0.0F, false};
}

}  // namespace cuda

/// Group normalisation, then SiLU when asked. stats (N, 1, 1, 2 * C): mean and 1/sqrt(variance + eps) of every channel's group.
template <KernelDevice D, class T>
void group_norm(D& device, int groups, float eps, bool silu, View<T const, 4, D> x, float const* w, float const* b, Writes<T, D> y, Writes<float, D> stats) {
  index_t const c = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  cuda::Scratch scratch(device, cuda::channel_sum_bytes<cuda::Moments<T>>(x.shape[0], positions, c));
  cuda::ChannelSums<cuda::Moments<T>> moments{{cuda::rows(x)}, x.shape[0], positions, c, nullptr};
  moments.partial = scratch.template take<cuda::Sums<2>>(x.shape[0] * moments.chunks() * c);
  cuda::start(device, moments);
  auto const count = static_cast<double>(positions * (c / groups));
  cuda::start(device, cuda::GroupStatistics{moments.partial, cuda::rows(stats), x.shape[0], moments.chunks(), groups, c / groups, count, static_cast<double>(eps)});
  cuda::ChannelNorm<T> const norm{cuda::rows(x), cuda::group_statistics<D>(stats), w, b, silu ? cuda::After::silu : cuda::After::nothing, positions};
  cuda::normalise(device, x.shape.pixels(), c, norm, cuda::rows(y));
}
template <KernelDevice D, class T>
void group_norm_gradient(D& device, int groups, bool silu, View<T const, 4, D> x, float const* w, float const* b, Reads<float, D> stats, Reads<T, D> dy,
                         Writes<T, D> dx, float* dw, float* db) {
  index_t const c = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  cuda::ChannelNorm<T> const norm{cuda::rows(x), cuda::group_statistics(stats), w, b, silu ? cuda::After::silu : cuda::After::nothing, positions};
  cuda::normalise_gradient(device, x.shape[0], c, c / groups, false, norm, cuda::rows(dy), cuda::rows(dx), dw, db);
}

/// Layer normalisation over the channels of every pixel; stats (N, H, W, 2): mean and 1/sqrt(variance + eps).
template <KernelDevice D, class T>
void layer_norm(D& device, float eps, View<T const, 4, D> x, float const* w, float const* b, Writes<T, D> y, Writes<float, D> stats) {
  cuda::LayerNorm<T, 4> const fours{cuda::rows(x), w, b, cuda::rows(y), cuda::rows(stats), x.shape.pixels(), x.shape.channels(), eps};
  if (fours.fits()) return cuda::start(device, fours);
  cuda::start(device, cuda::LayerNorm<T, 1>{fours.x, w, b, fours.y, fours.stats, fours.pixels, fours.channels, eps});
}
template <KernelDevice D, class T>
void layer_norm_gradient(D& device, View<T const, 4, D> x, float const* w, Reads<float, D> stats, Reads<T, D> dy, Writes<T, D> dx, float* dw, float* db) {
  index_t const pixels = x.shape.pixels(), c = x.shape.channels();
  if (dx) cuda::start(device, cuda::LayerNormGradient<T>{cuda::rows(x), w, cuda::rows(stats), cuda::rows(dy), cuda::rows(dx), pixels, c});
  if (dw == nullptr && db == nullptr) return;
  using Term = cuda::LayerNormSlopes<T>;
  cuda::Scratch scratch(device, cuda::Scratch<D>::template bytes<cuda::Sums<2>>(c) + cuda::channel_sum_bytes<Term>(1, pixels, c));
  auto* const sums = scratch.template take<cuda::Sums<2>>(c);
  cuda::sum_channels(device, scratch, 1, pixels, c, Term{cuda::rows(x), cuda::rows(stats), cuda::rows(dy)}, cuda::KeepSums<2>{sums, c});
  cuda::for_each(device, 1, c, cuda::AddNormSums{sums, 1, c, dw, db});
}

/// Mean and biased variance of every channel over the whole batch: stats (1, 1, 1, 2 * C).
template <KernelDevice D, class T>
void batch_statistics(D& device, View<T const, 4, D> x, Writes<float, D> stats) {
  index_t const pixels = x.shape.pixels(), c = x.shape.channels();
  auto const mean_of = [&](auto const& term, float* to) {
    cuda::Scratch scratch(device, cuda::channel_sum_bytes<std::decay_t<decltype(term)>>(1, pixels, c));
    cuda::sum_channels(device, scratch, 1, pixels, c, term, cuda::StoreMean{to, static_cast<double>(pixels)});
  };
  mean_of(cuda::Values<T>{cuda::rows(x)}, stats.data);
  mean_of(cuda::Spread<T>{cuda::rows(x), stats.data}, stats.data + c);
}
/// running = (1 - momentum) * running + momentum * batch, the variance unbiased; stats: mean, then variance.
template <KernelDevice D>
void move_statistics(D& device, float momentum, index_t pixels, index_t c, float const* stats, float* running_mean, float* running_var) {
  float const unbiased = pixels > 1 ? static_cast<float>(pixels) / static_cast<float>(pixels - 1) : 1.0F;
  cuda::for_each(device, 1, c, cuda::MoveStatistics{momentum, unbiased, c, stats, running_mean, running_var});
}
/// y = relu?((x - mean) / sqrt(var + eps) * w + b), all per channel.
template <KernelDevice D, class T>
void batch_norm(D& device, float eps, bool relu, View<T const, 4, D> x, float const* w, float const* b, float const* mean, float const* var,
                Writes<T, D> y) {
  cuda::ChannelNorm<T> const norm{cuda::rows(x), {mean, var, 0, eps, true}, w, b, relu ? cuda::After::relu : cuda::After::nothing, x.shape.pixels()};
  cuda::normalise(device, x.shape.pixels(), x.shape.channels(), norm, cuda::rows(y));
}
/// `fixed`: mean and var were constants (running statistics), not those of this batch.
template <KernelDevice D, class T>
void batch_norm_gradient(D& device, float eps, bool relu, bool fixed, View<T const, 4, D> x, float const* w, float const* b, float const* mean,
                         float const* var, Reads<T, D> dy, Writes<T, D> dx, float* dw, float* db) {
  cuda::ChannelNorm<T> const norm{cuda::rows(x), {mean, var, 0, eps, true}, w, b, relu ? cuda::After::relu : cuda::After::nothing, x.shape.pixels()};
  cuda::normalise_gradient(device, 1, x.shape.channels(), 1, fixed, norm, cuda::rows(dy), cuda::rows(dx), dw, db);
}

}  // namespace tadp
