// SPDX-License-Identifier: Apache-2.0
// The option --prompt of training and evaluation: which text each picture of a data set gets.
#pragma once

#include "tadp/program.hpp"

#include "tadp/data/dataset.hpp"
#include "tadp/runs/prompt_rule.hpp"

namespace program {

inline void add_prompt(CLI::App& command, std::string& prompt) {
  command.add_option("--prompt", prompt, "text of each picture: `caption` (the data set's; where it was made from the labels, it tells the answer), `fixed:TEXT` for all, or `null`")
      ->capture_default_str()
      ->type_name("caption|fixed:TEXT|null");
}

/// Error(argument) for another word.
inline tadp::PromptRule prompt_rule(std::string const& prompt) {
  if (prompt == "caption") return tadp::file_caption();
  if (prompt == "null") return tadp::null_text();
  if (prompt.starts_with("fixed:")) return tadp::fixed_text(prompt.substr(6));
  throw tadp::Error(tadp::Errc::argument, "there is no such rule for prompts", {.key = "--prompt", .expected = "caption, fixed:TEXT or null", .found = prompt});
}

/// Names of pictures and files of a data set that were passed over, on stderr.
inline void warn_of_dataset(tadp::Dataset const& data, bool needs_captions) {
  auto const& report = data.report();
  if (needs_captions && !report.without_caption.empty())
    complain("warning: pictures without a caption get the empty text; file: " + data.folder().string() + "; found: " + std::to_string(report.without_caption.size()) + " of " +
             std::to_string(data.size()) + ", the first is " + tadp::printable(report.without_caption.front()));
}

}  // namespace program
