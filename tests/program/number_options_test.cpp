// SPDX-License-Identifier: Apache-2.0
// Options that are numbers with a fraction: what is no number, without end or out of reach is refused before any work.
#include "run_program.hpp"

using run_program::program;
using run_program::run;

TEST_CASE("an option that is a number takes neither nan nor infinity nor what is out of its range") {
  if (program().empty()) {
    MESSAGE("skipped: TADP_PROGRAM names no program");
    return;
  }
  scratch::Folder const folder;
  struct Row {
    std::string command;  ///< its last word is the option
    std::string refused{}, taken = "1";
  };
  for (Row const& row : {Row{"detect x.png --out d --threshold", "1.01"}, Row{"perceive x.png --out d --threshold", "-0.1"}, Row{"depth x.png --out d --focal", "1e9", "999999999"}, Row{"perceive x.png --out d --focal", "0", "0.5"},
                         Row{"evaluate --data d --task depth --min-depth", "0"}, Row{"evaluate --data d --task depth --max-depth", "-1"}, Row{"evaluate --data d --task depth --depth-scale", "1e-60"},
                         Row{"train --data d --out m --rate", "0", "1e-3"}, Row{"train --data d --out m --task depth --depth-scale", "0"}, Row{"train street-heads --out d --rate", "-1e-3", "1e-3"},
                         Row{"train street-heads --out d --scales 1", "11"}, Row{"train street-heads --out d --depth-weight", "-1", "0"}, Row{"train street-heads --out d --detection-weight", "-1", "0"},
                         Row{"caption x.png --endpoint http://localhost:9 --out c.json --temperature", "2.5"}, Row{"caption x.png --endpoint http://localhost:9 --out c.json --timeout", "0"},
                         Row{"convert m --layout clip --out o --latent-scale", "0"}, Row{"sample --caption road --out o.png --guidance", "1e6", "-2"}}) {
    CAPTURE(row.command);
    auto const option = row.command.substr(row.command.rfind("--"), row.command.find(' ', row.command.rfind("--")) - row.command.rfind("--"));
    for (std::string const& value : {std::string("nan"), std::string("-nan"), std::string("NaN"), std::string("inf"), std::string("-inf"), std::string("1e999"), std::string("some"), row.refused}) {
      CAPTURE(value);
      bool const first = row.command.ends_with(option);
      if (!first && value.starts_with("-")) continue;  // a second value with a sign reads as an option of its own
      auto const outcome = run(folder, row.command + (first ? "=" : " ") + value);
      CAPTURE(outcome.err);
      CHECK(outcome.status == 2);
      CHECK(outcome.says(option + ": a number "));
      CHECK(outcome.says("is needed, not " + value));
    }
    // --help ends the parsing before anything is done, but after the checks of what stands before it.
    CHECK(run(folder, row.command + " " + row.taken + " --help").status == 0);
  }
}
