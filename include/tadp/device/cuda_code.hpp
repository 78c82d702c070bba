// SPDX-License-Identifier: Apache-2.0
// Which CUDA devices the kernels of a program have code for: what they were compiled for, and the rule of what runs where.
// For nvcc and for a host compiler; needs nothing of the toolkit.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace tadp::cuda {

/// Of a device, or of code: 9 and 0 for sm_90.
struct Capability {
  int major = 0, minor = 0;
  auto operator<=>(Capability const&) const = default;
};
inline std::string to_string(Capability c) { return std::to_string(c.major) + "." + std::to_string(c.minor); }

struct CompiledCode {
  int toolkit = 0;                         ///< 13000 for 13.0
  std::vector<Capability> capabilities{};  ///< machine code for each, in rising order; of the last one PTX, too

  /// Machine code is for devices of its major number and at least its minor one.
  bool has_machine_code_for(Capability device) const {
    return std::any_of(capabilities.begin(), capabilities.end(), [&](Capability c) { return c.major == device.major && c.minor <= device.minor; });
  }
  /// PTX is for its own capability and all that follow.
  bool has_ptx_for(Capability device) const { return !capabilities.empty() && capabilities.back() <= device; }
  /// The driver, which translates PTX, must not be older than the toolkit that wrote it.
  bool runs_on(Capability device, int driver) const { return has_machine_code_for(device) || (has_ptx_for(device) && driver >= toolkit); }
  /// "8.0, 9.0".
  std::string text() const {
    std::string all;
    for (Capability c : capabilities) all += (all.empty() ? "" : ", ") + to_string(c);
    return all;
  }
};

/// What kernels.cu was compiled for. Null in a program without kernels, which has nothing that could fail to run.
[[gnu::weak]] CompiledCode compiled_code();

}  // namespace tadp::cuda
