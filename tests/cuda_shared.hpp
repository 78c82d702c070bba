// SPDX-License-Identifier: Apache-2.0
// The CUDA device with memory that the host reads and writes, too, done with each call when it returns: for tests that
// were written for the processor. A PinnedHeap lets it read vectors; scratch stays in the device's own memory.
#pragma once

#include "pinned_heap.hpp"
#include "tadp/kernels/cuda.hpp"

namespace cuda_shared {

using namespace tadp;

class Device : public Cuda {
 public:
  static constexpr char const* name = "cuda in shared memory";
  static constexpr bool separate_memory = false;

  Device() = default;
  explicit Device(int index, CudaMath math = CudaMath::float32) : Cuda(index, math) {}
  Device another() const {
    finish();
    return Device(index(), math());
  }

  void* allocate(std::size_t bytes) const {
    void* const data = pinned_pool.take(bytes);
    if (data == nullptr) throw Error(Errc::memory, "no pinned memory", {.expected = std::to_string(bytes) + " bytes"});
    return data;
  }
  void deallocate(void* data) const noexcept {
    if (data != nullptr) pinned_pool.give(data);
  }
  /// Of either memory: an operation may read its scratch.
  void copy_to_host(void* host, void const* data, std::size_t bytes) const { copy(host, data, bytes); }
  void copy_from_host(void* data, void const* host, std::size_t bytes) const { copy(data, host, bytes); }
  template <class T>
  void zero(T* data, index_t count) const {
    Cuda::zero(data, count);
    finish();
  }

 private:
  void copy(void* to, void const* from, std::size_t bytes) const {
    finish();
    require_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy", std::to_string(bytes) + " bytes");
  }
};

template <class Kernel>
void launch(Device& device, index_t blocks, Kernel const& kernel) {
  tadp::launch(static_cast<Cuda&>(device), blocks, kernel);
  device.finish();
}
inline void library_multiply(Device& device, cuda::Product const& product, cuda::ProductOperands const& o) {
  tadp::library_multiply(static_cast<Cuda&>(device), product, o);
  device.finish();
}
inline bool library_convolve(Device& device, cuda::ConvolutionKind const& kind, cuda::ConvolutionOperands const& o) {
  bool const done = tadp::library_convolve(static_cast<Cuda&>(device), kind, o);
  device.finish();
  return done;
}
inline bool library_attend(Device& device, cuda::AttentionKind const& kind, cuda::AttentionOperands const& o) {
  bool const done = tadp::library_attend(static_cast<Cuda&>(device), kind, o);
  device.finish();
  return done;
}

}  // namespace cuda_shared
