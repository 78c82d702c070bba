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

/// Attention as one operation, which cuDNN knows from 9.13.1 on.
inline CudnnGraph attention_graph(AttentionKind const& kind) {
  CudnnGraph graph;
  // (N, heads, pixels, channels of a head) as they lie in channels-last memory, `stride` from pixel to pixel.
  auto const heads_of = [&](std::int64_t id, cudnnDataType_t type, index_t pixels, index_t width, index_t stride, int alignment) -> CudnnDescriptor const& {
    return graph.keep(cudnn_tensor(id, type, {kind.pictures, kind.heads, pixels, width}, {pixels * stride, width, stride, 1}, alignment));
  };
  auto const heads = [&](std::int64_t id, index_t pixels, index_t stride) -> CudnnDescriptor const& { return heads_of(id, cudnn_detail::type_of(kind.number), pixels, kind.width, stride, 16); };
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, heads(attention_ids::q, kind.queries, kind.stride_q));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, heads(attention_ids::k, kind.keys, kind.stride_k));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, heads(attention_ids::v, kind.keys, kind.stride_v));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, heads(attention_ids::o, kind.queries, kind.stride_o));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, heads_of(attention_ids::log_sum, CUDNN_DATA_FLOAT, kind.queries, 1, kind.stride_sum, 4));
  operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, graph.keep(cudnn_tensor(attention_ids::scale, CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1}, 4, CudnnTensorKind::value))).finish("attention");
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
