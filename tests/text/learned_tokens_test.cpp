// SPDX-License-Identifier: Apache-2.0
#include "tadp/text/learned_tokens.hpp"

#include "../io/scratch.hpp"
#include "tadp/io/bpe_vocabulary.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/io/longer_vocabulary.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/session.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace td = tadp;
using scratch::error_of;
using Floats = std::vector<float>;

namespace {

std::filesystem::path fixture(std::string_view name) {
  std::string const here = __FILE__;
  return here.substr(0, here.rfind('/') + 1) + "prompt_fixtures/" + std::string(name);
}
Floats numbers(std::string_view name) {
  td::SafetensorsFile const file(fixture("numbers.safetensors"));
  auto const* const entry = file.find(name);
  REQUIRE(entry != nullptr);
  Floats values(entry->size_bytes() / 4);
  file.read_f32(*entry, values.data());
  return values;
}
td::TokenEmbedding token(std::string name, td::index_t vectors = 1, int width = 768) { return {std::move(name), vectors, Floats(static_cast<std::size_t>(vectors) * static_cast<std::size_t>(width), 0.5F)}; }

std::optional<td::BpeVocabulary> clip_vocabulary() {
  auto const shared = scratch::shared_folder();
  if (shared) return td::read_bpe_vocabulary(*shared / "data/tokenizer/bpe_simple_vocab_16e6.txt.gz");
  MESSAGE("skipped: no shared data (set TADP_SHARED)");
  return std::nullopt;
}

using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
using Learning = td::Model<Tiny, td::PromptPolicy<td::Caption, td::LearnedToken>, td::Head<td::SegmentationOf<3, 16>>>;

/// The tiny model by rule, in a file with the vocabulary's rows and `more`.
td::ModelSource tiny_file(scratch::Folder const& folder, td::index_t more = 0) {
  Learning const model({.learned_tokens = more});
  td::Weights<td::Cpu> weights(td::Cpu(1), model.parameters());
  td::fill_by_hash(weights, 0);
  auto const path = folder / "tiny.safetensors";
  td::save_weights(weights, path);
  return td::open_model(path);
}

}  // namespace

TEST_CASE("learned tokens from every form of file") {
  auto const night = numbers("night"), comic = numbers("comic");
  struct Case {
    std::string file;
    std::string name;
    Floats const* rows;
  };
  for (Case const& c : {Case{"diffusers_matrix.bin", "<night>", &night}, Case{"diffusers_vector_legacy.bin", "<night>", &night}, Case{"diffusers.safetensors", "<comic>", &comic}, Case{"kohya.safetensors", "kohya", &comic},
                        Case{"a1111.pt", "comicstyle", &comic}, Case{"inversion.pt", "inversion", &night}, Case{"bare.pt", "bare", &comic}}) {
    CAPTURE(c.file);
    auto const tokens = td::read_token_embeddings(fixture(c.file), 64);
    REQUIRE(tokens.size() == 1);
    CHECK(tokens[0].name == c.name);
    CHECK(tokens[0].vectors == static_cast<td::index_t>(c.rows->size() / 64));
    CHECK(tokens[0].rows == *c.rows);
  }
  auto const half = td::read_token_embeddings(fixture("half.pt"), 64);
  for (std::size_t i = 0; i < 64; ++i) CHECK(half[0].rows[i] == doctest::Approx(night[i]).epsilon(1e-3));
}

TEST_CASE("a file of two tokens has both, and cannot be renamed") {
  auto const tokens = td::read_token_embeddings(fixture("two_tokens.pt"), 64);
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0].name == "<night>");
  CHECK(tokens[1].name == "<comic>");
  CHECK(tokens[1].rows == numbers("comic"));
  auto const error = error_of([] { td::read_token_embeddings(fixture("two_tokens.pt"), 64, "<x>"); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::argument);
  CHECK(td::read_token_embeddings(fixture("a1111.pt"), 64, "<x>")[0].name == "<x>");
}

TEST_CASE("a folder is read by the names of diffusers") {
  scratch::Folder const folder;
  std::filesystem::copy_file(fixture("diffusers_matrix.bin"), folder / "learned_embeds.bin");
  CHECK(td::read_token_embeddings(folder / "", 64)[0].name == "<night>");
  std::filesystem::copy_file(fixture("diffusers.safetensors"), folder / "learned_embeds.safetensors");
  CHECK(td::read_token_embeddings(folder / "", 64)[0].name == "<comic>");
  scratch::Folder const empty;
  auto const error = error_of([&] { td::read_token_embeddings(empty / "", 64); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::io);
}

TEST_CASE("files that hold no learned token of this encoder are told apart") {
  struct Case {
    std::string file;
    td::Errc code;
    std::string key;
    std::string expected;
    std::string found;
  };
  using enum td::Errc;
  for (Case const& c : {Case{"wrong_width.bin", shape, "<night>", "[64] or [vectors, 64]", "[1, 768]"}, Case{"wrong_rank.bin", shape, "<night>", "[64] or [vectors, 64]", "[1, 1, 64]"},
                        Case{"integers.bin", unsupported, "<night>", "F32, F16, BF16 or F64", "I64"}, Case{"nan.bin", format, "<night>", "finite numbers", "NaN"},
                        Case{"no_vector.pt", key, "", "{token: tensor} or string_to_param", "string_to_token.*"}, Case{"no_tensor.pt", key, "", "a dict of names and tensors", "values without tensors"},
                        Case{"sdxl.safetensors", unsupported, "clip_g", "one of Stable Diffusion 1", ""}}) {
    CAPTURE(c.file);
    auto const error = error_of([&] { td::read_token_embeddings(fixture(c.file), 64); });
    REQUIRE(error);
    CHECK(error->code() == c.code);
    CHECK(error->where().file == fixture(c.file).string());
    CHECK(error->where().key == c.key);
    CHECK(error->where().expected == c.expected);
    CHECK(error->where().found == c.found);
  }
}

TEST_CASE("a file of no tensor holds no learned token") {
  scratch::Folder const folder;
  td::write_safetensors(folder / "empty.safetensors", {}, {});
  auto const error = error_of([&] { td::read_token_embeddings(folder / "empty.safetensors", 64); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::key);
  CHECK(error->where().found == "no tensor");
}

TEST_CASE("a model's weights are no learned tokens") {
  scratch::Folder const folder;
  auto const model = tiny_file(folder);
  auto const error = error_of([&] { td::read_token_embeddings(model.path(), 64); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::format);
}

TEST_CASE("each name is one unit of the text, with as many tokens as it has vectors") {
  auto const vocabulary = clip_vocabulary();
  if (!vocabulary) return;
  std::vector<td::TokenEmbedding> const learned = {token("<night>"), token("<comic>", 3), token("my-style")};
  CHECK(td::row_count(learned) == 5);
  auto const tokenizer = td::tokenizer_with(*vocabulary, td::clip_vit_l14, learned);
  auto const tokens = tokenizer("a dark <Night> photo, <comic> my-style");
  std::vector<std::int32_t> const expected = {49406, 320, 3144, 49408, 1125, 267, 49409, 49410, 49411, 49412, 49407};
  CHECK(std::vector<std::int32_t>(tokens.ids.begin(), tokens.ids.begin() + 11) == expected);
  CHECK(tokens.words[6] == "<comic>");
  CHECK(tokens.words[8] == "<comic>");
  CHECK(std::vector<bool>(tokens.goes_on.begin() + 5, tokens.goes_on.begin() + 11) == std::vector<bool>{false, false, true, true, false, false});
}

TEST_CASE("a prompt may name what was learned") {
  auto const vocabulary = clip_vocabulary();
  if (!vocabulary) return;
  std::vector<td::TokenEmbedding> const learned = {token("<night>"), token("<comic>", 2)};
  td::Tokenizer const tokenizer = td::tokenizer_with(*vocabulary, td::clip_vit_l14, learned);
  using Policy = td::PromptPolicy<td::Caption, td::Modifier, td::LearnedToken>;
  auto const tokens = [&](td::Prompt const& prompt) { return td::tokens_of<Policy>(prompt, tokenizer, td::clip_vit_l14); };
  CHECK(tokens({.caption = "car <Comic>", .modifier = "textual_inversion"}).ids[3] == 49408);
  auto const error = error_of([&] { tokens({.caption = "car", .modifier = "watercolorTI"}); });
  REQUIRE(error);
  CHECK(error->where().key == "<watercolor>");
  std::string const long_text = std::string(400, '!') + " a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z <night>";
  CHECK(tokens({.caption = long_text}).truncated);
}

TEST_CASE("the cases of an added token pass with a learned one") {
  auto const shared = scratch::shared_folder();
  auto const vocabulary = clip_vocabulary();
  if (!vocabulary) return;
  std::vector<td::TokenEmbedding> const learned = {token("<night>")};
  auto const tokenizer = td::tokenizer_with(*vocabulary, td::clip_vit_l14, learned);
  auto const cases = nlohmann::json::parse(std::ifstream(*shared / "data/tokenizer/added_token_cases.json"))["cases"];
  for (auto const& c : cases) CHECK(tokenizer(c["text"].get<std::string>()).ids == c["hf"].get<std::vector<std::int32_t>>());
  CHECK(cases.size() == 20);
}

TEST_CASE("a name that is a word already, or stands twice, is refused") {
  auto const vocabulary = clip_vocabulary();
  if (!vocabulary) return;
  for (auto const& names : {std::vector<std::string>{"cat"}, {"<night>", "painting"}, {"<night>", "<NIGHT>"}, {" "}, {""}}) {
    std::vector<td::TokenEmbedding> learned;
    for (auto const& name : names) learned.push_back(token(name));
    auto const error = error_of([&] { td::tokenizer_with(*vocabulary, td::clip_vit_l14, learned); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
  }
}

TEST_CASE("the text encoder reads learned tokens as transformers does") {
  scratch::Folder const folder;
  auto const file = tiny_file(folder);
  auto learned = td::read_token_embeddings(fixture("two_tokens.pt"), 64);
  td::WithTokenEmbeddings const longer(file, learned, td::tiny_text);
  Learning const model({.learned_tokens = td::row_count(learned)});
  td::Weights<td::Cpu> weights(td::Cpu(1), model.parameters());
  td::load_weights_from(weights, std::span(&longer, 1), "tiny");

  td::SafetensorsFile const expected(fixture("numbers.safetensors"));
  std::vector<std::int32_t> ids(77);
  auto const bytes = expected.data(*expected.find("learned.ids"));
  std::memcpy(ids.data(), bytes.data(), bytes.size());
  auto const hidden = numbers("learned.hidden");
  td::Plan<td::Cpu> plan(td::Cpu(1), &weights.list(), weights.flat());
  td::PlanContext<td::Cpu> ctx(plan);
  auto const out = plan.keep(model.backbone().text(ctx, ids.data(), 1));
  plan.finish();
  td::Cpu cpu(1);
  plan.run(cpu);
  float const* const found = plan.view(out).data;
  double worst = 0;
  for (std::size_t i = 0; i < hidden.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(found[i]) - static_cast<double>(hidden[i])));
  MESSAGE("learned tokens: largest difference " << worst);
  CHECK(worst < 2e-5);
}

TEST_CASE("a session takes ids of learned tokens, and no more than there are") {
  scratch::Folder const folder;
  auto const file = tiny_file(folder);
  auto const learned = td::read_token_embeddings(fixture("two_tokens.pt"), 64);
  td::WithTokenEmbeddings const longer(file, learned, td::tiny_text);
  auto const model = std::make_shared<Learning const>(td::ModelSizes{.learned_tokens = 3});
  auto const weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  td::load_weights_from(*weights, std::span(&longer, 1), "tiny");
  td::Session<Learning, td::Inference<td::Cpu>> session(model, weights, {.window = {64, 64}});
  session.set_prompt({.ids = {512, 514}});
  CHECK(session.tokens().ids[2] == 514);
  auto const error = error_of([&] { session.set_prompt({.ids = {515}}); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::argument);
  CHECK(error->where().expected == "0 to 514");
}

TEST_CASE("rows that a checkpoint was trained with are replaced or left out") {
  scratch::Folder const folder;
  auto const file = tiny_file(folder, 2);
  auto const learned = td::read_token_embeddings(fixture("two_tokens.pt"), 64);
  td::WithTokenEmbeddings const longer(file, learned, td::tiny_text), none(file, {}, td::tiny_text);
  auto const rows_of = [](td::WithTokenEmbeddings const& from) {
    for (auto const& entry : from.entries())
      if (entry.name.ends_with("token_embedding.weight")) {
        Floats rows(static_cast<std::size_t>(entry.shape[0] * entry.shape[1]));
        from.read_f32(entry, 0, 100, rows.data());  // in two parts that end anywhere
        from.read_f32(entry, 100, rows.size() - 100, rows.data() + 100);
        return rows;
      }
    return Floats();
  };
  auto const rows = rows_of(longer);
  REQUIRE(rows.size() == 515 * 64);
  CHECK(std::equal(learned[0].rows.begin(), learned[0].rows.end(), rows.begin() + 512 * 64));
  CHECK(std::equal(learned[1].rows.begin(), learned[1].rows.end(), rows.begin() + 513 * 64));
  CHECK(rows_of(none).size() == 512 * 64);
  CHECK(std::equal(rows.begin(), rows.begin() + 512 * 64, rows_of(none).begin()));
  auto const error = error_of([&] { td::WithTokenEmbeddings(file, std::vector{token("<x>", 1, 768)}, td::tiny_text); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::shape);
}
