// SPDX-License-Identifier: Apache-2.0
// The CUDA device on the host: its operations, with every kernel run block by block and thread by thread.
// Layers and whole models run on it; it tests all of the CUDA path but the launches and the copies.
// Where TADP_TRIALS_ON_CUDA is defined, it is a CUDA device itself: the trials of the kernels run there, too.
#pragma once

#if defined(TADP_TRIALS_ON_CUDA)
#include "trials_on_cuda.hpp"
#else

#include "tadp/device/threads.hpp"
#include "tadp/kernels/cuda/host_block.hpp"
#include "tadp/kernels/cuda/own_kernels.hpp"

#include <cstring>
#include <memory>

namespace host_cuda {

using namespace tadp;
using cuda::Order;

struct Device : RunsKernels {
  static constexpr char const* name = "cuda on the host";
  Order order = Order::rising;

  Device() = default;
  explicit Device(int) {}  // a session names a count of threads: kernels have theirs

  void* allocate(std::size_t bytes) const { return ::operator new(bytes + 1); }
  void deallocate(void* data) const noexcept { ::operator delete(data); }
  void copy_to_host(void* host, void const* data, std::size_t bytes) const { std::memcpy(host, data, bytes); }
  void copy_from_host(void* data, void const* host, std::size_t bytes) const { std::memcpy(data, host, bytes); }
  template <class T>
  void zero(T* data, index_t count) const {
    std::fill_n(data, count, T{});
  }
  /// NaN each time: what a kernel reads another one has to have written.
  void* scratch(std::size_t bytes) {
    scratch_->reserve((bytes + 63) / 64 * 64);
    std::memset(scratch_->floats(0), 0xff, scratch_->bytes());
    return scratch_->floats(0);
  }

 private:
  std::shared_ptr<ScratchBuffer> scratch_ = std::make_shared<ScratchBuffer>();
};

template <class Kernel>
void launch(Device& device, index_t blocks, Kernel const& kernel) {
  cuda::run_on_host(blocks, kernel, device.order);
}

}  // namespace host_cuda

#endif
