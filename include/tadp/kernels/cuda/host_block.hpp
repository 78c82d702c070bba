// SPDX-License-Identifier: Apache-2.0
// Runs a kernel's body on the host, thread by thread: the twin of a device's block, with the same order of its sums.
// Finds what a device leaves to chance: shared memory and registers start as NaN, and phases may run their threads backwards.
#pragma once

#include "tadp/kernels/cuda/block.cuh"

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>

namespace tadp::cuda {

/// In which order blocks, and the threads of a phase, run. A kernel whose result depends on it has a race.
enum class Order : std::uint8_t { rising, falling };

template <class Kernel>
class HostBlock {
 public:
  using Shared = typename Kernel::Shared;
  static constexpr int threads = Kernel::threads;
  static_assert(threads % warp == 0);

  template <class V>
  class PerThread {
   public:
    PerThread() { std::memset(static_cast<void*>(values_.data()), 0xff, sizeof values_); }
    V& operator[](int t) { return values_[static_cast<std::size_t>(t)]; }

   private:
    std::array<V, static_cast<std::size_t>(threads)> values_;
  };

  HostBlock(index_t index, Shared& shared, Order order) : index_(index), shared_(shared), order_(order) {}
  index_t index() const { return index_; }
  Shared& shared() const { return shared_; }

  template <class Phase>
  void each(Phase const& phase) const {
    for (int i = 0; i < threads; ++i) phase(order_ == Order::rising ? i : threads - 1 - i);
  }
  /// The butterfly of a device's shuffles.
  template <class V, class Join>
  void join_warp(PerThread<V>& v, Join join) const {
    for (int first = 0; first < threads; first += warp)
      for (int offset = warp / 2; offset > 0; offset /= 2) {
        std::array<V, warp> before;
        for (int lane = 0; lane < warp; ++lane) before[static_cast<std::size_t>(lane)] = v[first + lane];
        for (int lane = 0; lane < warp; ++lane)
          v[first + lane] = join(before[static_cast<std::size_t>(lane)], before[static_cast<std::size_t>(lane ^ offset)]);
      }
  }
  template <class V, class Join>
  V join(PerThread<V>& v, Join join) const {
    join_warp(v, join);
    V total = v[0];
    for (int w = 1; w < threads / warp; ++w) total = join(total, v[w * warp]);
    return total;
  }

 private:
  index_t index_;
  Shared& shared_;
  Order order_;
};

/// All blocks of a launch, one after the other.
template <class Kernel>
void run_on_host(index_t blocks, Kernel const& kernel, Order order = Order::rising) {
  auto const shared = std::make_unique<typename Kernel::Shared>();
  for (index_t i = 0; i < blocks; ++i) {
    std::memset(static_cast<void*>(shared.get()), 0xff, sizeof *shared);
    HostBlock<Kernel> block(order == Order::rising ? i : blocks - 1 - i, *shared, order);
    kernel(block);
  }
}

}  // namespace tadp::cuda
