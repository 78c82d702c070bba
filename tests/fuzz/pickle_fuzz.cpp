// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a pickle, and what it holds as a list of tensors. Only Error may come out.
#include "tadp/io/pickle.hpp"
#include "tadp/io/torch_contents.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    auto const read = tadp::read_pickle({reinterpret_cast<std::byte const*>(data), size}, "fuzz");
    auto const contents = tadp::list_contents(read.graph, "fuzz");
    for (auto const& entry : contents.entries)
      if (entry.file >= contents.storages.size() || entry.end < entry.begin) __builtin_trap();
  } catch (tadp::Error const&) {
  }
  return 0;
}
