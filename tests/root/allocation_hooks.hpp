// SPDX-License-Identifier: Apache-2.0
// Stands in for the C library's functions that allocate, so that allocation_count.hpp sees every call.
// For one source file of a program only, and its first include.
#pragma once

#include "allocation_count.hpp"

#include <cerrno>
#include <cstdlib>
#if defined(__x86_64__)
#include <immintrin.h>  // clang's declares posix_memalign in its own way, which it must do before us
#endif

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
