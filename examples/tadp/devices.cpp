// SPDX-License-Identifier: Apache-2.0
// `tadp devices`: where networks can run.
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

Status run(Common const& common) {
  unsigned const threads = std::max(1U, std::thread::hardware_concurrency());
  if (common.json) {
    print_json({{"devices", {{{"name", "cpu"}, {"processor", processor()}, {"instructions", instructions()}, {"threads", threads}, {"available", true}},
                             {{"name", "cuda"}, {"available", false}, {"reason", "not built"}}}}});
    return ok;
  }
  std::printf("cpu   %s, kernels built for %s, %u threads\n", processor().c_str(), std::string(instructions()).c_str(), threads);
  std::printf("cuda  not built\n");
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
