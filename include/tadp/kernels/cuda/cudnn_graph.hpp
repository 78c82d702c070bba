// SPDX-License-Identifier: Apache-2.0
// cuDNN's graph interface as owned objects: descriptors with their attributes, a graph of operations, a plan that runs it.
// Knows no operation; which ones make a convolution stands in cudnn_convolution.hpp.
#pragma once

#include "tadp/device/cuda.hpp"
#include "tadp/kernels/cuda/library_calls.hpp"

#if !__has_include(<cudnn.h>)
#error "tadp: the CUDA device needs cuDNN 9.13.1 or newer, whose cudnn.h was not found: install it beside the CUDA toolkit (cudnn9-cuda)"
#endif

#include <cudnn.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

static_assert(CUDNN_VERSION >= 91301, "tadp: the CUDA device needs cuDNN 9.13.1 or newer");

namespace tadp::cuda {

/// Throws unless `status` is CUDNN_STATUS_SUCCESS: the call, cuDNN's own words, what was asked for.
inline void require_cudnn(cudnnStatus_t status, char const* call, std::string asked = {}) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> more{};
  cudnnGetLastErrorString(more.data(), more.size());
  std::string const details = more[0] == '\0' ? "" : ": " + std::string(more.data());
  bool const no_memory = status == CUDNN_STATUS_ALLOC_FAILED || status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
  bool const failed = status >= CUDNN_STATUS_INTERNAL_ERROR;  // its kinds, and those of a failed execution, are numbered behind it
  throw Error(no_memory ? Errc::memory : failed ? Errc::device : Errc::unsupported, std::string("cuDNN: ") + call + " says " + cudnnGetErrorString(status) + details,
              {.expected = std::move(asked)});
}

struct DestroyCudnn {
  void operator()(cudnnContext* handle) const { cudnnDestroy(handle); }
};
using CudnnHandle = std::unique_ptr<cudnnContext, DestroyCudnn>;
/// A handle whose calls run in the order of a stream.
inline CudnnHandle cudnn_handle(cudaStream_t stream) {
  cudnnHandle_t made = nullptr;
  require_cudnn(cudnnCreate(&made), "cudnnCreate");
  CudnnHandle handle(made);
  require_cudnn(cudnnSetStream(made, stream), "cudnnSetStream");
  return handle;
}

namespace cudnn_detail {
constexpr cudnnDataType_t type_of(Number number) {
  return number == Number::half ? CUDNN_DATA_HALF : number == Number::bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}
}  // namespace cudnn_detail

/// A descriptor of the backend, with setters that name their type.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    require_cudnn(cudnnBackendCreateDescriptor(type, &made), "cudnnBackendCreateDescriptor");
    owned_.reset(made);
  }
  cudnnBackendDescriptor_t get() const { return owned_.get(); }

  template <class Value>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::span<Value const> values) {
    cudnnStatus_t const status = cudnnBackendSetAttribute(get(), name, type, static_cast<std::int64_t>(values.size()), values.data());
    if (status != CUDNN_STATUS_SUCCESS) require_cudnn(status, "cudnnBackendSetAttribute", "attribute " + std::to_string(static_cast<int>(name)));
    return *this;
  }
  template <class Value>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, Value const& value) {
    return set(name, type, std::span<Value const>(&value, 1));
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::span<std::int64_t const> values) { return set(name, CUDNN_TYPE_INT64, values); }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::int64_t value) { return set(name, CUDNN_TYPE_INT64, value); }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, float value) { return set(name, CUDNN_TYPE_FLOAT, value); }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, bool value) { return set(name, CUDNN_TYPE_BOOLEAN, value); }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t value) { return set(name, CUDNN_TYPE_DATA_TYPE, value); }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, CudnnDescriptor const& value) { return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.get()); }

  CudnnDescriptor& finish(char const* what) {
    require_cudnn(cudnnBackendFinalize(get()), "cudnnBackendFinalize", what);
    return *this;
  }
  /// False where cuDNN does not support what the descriptor asks for.
  bool finishes() { return cudnnBackendFinalize(get()) == CUDNN_STATUS_SUCCESS; }

 private:
  struct Destroy {
    void operator()(void* descriptor) const { cudnnBackendDestroyDescriptor(descriptor); }
  };
  std::unique_ptr<void, Destroy> owned_;
};

/// What plans are made for: the device of a handle, or, where there is none, a description of one in cuDNN's form. A plan
/// of the second kind shows that there is one, and runs nowhere.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  CudnnDescriptor const* described = nullptr;  ///< finished, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR
  CudaMath math = CudaMath::float32;
  bool halves = false;  ///< operands are half or bfloat16, for which tensor cores round nothing that is not rounded already
};

/// What a tensor of a graph is: one of memory, one that stays inside, or a single number that is given by its value.
enum class CudnnTensorKind : std::uint8_t { memory, inside, value };

/// A tensor of a graph: its number there, and its extents and strides in elements, (N, C, H, W) as cuDNN orders them.
inline CudnnDescriptor cudnn_tensor(std::int64_t id, cudnnDataType_t type, std::array<std::int64_t, 4> const& extents, std::array<std::int64_t, 4> const& strides, int alignment,
                                    CudnnTensorKind kind = CudnnTensorKind::memory) {
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id).set(CUDNN_ATTR_TENSOR_DATA_TYPE, type).set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{alignment});
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<std::int64_t const>(extents)).set(CUDNN_ATTR_TENSOR_STRIDES, std::span<std::int64_t const>(strides));
  tensor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, kind == CudnnTensorKind::inside).set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, kind == CudnnTensorKind::value).finish("a tensor");
  return tensor;
}
/// Packed, channels-last in memory.
inline CudnnDescriptor cudnn_tensor(std::int64_t id, cudnnDataType_t type, FeatureShape const& shape, int alignment, CudnnTensorKind kind = CudnnTensorKind::memory) {
  return cudnn_tensor(id, type, {shape.n(), shape.c(), shape.h(), shape.w()}, {shape.positions() * shape.c(), 1, shape.w() * shape.c(), shape.c()}, alignment, kind);
}

/// Operations and what they are made of, which has to outlive the plan.
class CudnnGraph {
 public:
  CudnnDescriptor const& keep(CudnnDescriptor descriptor) { return *kept_.emplace_back(std::make_unique<CudnnDescriptor>(std::move(descriptor))); }
  void operation(CudnnDescriptor descriptor) { operations_.push_back(keep(std::move(descriptor)).get()); }

  /// False where cuDNN knows no way to compute such a graph.
  bool finishes(CudnnTarget const& target) {
    CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (target.handle != nullptr) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span<cudnnBackendDescriptor_t const>(operations_));
    bool const good = graph.finishes();
    graph_ = &keep(std::move(graph));
    return good;
  }
  CudnnDescriptor const& get() const { return *graph_; }

 private:
  std::vector<std::unique_ptr<CudnnDescriptor>> kept_;
  std::vector<cudnnBackendDescriptor_t> operations_;
  CudnnDescriptor const* graph_ = nullptr;
};

/// A graph made ready for one engine.
class CudnnPlan {
 public:
  std::size_t workspace() const { return workspace_; }
  /// data[i] is the tensor with the number ids[i]. In the order of the handle's stream. asked(): what is computed, for an error.
  template <class Asked>
  void run(cudnnHandle_t handle, std::span<std::int64_t const> ids, std::span<void* const> data, void* workspace, Asked const& asked) const {
    CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids).set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, data);
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace).finish("the operands of a plan");
    cudnnStatus_t const status = cudnnBackendExecute(handle, plan_.get(), pack.get());
    if (status != CUDNN_STATUS_SUCCESS) require_cudnn(status, "cudnnBackendExecute", asked());
  }

  /// The first engine, in the order of cuDNN's heuristics, that computes the graph with the target's numbers; nothing where
  /// there is none.
  static std::optional<CudnnPlan> of(CudnnTarget const& target, CudnnGraph graph) {
    if (!graph.finishes(target)) return {};
    for (cudnnBackendHeurMode_t const mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
      for (CudnnDescriptor& engine : engines(target, graph, mode)) {
        if (!has_the_numbers(engine, target.halves || target.math == CudaMath::tf32)) continue;
        CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        if (target.described != nullptr)
          plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.described);
        else
          plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine);
        if (!plan.finishes()) continue;
        std::int64_t bytes = 0, count = 0;
        require_cudnn(cudnnBackendGetAttribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes), "cudnnBackendGetAttribute");
        if (bytes > most_workspace) continue;
        graph.keep(std::move(engine));
        return CudnnPlan(std::move(graph), std::move(plan), static_cast<std::size_t>(bytes));
      }
    return {};
  }

 private:
  static constexpr std::int64_t most_workspace = std::int64_t{1} << 30;

  CudnnPlan(CudnnGraph graph, CudnnDescriptor plan, std::size_t bytes) : graph_(std::move(graph)), plan_(std::move(plan)), workspace_(bytes) {}

  static std::vector<CudnnDescriptor> engines(CudnnTarget const& target, CudnnGraph const& graph, cudnnBackendHeurMode_t mode) {
    CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.get()).set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (target.described != nullptr) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.described);
    if (!heuristics.finishes()) return {};
    std::int64_t count = 0;
    require_cudnn(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr), "cudnnBackendGetAttribute");
    std::vector<CudnnDescriptor> found;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (std::int64_t i = 0; i < count; ++i) raw.push_back(found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
    if (count > 0)
      require_cudnn(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()), "cudnnBackendGetAttribute");
    found.erase(found.begin() + count, found.end());
    return found;
  }
  /// Nothing rounded on the way but what TF32 rounds (a tensor core's float), nothing that differs from run to run.
  static bool has_the_numbers(CudnnDescriptor const& config, bool tensor_cores) {
    CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t raw = engine.get();
    std::int64_t count = 0;
    require_cudnn(cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw), "cudnnBackendGetAttribute");
    std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
    require_cudnn(cudnnBackendGetAttribute(raw, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes.data()), "cudnnBackendGetAttribute");
    for (cudnnBackendNumericalNote_t const note : std::span(notes).first(static_cast<std::size_t>(count))) switch (note) {
        case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
          if (!tensor_cores) return false;
          break;
        case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13: return false;
        default: break;
      }
    return true;
  }

  CudnnGraph graph_;
  CudnnDescriptor plan_;
  std::size_t workspace_ = 0;
};

}  // namespace tadp::cuda
