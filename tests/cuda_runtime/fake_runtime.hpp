// SPDX-License-Identifier: Apache-2.0
// A CUDA runtime of these tests' own, in the place of the toolkit's library: any machine, driver or failure, without a GPU.
#pragma once

#include "tadp/device/cuda_code.hpp"

#include <cuda_runtime_api.h>

#include <map>
#include <string>
#include <vector>

namespace fake {

struct Device {
  std::string name = "Fake 9";
  tadp::cuda::Capability capability{9, 0};
  bool pools = true;
  cudaComputeMode mode = cudaComputeModeDefault;
};

struct Runtime {
  int driver = 13000;  ///< below 13000 it is too old for this runtime, as a real one would be
  std::vector<Device> devices{};
  tadp::cuda::CompiledCode code{13000, {{8, 0}, {9, 0}}};
  std::map<std::string, cudaError_t> failing{};  ///< what a call of this name answers
  int pools = 0, streams = 0, blocks = 0;        ///< that are alive
};

/// The one that is asked.
Runtime& runtime();

}  // namespace fake
