// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a list of pictures and their depth; no row leads out of the folder.
#include "fuzz_input.hpp"

#include "tadp/data/depth_list.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::only_errors([&] {
    tadp::FolderReport report;
    auto const list = tadp::read_depth_list(fuzz::put(fuzz::text_of(data, size)), "list", report);
    for (auto const& row : list.rows)
      for (auto const& path : {row.picture, row.depth})
        if (path.empty() || path.front() == '/' || path == ".." || path.starts_with("../") || path.find("/../") != std::string::npos) __builtin_trap();
  });
  return 0;
}
