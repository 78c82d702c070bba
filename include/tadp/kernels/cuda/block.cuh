// SPDX-License-Identifier: Apache-2.0
// How a kernel is written: phases over the threads of a block, each closed by a barrier, in text that two executors run.
// nvcc runs it on the device; a host compiler runs it thread by thread (host_block.hpp), where there is no device.
#pragma once

#include "tadp/core/shape.hpp"

#include <cstdint>
#include <limits>

#if defined(__CUDACC__)
#define TADP_DEVICE __device__
#else
#define TADP_DEVICE
#endif

namespace tadp::cuda {

/// A kernel is a struct: its members are the arguments, `threads` (a multiple of `warp`) the size of a block, `Shared` what
/// a block shares. Its operator()(block) is what one block does:
///   block.index()                  which block this is
///   block.shared()                 the Shared of this block; not initialised
///   block.each([&](int t) {...})   a phase: the work of every thread t, then a barrier
///   PerThread<V> v; v[t]           a value that a thread keeps from phase to phase (a register)
///   block.join(v, Sum{})           the sum over the block, the same in every thread; v is used up
///   block.join_warp(v, Sum{})      every v[t] becomes the sum over the warp of t
/// What stands between the phases is run by every thread and has to be the same for all of them.
inline constexpr int warp = 32;

struct Sum {
  template <class V>
  TADP_DEVICE V operator()(V a, V b) const {
    return a + b;
  }
};
struct Largest {
  template <class V>
  TADP_DEVICE V operator()(V a, V b) const {
    return a < b ? b : a;
  }
};

/// What a kernel without shared memory shares.
struct Nothing {};

constexpr index_t blocks_for(index_t count, index_t size) { return (count + size - 1) / size; }

/// a / b of numbers that are not negative: a division of 64 bits is slow on a device, and seldom needed.
TADP_DEVICE inline index_t quotient(index_t a, index_t b) {
  constexpr index_t narrow = std::numeric_limits<std::uint32_t>::max();
  return a <= narrow && b <= narrow ? index_t{static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b)} : a / b;
}

#if defined(__CUDACC__)

template <class Kernel>
class DeviceBlock {
 public:
  using Shared = typename Kernel::Shared;
  static constexpr int threads = Kernel::threads;
  template <class V>
  struct PerThread {
    V value;
    __device__ V& operator[](int) { return value; }
  };

  __device__ explicit DeviceBlock(Shared& shared) : shared_(shared) {}
  __device__ index_t index() const { return blockIdx.x; }
  __device__ Shared& shared() const { return shared_; }

  template <class Phase>
  __device__ void each(Phase const& phase) const {
    phase(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
  template <class V, class Join>
  __device__ void join_warp(PerThread<V>& v, Join join) const {
    for (int offset = warp / 2; offset > 0; offset /= 2) v.value = join(v.value, __shfl_xor_sync(0xffffffffU, v.value, offset));
  }
  template <class V, class Join>
  __device__ V join(PerThread<V>& v, Join join) const {
    __shared__ V of_warp[Kernel::threads / warp];
    join_warp(v, join);
    if (threadIdx.x % warp == 0) of_warp[threadIdx.x / warp] = v.value;
    __syncthreads();
    V total = of_warp[0];
    for (int w = 1; w < Kernel::threads / warp; ++w) total = join(total, of_warp[w]);
    __syncthreads();
    return total;
  }

 private:
  Shared& shared_;
};

#endif

}  // namespace tadp::cuda
