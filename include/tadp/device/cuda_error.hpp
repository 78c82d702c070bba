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
#include <string_view>
#include <utility>

namespace tadp {

/// "cudaErrorNoDevice (no CUDA-capable device is detected)".
inline std::string to_string(cudaError_t code) { return std::string(cudaGetErrorName(code)) + " (" + cudaGetErrorString(code) + ")"; }

/// Short memory, a part that this build, the driver or the device lacks, or else a device that failed.
inline Errc errc_of(cudaError_t code) {
  switch (code) {
    case cudaErrorMemoryAllocation: return Errc::memory;
    case cudaErrorNoDevice:
    case cudaErrorStubLibrary:
    case cudaErrorInsufficientDriver:
    case cudaErrorCallRequiresNewerDriver:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorNotSupported:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorInvalidKernelImage:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidPtx:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorJitCompilerNotFound:
    case cudaErrorJitCompilationDisabled: return Errc::unsupported;
    default: return Errc::device;
  }
}

/// Throws unless `code` is cudaSuccess: Error with the code of errc_of.
inline void require_cuda(cudaError_t code, std::string_view call, std::string asked = {}) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // the runtime remembers it, and would tell the next caller
  throw Error(errc_of(code), "the CUDA device: " + std::string(call) + " says " + to_string(code), {.expected = std::move(asked)});
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
