// SPDX-License-Identifier: Apache-2.0
// Which CUDA devices a machine has, or what is missing for there to be one: for programs that tell their users.
// Asks and changes nothing; no device is opened.
#pragma once

#include "tadp/device/cuda_error.hpp"

#include <vector>

namespace tadp {

/// What a device is, for people.
struct CudaDescription {
  std::string name{};
  int major = 0, minor = 0;  ///< compute capability
  std::size_t bytes = 0;     ///< of memory
};

struct CudaDevices {
  int runtime = 0;  ///< of the toolkit: 13000 for 13.0
  int driver = 0;   ///< the newest runtime that the driver serves; 0: there is no driver
  std::vector<CudaDescription> devices{};
  std::string missing{};  ///< why there is none; empty where there is one
};

inline CudaDevices cuda_devices() {
  CudaDevices found;
  cudaRuntimeGetVersion(&found.runtime);
  cudaDriverGetVersion(&found.driver);
  int count = 0;
  if (cudaError_t const code = cudaGetDeviceCount(&count); code != cudaSuccess) {
    cudaGetLastError();
    found.missing = "cudaGetDeviceCount says " + to_string(code) + (found.driver == 0 ? "; there is no CUDA driver" : "");
    return found;
  }
  if (count == 0) found.missing = "cudaGetDeviceCount says 0";
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p{};
    require_cuda(cudaGetDeviceProperties(&p, i), "cudaGetDeviceProperties", "device " + std::to_string(i));
    found.devices.push_back({p.name, p.major, p.minor, p.totalGlobalMem});
  }
  return found;
}

/// The number itself. Error(unsupported) that says what is missing, Error(argument) where there are fewer devices.
inline int existing_cuda_device(int index) {
  CudaDevices const found = cuda_devices();
  if (found.devices.empty()) throw Error(Errc::unsupported, "no CUDA device: " + found.missing);
  if (index < 0 || index >= static_cast<int>(found.devices.size()))
    throw Error(Errc::argument, "no such CUDA device", {.expected = "below " + std::to_string(found.devices.size()), .found = std::to_string(index)});
  return index;
}

}  // namespace tadp
