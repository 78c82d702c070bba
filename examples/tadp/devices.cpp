// SPDX-License-Identifier: Apache-2.0
// `tadp devices`: where networks can run.
#if !defined(TADP_PROGRAM_CUDA)
#include "tadp/cuda_driver.hpp"
#endif
#include "tadp/program.hpp"

#if defined(TADP_PROGRAM_CUDA)
#include "tadp/device/cuda_devices.hpp"
#endif
#include "tadp/device/isa.hpp"

#include <cstdio>
#include <fstream>
#include <thread>

namespace program {

namespace {

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) {
      auto const colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  return "unknown processor";
}

/// The instruction set that the kernels of this program were compiled for.
std::string_view instructions() {
#define TADP_TEXT_OF(x) #x
#define TADP_TEXT(x) TADP_TEXT_OF(x)
  std::string_view const name = TADP_TEXT(TADP_ISA);
#undef TADP_TEXT
#undef TADP_TEXT_OF
  return name.substr(name.find('_') + 1);
}

double gib(std::size_t bytes) { return static_cast<double>(bytes) / 1073741824.0; }

#if defined(TADP_PROGRAM_CUDA)

/// What the library says of devices, which is what it will do when the first one is asked for.
json cuda_json() {
  tadp::CudaDevices const found = tadp::cuda_devices();
  json devices = json::array();
  for (auto const& d : found.devices) {
    devices.push_back({{"name", d.name}, {"memory", d.bytes}, {"capability", to_string(d.capability)}});
    if (!d.missing.empty()) devices.back()["missing"] = d.missing;
  }
  json entry = {{"name", "cuda"}, {"available", found.missing.empty()}, {"driver", found.driver == 0 ? json() : json(tadp::cuda::version_text(found.driver))},
                {"toolkit", tadp::cuda::version_text(found.runtime)}, {"devices", std::move(devices)}};
  if (!found.missing.empty()) entry["missing"] = found.missing;
  return entry;
}
void print_cuda() {
  tadp::CudaDevices const found = tadp::cuda_devices();
  std::printf("cuda  built into this program with CUDA %s%s\n", tadp::cuda::version_text(found.runtime).c_str(), found.missing.empty() ? "" : ", but cannot be used");
  if (found.driver != 0) std::printf("      this machine has a driver for CUDA %s\n", tadp::cuda::version_text(found.driver).c_str());
  for (auto const& d : found.devices) std::printf("      this machine has %s, %.1f GiB, compute capability %s\n", d.name.c_str(), gib(d.bytes), to_string(d.capability).c_str());
  if (!found.missing.empty()) std::printf("      %s\n", found.missing.c_str());
}

#else

constexpr char const* no_cuda = "not in this program: it was built without TADP_PROGRAM_CUDA";

json cuda_json() {
  CudaDriver const driver = cuda_driver();
  json devices = json::array();
  for (auto const& d : driver.devices) devices.push_back({{"name", d.name}, {"memory", d.bytes}});
  json entry = {{"name", "cuda"}, {"available", false}, {"driver", driver.version.empty() ? json() : json(driver.version)}, {"devices", std::move(devices)}, {"reason", no_cuda}};
  if (!driver.missing.empty()) entry["missing"] = driver.missing;
  return entry;
}
void print_cuda() {
  CudaDriver const driver = cuda_driver();
  std::printf("cuda  %s\n", no_cuda);
  if (!driver.version.empty()) std::printf("      this machine has a driver for CUDA %s\n", driver.version.c_str());
  for (auto const& d : driver.devices) std::printf("      this machine has %s, %.1f GiB\n", d.name.c_str(), gib(d.bytes));
  if (!driver.missing.empty()) std::printf("      %s\n", driver.missing.c_str());
}

#endif

Status run(Common const& common) {
  unsigned const threads = std::max(1U, std::thread::hardware_concurrency());
  if (common.json) {
    print_json({{"devices", {{{"name", "cpu"}, {"processor", processor()}, {"instructions", instructions()}, {"threads", threads}, {"available", true}},
                             cuda_json()}}});
    return ok;
  }
  std::printf("cpu   %s, kernels built for %s, %u threads\n", processor().c_str(), std::string(instructions()).c_str(), threads);
  print_cuda();
  return ok;
}

}  // namespace

void add_devices(CLI::App& app, Command& command) {
  auto* const sub = app.add_subcommand("devices", "list where networks can run");
  add_common(*sub, command.common);
  sub->footer(examples({"tadp devices", "tadp devices --json"}));
  sub->callback([&command] { command.run = [&command] { return run(command.common); }; });
}

}  // namespace program
