// SPDX-License-Identifier: Apache-2.0
// What the machine says of CUDA, asked of its driver alone: a program without the CUDA part can still tell what is there.
// The driver's library is opened when it is asked and nothing is linked to it.
#pragma once

#include <dlfcn.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace program {

struct CudaDriver {
  std::string version{};  ///< the newest CUDA that it serves, "13.0"; empty: there is no driver
  struct Device {
    std::string name{};
    std::size_t bytes = 0;  ///< of memory
  };
  std::vector<Device> devices{};
  std::string missing{};  ///< why no device can be used; empty where one can
};

namespace cuda_driver_detail {

class Library {
 public:
  Library() : handle_(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {}
  Library(Library const&) = delete;
  Library& operator=(Library const&) = delete;
  ~Library() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  explicit operator bool() const { return handle_ != nullptr; }
  /// A function of the driver that answers 0 where all is well; -1 where the driver has none of this name.
  template <class... Arguments>
  int call(char const* name, Arguments... arguments) const {
    auto* const function = reinterpret_cast<int (*)(Arguments...)>(dlsym(handle_, name));
    return function == nullptr ? -1 : function(arguments...);
  }

 private:
  void* handle_;
};

}  // namespace cuda_driver_detail

inline CudaDriver cuda_driver() {
  CudaDriver found;
  cuda_driver_detail::Library const driver;
  if (!driver) {
    found.missing = "there is no CUDA driver (libcuda.so.1)";
    return found;
  }
  int version = 0, count = 0;
  if (driver.call("cuDriverGetVersion", &version) == 0) found.version = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  if (int const code = driver.call("cuInit", 0U); code != 0) {
    found.missing = "the CUDA driver finds no device: cuInit says " + std::to_string(code);
    return found;
  }
  if (driver.call("cuDeviceGetCount", &count) != 0 || count == 0) found.missing = "the CUDA driver counts no device";
  for (int i = 0; i < count; ++i) {
    std::array<char, 256> name{};
    std::size_t bytes = 0;
    driver.call("cuDeviceGetName", name.data(), static_cast<int>(name.size()), i);
    driver.call("cuDeviceTotalMem_v2", &bytes, i);
    found.devices.push_back({name.data(), bytes});
  }
  return found;
}

}  // namespace program
