// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a PNG or JPEG file, decoded by each of the ways that programs use. The limit of pixels is lowered,
// as the picture that the usual one allows takes more memory than a fuzzer may.
#include "fuzz_input.hpp"

#include "tadp/io/picture_header.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  tadp::ImageLimits const limits{.max_pixels = 1U << 20U, .max_scans = 50};
  auto const bytes = fuzz::bytes_of(data, size);
  fuzz::only_errors([&] {
    auto const picture = tadp::decode_image(bytes, limits, "fuzz");
    auto const header = tadp::decode_picture_header(bytes, limits, "fuzz");
    if (picture.width != header.width || picture.height != header.height) __builtin_trap();
  });
  fuzz::only_errors([&] { tadp::decode_picture_header(bytes, limits, "fuzz"); });
  auto const file = fuzz::put(fuzz::text_of(data, size));
  fuzz::only_errors([&] { tadp::read_labels(file, limits); });
  fuzz::only_errors([&] { tadp::read_png_samples(file, limits); });
  return 0;
}
