// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as an annotation of the VOC form; the boxes that are kept have numbers and an area.
#include "fuzz_input.hpp"

#include "tadp/data/voc_annotation.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::only_errors([&] {
    auto const annotation = tadp::parse_voc_annotation(fuzz::bytes_of(data, size), {}, "fuzz");
    for (auto const& object : annotation.objects)
      if (!(object.box.x2 > object.box.x1 && object.box.y2 > object.box.y1) || object.name.empty()) __builtin_trap();
  });
  return 0;
}
