// SPDX-License-Identifier: Apache-2.0
// Scales numbers on a CUDA device; without one it says what is missing, and has been compiled and linked all the same.
#include <tadp/kernels/cuda.hpp>
#include <tadp/tadp.hpp>

#include <cstdio>
#include <utility>
#include <vector>

int main() {
  tadp::CudaDevices const found = tadp::cuda_devices();
  std::printf("kernels for %s\n", tadp::cuda::compiled_code().text().c_str());
  if (!found.missing.empty()) {
    std::printf("no device: %s\n", found.missing.c_str());
    return 0;
  }
  tadp::Cuda device(0);
  tadp::FeatureShape const shape{1, 2, 3, 4};
  std::vector<float> numbers(24, 3.0F);
  tadp::Tensor<float, 4, tadp::Cuda> x(device, shape);
  device.copy_from_host(x.data(), numbers.data(), numbers.size() * sizeof(float));
  tadp::scale(device, 2.0F, std::as_const(x).view(), x.view());
  device.copy_to_host(numbers.data(), x.data(), numbers.size() * sizeof(float));
  return numbers == std::vector<float>(24, 6.0F) ? 0 : 1;
}
