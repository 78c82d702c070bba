// SPDX-License-Identifier: Apache-2.0
// The main function of the kernels' trials on a CUDA device: vectors are memory that the device reads. 77 without a device.
#define DOCTEST_CONFIG_IMPLEMENT
#include "../pinned_heap.hpp"
#include "tadp/device/cuda_devices.hpp"

#include <doctest/doctest.h>

#include <cstdio>

int main(int argc, char** argv) {
  tadp::CudaDevices const found = tadp::cuda_devices();
  if (!found.missing.empty()) {
    std::printf("skipped: no CUDA device: %s\n", found.missing.c_str());
    return 77;
  }
  cuda_shared::PinnedHeap const heap;
  return doctest::Context(argc, argv).run();
}
