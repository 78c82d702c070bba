// SPDX-License-Identifier: Apache-2.0
// The CUDA device on the host with plain loops in the places of cuBLASLt and cuDNN: what is asked of them, and what is done
// around it, is the CUDA device's own text.
#pragma once

#include "host_cuda.hpp"
#include "plain_device.hpp"
#include "tadp/kernels/cuda/library_attention.hpp"
#include "tadp/kernels/cuda/library_conv.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#if !defined(TADP_TRIALS_ON_CUDA)  // there they are the libraries themselves
namespace host_cuda {

/// The device with libraries, as Cuda is.
struct WithLibraries : Device {
  static constexpr bool has_libraries = true;
  using Device::Device;
  explicit WithLibraries(Device const& device) : Device(device) {}
};

/// A library's operands, whatever their type: read and written as float.
class Numbers {
 public:
  Numbers(cuda::Number type, void const* data) : type_(type), data_(const_cast<void*>(data)) {}
  explicit operator bool() const { return data_ != nullptr; }
  float get(index_t i) const {
    switch (type_) {
      case cuda::Number::half: return cuda::to_float(static_cast<Half const*>(data_)[i]);
      case cuda::Number::bfloat16: return cuda::to_float(static_cast<BFloat16 const*>(data_)[i]);
      default: return static_cast<float const*>(data_)[i];
    }
  }
  void set(index_t i, float v) const {
    switch (type_) {
      case cuda::Number::half: static_cast<Half*>(data_)[i] = cuda::from_float<Half>(v); break;
      case cuda::Number::bfloat16: static_cast<BFloat16*>(data_)[i] = cuda::from_float<BFloat16>(v); break;
      default: static_cast<float*>(data_)[i] = v;
    }
  }
  std::vector<float> read(index_t count) const {
    std::vector<float> all(data_ != nullptr ? static_cast<std::size_t>(count) : 0);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = get(static_cast<index_t>(i));
    return all;
  }
  void write(std::vector<float> const& all) const {
    for (std::size_t i = 0; i < all.size(); ++i) set(static_cast<index_t>(i), all[i]);
  }

 private:
  cuda::Number type_;
  void* data_;
};

template <class T>
void multiply(cuda::Product const& p, cuda::ProductOperands const& o) {
  auto const *a = static_cast<T const*>(o.a), *b = static_cast<T const*>(o.b);
  auto const wide = [](T v) { return static_cast<double>(cuda::to_float(v)); };
  Numbers const c(p.sums, o.c), d(p.sums, o.d), bias(p.sums, o.bias);
  for (index_t j = 0; j < p.n; ++j)
    for (index_t i = 0; i < p.m; ++i) {
      double sum = bias ? static_cast<double>(bias.get(i)) : 0.0;
      for (index_t l = 0; l < p.k; ++l) sum += wide(a[p.turn_a ? l + i * p.stride_a : i + l * p.stride_a]) * wide(b[p.turn_b ? j + l * p.stride_b : l + j * p.stride_b]);
      if (c) sum += static_cast<double>(c.get(i + j * p.stride_c));
      d.set(i + j * p.stride_d, static_cast<float>(p.relu ? std::max(sum, 0.0) : sum));
    }
}

/// By columns, as cuBLASLt reads: see Product. Each result is rounded once.
inline void library_multiply(WithLibraries&, cuda::Product const& p, cuda::ProductOperands const& o) {
  switch (p.factors) {
    case cuda::Number::half: return multiply<Half>(p, o);
    case cuda::Number::bfloat16: return multiply<BFloat16>(p, o);
    default: return multiply<float>(p, o);
  }
}

/// Packed tensors, written whatever stood there. Some kinds of fused passes have no engine: in float every other one, in
/// halves few, as cuDNN's plans have it.
inline bool library_convolve(WithLibraries&, cuda::ConvolutionKind const& k, cuda::ConvolutionOperands const& o) {
  using Packed = View<float, 4, plain::Device>;
  using Read = View<float const, 4, plain::Device>;
  if (o.bias != nullptr && (k.number == cuda::Number::float32 ? k.y[3] % 2 == 0 : k.y[3] == 2)) return false;
  plain::Device device;
  ConvGeometry const g{k.kernel, k.stride, k.pad_y, k.pad_x, k.pad_y, k.pad_x, false};
  if (!(g.out_shape(k.x_shape(), k.y[3]) == k.y_shape())) throw Error(Errc::shape, "a library would refuse this convolution", {.found = k.text()});
  auto const at = [&](void* data) { return Numbers(k.number, data); };
  std::vector<float> x = at(o.x).read(k.x_shape().count()), w = at(o.w).read(k.w_shape().count()), y = at(o.y).read(k.y_shape().count());
  std::vector<float> const bias = at(o.bias).read(k.y[3]), residual = at(o.residual).read(k.y_shape().count());
  Packed const xs{x.data(), k.x_shape()}, ys{y.data(), k.y_shape()};
  switch (k.pass) {
    case cuda::ConvolutionPass::forward:
      plain::conv2d<float>(device, g, Read(xs), w.data(), bias.empty() ? nullptr : bias.data(), Read{}, residual.empty() ? Read{} : Read{residual.data(), k.y_shape()}, ys, k.relu);
      at(o.y).write(y);
      break;
    case cuda::ConvolutionPass::input_gradient:
      std::fill(x.begin(), x.end(), 0.0F);
      plain::conv2d_input_gradient<float>(device, g, Read(ys), w.data(), xs);
      at(o.x).write(x);
      break;
    case cuda::ConvolutionPass::weight_gradient:
      std::fill(w.begin(), w.end(), 0.0F);
      plain::conv2d_weight_gradient<float>(device, g, Read(xs), Read(ys), w.data(), nullptr);
      at(o.w).write(w);
      break;
  }
  return true;
}

/// Every third count of channels, a few pixels at a time.
inline index_t library_unfolds(WithLibraries&, cuda::ConvolutionKind const& k) { return k.y[3] % 3 == 0 ? 300 : 0; }

/// Heads of a multiple of eight channels, as cuDNN's flash kernels have it. Probabilities are not rounded.
inline bool library_attend(WithLibraries&, cuda::AttentionKind const& kind, cuda::AttentionOperands const& o) {
  if (kind.width % 8 != 0) return false;
  Numbers const q(kind.number, o.q), k(kind.number, o.k), v(kind.number, o.v), out(kind.number, o.o);
  std::vector<double> p(static_cast<std::size_t>(kind.keys));
  for (index_t n = 0; n < kind.pictures; ++n)
    for (index_t h = 0; h < kind.heads; ++h)
      for (index_t i = 0; i < kind.queries; ++i) {
        index_t const query = n * kind.queries + i, key = n * kind.keys, channel = h * kind.width;
        double sum = 0.0;
        for (index_t j = 0; j < kind.keys; ++j) {
          double score = 0.0;
          for (index_t c = channel; c < channel + kind.width; ++c)
            score += static_cast<double>(q.get(query * kind.stride_q + c)) * static_cast<double>(k.get((key + j) * kind.stride_k + c));
          sum += p[static_cast<std::size_t>(j)] = std::exp(score / std::sqrt(static_cast<double>(kind.width)));
        }
        for (index_t c = channel; c < channel + kind.width; ++c) {
          double value = 0.0;
          for (index_t j = 0; j < kind.keys; ++j) value += p[static_cast<std::size_t>(j)] / sum * static_cast<double>(v.get((key + j) * kind.stride_v + c));
          out.set(query * kind.stride_o + c, static_cast<float>(value));
        }
        o.log_sum[query * kind.stride_sum + h] = static_cast<float>(std::log(sum));
      }
  return true;
}

}  // namespace host_cuda
#endif
