// SPDX-License-Identifier: Apache-2.0
#include "tadp/text/word_tokenizer.hpp"

#include "tadp/text/prompt_tokens.hpp"

#include <doctest/doctest.h>

namespace td = tadp;
using Words = std::vector<std::string>;
using Ids = std::vector<std::int32_t>;

namespace {

constexpr td::TextEncoderConfig six{.vocabulary = 20, .width = 8, .layers = 1, .heads = 1, .mlp = 8, .length = 6, .begin_token = 18, .end_token = 19};

template <class Call>
td::Errc code_of(Call const& call) {
  try {
    call();
  } catch (td::Error const& e) {
    return e.code();
  }
  FAIL("no error");
  return {};
}

}  // namespace

TEST_CASE("words are lower-cased and split at blanks and punctuation") {
  CHECK(td::words_of("A Street, with\tcars; (and) TREES.") == Words{"a", "street", "with", "cars", "and", "trees"});
  CHECK(td::words_of("man's well-known 2nd") == Words{"man", "s", "well", "known", "2nd"});
  CHECK(td::words_of("").empty());
  CHECK(td::words_of(" ,.\n").empty());
  CHECK(td::words_of("\xe2\x80\x9c\xc3\xa9t\xc3\xa9\xe2\x80\x9d\xc2\xa0x") == Words{"\xc3\xa9t\xc3\xa9", "x"});  // quotes and a fixed blank
  CHECK(td::words_of(std::string_view("a\0b", 3)) == Words{"a", "b"});
}

TEST_CASE("text that is not UTF-8 is refused") {
  for (std::string const& bad : Words{"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x28\xa1", "\x80"})
    CHECK(code_of([&] { td::words_of(bad); }) == td::Errc::format);
}

TEST_CASE("tokens of a text") {
  td::WordTokenizer const tokenizer({"a", "car", "road"}, six);
  auto const t = tokenizer("a Road, a zebra; an Okapi, a zebra");
  CHECK(t.ids == Ids{18, 0, 2, 0, 0, 19});
  CHECK(t.words == Words{"", "a", "road", "a", "a", ""});
  CHECK(t.unknown == Words{"zebra", "an", "okapi"});
  CHECK_FALSE(t.truncated);

  auto const empty = tokenizer("");
  CHECK(empty.ids == Ids{18, 19, 19, 19, 19, 19});
  CHECK(empty.words == Words(6));

  auto const full = tokenizer("car car car car");
  CHECK(full.ids == Ids{18, 1, 1, 1, 1, 19});
  CHECK_FALSE(full.truncated);
  auto const more = tokenizer("car car car car a");
  CHECK(more.ids == full.ids);
  CHECK(more.truncated);
}

TEST_CASE("a long text takes no long time") {
  td::WordTokenizer const tokenizer({"a"}, six);
  CHECK(tokenizer(std::string(1'000'000, 'x')).unknown.size() == 1);
  CHECK(tokenizer(std::string(2'000'000, ' ')).unknown.empty());
}

TEST_CASE("vocabularies that cannot work are refused") {
  for (Words const& bad : {Words{"b", "a"}, Words{"a", "a"}, Words{"A"}, Words{"two words"}, Words{""}, Words{"a."}})
    CHECK(code_of([&] { td::WordTokenizer(bad, six); }) == td::Errc::argument);
  Words many;
  for (char c = 'a'; c < 'a' + 19; ++c) many.emplace_back(1, c);
  CHECK(code_of([&] { td::WordTokenizer(many, six); }) == td::Errc::argument);
  many.pop_back();
  CHECK(td::WordTokenizer(many, six)("r").ids[1] == 17);
}

TEST_CASE("ids of a caller") {
  auto const pad = [](Ids const& ids) { return td::pad_tokens(ids, six); };
  CHECK(pad({}) == Ids{18, 19, 19, 19, 19, 19});
  CHECK(pad({3, 4}) == Ids{18, 3, 4, 19, 19, 19});
  CHECK(pad({18, 3, 4}) == Ids{18, 3, 4, 19, 19, 19});
  CHECK(pad({1, 2, 3, 4}) == Ids{18, 1, 2, 3, 4, 19});
  CHECK(pad({18, 1, 2, 3, 4, 19}) == Ids{18, 1, 2, 3, 4, 19});
  for (Ids const& bad : {Ids{1, 2, 3, 4, 5}, Ids{18, 1, 2, 3, 4, 5}, Ids(7, 1), Ids{-1}, Ids{20}}) CHECK(code_of([&] { pad(bad); }) == td::Errc::argument);
}

TEST_CASE("a prompt says only what its policy has a part for") {
  td::Tokenizer const speak = td::WordTokenizer({"a", "car", "dark"}, six);
  using Plain = td::PromptPolicy<td::Caption>;
  using Changed = td::PromptPolicy<td::Caption, td::Modifier>;
  CHECK(td::tokens_of<Plain>({.caption = "a car"}, speak, six).ids == Ids{18, 0, 1, 19, 19, 19});
  CHECK(td::tokens_of<Plain>({.ids = {7}}, {}, six).ids == Ids{18, 7, 19, 19, 19, 19});
  CHECK(td::tokens_of<Plain>({}, {}, six).ids == Ids{18, 19, 19, 19, 19, 19});
  CHECK(td::tokens_of<Changed>({.caption = "car", .modifier = "dark {}"}, speak, six).ids == Ids{18, 2, 1, 19, 19, 19});
  CHECK(code_of([&] { td::tokens_of<Plain>({.caption = "car", .modifier = "dark {}"}, speak, six); }) == td::Errc::argument);
  CHECK(code_of([&] { td::tokens_of<Plain>({.caption = "car"}, {}, six); }) == td::Errc::argument);
  CHECK(code_of([&] { td::tokens_of<Plain>({.caption = "car", .ids = {1}}, speak, six); }) == td::Errc::argument);
  CHECK(code_of([&] { td::tokens_of<td::PromptPolicy<td::Null>>({.caption = "car"}, speak, six); }) == td::Errc::argument);
  CHECK(td::tokens_of<td::PromptPolicy<td::Null>>({}, {}, six).ids == Ids{18, 19, 19, 19, 19, 19});
}
