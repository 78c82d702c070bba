// SPDX-License-Identifier: Apache-2.0
// A model file that describes itself, opened in one call: the model that comes with the library, as the README's program does it.
#include "tadp/runs/described_model.hpp"

#include "tadp/data/street.hpp"
#include "tadp/runs/metrics.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/tadp.hpp"

#include "../io/scratch.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using scratch::error_of;

std::filesystem::path shipped() { return std::filesystem::path(TADP_MODELS_DIR) / "street.safetensors"; }

}  // namespace

TEST_CASE("the model that comes with the library labels streets that it has not seen") {
  auto const [description, model, weights] = load_described<StreetSegmentation>(shipped());
  SessionOptions options = session_options_of(description);
  options.threads = 2;
  Session<StreetSegmentation, Inference<Cpu>> segment(model, weights, options);
  SegmentationScore score(static_cast<int>(find_head(description, "segmentation")->classes.size()));
  for (std::uint64_t seed = 900000001; seed < 900000004; ++seed) {
    auto const scene = render_street(seed);
    score.add(segment(scene.picture, {.caption = "a street photo"}), scene.labels);
  }
  MESSAGE("pixel accuracy " << score.pixel_accuracy());
  CHECK(score.pixel_accuracy() > 0.9);  // 0.943 over 200 scenes
}

TEST_CASE("words are read by the vocabulary of the file") {
  auto const described = load_described<StreetSegmentation>(shipped());
  auto const tokens = session_options_of(described.description).tokenizer("a zebra on the road");
  CHECK(tokens.unknown == std::vector<std::string>{"zebra"});
  CHECK(tokens.words[1] == "a");
}

TEST_CASE("a file of another type of model is refused with its name") {
  using Tiny = Model<Backbone<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>>, PromptPolicy<Caption>, Head<SegmentationOf<dynamic, 64>>>;
  auto const network = error_of([] { load_described<Tiny>(shipped()); });
  REQUIRE(network);
  CHECK(network->code() == Errc::shape);
  CHECK(network->where().file == shipped().string());
  using Wordless = Model<StreetBackbone, PromptPolicy<Null>, Head<SegmentationOf<dynamic, 64>>>;
  auto const prompt = error_of([] { load_described<Wordless>(shipped()); });
  REQUIRE(prompt);
  CHECK(prompt->code() == Errc::shape);
  auto const absent = error_of([] { load_described<StreetSegmentation>("/nonexistent/model.safetensors"); });
  REQUIRE(absent);
  CHECK(absent->code() == Errc::io);
}
