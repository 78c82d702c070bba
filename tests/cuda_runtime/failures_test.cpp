// SPDX-License-Identifier: Apache-2.0
// What a failing call of the CUDA runtime becomes, and what is left behind by it.
#include "../io/scratch.hpp"
#include "fake_runtime.hpp"
#include "tadp/kernels/cuda/cuda.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using scratch::error_of;

template <class Element>
struct Fill {
  static constexpr int threads = 64;
};

Cuda opened() {
  fake::runtime() = {.devices = {fake::Device{}}};
  return Cuda(0);
}
Errc code_of(cudaError_t code) {
  return error_of([&] { require_cuda(code, "a call"); })->code();
}

}  // namespace

template <>
int tadp::cuda::enqueue(void*, index_t, Fill<float> const&) {
  return cudaErrorIllegalAddress;
}

TEST_CASE("short memory, missing parts and failures have codes of their own") {
  CHECK(code_of(cudaErrorMemoryAllocation) == Errc::memory);
  for (cudaError_t code : {cudaErrorNoDevice, cudaErrorInsufficientDriver, cudaErrorNoKernelImageForDevice, cudaErrorUnsupportedPtxVersion, cudaErrorNotSupported}) CHECK(code_of(code) == Errc::unsupported);
  for (cudaError_t code : {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorLaunchTimeout, cudaErrorECCUncorrectable, cudaErrorAssert, cudaErrorUnknown}) CHECK(code_of(code) == Errc::device);
  CHECK(to_string(Errc::device) == "device");
  CHECK(to_string(Errc::cancelled) == "cancelled");
}

TEST_CASE("a launch that fails names its kernel as one would write it") {
  Cuda device = opened();
  auto const error = error_of([&] { launch(device, 3, Fill<float>{}); });
  REQUIRE(error);
  CHECK(error->code() == Errc::device);
  CHECK(std::string(error->what()) == "the CUDA device: (anonymous namespace)::Fill<float> says error 700 (in words); expected: 3 blocks of 64 threads");
}

TEST_CASE("a device that fails while it computes shows at the next wait") {
  Cuda const device = opened();
  fake::runtime().failing["cudaStreamSynchronize"] = cudaErrorLaunchFailure;
  CHECK(error_of([&] { device.finish(); })->code() == Errc::device);
}

TEST_CASE("nothing is left of a device that opens in part") {
  for (char const* const call : {"cudaStreamCreateWithFlags", "cudaMemPoolCreate", "cudaMemPoolSetAttribute"}) {
    CAPTURE(call);
    fake::runtime() = {.devices = {fake::Device{}}, .failing = {{call, cudaErrorUnknown}}};
    CHECK(error_of([] { Cuda{0}; })->code() == Errc::device);
    CHECK(fake::runtime().pools == 0);
    CHECK(fake::runtime().streams == 0);
  }
}

TEST_CASE("a handle gives back its stream, its pool and its blocks") {
  {
    Cuda device = opened();
    device.scratch(1000);
    device.workspace(1000);
    CHECK(fake::runtime().blocks == 2);
  }
  CHECK(fake::runtime().pools == 0);
  CHECK(fake::runtime().streams == 0);
  CHECK(fake::runtime().blocks == 0);
}
