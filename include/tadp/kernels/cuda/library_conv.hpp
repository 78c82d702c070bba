// SPDX-License-Identifier: Apache-2.0
// Convolutions and linear layers by libraries: which product or convolution each one is, and what is done around it.
// What a library does not take (a doubling in front, more padding on one side, slices) is laid out in scratch memory.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/kernels/cuda/epilogue.cuh"
#include "tadp/kernels/cuda/launch.hpp"
#include "tadp/kernels/cuda/library_calls.hpp"
#include "tadp/kernels/cuda/pointwise.hpp"
#include "tadp/kernels/cuda/resize.hpp"
#include "tadp/kernels/cuda/unfold.cuh"

#include <algorithm>

namespace tadp {
namespace cuda {

/// Whether a convolution is a matrix product over pixels.
inline bool is_linear(ConvGeometry const& g) {
  return g.kernel == 1 && g.stride == 1 && !g.upsample && g.pad_top == 0 && g.pad_left == 0 && g.pad_bottom == 0 && g.pad_right == 0;
}

/// A convolution as cuDNN sees it: the same padding on both sides, the rest of it and a doubling done before.
struct SeenConvolution {
  ConvolutionKind kind;
  FeatureShape seen;  ///< of the input
  bool changed;       ///< seen is not the input itself

  SeenConvolution(ConvolutionPass pass, ConvGeometry const& g, FeatureShape const& x, FeatureShape const& y, Number number = Number::float32) : seen(x) {
    bool const even = g.pad_bottom == g.pad_top && g.pad_right == g.pad_left;
    if (g.pad_bottom < g.pad_top || g.pad_right < g.pad_left || (g.upsample && !even))
      throw Error(Errc::unsupported, "the CUDA device pads more at the bottom and right alone, and evenly where it doubles",
                  {.found = "padding " + std::to_string(g.pad_top) + " " + std::to_string(g.pad_left) + " " + std::to_string(g.pad_bottom) + " " + std::to_string(g.pad_right)});
    index_t const up = g.upsample ? 2 : 1;
    seen = {x.n(), x.h() * up + g.pad_bottom - g.pad_top, x.w() * up + g.pad_right - g.pad_left, x.c()};
    changed = !(seen == x);
    kind = {.pass = pass, .x = seen.extent, .y = y.extent, .kernel = g.kernel, .stride = g.stride, .pad_y = g.pad_top, .pad_x = g.pad_left, .number = number};
  }
};

/// Runs a convolution that nothing is fused to; Error where the library has no way to compute it.
template <LibraryDevice D>
void convolve_alone(D& device, ConvolutionKind const& kind, ConvolutionOperands const& o) {
  if (!library_convolve(device, kind, o)) throw Error(Errc::unsupported, "the library has no engine for a convolution", {.found = kind.text()});
}

/// Parts of a device's scratch for operands that have to be packed.
template <LibraryDevice D, class T>
class PackedOperands {
 public:
  using Read = View<T const, 4, D>;
  using Write = View<T, 4, D>;
  /// Room for three.
  PackedOperands(D& device, index_t count) : scratch_(device, Scratch<D>::template bytes<T>(count) + 3 * 64) {}
  Write take(FeatureShape const& shape) { return {scratch_.template take<T>(shape.count()), shape}; }
  /// The same numbers without gaps: the view itself where it has none.
  T const* packed(D& device, Read x) {
    if (x.contiguous()) return x.data;
    Write const copied = take(x.shape);
    copy(device, x, copied);
    return copied.data;
  }
  /// What a convolution reads: doubled or padded where its geometry says so.
  T const* seen(D& device, ConvGeometry const& g, SeenConvolution const& s, Read x) {
    if (!s.changed) return packed(device, x);
    Write const made = take(s.seen);
    if (g.upsample)
      resize_nearest(device, x, Read{}, made);
    else
      reframe(device, x, made);
    return made.data;
  }

 private:
  Scratch<D> scratch_;
};

/// A library's operands carry no const.
template <class T>
T* operand(T const* data) {
  return const_cast<T*>(data);
}

template <class T, LibraryDevice D>
void add_epilogue(D& device, Reads<T, D> x, T const* bias, Reads<float, D> shift, Reads<T, D> residual, Writes<T, D> y, bool relu) {
  index_t const positions = shift && shift.shape[0] > 1 ? y.shape[1] * y.shape[2] : y.shape.pixels();
  for_each(device, y.shape.pixels(), y.shape.channels(), ConvolutionEpilogue<T>{rows(x), bias, rows(shift), positions, rows(residual), rows(y), relu});
}

/// As products of the unfolded input, as many pixels at a time as fit into `most` elements.
template <class T, LibraryDevice D>
void convolve_unfolded(D& device, index_t most, ConvShape const& s, View<T const, 4, D> x, T const* weight, T const* bias, View<T const, 4, D> residual, View<T, 4, D> y,
                       bool relu) {
  index_t const pixels = y.shape.pixels(), depth = s.taps() * s.in.c, parts = blocks_for(pixels, std::clamp<index_t>(most / depth, 1, pixels)), part = blocks_for(pixels, parts);
  Scratch<D> scratch(device, Scratch<D>::template bytes<T>(part * depth));
  Rows<T> const patches{scratch.template take<T>(part * depth), depth};
  for (index_t first = 0; first < pixels; first += part) {
    index_t const count = std::min(part, pixels - first);
    bool const fours = Unfold<T, 4>{s, rows(x), first, patches}.fits();
    for_step(fours, [&]<int Step>(std::integral_constant<int, Step>) { for_each(device, count, s.in.c / Step, Unfold<T, Step>{s, rows(x), first, patches}); });
    Product const product{.m = s.out.c, .n = count, .k = depth, .turn_a = true, .stride_a = depth, .stride_b = depth, .stride_c = residual.pixel_stride, .stride_d = y.pixel_stride, .relu = relu, .factors = number_of<T>, .sums = number_of<T>};
    library_multiply(device, product, {weight, patches.data, residual ? residual.pixel(first) : nullptr, y.pixel(first), bias});
  }
}

}  // namespace cuda

/// y = relu?(conv(x) + bias + shift + residual), as kernels/cuda/conv.hpp says; here and below for a device with libraries.
template <LibraryDevice D, class T>
void conv2d(D& device, ConvGeometry const& g, View<T const, 4, D> x, Weight<T> const* weight, Weight<T> const* bias, Reads<float, D> shift,
            Reads<T, D> residual, Writes<T, D> y, bool relu = false) {
  using namespace cuda;
  index_t const in = x.shape.channels(), out = y.shape.channels(), pixels = y.shape.pixels();
  constexpr Number number = number_of<T>;
  if (is_linear(g)) {
    Product const product{.m = out, .n = pixels, .k = in, .turn_a = true, .stride_a = in, .stride_b = x.pixel_stride, .stride_c = residual.pixel_stride, .stride_d = y.pixel_stride, .relu = relu && !shift, .factors = number, .sums = number};
    library_multiply(device, product, {weight, x.data, residual.data, y.data, bias});
    if (shift) add_epilogue<T>(device, y, nullptr, shift, {}, y, relu);
    return;
  }
  SeenConvolution const s(ConvolutionPass::forward, g, x.shape, y.shape, number);
  if (index_t const most = library_unfolds(device, s.kind); most > 0) {
    convolve_unfolded<T>(device, most, ConvShape{g, extents(x.shape), extents(y.shape)}, x, weight, bias, residual, y, relu && !shift);
    if (shift) add_epilogue<T>(device, y, nullptr, shift, {}, y, relu);
    return;
  }
  PackedOperands<D, T> scratch(device, s.seen.count() + y.shape.count());
  T* const read = operand(scratch.seen(device, g, s, x));
  if (!shift && y.contiguous() && (!residual || residual.contiguous()) && bias != nullptr) {
    ConvolutionKind fused = s.kind;
    fused.relu = relu;
    if (library_convolve(device, fused, {read, operand(weight), y.data, operand(bias), operand(residual.data)})) return;
  }
  View<T, 4, D> const alone = y.contiguous() ? y : scratch.take(y.shape);
  convolve_alone(device, s.kind, {read, operand(weight), alone.data});
  if (bias != nullptr || shift || residual || relu || alone.data != y.data) add_epilogue<T>(device, alone, bias, shift, residual, y, relu);
}

/// dx += the gradient of the input.
template <LibraryDevice D, class T>
void conv2d_input_gradient(D& device, ConvGeometry const& g, View<T const, 4, D> dy, Weight<T> const* weight, Writes<T, D> dx) {
  using namespace cuda;
  index_t const in = dx.shape.channels(), out = dy.shape.channels();
  constexpr Number number = number_of<T>;
  if (is_linear(g)) {
    Product const product{.m = in, .n = dx.shape.pixels(), .k = out, .stride_a = in, .stride_b = dy.pixel_stride, .stride_c = dx.pixel_stride, .stride_d = dx.pixel_stride, .factors = number, .sums = number};
    library_multiply(device, product, {weight, dy.data, dx.data, dx.data, nullptr});
    return;
  }
  SeenConvolution const s(ConvolutionPass::input_gradient, g, dx.shape, dy.shape, number);
  PackedOperands<D, T> scratch(device, s.seen.count() + dy.shape.count());
  View<T, 4, D> const seen = scratch.take(s.seen);
  convolve_alone(device, s.kind, {seen.data, operand(weight), operand(scratch.packed(device, dy))});
  if (g.upsample)
    resize_nearest_gradient(device, Reads<T, D>(seen), dx);
  else if (s.changed)
    reframe_gradient(device, Reads<T, D>(seen), dx);
  else
    accumulate(device, 1.0F, Reads<T, D>(seen), dx);
}

/// dweight += and dbias += (each may be null), in float; x may be empty where dweight is null.
template <LibraryDevice D, class T>
void conv2d_weight_gradient(D& device, ConvGeometry const& g, Reads<T, D> x, View<T const, 4, D> dy, float* dweight, float* dbias) {
  using namespace cuda;
  index_t const in = x.shape.channels(), out = dy.shape.channels(), pixels = dy.shape.pixels();
  constexpr Number number = number_of<T>;
  if (dweight != nullptr && is_linear(g)) {
    Product const product{.m = in, .n = out, .k = pixels, .turn_b = true, .stride_a = x.pixel_stride, .stride_b = dy.pixel_stride, .stride_c = in, .stride_d = in, .factors = number};
    library_multiply(device, product, {x.data, dy.data, dweight, dweight, nullptr});
  } else if (dweight != nullptr) {
    SeenConvolution const s(ConvolutionPass::weight_gradient, g, x.shape, dy.shape, number);
    FeatureShape const weights{1, 1, out, g.taps() * in};
    PackedOperands<D, T> scratch(device, s.seen.count() + dy.shape.count() + weights.count());
    View<T, 4, D> const made = scratch.take(weights);
    T* const read = operand(scratch.seen(device, g, s, x));
    convolve_alone(device, s.kind, {read, made.data, operand(scratch.packed(device, dy))});
    accumulate(device, 1.0F, Reads<T, D>(made), Writes<float, D>{dweight, weights});
  }
  if (dbias == nullptr) return;
  using Term = Values<T>;
  Scratch<D> scratch(device, channel_sum_bytes<Term>(1, pixels, out));
  sum_channels(device, scratch, 1, pixels, out, Term{rows(dy)}, AddSums{dbias});
}

/// y = the transposed convolution of x: the gradient of the input of the convolution that g is, with weight (Cx, k, k, Cy).
template <LibraryDevice D, class T>
void conv_transpose2d(D& device, ConvGeometry const& g, View<T const, 4, D> x, Weight<T> const* weight, Writes<T, D> y) {
  using namespace cuda;
  SeenConvolution const s(ConvolutionPass::input_gradient, g, y.shape, x.shape, number_of<T>);
  bool const direct = !s.changed && y.contiguous();
  PackedOperands<D, T> scratch(device, s.seen.count() + x.shape.count());
  View<T, 4, D> const made = direct ? y : scratch.take(s.seen);
  convolve_alone(device, s.kind, {made.data, operand(weight), operand(scratch.packed(device, x))});
  if (!direct) reframe(device, Reads<T, D>(made), y);
}

/// dx += the convolution of dy.
template <LibraryDevice D, class T>
void conv_transpose2d_input_gradient(D& device, ConvGeometry const& g, View<T const, 4, D> dy, Weight<T> const* weight, Writes<T, D> dx) {
  using namespace cuda;
  SeenConvolution const s(ConvolutionPass::forward, g, dy.shape, dx.shape, number_of<T>);
  PackedOperands<D, T> scratch(device, s.seen.count() + dx.shape.count());
  View<T, 4, D> const made = scratch.take(dx.shape);
  convolve_alone(device, s.kind, {operand(scratch.seen(device, g, s, dy)), operand(weight), made.data});
  accumulate(device, 1.0F, Reads<T, D>(made), dx);
}

/// dweight +=, in float.
template <LibraryDevice D, class T>
void conv_transpose2d_weight_gradient(D& device, ConvGeometry const& g, View<T const, 4, D> x, Reads<T, D> dy, float* dweight) {
  conv2d_weight_gradient<D, T>(device, g, dy, x, dweight, nullptr);
}

}  // namespace tadp
