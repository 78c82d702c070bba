// SPDX-License-Identifier: Apache-2.0
// A heap that a CUDA device reads: while a PinnedHeap lives, new draws from pinned memory, so that a kernel may be given
// the memory of a vector. Link pinned_heap.cpp, which has the operators.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>

namespace cuda_shared {

/// Memory that the host and the CUDA device both read and write under the same address, in powers of two. What is given
/// back stays for the next. The memory is the host's own, and stays so when the runtime has gone at the end of a program.
class PinnedPool {
 public:
  /// In front of every block.
  struct alignas(64) Header {
    static constexpr std::uint32_t of_malloc = ~0U;
    std::uint32_t bits = of_malloc;  ///< the block has 1 << bits bytes, this included
  };

  /// Aligned to 64 bytes; null where there is no device, or no memory.
  void* take(std::size_t bytes) {
    if (growing || !ready()) return nullptr;
    auto const bits = static_cast<std::uint32_t>(std::bit_width(bytes + sizeof(Header) - 1));
    std::lock_guard const lock(mutex_);
    std::byte* const block = bits >= free_.size() ? nullptr : free_[bits] != nullptr ? pop(bits) : carve(std::size_t{1} << bits);
    if (block == nullptr) return nullptr;
    reinterpret_cast<Header*>(block)->bits = bits;
    return block + sizeof(Header);
  }
  static Header& header(void* data) { return *(static_cast<Header*>(data) - 1); }
  void give(void* data) noexcept {
    std::uint32_t const bits = header(data).bits;
    auto* const block = reinterpret_cast<Free*>(&header(data));
    std::lock_guard const lock(mutex_);
    block->next = free_[bits];
    free_[bits] = block;
  }

 private:
  struct Free {
    Free* next;
  };
  enum State : int { untouched, starting, there, missing };
  static constexpr std::size_t slab_bytes = std::size_t{64} << 20;

  /// The runtime starts at first use; what it allocates meanwhile is not ours to give.
  bool ready() {
    int state = state_.load();
    if (state == untouched && state_.compare_exchange_strong(state, starting)) {
      state = cudaFree(nullptr) == cudaSuccess ? there : missing;
      cudaGetLastError();
      state_.store(state);
    }
    return state == there;
  }
  std::byte* pop(std::uint32_t bits) {
    Free* const block = free_[bits];
    free_[bits] = block->next;
    return reinterpret_cast<std::byte*>(block);
  }
  std::byte* carve(std::size_t bytes) {
    if (bytes > left_) {
      std::size_t const slab = bytes > slab_bytes ? bytes : slab_bytes;
      growing = true;
      void* const data = pinned(slab);
      growing = false;
      if (data == nullptr) return nullptr;
      at_ = static_cast<std::byte*>(data);  // what was left of the slab before is lost
      left_ = slab;
    }
    std::byte* const block = at_;
    at_ += bytes;
    left_ -= bytes;
    return block;
  }

  static void* pinned(std::size_t bytes) {
    void *data = std::aligned_alloc(4096, bytes), *there = nullptr;
    if (data == nullptr) return nullptr;
    if (cudaHostRegister(data, bytes, cudaHostRegisterMapped | cudaHostRegisterPortable) == cudaSuccess) {
      if (cudaHostGetDevicePointer(&there, data, 0) == cudaSuccess && there == data) return data;
      cudaHostUnregister(data);  // a device that sees it elsewhere
    }
    cudaGetLastError();
    std::free(data);
    if (cudaHostAlloc(&data, bytes, cudaHostAllocMapped | cudaHostAllocPortable) == cudaSuccess) return data;
    cudaGetLastError();
    return nullptr;
  }

  static inline thread_local bool growing = false;
  std::atomic<int> state_{untouched};
  std::mutex mutex_{};
  std::array<Free*, 48> free_{};
  std::byte* at_ = nullptr;
  std::size_t left_ = 0;
};

extern constinit PinnedPool pinned_pool;
extern constinit std::atomic<int> pinned_heaps;

/// Where it lives, memory of new is the device's, too: for tests of one thing, since it hides what a device of separate
/// memory must not be given. Without a device nothing changes.
class PinnedHeap {
 public:
  PinnedHeap() { ++pinned_heaps; }
  PinnedHeap(PinnedHeap const&) = delete;
  PinnedHeap& operator=(PinnedHeap const&) = delete;
  ~PinnedHeap() { --pinned_heaps; }
};

}  // namespace cuda_shared
