// SPDX-License-Identifier: Apache-2.0
// model_tool FILE: writes the tiny model of the program's tests, for those of them that are scripts.
#include "models.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  test_models::write_tiny(argv[1]);
}
