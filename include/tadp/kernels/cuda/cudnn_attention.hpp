// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention by cuDNN's flash kernels, in half and bfloat16: scores stay on the chip.
// A plan is made once for each kind of attention and kept, or that there is none.
#pragma once

#include "tadp/kernels/cuda/cudnn_graph.hpp"
#include "tadp/kernels/cuda/library_calls.hpp"

#include <cmath>
#include <map>

namespace tadp::cuda {

namespace attention_ids {
inline constexpr std::int64_t q = 1, k = 2, v = 3, o = 4, log_sum = 5, scale = 6;
}  // namespace attention_ids

namespace cudnn_detail {

/// (N, heads, pixels, channels of a head) as they lie in channels-last memory, `stride` from pixel to pixel.
inline CudnnDescriptor heads_tensor(std::int64_t id, cudnnDataType_t type, AttentionKind const& kind, index_t pixels, index_t width, index_t stride, int alignment) {
  std::array<std::int64_t, 4> const extents{kind.pictures, kind.heads, pixels, width}, strides{pixels * stride, width, stride, 1};
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id).set(CUDNN_ATTR_TENSOR_DATA_TYPE, type).set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{alignment});
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<std::int64_t const>(extents)).set(CUDNN_ATTR_TENSOR_STRIDES, std::span<std::int64_t const>(strides)).finish("heads of a tensor");
  return tensor;
}
/// One float that is given by its value.
inline CudnnDescriptor scalar_tensor(std::int64_t id) {
  std::array<std::int64_t, 4> const ones{1, 1, 1, 1};
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id).set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT).set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{4});
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<std::int64_t const>(ones)).set(CUDNN_ATTR_TENSOR_STRIDES, std::span<std::int64_t const>(ones));
  tensor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, true).finish("a number");
  return tensor;
}

}  // namespace cudnn_detail

/// cuDNN 9.13 and newer know attention as one operation.
inline CudnnGraph attention_graph(AttentionKind const& kind) {
  using namespace cudnn_detail;
  CudnnGraph graph;
  auto const type = type_of(kind.number);
  auto const heads = [&](std::int64_t id, index_t pixels, index_t stride) -> CudnnDescriptor const& { return graph.keep(heads_tensor(id, type, kind, pixels, kind.width, stride, 16)); };
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, heads(attention_ids::q, kind.queries, kind.stride_q));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, heads(attention_ids::k, kind.keys, kind.stride_k));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, heads(attention_ids::v, kind.keys, kind.stride_v));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, heads(attention_ids::o, kind.queries, kind.stride_o));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, graph.keep(heads_tensor(attention_ids::log_sum, CUDNN_DATA_FLOAT, kind, kind.queries, 1, kind.stride_sum, 4)));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, graph.keep(scalar_tensor(attention_ids::scale))).finish("attention");
  graph.operation(std::move(operation));
  return graph;
}

/// Attention of one stream.
class CudnnAttention {
 public:
  explicit CudnnAttention(cudaStream_t stream) : handle_(cudnn_handle(stream)) {}

  /// False where cuDNN has no engine for it, which is remembered; Error where it fails.
  bool attend(Cuda& device, AttentionKind const& kind, AttentionOperands const& o) {
    // Its kernels read 16 bytes at a time and do not look whether they may.
    for (index_t const stride : {kind.width, kind.stride_q, kind.stride_k, kind.stride_v, kind.stride_o})
      if (stride % 8 != 0) return false;
    for (void const* const data : std::initializer_list<void const*>{o.q, o.k, o.v, o.o})
      if (reinterpret_cast<std::uintptr_t>(data) % 16 != 0) return false;
    CurrentDevice const here(device.index());
    auto at = plans_.find(kind);
    if (at == plans_.end()) at = plans_.emplace(kind, CudnnPlan::of({.handle = handle_.get(), .math = device.math(), .halves = true}, attention_graph(kind))).first;
    if (!at->second) return false;
    float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(kind.width)));
    using namespace attention_ids;
    std::array<std::int64_t, 6> const ids{q, k, v, attention_ids::o, log_sum, attention_ids::scale};
    std::array<void*, 6> const data{const_cast<void*>(o.q), const_cast<void*>(o.k), const_cast<void*>(o.v), o.o, o.log_sum, &scale};
    CudnnPlan const& plan = *at->second;
    plan.run(handle_.get(), ids, data, device.workspace(plan.workspace()), [&] { return kind.text(); });
    return true;
  }

 private:
  CudnnHandle handle_;
  std::map<AttentionKind, std::optional<CudnnPlan>> plans_;
};

}  // namespace tadp::cuda
