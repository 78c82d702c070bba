// SPDX-License-Identifier: Apache-2.0
// Self-attention by libraries, for a device that has them: one call where the library knows attention as a whole (in halves),
// else two products about our softmax. Cross-attention, whose map is wanted, and masks stay with our own kernel.
#pragma once

#include "tadp/kernels/cuda/attention.hpp"
#include "tadp/kernels/cuda/library_calls.hpp"
#include "tadp/kernels/cuda/softmax.cuh"

#include <algorithm>

namespace tadp {
namespace cuda {

/// Scores that are kept at a time: 64 MiB of float.
inline constexpr index_t most_scores = index_t{1} << 24;

/// Head by head and a part of the queries at a time: scores, probabilities, values.
template <class T, LibraryDevice D>
void attend_by_products(D& device, AttentionShape const& g, View<T const, 4, D> q, View<T const, 4, D> k, View<T const, 4, D> v, View<T, 4, D> o, View<float, 4, D> log_sum) {
  constexpr bool in_place = std::is_same_v<T, float>;  // a probability takes its score's place
  index_t const most = std::clamp<index_t>(most_scores / g.keys, 1, g.queries);
  Scratch scratch(device, Scratch<D>::template bytes<float>(most * g.keys) + (in_place ? 0 : Scratch<D>::template bytes<T>(most * g.keys)));
  float* const score = scratch.template take<float>(most * g.keys);
  T* const probability = in_place ? reinterpret_cast<T*>(score) : scratch.template take<T>(most * g.keys);
  for (index_t n = 0; n < g.pictures; ++n)
    for (index_t h = 0; h < g.heads; ++h)
      for (index_t first = 0; first < g.queries; first += most) {
        index_t const count = std::min(most, g.queries - first), pixel = n * g.queries + first, key = n * g.keys, channel = h * g.width;
        Product const scores{.m = g.keys, .n = count, .k = g.width, .turn_a = true, .stride_a = k.pixel_stride, .stride_b = q.pixel_stride, .stride_d = g.keys, .factors = number_of<T>};
        library_multiply(device, scores, {k.pixel(key) + channel, q.pixel(pixel) + channel, nullptr, score, nullptr});
        start(device, SoftmaxRows<T>{score, probability, {log_sum.pixel(pixel), log_sum.pixel_stride}, count, g.keys, h, g.scale});
        Product const values{.m = g.width, .n = count, .k = g.keys, .stride_a = v.pixel_stride, .stride_b = g.keys, .stride_d = o.pixel_stride, .factors = number_of<T>, .sums = number_of<T>};
        library_multiply(device, values, {v.pixel(key) + channel, probability, nullptr, o.pixel(pixel) + channel, nullptr});
      }
}

}  // namespace cuda

/// As kernels/cuda/attention.hpp says; here for a device with libraries.
template <LibraryDevice D, class T>
void attention(D& device, AttentionGeometry const& g, View<T const, 4, D> q, Reads<T, D> k, Reads<T, D> v, std::int32_t const* text, Writes<T, D> o,
               Writes<float, D> log_sum, Writes<T, D> map) {
  using namespace cuda;
  AttentionShape const shape = attention_shape<T, D>(g, q, k, text);
  bool const own_keys = text == nullptr && k.shape[0] == q.shape[0];
  if (map || g.causal || !own_keys || shape.keys <= key_tile) return attend<T, D>(device, shape, q, k, v, o, log_sum, map);
  if constexpr (!std::is_same_v<T, float>) {
    AttentionKind const kind{shape.pictures, shape.queries, shape.keys, shape.heads, shape.width, q.pixel_stride, k.pixel_stride, v.pixel_stride, o.pixel_stride, log_sum.pixel_stride, number_of<T>};
    if (library_attend(device, kind, {q.data, k.data, v.data, o.data, log_sum.data})) return;
  }
  attend_by_products<T, D>(device, shape, q, k, v, o, log_sum);
}

}  // namespace tadp
