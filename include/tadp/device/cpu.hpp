// SPDX-License-Identifier: Apache-2.0
// The processor as a device: aligned memory and a thread pool that the user sizes.
// Kernels for it are the functions of kernels/cpu_*.hpp, found by overload on this type.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/tensor.hpp"
#include "tadp/device/isa.hpp"
#include "tadp/device/threads.hpp"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

namespace tadp {
inline namespace TADP_ISA {

/// A handle; copies share the threads. One session uses a handle at a time.
class Cpu {
 public:
  static constexpr char const* name = "cpu";

  Cpu() = default;
  explicit Cpu(int threads) : pool_(std::make_shared<ThreadPool>(threads)) {}

  /// 64-byte aligned, never null; throws Error(memory).
  void* allocate(std::size_t bytes) const {
    auto const rounded = bytes == 0 ? std::size_t{64} : (bytes + 63) / 64 * 64;
    void* const data = rounded < bytes ? nullptr : std::aligned_alloc(64, rounded);
    if (data == nullptr) throw Error(Errc::memory, "out of memory", {.expected = std::to_string(bytes) + " bytes"});
    return data;
  }
  void deallocate(void* data) const noexcept { std::free(data); }

  void copy_to_host(void* host, void const* data, std::size_t bytes) const { std::memcpy(host, data, bytes); }
  void copy_from_host(void* data, void const* host, std::size_t bytes) const { std::memcpy(data, host, bytes); }
  void zero(float* data, index_t count) const {
    if (count > 0) std::memset(data, 0, static_cast<std::size_t>(count) * sizeof(float));
  }

  /// The threads of this handle; made with one thread at first use when none were asked for.
  ThreadPool& threads() {
    if (!pool_) pool_ = std::make_shared<ThreadPool>(1);
    return *pool_;
  }

 private:
  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace TADP_ISA
}  // namespace tadp
