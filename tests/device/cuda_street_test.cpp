// SPDX-License-Identifier: Apache-2.0
// The trained model that comes with the library on the CUDA device: rendered streets get the labels that the processor gives
// them, and in half and in bfloat16 nearly all of them. Goldens have random weights, with more ties than a trained model has.
#include "tadp/kernels/cuda.hpp"

#include "tadp/data/street.hpp"
#include "tadp/runs/described_model.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/tadp.hpp"

#include <doctest/doctest.h>

#include <filesystem>

using namespace tadp;

namespace {

doctest::skip with_a_device() { return doctest::skip(!cuda_devices().missing.empty()); }

constexpr int scenes = 20;

/// The labels of all scenes, one after the other.
template <class... Policies, class Device>
std::vector<std::uint8_t> labels(Device const& device) {
  auto const [description, model, weights] = load_described<StreetSegmentation>(std::filesystem::path(TADP_MODELS_DIR) / "street.safetensors", device);
  Session<StreetSegmentation, Inference<Device, Policies...>> segment(model, weights, session_options_of(description));
  std::vector<std::uint8_t> all;
  for (std::uint64_t seed = 910000001; seed <= 910000000 + scenes; ++seed) {
    auto const found = segment(render_street(seed).picture, {.caption = "a street photo"});
    all.insert(all.end(), found.labels.begin(), found.labels.end());
  }
  return all;
}
double same(std::vector<std::uint8_t> const& a, std::vector<std::uint8_t> const& b) {
  REQUIRE(a.size() == b.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(count) / static_cast<double>(a.size());
}

}  // namespace

TEST_CASE("streets get the same labels on the CUDA device in float, in half and in bfloat16" * with_a_device()) {
  auto const on_processor = labels(Cpu(4)), in_float = labels(Cuda{0});
  double const on_device = same(in_float, on_processor), in_half = same(labels<fp16>(Cuda{0}), in_float), in_bfloat16 = same(labels<bf16>(Cuda{0}), in_float);
  MESSAGE("labels that are the same: on the processor " << 100.0 * on_device << " %, in half " << 100.0 * in_half << " %, in bfloat16 " << 100.0 * in_bfloat16 << " %");
  CHECK(on_device >= 0.9999);
  CHECK(in_half >= 0.995);
  CHECK(in_bfloat16 >= 0.995);
}
