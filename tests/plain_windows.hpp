// SPDX-License-Identifier: Apache-2.0
// The plain device's window kernels: pictures to windows of numbers, window results joined, labels decided.
// Beside plain_device.hpp, and written to be read like it.
#pragma once

#include "plain_device.hpp"
#include "tadp/core/preprocessing.hpp"

namespace plain {

inline void normalise_picture(Device&, Normalisation const& n, std::uint8_t const* rgb, View<float, 4, Device> out) {
  each(out.shape, [&](index_t p, index_t c) {
    auto const i = static_cast<std::size_t>(c);
    set(out.pixel(p)[c], (static_cast<double>(rgb[3 * p + c]) - static_cast<double>(n.mean[i])) / static_cast<double>(n.deviation[i]));
  });
}

template <class T>
void cut_window(Device&, Read<T> x, index_t top, index_t left, Writes<T> out) {
  each(out.shape, [&](index_t p, index_t c) {
    index_t const row = top + p / out.shape[2], column = left + p % out.shape[2];
    out.pixel(p)[c] = row < x.shape[1] && column < x.shape[2] ? x.pixel(row * x.shape[2] + column)[c] : T{};
  });
}

template <class T>
void add_window(Device&, float factor, Read<T> x, index_t height, index_t width, index_t top, index_t left, Writes<T> sum) {
  FeatureShape const full{1, height, width, x.shape.channels()};
  Sums window(full.count());
  for_each_corner(Corners::half_pixel, x.shape, full, [&](index_t op, index_t ip, double weight) {
    for (index_t c = 0; c < full.c(); ++c) window[op * full.c() + c] += weight * static_cast<double>(x.pixel(ip)[c]);
  });
  each(full, [&](index_t p, index_t c) {
    index_t const row = top + p / width, column = left + p % width;
    if (row < sum.shape[1] && column < sum.shape[2])
      add(sum.pixel(row * sum.shape[2] + column)[c], static_cast<double>(factor) * window[p * full.c() + c]);
  });
}

inline void divide_by_windows(Device&, float const* rows, float const* columns, View<float, 4, Device> sum) {
  each(sum.shape, [&](index_t p, index_t c) { sum.pixel(p)[c] /= rows[p / sum.shape[2]] * columns[p % sum.shape[2]]; });
}

template <class T>
void mean_of_channels(Device&, Read<T> x, std::int32_t const* channels, index_t count, Writes<T> y) {
  for (index_t p = 0; p < x.shape.pixels(); ++p) {
    double total = 0;
    for (index_t i = 0; i < count; ++i) total += static_cast<double>(x.pixel(p)[channels[i]]);
    set(y.pixel(p)[0], total / static_cast<double>(count));
  }
}

inline void decide(Device&, View<float const, 4, Device> logits, std::uint8_t* labels, float* confidence) {
  for (index_t p = 0; p < logits.shape.pixels(); ++p) {
    float const* const v = logits.pixel(p);
    auto const best = std::max_element(v, v + logits.shape.channels());  // the first of equals
    labels[p] = static_cast<std::uint8_t>(best - v);
    double total = 0;
    for (index_t c = 0; c < logits.shape.channels(); ++c) total += std::exp(static_cast<double>(v[c]) - static_cast<double>(*best));
    if (confidence != nullptr) set(confidence[p], 1 / total);
  }
}

}  // namespace plain
