// SPDX-License-Identifier: Apache-2.0
// Where the program trains in tests: a street model with a random start, and three scenes with labels, depth and boxes.
#pragma once

#include "../runs/street_model_file.hpp"
#include "run_program.hpp"

#include "tadp/io/description.hpp"
#include "tadp/io/safetensors.hpp"

namespace trained_place {

inline bool skipped() {
  if (run_program::program().empty()) MESSAGE("skipped: TADP_PROGRAM names no program");
  return run_program::program().empty();
}
inline std::string quoted(std::filesystem::path const& path) { return "'" + path.string() + "'"; }

struct Place {
  scratch::Folder folder;
  std::string model = "TADP_MODEL=" + quoted(folder / "street.safetensors");
  Place() {
    test_models::write_street(folder / "street.safetensors");
    render("scenes", 5);
  }
  void render(std::string const& name, int seed) const {
    REQUIRE(run_program::run(folder, "render --out " + quoted(folder / name) + " --count 3 --seed " + std::to_string(seed) + " --size 160x128 --quiet").status == 0);
  }
  run_program::Outcome train(std::string const& arguments, std::string const& out = "trained.safetensors", std::string const& data = "scenes", std::string const& crop = "64x64", std::string const& fit = "none") const {
    return run_program::run(folder, "train --data " + quoted(folder / data) + " --out " + quoted(folder / out) + " --batch 2 --crop " + crop + " --fit " + fit + " --threads 1 --json " + arguments, model);
  }
  tadp::ModelDescription description(std::string const& name = "trained.safetensors") const {
    tadp::SafetensorsFile const file(folder / name);
    return tadp::description_of(file.metadata(), name);
  }
};

}  // namespace trained_place
