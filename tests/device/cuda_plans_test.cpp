// SPDX-License-Identifier: Apache-2.0
// cuDNN's plans for devices that are not here: cuDNN chooses engines for a device by its description alone.
// Shows that every kind of convolution has an engine that computes in float, and that every graph of ours is one.
#include "tadp/kernels/cuda/cudnn_convolution.hpp"

#include <doctest/doctest.h>

#include <string_view>

namespace {

using namespace tadp;
using cuda::ConvolutionKind;
using cuda::ConvolutionPass;
using cuda::CudnnDescriptor;
using cuda::CudnnPlan;

constexpr std::string_view h100 = R"({"maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "multiProcessorCount": 132,
  "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "l2CacheSize": 52428800, "warpSize": 32, "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
  "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "pciDeviceId": 0, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "isTccDriver": 0,
  "supportCoopLaunch": 1, "deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0, "totalGlobalMem": 85520809984, "deviceName": "NVIDIA H100 80GB HBM3"})";
constexpr std::string_view a100 = R"({"maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "multiProcessorCount": 108,
  "smClockRateKHz": 1410000, "memClockRateKHz": 1593000, "l2CacheSize": 41943040, "warpSize": 32, "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 166912,
  "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "pciDeviceId": 0, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "isTccDriver": 0,
  "supportCoopLaunch": 1, "deviceVer": 800, "driverVer": 13000, "cudaDeviceId": 0, "totalGlobalMem": 85095874560, "deviceName": "NVIDIA A100-SXM4-80GB"})";

CudnnDescriptor described(std::string_view json) {
  CudnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::span<char const>(json));
  device.finish("a device");
  return device;
}

ConvolutionKind kind(std::array<index_t, 4> const& x, index_t out, int kernel, int stride, int pad) {
  auto const side = [&](index_t length) { return (length + 2 * pad - kernel) / stride + 1; };
  return {.x = x, .y = {x[0], side(x[1]), side(x[2]), out}, .kernel = kernel, .stride = stride, .pad_y = pad, .pad_x = pad};
}

/// What the networks have, at sizes of theirs and at odd ones.
std::vector<ConvolutionKind> kinds() {
  return {
      kind({1, 512, 512, 3}, 128, 3, 1, 1),   // the autoencoder's first
      kind({1, 513, 513, 128}, 128, 3, 2, 0), // its halvings, padded at the right and bottom
      kind({1, 64, 64, 4}, 320, 3, 1, 1),     // the UNet's first
      kind({2, 64, 64, 320}, 320, 3, 1, 1),   //
      kind({2, 64, 64, 320}, 320, 3, 2, 1),   // its halvings
      kind({1, 8, 8, 2560}, 1280, 3, 1, 1),   // the last of its halves, joined
      kind({1, 32, 32, 256}, 256, 2, 2, 0),   // the pyramid's and depth's transposed ones
      kind({1, 32, 32, 32}, 32, 4, 2, 1),     //
      kind({1, 9, 11, 5}, 7, 3, 1, 1),        //
      kind({3, 5, 9, 1}, 1, 3, 2, 1),         //
      kind({2, 31, 17, 6}, 13, 1, 2, 0),      // a kernel of one that is no matrix product
  };
}

}  // namespace

TEST_CASE("cuDNN has an engine in float for every kind of convolution and its gradients") {
  for (std::string_view const json : {h100, a100}) {
    CudnnDescriptor const device = described(json);
    for (ConvolutionKind k : kinds())
      for (ConvolutionPass const pass : {ConvolutionPass::forward, ConvolutionPass::input_gradient, ConvolutionPass::weight_gradient}) {
        k.pass = pass;
        INFO(k.text());
        CHECK(CudnnPlan::of({.described = &device}, cuda::convolution_graph(k)).has_value());
      }
  }
}

TEST_CASE("cuDNN fuses bias, bias and residual, and the ReLU of either, without a tensor core") {
  for (std::string_view const json : {h100, a100}) {
    CudnnDescriptor const device = described(json);
    for (ConvolutionKind k : kinds())
      for (bool const residual : {false, true})
        for (bool const relu : {false, true}) {
          k.bias = true;
          k.residual = residual;
          k.relu = relu;
          INFO(k.text());
          CHECK(CudnnPlan::of({.described = &device}, cuda::convolution_graph(k)).has_value());
        }
  }
}

TEST_CASE("with TF32 allowed cuDNN computes the same graphs") {
  CudnnDescriptor const device = described(h100);
  for (ConvolutionKind k : kinds())
    for (ConvolutionPass const pass : {ConvolutionPass::forward, ConvolutionPass::input_gradient, ConvolutionPass::weight_gradient}) {
      k.pass = pass;
      k.bias = pass == ConvolutionPass::forward;
      INFO(k.text());
      CHECK(CudnnPlan::of({.described = &device, .math = CudaMath::tf32}, cuda::convolution_graph(k)).has_value());
    }
}

TEST_CASE("cuDNN computes the same graphs in half and in bfloat16") {
  for (cuda::Number const number : {cuda::Number::half, cuda::Number::bfloat16})
    for (std::string_view const json : {h100, a100}) {
      CudnnDescriptor const device = described(json);
      for (ConvolutionKind k : kinds())
        for (ConvolutionPass const pass : {ConvolutionPass::forward, ConvolutionPass::input_gradient, ConvolutionPass::weight_gradient}) {
          k.pass = pass;
          k.number = number;
          INFO(k.text());
          CHECK(CudnnPlan::of({.described = &device, .halves = true}, cuda::convolution_graph(k)).has_value());
        }
    }
}

TEST_CASE("cuDNN fuses bias, bias and residual, and the ReLU of either, in half and in bfloat16") {
  for (cuda::Number const number : {cuda::Number::half, cuda::Number::bfloat16})
    for (std::string_view const json : {h100, a100}) {
      CudnnDescriptor const device = described(json);
      for (ConvolutionKind k : kinds())
        for (bool const residual : {false, true})
          for (bool const relu : {false, true}) {
            k.number = number;
            k.bias = true;
            k.residual = residual;
            k.relu = relu;
            INFO(k.text());
            CHECK(CudnnPlan::of({.described = &device, .halves = true}, cuda::convolution_graph(k)).has_value());
          }
    }
}

TEST_CASE("a graph that makes no sense is refused with cuDNN's words") {
  ConvolutionKind k = kind({1, 8, 8, 4}, 4, 3, 1, 1);
  k.y[1] = 9;
  CHECK_THROWS_WITH_AS(cuda::convolution_graph(k), doctest::Contains("cuDNN: cudnnBackendFinalize says CUDNN_STATUS_BAD_PARAM"), Error);
}
