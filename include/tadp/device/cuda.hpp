// SPDX-License-Identifier: Apache-2.0
// A CUDA device: one stream, memory in its order, and what libraries keep for it. For a host compiler.
// Kernels for it are the functions of kernels/cuda.hpp, found by overload on this type.
#pragma once

#include "tadp/core/shape.hpp"
#include "tadp/device/cuda_devices.hpp"
#include "tadp/device/cuda_memory.hpp"
#include "tadp/device/kernel_device.hpp"

#include <memory>
#include <typeindex>
#include <unordered_map>

namespace tadp {

/// How libraries multiply floats: as floats, or rounded to TF32 (ten bits of mantissa) on tensor cores. Sums are float.
enum class CudaMath : std::uint8_t { float32, tf32 };

namespace cuda {

/// A stream that does not wait for the default stream.
class Stream {
 public:
  Stream() { require_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  Stream(Stream const&) = delete;
  Stream& operator=(Stream const&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// What the copies of a handle share. The device is current while this is made.
struct StreamState {
  StreamState(int i, CudaMath m) : index(i), math(m), pool(i, stream.get()), staging(stream.get()), scratch(pool), workspace(pool) {}
  StreamState(StreamState const&) = delete;
  StreamState& operator=(StreamState const&) = delete;
  ~StreamState() {
    int before = index;
    cudaGetDevice(&before);
    cudaSetDevice(index);
    cudaStreamSynchronize(stream.get());
    libraries.clear();
    cudaSetDevice(before);
  }

  int index;
  CudaMath math;
  Stream stream;
  StreamPool pool;
  PinnedStaging staging;
  StreamBuffer scratch, workspace;
  std::unordered_map<std::type_index, std::shared_ptr<void>> libraries{};
};

inline std::shared_ptr<StreamState> open_device(int index, CudaMath math) {
  CurrentDevice const here(existing_cuda_device(index));
  return std::make_shared<StreamState>(index, math);
}

}  // namespace cuda

/// A handle; copies share the stream. One session uses a handle at a time; `another` makes one for the next session.
class Cuda : public RunsKernels {
 public:
  static constexpr char const* name = "cuda";
  static constexpr bool separate_memory = true;  ///< the host's memory is not its own
  static constexpr bool has_libraries = true;    ///< whose calls stand in kernels/cuda/libraries.hpp

  /// No device yet: something to assign to.
  Cuda() = default;
  /// The device of this number. Error(unsupported) that says which part is missing; Error(argument) for a number too high.
  explicit Cuda(int index, CudaMath math = CudaMath::float32) : state_(cuda::open_device(index, math)) {}

  /// The same device with a stream of its own; everything that this handle has begun is done.
  Cuda another() const {
    finish();
    return Cuda(index(), math());
  }
  /// Waits for everything that was begun; a kernel that failed shows here at the latest.
  void finish() const {
    cuda::CurrentDevice const here(index());
    require_cuda(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
  }

  /// 256-byte aligned, never null; throws Error(memory). In the order of the stream, as everything below.
  void* allocate(std::size_t bytes) const {
    cuda::CurrentDevice const here(index());
    return state().pool.allocate(bytes);
  }
  void deallocate(void* data) const noexcept { state_->pool.deallocate(data); }

  /// Waits for the device.
  void copy_to_host(void* host, void const* data, std::size_t bytes) const {
    cuda::CurrentDevice const here(index());
    state().staging.to_host(host, data, bytes);
  }
  /// `host` may change as soon as this returns.
  void copy_from_host(void* data, void const* host, std::size_t bytes) const {
    cuda::CurrentDevice const here(index());
    state().staging.to_device(data, host, bytes);
  }
  template <class T>
  void zero(T* data, index_t count) const {
    if (count <= 0) return;
    cuda::CurrentDevice const here(index());
    require_cuda(cudaMemsetAsync(data, 0, static_cast<std::size_t>(count) * sizeof(T), stream()), "cudaMemsetAsync");
  }

  /// Memory for one operation: the next one gets it again.
  void* scratch(std::size_t bytes) {
    cuda::CurrentDevice const here(index());
    return state().scratch.at_least(bytes);
  }
  /// The same for the inside of a library's call, so that an operation's scratch may be its operand. Null for no bytes.
  void* workspace(std::size_t bytes) {
    cuda::CurrentDevice const here(index());
    return bytes == 0 ? nullptr : state().workspace.at_least(bytes);
  }

  int index() const { return state().index; }
  CudaMath math() const { return state().math; }
  cudaStream_t stream() const { return state().stream.get(); }
  /// What a library keeps for this stream: Library(stream), made at first use.
  template <class Library>
  Library& library() {
    auto& place = state().libraries[std::type_index(typeid(Library))];
    if (place == nullptr) {
      cuda::CurrentDevice const here(index());
      place = std::make_shared<Library>(stream());
    }
    return *static_cast<Library*>(place.get());
  }

 private:
  cuda::StreamState& state() const {
    if (state_ == nullptr) throw Error(Errc::argument, "this Cuda names no device", {.expected = "Cuda{0} for the first one"});
    return *state_;
  }
  std::shared_ptr<cuda::StreamState> state_;
};

}  // namespace tadp
