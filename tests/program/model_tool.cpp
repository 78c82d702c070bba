// SPDX-License-Identifier: Apache-2.0
// model_tool FILE [segmentation|depth|detection|perception]: writes a model of the program's tests, for those of them that
// are scripts; without a task the tiny one that segments.
#include "models.hpp"

#include <string_view>

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  std::string_view const task = argc == 3 ? argv[2] : "segmentation";
  if (task == "segmentation") test_models::write_tiny(argv[1]);
  else if (task == "depth") test_models::write_depth(argv[1]);
  else if (task == "detection") test_models::write_detection(argv[1]);
  else if (task == "perception") test_models::write_perception(argv[1]);
  else return 2;
}
