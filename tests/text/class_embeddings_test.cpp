// SPDX-License-Identifier: Apache-2.0
#include "tadp/text/averaged_eos.hpp"

#include "../io/scratch.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/model.hpp"
#include "tadp/text/word_tokenizer.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

namespace td = tadp;
using scratch::error_of;

namespace {

using Encoder = td::TextEncoderOf<td::tiny_text>;

std::filesystem::path fixture(std::string_view name) {
  std::string const here = __FILE__;
  return here.substr(0, here.rfind('/') + 1) + "prompt_fixtures/" + std::string(name);
}
std::vector<std::string> split(std::string const& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

/// The tiny text encoder with hashed weights.
struct Hashed {
  std::shared_ptr<td::ParameterList> list = std::make_shared<td::ParameterList>();
  Encoder encoder{td::Scope(*list) / "cond_stage_model" / "transformer" / "text_model"};
  td::Weights<td::Cpu> weights{td::Cpu(1), list};
  Hashed() { td::fill_by_hash(weights, 0); }

  td::ClassEmbeddings operator()(td::Tokenizer const& tokenizer, std::vector<std::string> names, td::AveragedEosOptions const& options = {}, td::Control const& control = {}) const {
    return td::averaged_eos(td::Cpu(1), weights, encoder, tokenizer, std::move(names), options, control);
  }
};

struct Expected {
  td::SafetensorsFile file{fixture("numbers.safetensors")};
  std::vector<std::string> names = split(file.metadata().at("names"), '|'), templates = split(file.metadata().at("templates"), '|');
  td::WordTokenizer tokenizer{split(file.metadata().at("vocabulary"), ' '), td::tiny_text};
};

}  // namespace

TEST_CASE("the factored templates are CLIP's 80") {
  auto const all = td::imagenet_templates();
  Expected const expected;
  CHECK(all.size() == 80);
  CHECK(std::set<std::string>(all.begin(), all.end()) == std::set<std::string>(expected.templates.begin(), expected.templates.end()));
}

TEST_CASE("class embeddings are those of transformers, whatever the batch") {
  Hashed const hashed;
  Expected const expected;
  std::vector<float> means(3 * 64);
  expected.file.read_f32(*expected.file.find("averaged_eos"), means.data());
  for (int const batch : {16, 7}) {
    auto const found = hashed(expected.tokenizer, expected.names, {.batch = batch});
    CHECK(found.classes == 3);
    CHECK(found.width == 64);
    CHECK(found.names == expected.names);
    double worst = 0;
    for (std::size_t i = 0; i < means.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(found.values.at(i)) - static_cast<double>(means[i])));
    MESSAGE("averaged_eos, batch " << batch << ": largest difference " << worst);
    CHECK(worst < 2e-5);
  }
}

TEST_CASE("a run that is stopped ends, one that goes on tells how far it is") {
  Hashed const hashed;
  Expected const expected;
  std::stop_source source;
  std::size_t seen = 0, of = 0;
  td::Control control{.stop = source.get_token(), .progress = [&](std::size_t done, std::size_t total) { seen = done, of = total; }};
  hashed(expected.tokenizer, {"road"}, {.batch = 32}, control);
  CHECK(seen == 80);
  CHECK(of == 80);
  source.request_stop();
  auto const error = error_of([&] { hashed(expected.tokenizer, {"road"}, {}, control); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::cancelled);
}

TEST_CASE("class embeddings are refused without names, words or room") {
  Hashed const hashed;
  Expected const expected;
  td::Tokenizer const tokenizer = expected.tokenizer;
  for (auto const& error : {error_of([&] { hashed(tokenizer, {}); }), error_of([&] { hashed(tokenizer, {"road", " _"}); }), error_of([&] { hashed({}, {"road"}); }), error_of([&] { hashed(tokenizer, {"road"}, {.templates = {"a road"}}); }),
                            error_of([&] { hashed(tokenizer, {"road"}, {.templates = {}}); }), error_of([&] { hashed(tokenizer, {"road"}, {.length = 2}); }), error_of([&] { hashed(tokenizer, {"road"}, {.length = 78}); }),
                            error_of([&] { hashed(tokenizer, {"road"}, {.batch = 0}); })}) {
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
  }
}

TEST_CASE("TADP's files of class embeddings are read to the numbers beside them") {
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: no shared data (set TADP_SHARED)");
    return;
  }
  for (std::string const set : {"ade", "nyu"}) {
    CAPTURE(set);
    auto const base = (*shared / "data/class_embeddings" / (set + "_class_embeddings")).string();
    auto const numbers = nlohmann::json::parse(std::ifstream(base + ".json"));
    auto const e = td::read_class_embeddings(base + ".pth", 768, numbers["shape"][0].get<td::index_t>());
    CHECK(e.classes == numbers["shape"][0].get<td::index_t>());
    double sum = 0, squares = 0;
    for (float const v : e.values) sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
    CHECK(sum == doctest::Approx(numbers["sum"].get<double>()).epsilon(1e-12));
    CHECK(std::sqrt(squares) == doctest::Approx(numbers["l2"].get<double>()).epsilon(1e-12));
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(e.values[i] == numbers["first8"][i].get<float>());
      CHECK(e.values[e.values.size() - 8 + i] == numbers["last8"][i].get<float>());
    }
    for (std::size_t row = 0; row < numbers["row_l2"].size(); ++row) {
      double norm = 0;
      for (std::size_t c = 0; c < 768; ++c) norm += std::pow(static_cast<double>(e.values[row * 768 + c]), 2);
      CHECK(std::sqrt(norm) == doctest::Approx(numbers["row_l2"][row].get<double>()).epsilon(1e-12));
    }
    auto const error = error_of([&] { td::read_class_embeddings(base + ".pth", 768, 19); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::shape);
    CHECK(error->where().expected == "[19, 768]");
  }
}

TEST_CASE("class embeddings are written with their names and read again") {
  scratch::Folder const folder;
  td::ClassEmbeddings const e{2, 3, {1, 2, 3, 4, 5, 6}, {"road", "sky \"blue\""}};
  td::write_class_embeddings(folder / "e.safetensors", e);
  auto const again = td::read_class_embeddings(folder / "e.safetensors", 3);
  CHECK(again.values == e.values);
  CHECK(again.names == e.names);
  td::ClassEmbeddings broken = e;
  broken.names.pop_back();
  td::write_class_embeddings(folder / "broken.safetensors", broken);
  auto const count = error_of([&] { td::read_class_embeddings(folder / "broken.safetensors", 3); });
  REQUIRE(count);
  CHECK(count->code() == td::Errc::shape);
  broken.values[4] = std::numeric_limits<float>::infinity();
  broken.names.clear();
  td::write_class_embeddings(folder / "infinite.safetensors", broken);
  auto const infinite = error_of([&] { td::read_class_embeddings(folder / "infinite.safetensors", 3); });
  REQUIRE(infinite);
  CHECK(infinite->where().key == "class_embeddings[1]");
  auto const several = error_of([&] { td::read_class_embeddings(fixture("two_tokens.pt"), 64); });
  REQUIRE(several);
  CHECK(several->code() == td::Errc::key);
}

TEST_CASE("class embeddings go into a model that has room for them") {
  using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, Encoder>;
  using Classes = td::Model<Tiny, td::PromptPolicy<td::AveragedEos>, td::Head<td::SegmentationOf<2, 16>>>;
  using Captions = td::Model<Tiny, td::PromptPolicy<td::Caption>, td::Head<td::SegmentationOf<2, 16>>>;
  td::ClassEmbeddings const e{2, 64, std::vector<float>(128, 0.25F), {}};
  Classes const model({.class_embeddings = 2});
  td::Weights<td::Cpu> weights(td::Cpu(1), model.parameters());
  td::put_class_embeddings(weights, e);
  CHECK(weights.data(weights.list().find("class_embeddings"))[127] == 0.25F);
  Classes const wider({.class_embeddings = 3});
  td::Weights<td::Cpu> three(td::Cpu(1), wider.parameters());
  auto const count = error_of([&] { td::put_class_embeddings(three, e); });
  REQUIRE(count);
  CHECK(count->code() == td::Errc::shape);
  Captions const captions;
  td::Weights<td::Cpu> none(td::Cpu(1), captions.parameters());
  auto const part = error_of([&] { td::put_class_embeddings(none, e); });
  REQUIRE(part);
  CHECK(part->code() == td::Errc::argument);
}
