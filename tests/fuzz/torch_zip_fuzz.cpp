// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a checkpoint of either PyTorch form; what opens is read to the end. Only Error may come out.
#include "fuzz_input.hpp"

#include "tadp/io/checkpoint.hpp"

#include <vector>

namespace {

void read_all(tadp::Checkpoint const& checkpoint) {
  std::size_t left = std::size_t{1} << 24;
  for (auto const& entry : checkpoint.entries()) {
    if (entry.size_bytes() > left) continue;  // an expanded tensor may be large with right
    left -= static_cast<std::size_t>(entry.size_bytes());
    std::vector<std::byte> bytes(static_cast<std::size_t>(entry.size_bytes()));
    fuzz::only_errors([&] { checkpoint.read_bytes(entry, bytes.data()); });
    checkpoint.drop(entry);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::only_errors([&] { read_all(tadp::open_checkpoint(fuzz::put(fuzz::text_of(data, size)))); });
  return 0;
}
