// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a pickle, and what it holds as a list of tensors. Only Error may come out.
#include "fuzz_input.hpp"

#include "tadp/io/pickle.hpp"
#include "tadp/io/torch_contents.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::only_errors([&] {
    auto const read = tadp::read_pickle(fuzz::bytes_of(data, size), "fuzz");
    auto const contents = tadp::list_contents(read.graph, "fuzz");
    for (auto const& entry : contents.entries)
      if (entry.file >= contents.storages.size() || entry.end < entry.begin) __builtin_trap();
  });
  return 0;
}
