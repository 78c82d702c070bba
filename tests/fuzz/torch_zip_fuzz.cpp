// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a checkpoint of either PyTorch form; what opens is read to the end. Only Error may come out.
#include "tadp/io/checkpoint.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

/// A file that lies in memory: the readers want a path.
std::string put(std::uint8_t const* data, std::size_t size) {
  static int const file = ::memfd_create("fuzz", 0);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) __builtin_trap();
  return "/proc/self/fd/" + std::to_string(file);
}

void read_all(tadp::Checkpoint const& checkpoint) {
  std::size_t left = std::size_t{1} << 24;
  for (auto const& entry : checkpoint.entries()) {
    if (entry.size_bytes() > left) continue;  // an expanded tensor may be large with right
    left -= static_cast<std::size_t>(entry.size_bytes());
    std::vector<std::byte> bytes(static_cast<std::size_t>(entry.size_bytes()));
    try {
      checkpoint.read_bytes(entry, bytes.data());
    } catch (tadp::Error const&) {
    }
    checkpoint.drop(entry);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    read_all(tadp::open_checkpoint(put(data, size)));
  } catch (tadp::Error const&) {
  }
  return 0;
}
