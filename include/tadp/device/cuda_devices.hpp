// SPDX-License-Identifier: Apache-2.0
// Which CUDA devices a machine has, and what is missing for one to be used: for programs that tell their users.
// Asks and changes nothing; no device is opened. `Cuda` refuses a device with the same sentence.
#pragma once

#include "tadp/device/cuda_code.hpp"
#include "tadp/device/cuda_error.hpp"

#include <vector>

namespace tadp {

/// What a device is, for people.
struct CudaDescription {
  std::string name{};
  cuda::Capability capability{};
  std::size_t bytes = 0;  ///< of memory
  std::string missing{};  ///< why `Cuda` cannot use it; empty where it can
};

struct CudaDevices {
  int runtime = 0;  ///< of the toolkit: 13000 for 13.0
  int driver = 0;   ///< the newest runtime that the driver serves; 0: there is no driver
  std::vector<CudaDescription> devices{};
  std::string missing{};  ///< why there is no first device, or what it lacks; empty where Cuda{0} can use it
};

namespace cuda {

/// "13.0" of 13000.
inline std::string version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

inline CudaDescription description_of(int index, int driver) {
  std::string const number = "device " + std::to_string(index);
  cudaDeviceProp p{};
  if (cudaError_t const code = cudaGetDeviceProperties(&p, index); code != cudaSuccess) {
    cudaGetLastError();
    return {.missing = "cudaGetDeviceProperties of " + number + " says " + tadp::to_string(code)};
  }
  CudaDescription found{p.name, {p.major, p.minor}, p.totalGlobalMem, {}};
  std::string const named = number + ", " + found.name + ", ";
  int mode = cudaComputeModeDefault;
  cudaDeviceGetAttribute(&mode, cudaDevAttrComputeMode, index);
  if (mode == cudaComputeModeProhibited) {
    found.missing = named + "is set to be used by no program (compute mode \"prohibited\")";
  } else if (p.memoryPoolsSupported == 0) {
    found.missing = named + "has no memory pools, which tadp allocates from";
  } else if (compiled_code != nullptr && !compiled_code().runs_on(found.capability, driver)) {
    CompiledCode const code = compiled_code();
    found.missing = named + "is of compute capability " + to_string(found.capability) + ", and the kernels were compiled for " + code.text() + " with CUDA " + version_text(code.toolkit) +
                    (code.has_ptx_for(found.capability) ? ": the driver, for CUDA " + version_text(driver) + ", is too old to translate them" : "") + " (TADP_CUDA_ARCHITECTURES)";
  }
  return found;
}

}  // namespace cuda

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
  for (int i = 0; i < count; ++i) found.devices.push_back(cuda::description_of(i, found.driver));
  found.missing = count == 0 ? "cudaGetDeviceCount says 0" : found.devices.front().missing;
  return found;
}

/// The number itself. Error(unsupported) that says what is missing, Error(argument) where there are fewer devices.
inline int existing_cuda_device(int index) {
  CudaDevices const found = cuda_devices();
  if (found.devices.empty()) throw Error(Errc::unsupported, "no CUDA device: " + found.missing);
  if (index < 0 || index >= static_cast<int>(found.devices.size()))
    throw Error(Errc::argument, "no such CUDA device", {.expected = "below " + std::to_string(found.devices.size()), .found = std::to_string(index)});
  if (std::string const& missing = found.devices[static_cast<std::size_t>(index)].missing; !missing.empty()) throw Error(Errc::unsupported, "this CUDA device cannot be used: " + missing);
  return index;
}

}  // namespace tadp
