// SPDX-License-Identifier: Apache-2.0
#include "tadp/text/prompt_tokens.hpp"

#include "../io/scratch.hpp"
#include "tadp/io/captions.hpp"
#include "tadp/model.hpp"
#include "tadp/text/class_text.hpp"
#include "tadp/text/word_tokenizer.hpp"

#include <doctest/doctest.h>

#include <set>

namespace td = tadp;
using scratch::error_of;

namespace {

using Sd15 = td::Backbone<td::UNet, td::TextEncoder>;
using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
template <class Backbone, class... Parts>
using ModelOf = td::Model<Backbone, td::PromptPolicy<Parts...>, td::Head<td::SegmentationOf<5>>>;
template <class... Parts>
using Features = typename ModelOf<Sd15, Parts...>::features;
using Captioned = td::channels<320, 717, 1357, 1280>;

// Spec 3.1: the texts differ in their words alone; spec 2.3: caption and 21 class embeddings.
static_assert(Features<td::ClassNames>{} == Captioned{});
static_assert(Features<td::Oracle>{} == Captioned{});
static_assert(Features<td::Nouns>{} == Captioned{});
static_assert(Features<td::Caption, td::Modifier, td::LearnedToken, td::Personalised>{} == Captioned{});
static_assert(Features<td::ClassNames, td::AveragedEosOf<21>>{} == td::channels<320, 738, 1378, 1280>{});
static_assert(td::PromptPolicy<td::Oracle>::has_words && !td::PromptPolicy<td::Null>::has_words && !td::PromptPolicy<td::AveragedEos>::has_text);

using Full = td::PromptPolicy<td::Caption, td::Modifier, td::LearnedToken, td::Personalised>;

td::Tokenizer words_of(std::vector<std::string> words) { return td::WordTokenizer(std::move(words), td::tiny_text); }

}  // namespace

TEST_CASE("the phrases of the paper, each by its name") {
  // Spec 3.4, with "c" for the caption.
  std::vector<std::pair<char const*, char const*>> const expected = {
      {"condition", "a dark night photo of a c"},
      {"textual_inversion", "a dark <night> photo of a c"},
      {"controlweak", "a foggy photo of a c"},
      {"controlstrong", "a watercolor painting of a c"},
      {"dreambooth", "a dashcam photo of c at sks night"},
      {"watercolor", "a watercolor painting of a c"},
      {"comic", "a comic style painting of a c"},
      {"constructive", "a constructivism painting of a c"},
      {"dashcam", "a dashcam photo of a c"},
      {"watercolorTI", "a <watercolor> style painting of a c"},
      {"comicTI", "a <comic> style painting of a c"},
      {"watercolorDB", "a sks style painting of a c"},
      {"comicDB", "a sks style painting of a c"},
  };
  for (auto const& [name, text] : expected) CHECK(td::modified(name, "c") == text);
  CHECK(std::size(td::domain_phrases) == expected.size());
}

TEST_CASE("words of one's own go before, after or around the text") {
  CHECK(td::modified("", "a car") == "a car");
  CHECK(td::modified("an old print of", "a car") == "an old print of a car");
  CHECK(td::modified("{}, at dawn", "a car") == "a car, at dawn");
  CHECK(td::modified("a print of {} at dawn", "a {} car") == "a print of a {} car at dawn");
  CHECK(td::modified("comic {}", "a car") == "comic a car");  // the word, not the phrase of this name
}

TEST_CASE("an identifier takes the place of the paper's, and only there") {
  CHECK(td::modified("dreambooth", "cars", "zwx") == "a dashcam photo of cars at zwx night");
  CHECK(td::modified("comicDB", "sks car", "zwx") == "a zwx style painting of a sks car");
  CHECK(td::modified("comic", "a car", "zwx") == "a comic style painting of a a car");
  CHECK(td::modified("in sks style: {}", "a car", "zwx") == "in sks style: a car");
}

TEST_CASE("what a policy has no part for is refused") {
  auto const tokenizer = words_of({"a", "car", "foggy", "of", "photo", "zwx"});
  auto const tokens = [&]<class... Parts>(std::type_identity<td::PromptPolicy<Parts...>>, td::Prompt const& p) { return td::tokens_of<td::PromptPolicy<Parts...>>(p, tokenizer, td::tiny_text); };
  std::type_identity<td::PromptPolicy<td::Caption>> const caption;
  std::type_identity<td::PromptPolicy<td::ClassNames, td::Modifier>> const names;
  std::type_identity<td::PromptPolicy<td::Null>> const null;
  std::type_identity<td::PromptPolicy<td::AveragedEos>> const classes;
  CHECK(tokens(caption, {.caption = "a car"}).ids[2] == 1);
  CHECK(tokens(names, {.caption = "car", .modifier = "controlweak"}).words[2] == "foggy");
  CHECK(tokens(null, {}).ids == std::vector<std::int32_t>(td::pad_tokens({}, td::tiny_text)));
  for (auto const& error : {error_of([&] { tokens(caption, {.caption = "car", .modifier = "foggy"}); }), error_of([&] { tokens(caption, {.caption = "car zwx", .identifier = "zwx"}); }),
                            error_of([&] { tokens(null, {.caption = "car"}); }), error_of([&] { tokens(classes, {.modifier = "foggy"}); }), error_of([&] { tokens(null, {.identifier = "zwx"}); }),
                            error_of([&] { tokens(names, {.caption = "car", .ids = {1}}); })}) {
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
  }
}

TEST_CASE("a personalised model's text must name its identifier") {
  auto const tokenizer = words_of({"a", "car", "in", "of", "painting", "style", "zwx"});
  auto const tokens = [&](td::Prompt const& p) { return td::tokens_of<Full>(p, tokenizer, td::tiny_text); };
  CHECK(tokens({.caption = "a car", .modifier = "comicDB", .identifier = "zwx"}).words[2] == "zwx");
  CHECK(tokens({.caption = "a car in zwx style", .identifier = "zwx"}).words[4] == "zwx");
  for (std::string const caption : {"a car", "a car in zwxy style", "azwx"}) {
    auto const error = error_of([&] { tokens({.caption = caption, .identifier = "zwx"}); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
    CHECK(error->where().found == caption);
  }
}

TEST_CASE("a phrase without its word is refused, whatever parts the policy has") {
  using Policy = td::PromptPolicy<td::Caption, td::Modifier>;
  auto const tokenizer = words_of({"a", "at", "car", "comic", "dark", "dashcam", "night", "of", "painting", "photo", "style", "watercolor"});
  auto const tokens = [&](td::Prompt const& p) { return td::tokens_of<Policy>(p, tokenizer, td::tiny_text); };
  struct Row {
    char const *phrase, *word;
  };
  for (Row const& row : {Row{"textual_inversion", "<night>"}, Row{"watercolorTI", "<watercolor>"}, Row{"comicTI", "<comic>"}, Row{"dreambooth", "sks"}, Row{"watercolorDB", "sks"}, Row{"comicDB", "sks"}}) {
    CAPTURE(row.phrase);
    auto const error = error_of([&] { tokens({.caption = "car", .modifier = row.phrase}); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
    CHECK(error->where().key == row.word);
    CHECK(error->where().found == row.phrase);
  }
  for (char const* const phrase : {"condition", "watercolor", "comic", "dashcam", "a <night> photo of a {}"}) CHECK_FALSE(error_of([&] { tokens({.caption = "car", .modifier = phrase}); }));
  auto const with_sks = words_of({"a", "car", "of", "painting", "sks", "style"});
  CHECK(td::tokens_of<Policy>({.caption = "car", .modifier = "comicDB"}, with_sks, td::tiny_text).words[2] == "sks");
}

TEST_CASE("what looks like the name of a learned token") {
  CHECK(td::token_names("a <Night> of <b-1>, <<night>, < no>, <>, <a b> and <open") == std::vector<std::string>{"<night>", "<b-1>"});
  CHECK(td::token_names("").empty());
}

TEST_CASE("a text that names a learned token is refused where it was not given") {
  auto const tokenizer = words_of({"a", "car", "dark", "night", "of", "photo"});
  auto const tokens = [&](td::Prompt const& p) { return td::tokens_of<Full>(p, tokenizer, td::tiny_text); };
  for (td::Prompt const& prompt : {td::Prompt{.caption = "car", .modifier = "textual_inversion"}, td::Prompt{.caption = "a <car of <<Night> car"}}) {
    auto const error = error_of([&] { tokens(prompt); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
    CHECK(error->where().key == "<night>");
  }
  for (char const* const plain : {"a < car > night", "night <>", "a <car", "<a car>"}) CHECK_FALSE(error_of([&] { tokens({.caption = plain}); }));
  // Without the part, a model has none to name.
  CHECK(td::tokens_of<td::PromptPolicy<td::Caption>>({.caption = "a <night> car"}, tokenizer, td::tiny_text).words[2] == "night");
}

TEST_CASE("learned tokens belong to models whose prompt has them") {
  ModelOf<Tiny, td::Caption, td::LearnedToken> const with({.learned_tokens = 3});
  auto const& list = *with.parameters();
  CHECK(list[list.find("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight")].shape == std::vector<td::index_t>{515, 64});
  CHECK(with.backbone().text.with_learned().vocabulary == 515);
  for (auto const& error : {error_of([] { ModelOf<Tiny, td::Caption>({.learned_tokens = 1}); }), error_of([] { ModelOf<Tiny, td::Caption, td::LearnedToken>({.learned_tokens = -1}); })}) {
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
  }
}

TEST_CASE("a model file names the parts") {
  CHECK(td::PromptPolicy<td::ClassNames, td::AveragedEos, td::Modifier, td::LearnedToken, td::Personalised, td::Adapter>::names() ==
        std::vector<std::string>{"class_names", "averaged_eos", "modifier", "learned_token", "personalised", "adapter"});
  CHECK(td::PromptPolicy<td::Nouns>::names() == std::vector<std::string>{"nouns"});
  CHECK(td::PromptPolicy<td::Oracle>::names() == std::vector<std::string>{"oracle"});
  CHECK(td::reads_words({"averaged_eos", "oracle"}));
  CHECK_FALSE(td::reads_words({"averaged_eos", "null"}));
}

TEST_CASE("the names of classes as TADP's files have them") {
  std::vector<std::string> const voc = {"background", "airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining_table", "dog", "horse", "motorcycle", "person", "potted plant", "sheep", "sofa", "train", "television"};
  CHECK(td::names_text(voc, {true, true, false}) == "background airplane");
  CHECK(td::names_text(voc, std::vector<bool>(21)) == "");
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: no shared data (set TADP_SHARED)");
    return;
  }
  td::CaptionFile const all(*shared / "data/captions/pascal_all_class_names.json"), oracle(*shared / "data/captions/pascal_class_names.json");
  for (auto const& entry : all.entries()) CHECK(entry.captions.front() == td::names_text(voc));
  // Each oracle's text is what its own classes give.
  std::size_t count = 0;
  for (auto const& entry : oracle.entries()) {
    std::vector<bool> present(voc.size());
    std::string const padded = " " + entry.captions.front() + " ";
    for (std::size_t i = 0; i < voc.size(); ++i) present[i] = padded.find(" " + (i == 11 ? std::string("dining table") : voc[i]) + " ") != std::string::npos;
    if (td::names_text(voc, present) == entry.captions.front()) ++count;
  }
  CHECK(count == 12031);
}
