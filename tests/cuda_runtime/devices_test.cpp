// SPDX-License-Identifier: Apache-2.0
// Which CUDA devices can be used: what is said of them is what happens when one is opened.
#include "fake_runtime.hpp"
#include "tadp/device/cuda.hpp"

#include <doctest/doctest.h>

#include <optional>

namespace {

using namespace tadp;

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

std::optional<Error> error_of_opening(int index) {
  try {
    Cuda const device(index);
  } catch (Error const& e) {
    return e;
  }
  return std::nullopt;
}

/// The sentence of a machine whose first device cannot be used; empty where it can. Opening it has to agree.
std::string missing_of(fake::Runtime machine) {
  fake::runtime() = std::move(machine);
  std::string const missing = cuda_devices().missing;
  auto const error = error_of_opening(0);
  CHECK(error.has_value() == !missing.empty());
  if (error) {
    CHECK(error->code() == Errc::unsupported);
    CHECK(std::string(error->what()).ends_with(missing));
  }
  return missing;
}
std::string missing_of(fake::Device device) { return missing_of(fake::Runtime{.devices = {std::move(device)}}); }

}  // namespace

TEST_CASE("a device that the kernels were compiled for has its name, capability and memory, and opens") {
  CHECK(missing_of(fake::Device{}).empty());
  CudaDevices const found = cuda_devices();
  REQUIRE(found.devices.size() == 1);
  CHECK(found.devices[0].name == "Fake 9");
  CHECK(found.devices[0].capability == cuda::Capability{9, 0});
  CHECK(found.devices[0].bytes == std::size_t{80} << 30);
}

TEST_CASE("a machine without a device, and one without a driver") {
  CHECK(missing_of(fake::Runtime{}) == "cudaGetDeviceCount says error 100 (in words)");
  CHECK(missing_of(fake::Runtime{.driver = 0}) == "cudaGetDeviceCount says error 35 (in words); there is no CUDA driver");
}

TEST_CASE("a driver that is older than the runtime serves no device, whatever it counts") {
  CHECK(missing_of(fake::Runtime{.driver = 12040, .devices = {fake::Device{}}}) == "cudaGetDeviceCount says error 35 (in words)");
}

TEST_CASE("a device without memory pools, or that nobody may use") {
  CHECK(missing_of(fake::Device{.pools = false}) == "device 0, Fake 9, has no memory pools, which tadp allocates from");
  CHECK(missing_of(fake::Device{.mode = cudaComputeModeProhibited}) == "device 0, Fake 9, is set to be used by no program (compute mode \"prohibited\")");
}

TEST_CASE("a device older than the code, or between two majors of it, is named with what the kernels were compiled for") {
  CHECK(missing_of(fake::Device{.name = "Fake 7", .capability = {7, 5}}) ==
        "device 0, Fake 7, is of compute capability 7.5, and the kernels were compiled for 8.0, 9.0 with CUDA 13.0 (TADP_CUDA_ARCHITECTURES)");
  CHECK(!missing_of(fake::Runtime{.devices = {fake::Device{.capability = {9, 0}}}, .code = {13000, {{8, 0}, {10, 0}}}}).empty());
}

TEST_CASE("machine code runs on later minors of its major, and PTX on all later devices") {
  CHECK(missing_of(fake::Device{.capability = {8, 6}}).empty());
  CHECK(missing_of(fake::Device{.capability = {10, 3}}).empty());
  CHECK(missing_of(fake::Runtime{.devices = {fake::Device{.capability = {12, 0}}}, .code = {13000, {{8, 6}}}}).empty());
  CHECK(!missing_of(fake::Runtime{.devices = {fake::Device{.capability = {8, 0}}}, .code = {13000, {{8, 6}}}}).empty());
}

TEST_CASE("a driver older than the toolkit runs machine code but translates no PTX") {
  cuda::CompiledCode const newer{13020, {{8, 0}, {9, 0}}};
  CHECK(missing_of(fake::Runtime{.devices = {fake::Device{}}, .code = newer}).empty());
  CHECK(contains(missing_of(fake::Runtime{.devices = {fake::Device{.capability = {10, 0}}}, .code = newer}),
                 "compiled for 8.0, 9.0 with CUDA 13.2: the driver, for CUDA 13.0, is too old to translate them"));
}

TEST_CASE("a device that answers nothing does not hide the others") {
  CHECK(missing_of(fake::Runtime{.devices = {fake::Device{}}, .failing = {{"cudaGetDeviceProperties", cudaErrorInvalidDevice}}}) == "cudaGetDeviceProperties of device 0 says error 101 (in words)");
}

TEST_CASE("each device is judged for itself") {
  fake::runtime() = {.devices = {fake::Device{.pools = false}, fake::Device{}}};
  CHECK(error_of_opening(0)->code() == Errc::unsupported);
  CHECK(!error_of_opening(1));
  CHECK(error_of_opening(2)->code() == Errc::argument);
}
