// SPDX-License-Identifier: Apache-2.0
// `tadp devices`: where networks can run.
#include "tadp/cuda_driver.hpp"
#include "tadp/program.hpp"

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

#if defined(TADP_PROGRAM_CUDA)
constexpr bool has_cuda = true;
#else
constexpr bool has_cuda = false;
#endif
constexpr char const* no_cuda = "not in this program: it was built without TADP_PROGRAM_CUDA";

json cuda_json(CudaDriver const& driver) {
  json devices = json::array();
  for (auto const& d : driver.devices) devices.push_back({{"name", d.name}, {"memory", d.bytes}});
  json entry = {{"name", "cuda"}, {"available", has_cuda && driver.missing.empty()}, {"driver", driver.version.empty() ? json() : json(driver.version)}, {"devices", std::move(devices)}};
  if (!has_cuda) entry["reason"] = no_cuda;
  if (!driver.missing.empty()) entry["missing"] = driver.missing;
  return entry;
}
void print_cuda(CudaDriver const& driver) {
  std::printf("cuda  %s\n", !has_cuda ? no_cuda : driver.missing.empty() ? "built into this program" : "built into this program, but there is no device");
  if (!driver.version.empty()) std::printf("      this machine has a driver for CUDA %s\n", driver.version.c_str());
  for (auto const& d : driver.devices) std::printf("      this machine has %s, %.1f GiB\n", d.name.c_str(), static_cast<double>(d.bytes) / 1073741824.0);
  if (!driver.missing.empty()) std::printf("      %s\n", driver.missing.c_str());
}

Status run(Common const& common) {
  unsigned const threads = std::max(1U, std::thread::hardware_concurrency());
  if (common.json) {
    print_json({{"devices", {{{"name", "cpu"}, {"processor", processor()}, {"instructions", instructions()}, {"threads", threads}, {"available", true}},
                             cuda_json(cuda_driver())}}});
    return ok;
  }
  std::printf("cpu   %s, kernels built for %s, %u threads\n", processor().c_str(), std::string(instructions()).c_str(), threads);
  print_cuda(cuda_driver());
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
