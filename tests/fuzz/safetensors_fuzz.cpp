// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a safetensors file; what opens is read to the end, as numbers where its format has them.
#include "fuzz_input.hpp"

#include "tadp/io/safetensors.hpp"

#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::only_errors([&] {
    tadp::SafetensorsFile const file(fuzz::put(fuzz::text_of(data, size)));
    for (auto const& entry : file.entries()) {
      auto const bytes = file.data(entry);
      if (bytes.size() > size || file.find(entry.name) != &entry) __builtin_trap();
      if (!tadp::converts_to_f32(entry.dtype)) continue;
      std::vector<float> numbers(bytes.size() * 8 / tadp::bits_per_element(entry.dtype));
      file.read_f32(entry, numbers.data());
    }
  });
  return 0;
}
