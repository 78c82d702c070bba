// SPDX-License-Identifier: Apache-2.0
// A street model with a random start, as a file of half-precision numbers: what trainings begin with in tests.
#pragma once

#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/train/initialize.hpp"

namespace test_models {

inline void write_street(std::filesystem::path const& path) {
  tadp::StreetSegmentation const model({.classes = static_cast<tadp::index_t>(tadp::street_labels_head().classes.size())});
  tadp::Weights<tadp::Cpu> weights(tadp::Cpu(1), model.parameters());
  tadp::initialize(weights, 7, [](tadp::ParameterSpec const&) { return true; });
  auto d = tadp::describe<tadp::StreetSegmentation>();
  tadp::set_heads(d, {tadp::street_labels_head()});
  d.window = {128, 160};
  d.vocabulary = tadp::street_vocabulary();
  d.default_caption = "a street photo";
  tadp::save_weights(weights, path, tadp::Dtype::F16, tadp::to_metadata(d));
}

}  // namespace test_models
