// SPDX-License-Identifier: Apache-2.0
// What is asked of a library: a product of matrices, a convolution of packed tensors, attention. Plain numbers, no
// library's header. A device answers by library_multiply, library_convolve and library_attend beside its type.
#pragma once

#include "tadp/core/element.hpp"
#include "tadp/core/shape.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace tadp::cuda {

/// The type of a library's operands. Sums are float in any case.
enum class Number : std::uint8_t { float32, half, bfloat16 };
template <class T>
inline constexpr Number number_of = std::is_same_v<T, Half> ? Number::half : std::is_same_v<T, BFloat16> ? Number::bfloat16 : Number::float32;
static_assert(sizeof(Half) == 2 && sizeof(BFloat16) == 2);

constexpr char const* text(Number n) {
  constexpr char const* names[] = {"float", "half", "bfloat16"};
  return names[static_cast<std::size_t>(n)];
}

/// D (m x n) = op(A) op(B) [+ C] [+ a bias a row] [then ReLU], all by columns: element (i, j) stands at i + j * stride. Rows of pixels
/// are columns here: a view (pixels, C) is the matrix (C x pixels) with the pixel stride.
struct Product {
  index_t m = 0, n = 0, k = 0;
  bool turn_a = false, turn_b = false;  ///< op is the transposition
  index_t stride_a = 0, stride_b = 0, stride_c = 0, stride_d = 0;
  bool adds = false, bias = false;  ///< C is read; a bias is
  bool relu = false;
  Number factors = Number::float32, sums = Number::float32;  ///< of A and B; of C, D and the bias
  int aligned_a = 0, aligned_b = 0, aligned_c = 0, aligned_d = 0;  ///< bytes; set by CublasLt
  friend auto operator<=>(Product const&, Product const&) = default;

  std::string text() const {
    auto const side = [](char const* which, index_t rows, index_t columns, index_t stride) {
      return std::string(which) + " [" + std::to_string(rows) + " x " + std::to_string(columns) + ", stride " + std::to_string(stride) + "]";
    };
    return side("A", turn_a ? k : m, turn_a ? m : k, stride_a) + ", " + side("B", turn_b ? n : k, turn_b ? k : n, stride_b) + ", " + side("D", m, n, stride_d) +
           (adds ? ", added to C" : "") + (bias ? ", with bias" : "") + (relu ? ", ReLU" : "") + ", " + cuda::text(factors) + " to " + cuda::text(sums);
  }
};

struct ProductOperands {
  void const* a;
  void const* b;
  void const* c;  ///< null: nothing is added
  void* d;
  void const* bias;  ///< null: none
};

enum class ConvolutionPass : std::uint8_t { forward, input_gradient, weight_gradient };

/// Everything that a plan depends on. x is the convolution's input and y its result, whatever is computed of them.
struct ConvolutionKind {
  ConvolutionPass pass = ConvolutionPass::forward;
  std::array<index_t, 4> x{}, y{};  ///< (N, H, W, C)
  int kernel = 1, stride = 1, pad_y = 0, pad_x = 0;
  bool bias = false, residual = false, relu = false;  ///< added, and the sum's ReLU, in the same pass; forward alone
  int alignment = 16;                                 ///< bytes, of all operands
  Number number = Number::float32;                    ///< of all operands
  friend auto operator<=>(ConvolutionKind const&, ConvolutionKind const&) = default;

  FeatureShape x_shape() const { return {x[0], x[1], x[2], x[3]}; }
  FeatureShape y_shape() const { return {y[0], y[1], y[2], y[3]}; }
  FeatureShape w_shape() const { return {y[3], kernel, kernel, x[3]}; }
  std::string text() const {
    constexpr char const* names[] = {"convolution", "input gradient of a convolution", "weight gradient of a convolution"};
    return std::string(names[static_cast<std::size_t>(pass)]) + ", x " + to_string(x_shape()) + ", w " + to_string(w_shape()) + ", y " + to_string(y_shape()) + ", stride " +
           std::to_string(stride) + ", padding " + std::to_string(pad_y) + " x " + std::to_string(pad_x) + (bias ? ", bias" : "") + (residual ? ", residual" : "") + (relu ? ", ReLU" : "") + ", " + cuda::text(number);
  }
};

/// Whichever of them the pass computes is written, the others are read.
struct ConvolutionOperands {
  void* x;
  void* w;  ///< (Cout, k, k, Cin)
  void* y;
  void* bias = nullptr;
  void* residual = nullptr;
};

/// o = softmax(q k^T / sqrt(width)) v, every picture with keys of its own. Everything that a plan depends on.
struct AttentionKind {
  index_t pictures = 0, queries = 0, keys = 0, heads = 1, width = 0;  ///< width: channels of a head
  index_t stride_q = 0, stride_k = 0, stride_v = 0, stride_o = 0, stride_sum = 0;  ///< from pixel to pixel
  Number number = Number::float32;                                   ///< of q, k, v and o
  friend auto operator<=>(AttentionKind const&, AttentionKind const&) = default;

  std::string text() const {
    return "attention of " + std::to_string(pictures) + " x " + std::to_string(queries) + " queries and " + std::to_string(keys) + " keys, " + std::to_string(heads) + " heads of " +
           std::to_string(width) + " channels, " + cuda::text(number);
  }
};
struct AttentionOperands {
  void const* q;
  void const* k;
  void const* v;
  void* o;
  float* log_sum;  ///< (pictures, queries, heads)
};

}  // namespace tadp::cuda
