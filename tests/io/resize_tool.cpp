// SPDX-License-Identifier: Apache-2.0
// Resizes one PNG or JPEG by a method of tadp/io/resize.hpp; resize_against_originals.py compares what it writes.
#include "tadp/io/image.hpp"
#include "tadp/io/resize.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: resize_tool INPUT METHOD WIDTH HEIGHT OUTPUT.png\n");
    return 2;
  }
  try {
    auto const picture = tadp::read_image(argv[1]);
    auto const method = tadp::resize_from_string(argv[2]);
    tadp::write_png(argv[5], tadp::resize(picture, std::atoi(argv[3]), std::atoi(argv[4]), method));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "resize_tool: %s\n", error.what());
    return 1;
  }
}
