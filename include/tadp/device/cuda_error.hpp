// SPDX-License-Identifier: Apache-2.0
// What a call of the CUDA runtime answered, as an error of ours: the call, what was asked for, the runtime's own words.
// The headers of the CUDA device are for a host compiler; they need the toolkit's headers and none of its compilers.
#pragma once

#if !__has_include(<cuda_runtime_api.h>)
#error "tadp: the CUDA device needs the CUDA toolkit, whose cuda_runtime_api.h was not found: with CMake, link tadp::cuda"
#endif

#include "tadp/core/error.hpp"

#include <cuda_runtime_api.h>

#include <string>
#include <utility>

namespace tadp {

/// "cudaErrorNoDevice (no CUDA-capable device is detected)".
inline std::string to_string(cudaError_t code) { return std::string(cudaGetErrorName(code)) + " (" + cudaGetErrorString(code) + ")"; }

/// Throws unless `code` is cudaSuccess. Error(memory) where memory is short, else Error(unsupported).
inline void require_cuda(cudaError_t code, char const* call, std::string asked = {}) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // the runtime remembers it, and would tell the next caller
  throw Error(code == cudaErrorMemoryAllocation ? Errc::memory : Errc::unsupported, std::string("the CUDA device: ") + call + " says " + to_string(code),
              {.expected = std::move(asked)});
}

namespace cuda {

/// Makes a device current for the calls of a scope, and the caller's own again after it.
class CurrentDevice {
 public:
  explicit CurrentDevice(int index) {
    require_cuda(cudaGetDevice(&before_), "cudaGetDevice");
    changed_ = before_ != index;
    if (changed_) require_cuda(cudaSetDevice(index), "cudaSetDevice", "device " + std::to_string(index));
  }
  CurrentDevice(CurrentDevice const&) = delete;
  CurrentDevice& operator=(CurrentDevice const&) = delete;
  ~CurrentDevice() {
    if (changed_) cudaSetDevice(before_);
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace cuda
}  // namespace tadp
