// SPDX-License-Identifier: Apache-2.0
// Writes the models that the certificates of the tests were made of:
//   certificate_tool text|classes|heads OUT.safetensors
//   scripts/make_certificate.py OUT.safetensors --out tests/runs/certificates/NAME --keep 48
#include "certificate_model.hpp"

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: certificate_tool text|classes|heads OUT.safetensors\n", stderr), 2;
  certificate_model::write(argv[1], argv[2]);
  return 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "certificate_tool: %s\n", error.what());
  return 1;
}
