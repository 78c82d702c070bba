// SPDX-License-Identifier: Apache-2.0
// Counts every allocation of the process between two points; one source file of the program includes allocation_hooks.hpp.
// Counts nothing under sanitizers, which stand in for the same functions of the C library.
#pragma once

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TADP_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TADP_COUNTS_ALLOCATIONS 0
#else
#define TADP_COUNTS_ALLOCATIONS 1
#endif
#else
#define TADP_COUNTS_ALLOCATIONS 1
#endif

namespace allocation_count {

inline std::atomic<bool> counting{false};
inline std::atomic<long> count{0};
inline std::atomic<std::size_t> bytes{0};  ///< that were asked for

inline void note(std::size_t asked) {
  if (counting.load(std::memory_order_relaxed)) ++count, bytes += asked;
}

/// Allocations of all threads while `work` runs.
template <class Work>
long during(Work const& work) {
  count = 0;
  bytes = 0;
  counting = true;
  work();
  counting = false;
  return count;
}

}  // namespace allocation_count
