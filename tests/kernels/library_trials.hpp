// SPDX-License-Identifier: Apache-2.0
// Trials of what the CUDA device leaves to libraries, with plain loops in their places.
#pragma once

#include "../host_libraries.hpp"
#include "cuda_trials.hpp"

namespace host_cuda {

/// use(device, view -> view of that device): the kernels' device with libraries, every other one as it is.
template <class D, class Use>
void with_libraries(D& device, Use const& use) {
  if constexpr (std::is_same_v<D, Device>) {
    WithLibraries with(device);
    use(with, []<class T>(View<T, 4, Device> v) { return View<T, 4, WithLibraries>{v.data, v.shape, v.pixel_stride}; });
  } else {
    use(device, [](auto v) { return v; });
  }
}

}  // namespace host_cuda
