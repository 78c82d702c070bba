// SPDX-License-Identifier: Apache-2.0
// From a picture's bytes to windows of numbers and back: normalised pixels, windows cut and joined, maps averaged, labels.
// Window results are resized while they are added to the sum at full size.
#pragma once

#include "tadp/kernels/cuda/resize.cuh"

#include <cmath>

namespace tadp::cuda {

struct NormalisePicture {
  float mean[3], deviation[3];
  std::uint8_t const* rgb;
  Rows<float> out;
  TADP_DEVICE void operator()(index_t p, index_t c) const { out.set(p, c, (static_cast<float>(rgb[3 * p + c]) - mean[c]) / deviation[c]); }
};

/// The part from (top, left) on, `width` wide; zero past the edges of the picture.
template <class T>
struct CutWindow {
  Extents picture;
  index_t top, left, width;
  Rows<T const> x;
  Rows<T> out;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const row = top + p / width, column = left + p % width;
    out.set(p, c, row < picture.h && column < picture.w ? x.get(row * picture.w + column, c) : 0.0F);
  }
};

/// A pixel of the window, `columns` of them side by side inside of the sum.
template <class T>
struct AddWindow {
  Grid g;
  float factor;
  index_t top, left, columns, width;  ///< width: of the sum
  Rows<T const> x;
  Rows<float> sum;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const row = p / columns, column = p % columns;
    sum.add((top + row) * width + left + column, c, factor * bilinear(x, 0, g.x.in, g.y.tap(row), g.x.tap(column), c));
  }
};

struct DivideByWindows {
  float const* rows;
  float const* columns;
  index_t width;
  Rows<float> sum;
  TADP_DEVICE void operator()(index_t p, index_t c) const { sum.set(p, c, sum.get(p, c) / (rows[p / width] * columns[p % width])); }
};

template <class T>
struct MeanOfChannels {
  std::int32_t const* channels;
  index_t count;
  Rows<T const> x;
  Rows<float> y;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    float total = 0.0F;
    for (index_t i = 0; i < count; ++i) total += x.get(p, channels[i]);
    y.set(p, 0, total / static_cast<float>(count));
  }
};

/// The first of the largest logits, and its softmax where `confidence` is not null.
template <class T>
struct Decide {
  Rows<T const> logits;
  index_t classes;
  std::uint8_t* labels;
  float* confidence;
  TADP_DEVICE void operator()(index_t p, index_t) const {
    index_t best = 0;
    for (index_t c = 1; c < classes; ++c)
      if (logits.get(p, c) > logits.get(p, best)) best = c;
    labels[p] = static_cast<std::uint8_t>(best);
    if (confidence == nullptr) return;
    double total = 0.0;
    for (index_t c = 0; c < classes; ++c) total += std::exp(static_cast<double>(logits.get(p, c) - logits.get(p, best)));
    confidence[p] = static_cast<float>(1.0 / total);
  }
};

}  // namespace tadp::cuda
