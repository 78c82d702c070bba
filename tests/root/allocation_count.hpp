// SPDX-License-Identifier: Apache-2.0
// Counts every allocation of the process between two points, by standing in for the C library's functions.
// For one source file of a program only; left out under sanitizers, which stand in for the same functions.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#if defined(__x86_64__)
#include <immintrin.h>  // clang's declares posix_memalign in its own way, which it must do before us
#endif

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

#if TADP_COUNTS_ALLOCATIONS
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// operator new ends in malloc or aligned_alloc; free needs no stand-in, as the memory is the C library's own.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) noexcept {
  allocation_count::note(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t n, std::size_t bytes) noexcept {
  allocation_count::note(n * bytes);
  return __libc_calloc(n, bytes);
}
void* realloc(void* old, std::size_t bytes) noexcept {
  allocation_count::note(bytes);
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  allocation_count::note(bytes);
  return __libc_memalign(alignment, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  allocation_count::note(bytes);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  allocation_count::note(bytes);
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? ENOMEM : 0;
}
void* mmap(void* at, std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  allocation_count::note(bytes);
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}
}
#endif
