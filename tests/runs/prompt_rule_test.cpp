// SPDX-License-Identifier: Apache-2.0
#include "tadp/runs/prompt_rule.hpp"

#include "../io/scratch.hpp"
#include "tadp/text/prompt_tokens.hpp"

#include <doctest/doctest.h>

namespace td = tadp;
using scratch::error_of;

namespace {

std::vector<std::string> const names = {"background", "car", "dining_table", "dog"};

td::Sample labelled() {
  td::Sample s{td::Picture(2, 2), td::LabelMap(2, 2), "a dog by a table", ""};
  s.labels.labels = {0, 3, td::ignore_label, 2};
  return s;
}

}  // namespace

TEST_CASE("each text of a policy has its rule") {
  auto const text = [](auto policy, td::Sample const& s) { return td::rule_of<decltype(policy)>({.class_names = names}, td::Phase::test).prompt(s).caption; };
  CHECK(text(td::PromptPolicy<td::Caption>{}, labelled()) == "a dog by a table");
  CHECK(text(td::PromptPolicy<td::Nouns>{}, labelled()) == "a dog by a table");  // the data set was opened with the file of nouns
  CHECK(text(td::PromptPolicy<td::ClassNames>{}, labelled()) == "background car dining table dog");
  CHECK(text(td::PromptPolicy<td::Oracle>{}, labelled()) == "background dining table dog");
  CHECK(text(td::PromptPolicy<td::Null>{}, labelled()) == "");
  CHECK(text(td::PromptPolicy<td::AveragedEos>{}, labelled()) == "");
}

TEST_CASE("an oracle reads boxes where there are no labels, and needs one of them") {
  td::Sample s;
  s.boxes = {{{0, 0, 1, 1}, 3}, {{0, 0, 2, 2}, 1}};
  auto const rule = td::oracle_text(names);
  CHECK(rule.prompt(s).caption == "background car dog");
  auto const error = error_of([&] { rule.prompt(td::Sample{}); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::argument);
}

TEST_CASE("a modifier goes around the texts of the test, and of training where asked for") {
  using Policy = td::PromptPolicy<td::Caption, td::Modifier, td::Personalised>;
  auto const text = [](td::ModifierUse const& use, td::Phase phase) { return td::text_of(td::rule_of<Policy>({.class_names = {}, .modifier = use}, phase).prompt(labelled())); };
  using enum td::Phase;
  CHECK(text({.modifier = "comic"}, test) == "a comic style painting of a a dog by a table");
  CHECK(text({.modifier = "comic"}, training) == "a dog by a table");
  CHECK(text({.modifier = "comic", .at_training = true}, training) == "a comic style painting of a a dog by a table");
  CHECK(text({.modifier = "comic", .at_training = true, .at_test = false}, test) == "a dog by a table");
  CHECK(text({.modifier = "comicDB", .identifier = "zwx"}, test) == "a zwx style painting of a a dog by a table");
}

TEST_CASE("a text stands in where a sample has no caption, and nowhere else") {
  auto const rule = td::with_text_for_none(td::file_caption(), "either", "a photo");
  CHECK(rule.name == "either");
  CHECK(rule.prompt(labelled()).caption == "a dog by a table");
  CHECK(rule.prompt(td::Sample{}).caption == "a photo");
}

TEST_CASE("the name of a rule says its words") {
  auto const rule = td::with_modifier(td::class_names_text(names), {.modifier = "comicDB", .identifier = "zwx"}, td::Phase::test);
  CHECK(rule.name == "names of all classes, modifier: a zwx style painting of a {}, identifier: zwx");
  CHECK(td::with_modifier(td::null_text(), {.modifier = "comic"}, td::Phase::training).name == "null text");
}

TEST_CASE("strings without their part, and parts without their strings, are refused") {
  auto const rule = [](auto policy, td::PromptStrings const& strings) { td::rule_of<decltype(policy)>(strings, td::Phase::test); };
  for (auto const& error :
       {error_of([&] { rule(td::PromptPolicy<td::Caption>{}, {.class_names = {}, .modifier = {.modifier = "comic"}}); }), error_of([&] { rule(td::PromptPolicy<td::Caption, td::Modifier>{}, {.class_names = {}, .modifier = {.identifier = "zwx"}}); }),
        error_of([&] { rule(td::PromptPolicy<td::ClassNames>{}, {}); }), error_of([&] { rule(td::PromptPolicy<td::Oracle>{}, {}); })}) {
    REQUIRE(error);
    CHECK(error->code() == td::Errc::argument);
  }
}
