// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention of a device that runs kernels: values, log-sums and the heads' mean map in one pass.
// A head has at most 512 channels: the autoencoder's has as many.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/kernels/cuda/attention_gradient.cuh"
#include "tadp/kernels/cuda/launch.hpp"
#include "tadp/kernels/cuda/text_attention.cuh"

namespace tadp {
namespace cuda {

/// use(constant that is the widest head a kernel is made for); Error(unsupported) where a head is wider than all of them.
template <class Use>
void for_width(index_t width, Use const& use) {
  if (width <= 160) return use(std::integral_constant<int, 160>{});
  if (width <= 512) return use(std::integral_constant<int, 512>{});
  throw Error(Errc::unsupported, "an attention head is wider than the kernels of this device", {.expected = "at most 512 channels", .found = std::to_string(width)});
}
template <class T, class D>
AttentionShape attention_shape(AttentionGeometry const& g, View<T const, 4, D> q, View<T const, 4, D> k, std::int32_t const* text) {
  index_t const width = q.shape.channels() / g.heads;
  return {q.shape[0], q.shape[1] * q.shape[2], k.shape[1] * k.shape[2], g.heads, width, g.causal, static_cast<float>(1.0 / std::sqrt(static_cast<double>(width))), text};
}
/// By our own kernels: one for texts, one for any keys.
template <class T, class D>
void attend(D& device, AttentionShape const& shape, View<T const, 4, D> q, View<T const, 4, D> k, View<T const, 4, D> v, View<T, 4, D> o, View<float, 4, D> log_sum, View<T, 4, D> map) {
  TextAttention<T, 4> const fours{shape, rows(q), rows(k), rows(v), rows(o), rows(log_sum), rows(map)};
  TextAttention<T, 1> const ones{shape, fours.q, fours.k, fours.v, fours.o, fours.log_sum, fours.map};
  if (fours.fits()) return start(device, fours);
  if (ones.fits()) return start(device, ones);
  for_width(shape.width, [&]<int Widest>(std::integral_constant<int, Widest>) {
    start(device, Attention<T, Widest>{shape, fours.q, fours.k, fours.v, fours.o, fours.log_sum, fours.map});
  });
}

}  // namespace cuda

/// o = softmax(q k^T / sqrt(d)) v, heads being contiguous parts of the channels.
/// q, o (N, 1, Lq, heads * d); k, v (T, 1, Lk, heads * d); text[n] in [0, T) names the keys of picture n (null: n itself);
/// log_sum (N, 1, Lq, heads); map (N, 1, Lq, Lk) or empty: mean over heads of the probabilities.
template <KernelDevice D, class T>
void attention(D& device, AttentionGeometry const& g, View<T const, 4, D> q, Reads<T, D> k, Reads<T, D> v, std::int32_t const* text, Writes<T, D> o,
               Writes<float, D> log_sum, Writes<T, D> map) {
  cuda::attend<T, D>(device, cuda::attention_shape<T, D>(g, q, k, text), q, k, v, o, log_sum, map);
}

/// dq, dk, dv += (each may be empty), from the gradients of o and of the map (each may be empty).
template <KernelDevice D, class T>
void attention_gradient(D& device, AttentionGeometry const& g, View<T const, 4, D> q, Reads<T, D> k, Reads<T, D> v, std::int32_t const* text,
                        Reads<float, D> log_sum, Reads<T, D> d_o, Reads<T, D> d_map, Writes<T, D> dq, Writes<T, D> dk, Writes<T, D> dv) {
  cuda::AttentionShape const shape = cuda::attention_shape<T, D>(g, q, k, text);
  index_t const rows = q.shape.pixels() * g.heads;
  cuda::Scratch scratch(device, cuda::Scratch<D>::template bytes<cuda::RowSlopes>(rows));
  cuda::AttentionSlopes<T> const slopes{shape,           cuda::rows(q),     cuda::rows(k),                                  cuda::rows(v), cuda::rows(log_sum),
                                        cuda::rows(d_o), cuda::rows(d_map), scratch.template take<cuda::RowSlopes>(rows)};
  cuda::start(device, cuda::AttentionRowSums<T>{slopes});
  cuda::for_width(shape.width, [&]<int Widest>(std::integral_constant<int, Widest>) {
    if (dq) cuda::start(device, cuda::AttentionQueryGradient<T, Widest>{slopes, cuda::rows(dq)});
    if (dk || dv) cuda::start(device, cuda::AttentionKeyGradient<T, Widest>{slopes, k.shape[0], cuda::rows(dk), cuda::rows(dv)});
  });
}

}  // namespace tadp
