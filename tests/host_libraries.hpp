// SPDX-License-Identifier: Apache-2.0
// The CUDA device on the host with plain loops in the places of cuBLASLt and cuDNN: what is asked of them, and what is done
// around it, is the CUDA device's own text.
#pragma once

#include "host_cuda.hpp"
#include "plain_device.hpp"
#include "tadp/kernels/cuda/library_conv.hpp"

namespace host_cuda {

/// The device with libraries, as Cuda is.
struct WithLibraries : Device {
  using Device::Device;
  explicit WithLibraries(Device const& device) : Device(device) {}
};

/// By columns, as cuBLASLt reads: see Product.
inline void library_multiply(WithLibraries&, cuda::Product const& p, cuda::ProductOperands const& o) {
  for (index_t j = 0; j < p.n; ++j)
    for (index_t i = 0; i < p.m; ++i) {
      double sum = o.bias != nullptr ? static_cast<double>(o.bias[i]) : 0.0;
      for (index_t l = 0; l < p.k; ++l)
        sum += static_cast<double>(o.a[p.turn_a ? l + i * p.stride_a : i + l * p.stride_a]) * static_cast<double>(o.b[p.turn_b ? j + l * p.stride_b : l + j * p.stride_b]);
      if (o.c != nullptr) sum += static_cast<double>(o.c[i + j * p.stride_c]);
      o.d[i + j * p.stride_d] = static_cast<float>(sum);
    }
}

/// Packed tensors, written whatever stood there; every other kind of fused pass has no engine.
inline bool library_convolve(WithLibraries&, cuda::ConvolutionKind const& k, cuda::ConvolutionOperands const& o) {
  using Packed = View<float, 4, plain::Device>;
  using Read = View<float const, 4, plain::Device>;
  if (o.bias != nullptr && k.y[3] % 2 == 0) return false;
  plain::Device device;
  ConvGeometry const g{k.kernel, k.stride, k.pad_y, k.pad_x, k.pad_y, k.pad_x, false};
  if (!(g.out_shape(k.x_shape(), k.y[3]) == k.y_shape())) throw Error(Errc::shape, "a library would refuse this convolution", {.found = k.text()});
  Packed const x{o.x, k.x_shape()}, y{o.y, k.y_shape()};
  switch (k.pass) {
    case cuda::ConvolutionPass::forward:
      plain::conv2d<float>(device, g, Read(x), o.w, o.bias, Read{}, o.residual != nullptr ? Read{o.residual, k.y_shape()} : Read{}, y);
      break;
    case cuda::ConvolutionPass::input_gradient:
      std::fill_n(o.x, k.x_shape().count(), 0.0F);
      plain::conv2d_input_gradient<float>(device, g, Read(y), o.w, x);
      break;
    case cuda::ConvolutionPass::weight_gradient:
      std::fill_n(o.w, k.w_shape().count(), 0.0F);
      plain::conv2d_weight_gradient<float>(device, g, Read(x), Read(y), o.w, nullptr);
      break;
  }
  return true;
}

using Reads = ConstFeatures<WithLibraries>;
using Writes = Features<WithLibraries>;

inline void conv2d(WithLibraries& d, ConvGeometry const& g, Reads x, float const* weight, float const* bias, Reads shift, Reads residual, Writes y) {
  cuda::library_conv2d(d, g, x, weight, bias, shift, residual, y);
}
inline void conv2d_input_gradient(WithLibraries& d, ConvGeometry const& g, Reads dy, float const* weight, Writes dx) { cuda::library_conv2d_input_gradient(d, g, dy, weight, dx); }
inline void conv2d_weight_gradient(WithLibraries& d, ConvGeometry const& g, Reads x, Reads dy, float* dweight, float* dbias) {
  cuda::library_conv2d_weight_gradient(d, g, x, dy, dweight, dbias);
}
inline void conv_transpose2d(WithLibraries& d, ConvGeometry const& g, Reads x, float const* weight, Writes y) { cuda::library_conv_transpose2d(d, g, x, weight, y); }
inline void conv_transpose2d_input_gradient(WithLibraries& d, ConvGeometry const& g, Reads dy, float const* weight, Writes dx) {
  cuda::library_conv_transpose2d_input_gradient(d, g, dy, weight, dx);
}
inline void conv_transpose2d_weight_gradient(WithLibraries& d, ConvGeometry const& g, Reads x, Reads dy, float* dweight) {
  cuda::library_conv_transpose2d_weight_gradient(d, g, x, dy, dweight);
}

}  // namespace host_cuda
