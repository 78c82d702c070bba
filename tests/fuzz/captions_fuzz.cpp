// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a caption file; every entry of one that opens is looked up, and written again with the same content.
#include "fuzz_input.hpp"

#include "tadp/io/captions.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::only_errors([&] {
    tadp::CaptionFile const captions(fuzz::put(fuzz::text_of(data, size)));
    std::string again = "{";
    for (auto const& entry : captions.entries()) {
      fuzz::only_errors([&] { captions.find(entry.key); });  // names that fit several pictures are refused
      again += (again.size() > 1 ? "," : "") + tadp::detail::caption_member(entry, "again");
    }
    tadp::CaptionFile const same(fuzz::put(again + "}", 1));
    if (same.entries().size() != captions.entries().size()) __builtin_trap();
    for (std::size_t i = 0; i < same.entries().size(); ++i)
      if (same.entries()[i].captions != captions.entries()[i].captions) __builtin_trap();
  });
  return 0;
}
