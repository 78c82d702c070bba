// SPDX-License-Identifier: Apache-2.0
// The file of features that `tadp features` writes: the goldens' names, shapes and numbers.
#include "golden_folder.hpp"
#include "tadp/runs/features_file.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace tadp;

namespace {

struct ScratchFile {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("tadp_features_" + std::to_string(std::random_device{}()) + ".safetensors");
  ScratchFile() = default;
  ScratchFile(ScratchFile const&) = delete;
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

std::vector<float> values_of(SafetensorsFile const& file, TensorEntry const& entry) {
  std::vector<float> values(entry.size_bytes() / sizeof(float));
  file.read_f32(entry, values.data());
  return values;
}

}  // namespace

TEST_CASE("the features of a golden's picture are the golden's") {
  auto const manifest = golden::fixture() / "tiny_fixture.json";
  Golden const g(manifest);
  ScratchFile const written;
  write_golden_features(manifest, written.path, 2);
  SafetensorsFile const file(written.path);
  CHECK(file.entries().size() == 12);
  auto check = golden::strict(g);
  for (TensorEntry const& entry : file.entries()) {
    CAPTURE(entry.name);
    GoldenTensor const& reference = g.tensor(entry.name);
    CHECK(std::vector<index_t>(entry.shape.begin(), entry.shape.end()) == reference.shape);
    check.floats(entry.name, values_of(file, entry));
  }
  CHECK(check.failures() == 0);
}

TEST_CASE("the features of a picture's bytes") {
  using Stack = GoldenTiny::Model;
  Stack const model({.classes = 3});
  Weights<Cpu> weights(Cpu(1), model.parameters());
  fill_by_hash(weights, 3);
  Picture picture(128, 64);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 37);
  std::vector<std::int32_t> ids(77, 511);
  ids[0] = 510;
  ScratchFile const written;
  write_features(written.path, model, weights, features_input(picture, ids), 1);
  SafetensorsFile const file(written.path);
  CHECK(file.find("pyramid.1")->shape == std::vector<std::uint64_t>{1, 141, 8 / 2, 16 / 2});
  CHECK(file.find("map.level4")->shape == std::vector<std::uint64_t>{1, 77, 2, 4});
  for (TensorEntry const& entry : file.entries())
    for (float v : values_of(file, entry)) REQUIRE(std::isfinite(v));

  Picture odd(100, 64);
  CHECK_THROWS_AS(write_features(written.path, model, weights, features_input(odd, ids), 1), Error);
  ids.pop_back();
  CHECK_THROWS_AS(write_features(written.path, model, weights, features_input(picture, ids), 1), Error);
  CHECK_THROWS_AS(write_golden_features(golden::fixture() / "tiny_grads.json", written.path), Error);
}
