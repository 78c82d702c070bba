// SPDX-License-Identifier: Apache-2.0
// Transposed convolutions on the processor: the matrix products of a convolution's gradients, with the roles exchanged.
// `g` is always the geometry of the convolution that is transposed: its input is the result here, its output the operand.
#pragma once

#include "tadp/kernels/cpu_conv.hpp"

namespace tadp {
inline namespace TADP_ISA {

/// y = the transposed convolution of x. weight [Cx, k, k, Cy]; g without a doubling, and g.out_shape(y) is x.
inline void conv_transpose2d(Cpu& cpu, ConvGeometry const& g, ConstFeatures<Cpu> x, float const* weight, Features<Cpu> y) {
  FeatureShape const in = x.shape, out = y.shape;
  conv_detail::multiply(cpu.threads(), out.pixels(), out.c(), conv_detail::GradientPatches{x, in, out, g},
                        conv_detail::TurnedWeights{weight, out.c(), in.c(), g.taps()}, [&](index_t row, index_t first, index_t count, float const* values) {
                          std::memcpy(y.pixel(row) + first, values, static_cast<std::size_t>(count) * sizeof(float));
                        });
}

/// dx += the convolution of dy.
inline void conv_transpose2d_input_gradient(Cpu& cpu, ConvGeometry const& g, ConstFeatures<Cpu> dy, float const* weight, Features<Cpu> dx) {
  FeatureShape const in = dy.shape, out = dx.shape;
  conv_detail::multiply(cpu.threads(), out.pixels(), out.c(), conv_detail::Patches{dy, in, out, g}, RowsOf{weight, g.taps() * in.c()},
                        [&](index_t row, index_t first, index_t count, float const* values) { conv_detail::add_rows(count, dx.pixel(row) + first, values); });
}

/// dweight +=.
inline void conv_transpose2d_weight_gradient(Cpu& cpu, ConvGeometry const& g, ConstFeatures<Cpu> x, ConstFeatures<Cpu> dy, float* dweight) {
  conv2d_weight_gradient(cpu, g, dy, x, dweight, nullptr);
}

}  // namespace TADP_ISA
}  // namespace tadp
