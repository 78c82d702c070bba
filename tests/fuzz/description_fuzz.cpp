// SPDX-License-Identifier: Apache-2.0
// libFuzzer: lines "key=value" as the metadata of a model file; a description that is read is written and read the same.
#include "fuzz_input.hpp"

#include "tadp/io/description.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::map<std::string, std::string> metadata;
  auto text = fuzz::text_of(data, size);
  while (!text.empty()) {
    auto const line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto const equals = line.find('=');
    if (equals != std::string_view::npos) metadata.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  fuzz::only_errors([&] {
    auto const description = tadp::description_of(metadata, "fuzz");
    if (!(tadp::description_of(tadp::to_metadata(description), "again") == description)) __builtin_trap();
  });
  return 0;
}
