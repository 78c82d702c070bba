// SPDX-License-Identifier: Apache-2.0
// Matrix products by cuBLASLt: what is added afterwards is fused in, and a plan is made once for each kind of product.
// Operands are float, half or bfloat16 and sums are float; no TF32 unless the device's handle asks for it.
#pragma once

#include "tadp/device/cuda.hpp"
#include "tadp/kernels/cuda/library_calls.hpp"

#if !__has_include(<cublasLt.h>)
#error "tadp: the CUDA device needs cuBLASLt, whose cublasLt.h was not found: it comes with the CUDA toolkit (libcublas-dev)"
#endif

#include <cublasLt.h>

#include <map>
#include <memory>

namespace tadp::cuda {

inline void check(cublasStatus_t status, char const* call, Product const& product) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  bool const failed = status == CUBLAS_STATUS_EXECUTION_FAILED || status == CUBLAS_STATUS_INTERNAL_ERROR;
  throw Error(status == CUBLAS_STATUS_ALLOC_FAILED ? Errc::memory : failed ? Errc::device : Errc::unsupported,
              std::string(call) + " says " + cublasLtGetStatusName(status) + " (" + cublasLtGetStatusString(status) + ")", {.found = product.text()});
}

namespace cublaslt_detail {

template <class T, cublasStatus_t (*destroy)(T)>
struct Destroy {
  void operator()(std::remove_pointer_t<T>* object) const { destroy(object); }
};
template <class T, cublasStatus_t (*destroy)(T)>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Destroy<T, destroy>>;
using Handle = Owned<cublasLtHandle_t, cublasLtDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Description = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

/// The largest power of two, up to 256, that an address is a multiple of.
inline int alignment(void const* data) {
  auto const address = reinterpret_cast<std::uintptr_t>(data);
  return address == 0 ? 256 : static_cast<int>(std::min<std::uintptr_t>(256, address & (~address + 1)));
}

}  // namespace cublaslt_detail

class CublasLt {
 public:
  explicit CublasLt(cudaStream_t stream) : stream_(stream) {
    cublasLtHandle_t handle = nullptr;
    check(cublasLtCreate(&handle), "cublasLtCreate", {});
    handle_.reset(handle);
  }

  /// Error(unsupported) with the shapes where the library has no way to compute this product.
  void multiply(Cuda& device, Product product, ProductOperands const& o) {
    if (product.m == 0 || product.n == 0) return;
    CurrentDevice const here(device.index());
    product.adds = o.c != nullptr;
    product.bias = o.bias != nullptr;
    if (!product.adds) product.stride_c = product.stride_d;
    void const* const c = product.adds ? o.c : o.d;
    using cublaslt_detail::alignment;
    product.aligned_a = alignment(o.a), product.aligned_b = alignment(o.b), product.aligned_c = alignment(c), product.aligned_d = alignment(o.d);
    auto const [at, missing] = plans_.try_emplace(product);
    if (missing) try {
        at->second = plan_of(product, o.bias, device.math());
      } catch (...) {
        plans_.erase(at);
        throw;
      }
    Plan const& plan = at->second;
    if (product.bias) set(plan.description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, o.bias, product);
    float const one = 1.0F, beta = product.adds ? 1.0F : 0.0F;
    check(cublasLtMatmul(handle_.get(), plan.description.get(), &one, o.a, plan.a.get(), o.b, plan.b.get(), &beta, c, plan.c.get(), o.d, plan.d.get(), &plan.algorithm,
                         device.workspace(plan.workspace), plan.workspace, stream_),
          "cublasLtMatmul", product);
  }

 private:
  struct Plan {
    cublaslt_detail::Description description;
    cublaslt_detail::Layout a, b, c, d;
    cublasLtMatmulAlgo_t algorithm{};
    std::size_t workspace = 0;
  };
  static constexpr std::size_t most_workspace = std::size_t{32} << 20;

  template <class Value>
  static void set(cublaslt_detail::Description const& description, cublasLtMatmulDescAttributes_t which, Value const& value, Product const& product) {
    check(cublasLtMatmulDescSetAttribute(description.get(), which, &value, sizeof value), "cublasLtMatmulDescSetAttribute", product);
  }
  static cudaDataType_t type_of(Number number) { return number == Number::half ? CUDA_R_16F : number == Number::bfloat16 ? CUDA_R_16BF : CUDA_R_32F; }
  static cublaslt_detail::Layout layout(Product const& product, Number number, index_t rows, index_t columns, index_t stride) {
    cublasLtMatrixLayout_t layout = nullptr;
    check(cublasLtMatrixLayoutCreate(&layout, type_of(number), static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), stride), "cublasLtMatrixLayoutCreate", product);
    return cublaslt_detail::Layout(layout);
  }
  Plan plan_of(Product const& p, void const* bias, CudaMath math) const {
    Plan plan;
    cublasLtMatmulDesc_t description = nullptr;
    bool const tf32 = math == CudaMath::tf32 && p.factors == Number::float32;
    check(cublasLtMatmulDescCreate(&description, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate", p);
    plan.description.reset(description);
    set(plan.description, CUBLASLT_MATMUL_DESC_TRANSA, p.turn_a ? CUBLAS_OP_T : CUBLAS_OP_N, p);
    set(plan.description, CUBLASLT_MATMUL_DESC_TRANSB, p.turn_b ? CUBLAS_OP_T : CUBLAS_OP_N, p);
    if (p.bias || p.relu) set(plan.description, CUBLASLT_MATMUL_DESC_EPILOGUE, !p.relu ? CUBLASLT_EPILOGUE_BIAS : p.bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU, p);
    if (p.bias) {
      set(plan.description, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(p.sums), p);
      set(plan.description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias, p);  // the choice of an algorithm looks at its alignment
    }
    plan.a = layout(p, p.factors, p.turn_a ? p.k : p.m, p.turn_a ? p.m : p.k, p.stride_a);
    plan.b = layout(p, p.factors, p.turn_b ? p.n : p.k, p.turn_b ? p.k : p.n, p.stride_b);
    plan.c = layout(p, p.sums, p.m, p.n, p.stride_c);
    plan.d = layout(p, p.sums, p.m, p.n, p.stride_d);
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    auto const preference = preference_of(p);
    check(cublasLtMatmulAlgoGetHeuristic(handle_.get(), plan.description.get(), plan.a.get(), plan.b.get(), plan.c.get(), plan.d.get(), preference.get(), 1, &best, &found),
          "cublasLtMatmulAlgoGetHeuristic", p);
    if (found == 0) throw Error(Errc::unsupported, "cuBLASLt has no algorithm for a product", {.found = p.text()});
    plan.algorithm = best.algo;
    plan.workspace = best.workspaceSize;
    return plan;
  }
  static cublaslt_detail::Preference preference_of(Product const& p) {
    cublasLtMatmulPreference_t made = nullptr;
    check(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate", p);
    cublaslt_detail::Preference preference(made);
    auto const put = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
      check(cublasLtMatmulPreferenceSetAttribute(preference.get(), which, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute", p);
    };
    put(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_workspace);
    put(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));  // parts of a sum are added in float
    put(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(p.aligned_a));
    put(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(p.aligned_b));
    put(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(p.aligned_c));
    put(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(p.aligned_d));
    return preference;
  }

  cudaStream_t stream_;
  cublaslt_detail::Handle handle_;
  std::map<Product, Plan> plans_;
};

}  // namespace tadp::cuda
