// SPDX-License-Identifier: Apache-2.0
// Convolutions by cuDNN on packed channels-last tensors: forward with bias, residual and ReLU fused, and both gradients.
// A plan is made once for each kind of convolution and kept, or that there is none.
#pragma once

#include "tadp/kernels/cuda/cudnn_graph.hpp"
#include "tadp/kernels/cuda/library_calls.hpp"

#include <algorithm>
#include <map>

namespace tadp::cuda {

namespace convolution_ids {
inline constexpr std::int64_t x = 1, w = 2, y = 3, bias = 4, residual = 5, inside = 6;
}  // namespace convolution_ids

namespace cudnn_detail {

inline CudnnDescriptor description(ConvolutionKind const& k) {
  std::array<std::int64_t, 2> const pads{k.pad_y, k.pad_x}, strides{k.stride, k.stride}, dilations{1, 1};
  CudnnDescriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT).set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2}).set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<std::int64_t const>(dilations));
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<std::int64_t const>(strides)).set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<std::int64_t const>(pads));
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<std::int64_t const>(pads)).finish("a convolution's geometry");
  return d;
}
/// The names of one kind of operation's attributes.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t geometry, x, w, y, alpha, beta;
};
constexpr Names names(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::input_gradient:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvolutionPass::weight_gradient:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    case ConvolutionPass::forward: break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
}

}  // namespace cudnn_detail

/// The convolution, then + residual, then + bias, then ReLU: the order that cuDNN's fused engines know.
inline CudnnGraph convolution_graph(ConvolutionKind const& k) {
  CudnnGraph graph;
  auto const tensor = [&](std::int64_t id, FeatureShape const& shape, bool inside = false) -> CudnnDescriptor const& {
    // What stays inside is float: a sum is rounded once, when it is stored.
    return graph.keep(cudnn_tensor(id, inside ? CUDNN_DATA_FLOAT : cudnn_detail::type_of(k.number), shape, k.alignment, inside ? CudnnTensorKind::inside : CudnnTensorKind::memory));
  };
  int left = (k.residual ? 1 : 0) + (k.bias ? 1 : 0) + (k.relu ? 1 : 0);  // operations that follow
  std::int64_t next = convolution_ids::inside;
  auto const result = [&]() -> CudnnDescriptor const& { return left == 0 ? tensor(convolution_ids::y, k.y_shape()) : tensor(next++, k.y_shape(), true); };
  cudnn_detail::Names const n = cudnn_detail::names(k.pass);
  CudnnDescriptor const* y = &result();
  CudnnDescriptor operation(n.operation);
  operation.set(n.geometry, graph.keep(cudnn_detail::description(k))).set(n.x, tensor(convolution_ids::x, k.x_shape())).set(n.w, tensor(convolution_ids::w, k.w_shape())).set(n.y, *y);
  graph.operation(std::move(operation.set(n.alpha, 1.0F).set(n.beta, 0.0F).finish("a convolution")));
  auto const then = [&](cudnnPointwiseMode_t mode, CudnnDescriptor const* addend) {
    --left;
    CudnnDescriptor const& next_y = result();
    CudnnDescriptor pointwise(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    pointwise.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT).finish("a pointwise function");
    CudnnDescriptor step(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    step.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, graph.keep(std::move(pointwise))).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *y);
    if (addend != nullptr) step.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *addend);
    graph.operation(std::move(step.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, next_y).finish("what follows a convolution")));
    y = &next_y;
  };
  if (k.residual) then(CUDNN_POINTWISE_ADD, &tensor(convolution_ids::residual, k.y_shape()));
  if (k.bias) then(CUDNN_POINTWISE_ADD, &tensor(convolution_ids::bias, {1, 1, 1, k.y[3]}));
  if (k.relu) then(CUDNN_POINTWISE_RELU_FWD, nullptr);
  return graph;
}

/// Convolutions of one stream.
class Cudnn {
 public:
  explicit Cudnn(cudaStream_t stream) : handle_(cudnn_handle(stream)) {}

  /// False where cuDNN has no engine for it, which is remembered; Error where it fails.
  bool convolve(Cuda& device, ConvolutionKind kind, ConvolutionOperands const& o) {
    CurrentDevice const here(device.index());
    kind.bias = o.bias != nullptr;
    kind.residual = o.residual != nullptr;
    kind.alignment = alignment_of({o.x, o.w, o.y, o.bias, o.residual});
    auto at = plans_.find(kind);
    if (at == plans_.end()) at = plans_.emplace(kind, CudnnPlan::of({.handle = handle_.get(), .math = device.math(), .halves = kind.number != Number::float32}, convolution_graph(kind))).first;
    if (!at->second) return false;
    std::array<std::int64_t, 5> ids{convolution_ids::x, convolution_ids::w, convolution_ids::y};
    std::array<void*, 5> data{o.x, o.w, o.y};
    std::size_t count = 3;
    if (kind.bias) ids[count] = convolution_ids::bias, data[count++] = o.bias;
    if (kind.residual) ids[count] = convolution_ids::residual, data[count++] = o.residual;
    CudnnPlan const& plan = *at->second;
    plan.run(handle_.get(), std::span<std::int64_t const>(ids).first(count), std::span<void* const>(data).first(count), device.workspace(plan.workspace()),
             [&] { return kind.text(); });
    return true;
  }

 private:
  /// The largest power of two, up to 16, that all addresses are multiples of.
  static int alignment_of(std::initializer_list<void const*> all) {
    std::uintptr_t bits = 16;
    for (void const* const one : all) bits |= reinterpret_cast<std::uintptr_t>(one);
    return static_cast<int>(bits & (~bits + 1));
  }

  CudnnHandle handle_;
  std::map<ConvolutionKind, std::optional<CudnnPlan>> plans_;
};

}  // namespace tadp::cuda
