// SPDX-License-Identifier: Apache-2.0
#include "tadp/text/bpe_tokenizer.hpp"

#include "tadp/io/bpe_vocabulary.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace td = tadp;
using Ids = std::vector<std::int32_t>;
using Words = std::vector<std::string>;

namespace {

std::optional<std::filesystem::path> shared_tokenizer() {
  std::filesystem::path path;
  if (char const* const named = std::getenv("TADP_SHARED")) path = named;
#ifdef TADP_SHARED_DIR
  if (path.empty()) path = TADP_SHARED_DIR;
#endif
  path = path / "data" / "tokenizer";
  if (std::filesystem::is_directory(path)) return path;
  MESSAGE("skipped: no shared data (set TADP_SHARED)");
  return std::nullopt;
}

/// CLIP's vocabulary, read once.
std::optional<td::BpeTokenizer> real_tokenizer(std::vector<td::AddedToken> added = {}, td::TextEncoderConfig const& config = td::clip_vit_l14) {
  auto const folder = shared_tokenizer();
  if (!folder) return std::nullopt;
  static td::BpeVocabulary const vocabulary = td::read_bpe_vocabulary(*folder / "bpe_simple_vocab_16e6.txt.gz");
  return td::BpeTokenizer(vocabulary, config, std::move(added));
}

/// A vocabulary of bytes and these merges; `lines` in the files' letters.
td::BpeVocabulary small_vocabulary(Words const& merges) {
  std::vector<td::detail::BpeLine> lines;
  for (std::string const& merge : merges) lines.push_back({std::string_view(merge).substr(0, merge.find(' ')), std::string_view(merge).substr(merge.find(' ') + 1)});
  auto const names = td::detail::names_of(lines, "test");
  return td::detail::BpeBuilder(names, "test", "test").build(lines);
}
td::TextEncoderConfig config_of(td::BpeVocabulary const& vocabulary, int length = 12) {
  return {.vocabulary = static_cast<int>(vocabulary.tokens.size()), .length = length, .begin_token = vocabulary.begin, .end_token = vocabulary.end};
}

/// The bytes of the tokens between begin and end, a bar after each that ends a word.
std::string spelled(td::BpeVocabulary const& vocabulary, std::string_view text) {
  std::string out;
  for (std::int32_t const id : td::BpeTokenizer(vocabulary, config_of(vocabulary, 200))(text).ids) {
    auto const& token = vocabulary.tokens.at(static_cast<std::size_t>(id));
    if (!token.bytes.empty()) out += token.bytes + (token.ends_word ? "|" : ",");
  }
  return out;
}

template <class Call>
std::optional<td::Error> error_of(Call const& call) {
  try {
    call();
  } catch (td::Error const& error) {
    return error;
  }
  return std::nullopt;
}

Ids padded(Ids content) {
  if (content.size() > 75) content.resize(75);
  content.insert(content.begin(), 49406);
  content.resize(77, 49407);
  return content;
}

}  // namespace

TEST_CASE("a text is cleaned: references twice, blanks, lower case") {
  CHECK(td::clean_text("  A\t\nB\xc2\xa0\xe3\x80\x80\x1c" "c ") == "a b c");
  CHECK(td::clean_text("") == "");
  CHECK(td::clean_text(" \n ") == "");
  CHECK(td::clean_text("&amp;amp;amp;") == "&amp;");
  CHECK(td::clean_text("&lt;b&gt; &eacute &notit; &NotEqualTilde; &nope; &; & &#") == "<b> \xc3\xa9 \xc2\xacit; \xe2\x89\x82\xcc\xb8 &nope; &; & &#");
  CHECK(td::clean_text("&#65;&#x42 &#0;&#xd800;&#99999999999999999999; &#x80; &#1;x") == "ab \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xe2\x82\xac x");
  CHECK(td::clean_text("\xc4\xb0") == "i\xcc\x87");
  CHECK(td::clean_text("\xce\x9f\xce\xa3 \xce\xa3 \xce\xa3\xce\x91") == "\xce\xbf\xcf\x82 \xcf\x83 \xcf\x83\xce\xb1");  // final sigma
  CHECK(td::clean_text("\xce\x91\xce\xa3'. \xce\x91'\xce\xa3'\xce\x91") == "\xce\xb1\xcf\x82'. \xce\xb1'\xcf\x83'\xce\xb1");
  CHECK(td::clean_text(std::string_view("A\0B", 3)) == std::string_view("a\0b", 3));
  CHECK(td::clean_text("\xf0\x90\xb5\x90") == "\xf0\x90\xb5\x90");  // a capital of Unicode 16 stays, whatever utf8proc knows
}

TEST_CASE("text that is not UTF-8 is refused with the place") {
  for (std::string const bad : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x28\xa1", "\x80", "\xf0\x9f\x98"}) {
    auto const error = error_of([&] { td::clean_text("ab" + bad); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::format);
    CHECK(error->where().offset == 2);
  }
}

TEST_CASE("a cleaned text is split as the pattern does") {
  auto const pieces = [](std::string_view text) {
    std::string out;
    std::size_t at = 0;
    for (auto piece = td::next_piece(text, at); !piece.empty(); piece = td::next_piece(text, at)) out += std::string(piece) + "|";
    return out;
  };
  CHECK(pieces("a photo, 12 cats!!") == "a|photo|,|1|2|cats|!!|");
  CHECK(pieces("it's they're 'twas !'s ' '") == "it|'s|they|'re|'t|was|!'|s|'|'|");
  CHECK(pieces("<start_of_text>x<end_of_text>!<end_of_text>") == "<start_of_text>|x|<end_of_text>|!<|end|_|of|_|text|>|");
  CHECK(pieces("'\xc5\xbf \xc5\xbf") == "'\xc5\xbf|\xc5\xbf|");
  CHECK(pieces("a\xcd\x85" "b!\xcd\x85!") == "a|b|!|!|");        // U+0345 is in no set
  CHECK(pieces("e\xcc\x81" "x") == "e|\xcc\x81|x|");               // a mark is no letter
  CHECK(pieces("a\xc2\xbd\xe2\x85\xa3" "b") == "a|\xc2\xbd|\xe2\x85\xa3|b|");  // one half, Roman four
  CHECK(pieces("a\xf0\xbd\x80\x80" "b") == "a\xf0\xbd\x80\x80" "b|");  // a letter of Unicode 18
  CHECK(pieces("") == "");
}

TEST_CASE("pairs merge by precedence, everywhere, from left to right") {
  CHECK(spelled(small_vocabulary({"a b"}), "abab aab") == "ab,a,b|a,a,b|");
  CHECK(spelled(small_vocabulary({"a a"}), "aaaa aaaaaa") == "aa,a,a|aa,aa,a,a|");
  CHECK(spelled(small_vocabulary({"a a", "aa a"}), "aaaaab") == "aa,aaa,b|");  // the pair first, everywhere
  CHECK(spelled(small_vocabulary({"b c", "a b"}), "abc! bab") == "ab,c|!|b,a,b|");
  CHECK(spelled(small_vocabulary({"b c", "a b"}), "abcx") == "a,bc,x|");
  CHECK(spelled(small_vocabulary({"a b", "b c"}), "abcx") == "ab,c,x|");
  // "ab c" comes before "a b" and yet waits until every "a b" is merged.
  CHECK(spelled(small_vocabulary({"ab c", "b a", "a b"}), "abcabx") == "abc,ab,x|");
  CHECK(spelled(small_vocabulary({"c a", "ca t</w>"}), "cat cats") == "cat|ca,t,s|");
}

TEST_CASE("tokens of a text") {
  auto const vocabulary = small_vocabulary({"c a", "ca t</w>"});
  td::BpeTokenizer const tokenizer(vocabulary, config_of(vocabulary, 7));
  std::int32_t const cat = 513, ca = 512, begin = 514, end = 515, o = vocabulary.inner['o'], s = vocabulary.last['s'];
  auto const tokens = tokenizer("A cat");
  CHECK(tokens.ids == Ids{begin, vocabulary.last['a'], cat, end, end, end, end});
  CHECK(tokens.words == Words{"", "a", "cat", "", "", "", ""});
  CHECK(tokens.unknown.empty());
  CHECK_FALSE(tokens.truncated);
  CHECK(tokenizer("").ids == Ids{begin, end, end, end, end, end, end});
  CHECK(tokenizer("cat caos").words == Words{"", "cat", "caos", "caos", "caos", "", ""});
  CHECK(tokenizer.ends_word(cat));
  CHECK_FALSE(tokenizer.ends_word(ca));

  auto const full = tokenizer("cat cat caos");
  CHECK(full.ids == Ids{begin, cat, cat, ca, o, s, end});
  CHECK_FALSE(full.truncated);
  auto const more = tokenizer("cat cat cat caos");
  CHECK(more.ids == Ids{begin, cat, cat, cat, ca, o, end});
  CHECK(more.truncated);
  CHECK(tokenizer("cat <end_of_text>").ids == Ids{begin, cat, end, end, end, end, end});
  CHECK(tokenizer("cat <START_OF_TEXT> cat").ids == Ids{begin, cat, begin, cat, end, end, end});

  td::Tokenizer const any = tokenizer;  // as sessions take it
  CHECK(any("A cat").ids == tokens.ids);
}

TEST_CASE("added tokens are one unit, the longest first") {
  auto const vocabulary = small_vocabulary({"c a", "ca t</w>"});
  td::BpeTokenizer const tokenizer(vocabulary, config_of(vocabulary), {{"<Night>", 516}, {"<night>_1", 520}, {"two  words", 518}, {"\xc3\xa9", 519}});
  std::int32_t const cat = 513, begin = 514, end = 515;
  auto const content = [&](std::string_view text) {
    Ids ids = tokenizer(text).ids;
    CHECK(ids.front() == begin);
    ids.erase(std::find(ids.begin(), ids.end(), end), ids.end());
    ids.erase(ids.begin());
    return ids;
  };
  CHECK(content("cat<night>cat") == Ids{cat, 516, cat});
  CHECK(content("<NIGHT><night>_1<night>_") == Ids{516, 520, 516, vocabulary.last['_']});
  CHECK(content("a Two\nWords cat") == Ids{vocabulary.last['a'], 518, cat});
  CHECK(content("cat\xc3\x89") == Ids{cat, 519});
  CHECK(content("&lt;night&gt;") == Ids{516});
  CHECK(content("<night").size() == 6);
  CHECK(tokenizer("a <night>").words[2] == "<night>");

  using Added = std::vector<td::AddedToken>;
  for (Added const& bad : {Added{{"", 516}}, Added{{" \t", 516}}, Added{{"x", 515}}, Added{{"x", -1}}, Added{{"x", 516}, {"X", 517}}, Added{{"x", 516}, {"y", 516}}, Added{{"\xff", 516}}}) {
    auto const error = error_of([&] { td::BpeTokenizer(vocabulary, config_of(vocabulary), bad); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
  }
}

TEST_CASE("a vocabulary that is not the encoder's is refused") {
  auto const vocabulary = small_vocabulary({"c a", "ca t</w>"});
  auto const right = config_of(vocabulary);
  CHECK(!error_of([&] { td::BpeTokenizer(vocabulary, right); }));
  for (auto const change : {+[](td::TextEncoderConfig& c) { c.vocabulary = 515; }, +[](td::TextEncoderConfig& c) { c.begin_token = 0; }, +[](td::TextEncoderConfig& c) { c.end_token = 0; },
                            +[](td::TextEncoderConfig& c) { c.length = 1; }}) {
    auto wrong = right;
    change(wrong);
    auto const error = error_of([&] { td::BpeTokenizer(vocabulary, wrong); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
  }
}

TEST_CASE("long texts take a moment, longer ones are refused") {
  auto const vocabulary = small_vocabulary({"a a", "aa aa", "aaaa aaaa", "c a", "ca t</w>", "a c"});
  td::BpeTokenizer const tokenizer(vocabulary, config_of(vocabulary), {{std::string(100, '<'), 600}});
  std::size_t const million = 1'000'000;
  std::string sigmas, entities;
  for (std::size_t i = 0; i < million / 4; ++i) sigmas += i % 2 == 0 ? "\xce\xa3''" : "''''";
  for (std::size_t i = 0; i < million / 4; ++i) entities += i % 2 == 0 ? "&amp" : "&#99";
  auto const start = std::chrono::steady_clock::now();
  for (std::string const& text : {std::string(million, 'a'), std::string(million, ' '), std::string(million, '&'), std::string(million, '<'), std::string(million, '\''), sigmas, entities,
                                  "&#" + std::string(million, '9') + ";", "&" + std::string(million, 'a')})
    CHECK(tokenizer(text).ids.size() == 12);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
  auto const error = error_of([&] { tokenizer(std::string(td::BpeTokenizer::max_text_bytes + 1, 'a')); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::limit);
}

TEST_CASE("cases of an implementation of its own") {
  auto const tokenizer = real_tokenizer();
  if (!tokenizer) return;
  std::string const here = __FILE__;
  std::ifstream file(here.substr(0, here.rfind('/') + 1) + "bpe_cases.txt");
  REQUIRE(file);
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    std::istringstream fields(line);
    std::string hex, text;
    fields >> hex;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    Ids content;
    for (std::int32_t id = 0; fields >> id;) content.push_back(id);
    CAPTURE(text);
    auto const tokens = (*tokenizer)(text);
    CHECK(tokens.ids == padded(content));
    CHECK(tokens.truncated == (content.size() > 75));
  }
  CHECK(count > 40);
}

TEST_CASE("every case of open_clip without ftfy, and of added tokens") {
  auto const folder = shared_tokenizer();
  if (!folder) return;
  auto const cases = [&](char const* name) { return nlohmann::json::parse(std::ifstream(*folder / name))["cases"]; };
  auto const tokenizer = real_tokenizer();
  int count = 0;
  for (auto const& c : cases("cases.json")) {
    Ids expected = (c.contains("open_clip_no_ftfy") ? c["open_clip_no_ftfy"] : c["open_clip"]).get<Ids>();
    auto const end = std::find(expected.begin(), expected.end(), 49407);
    REQUIRE(end != expected.end());
    std::fill(end, expected.end(), 49407);  // there, padding is 0
    CAPTURE(c["id"].get<int>());
    CHECK((*tokenizer)(c["text"].get<std::string>()).ids == expected);
    ++count;
  }
  CHECK(count == 400);
  auto const learned = real_tokenizer({{"<night>", 49408}});
  for (auto const& c : cases("added_token_cases.json")) {
    CAPTURE(c["id"].get<int>());
    CHECK((*learned)(c["text"].get<std::string>()).ids == c["hf"].get<Ids>());
    ++count;
  }
  CHECK(count == 420);
}
