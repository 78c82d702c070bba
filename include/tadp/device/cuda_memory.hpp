// SPDX-License-Identifier: Apache-2.0
// Memory of a CUDA device in the order of a stream: a pool that keeps what is freed, buffers that grow, pinned staging.
// Nothing here waits for the device but the copies to the host.
#pragma once

#include "tadp/device/cuda_error.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace tadp::cuda {

/// Blocks that one stream allocates and frees in its order; freed ones stay for the next.
class StreamPool {
 public:
  StreamPool(int ordinal, cudaStream_t stream) : StreamPool(stream, created(ordinal)) {
    // The pool has its owner by now, and is destroyed when this throws.
    std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();
    require_cuda(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
  }
  StreamPool(StreamPool const&) = delete;
  StreamPool& operator=(StreamPool const&) = delete;
  ~StreamPool() { cudaMemPoolDestroy(pool_); }

  /// Aligned to 256 bytes, never null; Error(memory).
  void* allocate(std::size_t bytes) {
    void* data = nullptr;
    require_cuda(cudaMallocFromPoolAsync(&data, std::max<std::size_t>(bytes, 256), pool_, stream_), "cudaMallocFromPoolAsync", std::to_string(bytes) + " bytes");
    return data;
  }
  void deallocate(void* data) noexcept {
    if (data != nullptr) cudaFreeAsync(data, stream_);
  }

 private:
  StreamPool(cudaStream_t stream, cudaMemPool_t pool) : stream_(stream), pool_(pool) {}
  static cudaMemPool_t created(int ordinal) {
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = ordinal;
    cudaMemPool_t pool = nullptr;
    require_cuda(cudaMemPoolCreate(&pool, &properties), "cudaMemPoolCreate");
    return pool;
  }

  cudaStream_t stream_;
  cudaMemPool_t pool_;
};

/// Memory that only grows; what was in it is lost when it does. Work that reads the old block has been queued before.
class StreamBuffer {
 public:
  explicit StreamBuffer(StreamPool& pool) : pool_(&pool) {}
  StreamBuffer(StreamBuffer const&) = delete;
  StreamBuffer& operator=(StreamBuffer const&) = delete;
  ~StreamBuffer() { pool_->deallocate(data_); }

  void* at_least(std::size_t bytes) {
    if (bytes <= bytes_) return data_;
    pool_->deallocate(std::exchange(data_, nullptr));
    bytes_ = 0;
    data_ = pool_->allocate(bytes);
    bytes_ = bytes;
    return data_;
  }

 private:
  StreamPool* pool_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Copies between any host memory and the device through two pinned blocks: one travels while the other is filled.
class PinnedStaging {
 public:
  explicit PinnedStaging(cudaStream_t stream) : stream_(stream) {}
  PinnedStaging(PinnedStaging const&) = delete;
  PinnedStaging& operator=(PinnedStaging const&) = delete;
  ~PinnedStaging() {
    for (Block const& block : blocks_) {
      if (block.sent != nullptr) cudaEventDestroy(block.sent);
      cudaFreeHost(block.memory);
    }
  }

  /// `host` may change as soon as this returns; the device sees the copy in the order of the stream.
  void to_device(void* device, void const* host, std::size_t bytes) {
    prepare();
    for (std::size_t at = 0; at < bytes; at += block_bytes) {
      Block const& block = blocks_[next_++ % blocks_.size()];
      std::size_t const part = std::min(block_bytes, bytes - at);
      require_cuda(cudaEventSynchronize(block.sent), "cudaEventSynchronize");
      std::memcpy(block.memory, static_cast<std::byte const*>(host) + at, part);
      require_cuda(cudaMemcpyAsync(static_cast<std::byte*>(device) + at, block.memory, part, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
      require_cuda(cudaEventRecord(block.sent, stream_), "cudaEventRecord");
    }
  }
  /// Waits for the stream: errors of what was queued before show here at the latest.
  void to_host(void* host, void const* device, std::size_t bytes) {
    prepare();
    std::size_t const parts = (bytes + block_bytes - 1) / block_bytes;
    auto const length = [&](std::size_t i) { return std::min(block_bytes, bytes - i * block_bytes); };
    for (std::size_t i = 0; i <= parts; ++i) {
      if (i < parts) {
        Block const& block = blocks_[i % blocks_.size()];
        require_cuda(cudaMemcpyAsync(block.memory, static_cast<std::byte const*>(device) + i * block_bytes, length(i), cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
        require_cuda(cudaEventRecord(block.sent, stream_), "cudaEventRecord");
      }
      if (i == 0) continue;
      Block const& before = blocks_[(i - 1) % blocks_.size()];
      require_cuda(cudaEventSynchronize(before.sent), "cudaEventSynchronize");
      std::memcpy(static_cast<std::byte*>(host) + (i - 1) * block_bytes, before.memory, length(i - 1));
    }
  }

 private:
  static constexpr std::size_t block_bytes = std::size_t{4} << 20;
  struct Block {
    void* memory = nullptr;
    cudaEvent_t sent = nullptr;
  };
  /// At the first copy.
  void prepare() {
    for (Block& block : blocks_) {
      if (block.memory == nullptr) require_cuda(cudaMallocHost(&block.memory, block_bytes), "cudaMallocHost");
      if (block.sent == nullptr) require_cuda(cudaEventCreateWithFlags(&block.sent, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
  }

  cudaStream_t stream_;
  std::array<Block, 2> blocks_{};
  std::size_t next_ = 0;
};

}  // namespace tadp::cuda
