// SPDX-License-Identifier: Apache-2.0
// The global operators new and delete of a program whose heap may be pinned: see pinned_heap.hpp. Each block says where it
// came from. Types that ask for more than the usual alignment keep the operators of the standard library.
#include "pinned_heap.hpp"

#include <cstdlib>
#include <new>

namespace cuda_shared {

constinit PinnedPool pinned_pool;
constinit std::atomic<int> pinned_heaps{0};

namespace {

void* take(std::size_t bytes) {
  if (pinned_heaps.load(std::memory_order_relaxed) > 0)
    if (void* const data = pinned_pool.take(bytes)) return data;
  using Header = PinnedPool::Header;
  std::size_t const whole = (bytes + 2 * sizeof(Header) - 1) / sizeof(Header) * sizeof(Header);
  void* const block = whole < bytes ? nullptr : std::aligned_alloc(alignof(Header), whole);
  if (block == nullptr) throw std::bad_alloc();
  return new (block) Header{} + 1;
}
void give(void* data) noexcept {
  if (data == nullptr) return;
  PinnedPool::Header& header = PinnedPool::header(data);
  header.bits == PinnedPool::Header::of_malloc ? std::free(&header) : pinned_pool.give(data);
}

}  // namespace
}  // namespace cuda_shared

void* operator new(std::size_t bytes) { return cuda_shared::take(bytes); }
void* operator new[](std::size_t bytes) { return cuda_shared::take(bytes); }
void operator delete(void* data) noexcept { cuda_shared::give(data); }
void operator delete[](void* data) noexcept { cuda_shared::give(data); }
void operator delete(void* data, std::size_t) noexcept { cuda_shared::give(data); }
void operator delete[](void* data, std::size_t) noexcept { cuda_shared::give(data); }
