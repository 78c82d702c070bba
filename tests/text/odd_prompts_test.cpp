// SPDX-License-Identifier: Apache-2.0
// Prompts that are odd but right, by a vocabulary of bytes and four merges: what each of them becomes.
#include "tadp/io/bpe_vocabulary.hpp"
#include "tadp/text/bpe_tokenizer.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using Ids = std::vector<std::int32_t>;

struct Small {
  BpeVocabulary vocabulary = [] {
    std::string_view const merges[][2] = {{"c", "a"}, {"ca", "t</w>"}, {"i", "g"}, {"n", "ig"}};
    std::vector<detail::BpeLine> lines;
    for (auto const& [first, second] : merges) lines.push_back({first, second});
    auto const names = detail::names_of(lines, "test");
    return detail::BpeBuilder(names, "test", "test").build(lines);
  }();
  BpeTokenizer tokenizer{vocabulary, {.vocabulary = static_cast<int>(vocabulary.tokens.size()), .begin_token = vocabulary.begin, .end_token = vocabulary.end}};

  /// The bytes of each token between begin and the first end.
  std::string spelled(std::string_view text) const {
    std::string out;
    auto const ids = tokenizer(text).ids;
    for (std::size_t i = 1; i < ids.size() && ids[i] != vocabulary.end; ++i) {
      auto const& token = vocabulary.tokens.at(static_cast<std::size_t>(ids[i]));
      out += token.bytes + (token.ends_word ? "|" : ",");
    }
    return out;
  }
};

}  // namespace

TEST_CASE("B12 an empty or blank prompt is begin and end") {
  Small const small;
  for (auto const* text : {"", " ", "\t\r\n", "\xc2\xa0\xe3\x80\x80"}) {
    auto const tokens = small.tokenizer(text);
    Ids expected(77, small.vocabulary.end);
    expected[0] = small.vocabulary.begin;
    CHECK(tokens.ids == expected);
    CHECK_FALSE(tokens.truncated);
  }
}

TEST_CASE("B13 the names of special tokens in CLIP's vocabulary are words like others in a prompt") {
  Small const small;
  // As in open_clip, whose special tokens have other names.
  CHECK(small.spelled("cat <|endoftext|> cat") == "cat|<,||e,n,d,o,f,t,e,x,t||,>|cat|");
  CHECK(small.spelled("<|startoftext|>") == "<,||s,t,a,r,t,o,f,t,e,x,t||,>|");
}

TEST_CASE("B14 a text of 75 tokens fits, one of 76 is cut, keeps its end and says so") {
  Small const small;
  auto const cats = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "cat ";
    return text;
  };
  auto const whole = small.tokenizer(cats(75)), cut = small.tokenizer(cats(76));
  CHECK_FALSE(whole.truncated);
  CHECK(cut.truncated);
  CHECK(whole.ids == cut.ids);
  CHECK(cut.ids.back() == small.vocabulary.end);
  CHECK(std::count(cut.ids.begin(), cut.ids.end(), small.vocabulary.end) == 1);
}

TEST_CASE("B15 a learned token that was not loaded is spelled out") {
  Small const small;
  CHECK(small.spelled("<night>") == "<|nig,h,t|>|");
}
