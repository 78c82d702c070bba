// SPDX-License-Identifier: Apache-2.0
// The table of stacks, and the choice among them by a file's description.
#include "tadp/runner.hpp"

#include <charconv>

namespace program {

namespace {

struct Stack {
  char const* name;
  tadp::UNetConfig unet;
  tadp::VaeConfig vae;
  tadp::TextEncoderConfig text;
  int head_width;
  std::unique_ptr<Runner> (*make)(ModelFile const&, RunnerOptions const&);

  /// How many of its parts are the file's.
  int likeness(tadp::ModelDescription const& d) const {
    return (d.unet == unet ? 1 : 0) + (d.vae == vae ? 1 : 0) + (d.text == text ? 1 : 0) + (d.head_width == head_width ? 1 : 0);
  }
};

constexpr Stack stacks[] = {
    {"street", tadp::street_unet, tadp::street_vae, tadp::street_text, 64, make_street_runner},
    {"tiny", tadp::tiny_unet, tadp::tiny_vae, tadp::tiny_text, 32, make_tiny_runner},
    {"sd15", tadp::sd15_unet, tadp::sd15_vae, tadp::clip_vit_l14, 256, make_sd15_runner},
};

}  // namespace

namespace {

std::vector<std::int32_t> ids_of(std::string const& text) {
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; at <= text.size() && !text.empty();) {
    auto const comma = std::min(text.find(',', at), text.size());
    std::int32_t id = 0;
    auto const [end, error] = std::from_chars(text.data() + at, text.data() + comma, id);
    if (error != std::errc{} || end != text.data() + comma)
      throw tadp::Error(tadp::Errc::argument, "this is no list of token ids", {.key = "--tokens", .expected = "numbers with commas between, such as 320,1125,539", .found = text});
    ids.push_back(id);
    at = comma + 1;
  }
  return ids;
}

}  // namespace

tadp::Prompt prompt_of(tadp::ModelDescription const& description, bool has_caption, std::string const& caption, std::string const& modifier, std::string const& ids) {
  tadp::Prompt prompt{.caption = caption, .modifier = modifier, .ids = ids_of(ids)};
  if (!has_caption && prompt.ids.empty() && takes_captions(description)) prompt.caption = description.default_caption;
  return prompt;
}

void warn_of_words(std::vector<std::string> const& unknown, bool truncated, std::string const& file) {
  std::string words;
  for (auto const& word : unknown) words += (words.empty() ? "" : ", ") + word;
  if (!words.empty()) complain("warning: words that the model does not know were left out; file: " + file + "; found: " + tadp::printable(words));
  if (truncated) complain("warning: a caption is longer than the model reads, and was cut; file: " + file);
}

bool takes_captions(tadp::ModelDescription const& description) {
  return std::find(description.prompt_parts.begin(), description.prompt_parts.end(), "caption") != description.prompt_parts.end();
}

std::unique_ptr<Runner> make_runner(ModelFile const& file, RunnerOptions const& options) {
  auto const& d = file.description;
  std::string const path = file.path.string();
  if (d.task != "segmentation") throw tadp::Error(tadp::Errc::unsupported, "the model has a task that this program does not have", {.file = path, .key = "task", .expected = "segmentation", .found = d.task});
  Stack const& nearest = *std::max_element(std::begin(stacks), std::end(stacks), [&](Stack const& a, Stack const& b) { return a.likeness(d) < b.likeness(d); });
  std::string const name = std::string(nearest.name) + ": ";
  tadp::require_config(d.unet, nearest.unet, name + "unet", path);
  tadp::require_config(d.vae, nearest.vae, name + "vae", path);
  tadp::require_config(d.text, nearest.text, name + "text", path);
  if (d.head_width != nearest.head_width)
    throw tadp::Error(tadp::Errc::shape, "the model file was made for other networks than this program has",
                      {.file = path, .key = name + "head_width", .expected = std::to_string(nearest.head_width), .found = std::to_string(d.head_width)});
  if (auto runner = nearest.make(file, options)) return runner;
  std::string found;
  for (auto const& part : d.prompt_parts) found += (found.empty() ? "" : " + ") + part;
  throw tadp::Error(tadp::Errc::unsupported, "the model has a prompt that this program was not built for",
                    {.file = path, .key = "prompt.parts", .expected = "caption, caption + modifier, null or averaged_eos", .found = found});
}

}  // namespace program
