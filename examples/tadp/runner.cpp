// SPDX-License-Identifier: Apache-2.0
// The table of stacks, and the choice among them by a file's description.
#include "tadp/runner.hpp"

#include <charconv>

namespace program {

namespace {

struct Networks {
  char const* name;
  tadp::UNetConfig unet;
  tadp::VaeConfig vae;
  tadp::TextEncoderConfig text;

  /// How many of its parts are the file's.
  int likeness(tadp::ModelDescription const& d) const { return (d.unet == unet ? 1 : 0) + (d.vae == vae ? 1 : 0) + (d.text == text ? 1 : 0); }
};

constexpr Networks networks[] = {
    {"street", tadp::street_unet, tadp::street_vae, tadp::street_text},
    {"tiny", tadp::tiny_unet, tadp::tiny_vae, tadp::tiny_text},
    {"sd15", tadp::sd15_unet, tadp::sd15_vae, tadp::clip_vit_l14},
};

/// Networks with the heads that they are built with here.
struct Stack {
  std::string_view networks;
  std::string_view tasks;   ///< sorted, " + " between
  int width;                ///< of a head of labels; 0: none, or one of a single width
  std::string_view prompts; ///< for messages
  std::unique_ptr<Runner> (*make)(ModelFile const&, RunnerOptions const&);
};

constexpr std::string_view labels_prompts = "caption, caption + averaged_eos, null or averaged_eos", caption_prompts = "caption";
constexpr Stack stacks[] = {
    {"street", "segmentation", 64, labels_prompts, make_street_runner},
    {"street", "depth", 0, caption_prompts, make_street_heads_runner},
    {"street", "detection", 0, caption_prompts, make_street_heads_runner},
    {"street", "depth + detection + segmentation", 64, caption_prompts, make_street_heads_runner},
    {"tiny", "segmentation", 32, labels_prompts, make_tiny_runner},
    {"sd15", "segmentation", 256, labels_prompts, make_sd15_runner},
    {"sd15", "segmentation_voc", 256, caption_prompts, make_sd15_voc_runner},
    {"sd15", "depth", 0, "caption, caption + adapter, caption + averaged_eos + adapter or averaged_eos + adapter", make_sd15_depth_runner},
    {"sd15", "detection", 0, caption_prompts, make_sd15_voc_runner},
};

std::string joined(std::vector<std::string> const& words, char const* between) {
  std::string text;
  for (auto const& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string tasks_of(tadp::ModelDescription const& d) {
  auto tasks = tadp::description_detail::tasks_of(tadp::heads_of(d));
  std::sort(tasks.begin(), tasks.end());
  return tasks.empty() ? d.task : joined(tasks, " + ");
}

/// The stack of these networks and heads; Error(unsupported) with the heads that the networks are built with, or all do.
Stack const& stack_of(ModelFile const& file, std::string_view only) {
  std::string const tasks = tasks_of(file.description);
  std::vector<std::string> known;
  for (Stack const& stack : stacks) {
    if (!only.empty() && stack.networks != only) continue;
    if (stack.tasks == tasks) return stack;
    if (std::find(known.begin(), known.end(), stack.tasks) == known.end()) known.emplace_back(stack.tasks);
  }
  throw tadp::Error(tadp::Errc::unsupported, only.empty() ? "the model has a task that this program does not have" : "the model has heads that this program was not built for on its networks",
                    {.file = file.path.string(), .key = only.empty() ? "task" : std::string(only) + ": task", .expected = joined(known, ", "), .found = tasks});
}

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
  if (!has_caption && prompt.ids.empty() && takes_captions(description)) {
    prompt.caption = description.default_caption;
    if (prompt.caption.empty() && modifier.empty()) complain("warning: no caption was given and the model has none of its own: it is shown an empty text; expected: --caption TEXT");
  }
  return prompt;
}

void warn_of_words(std::vector<std::string> const& unknown, bool truncated, std::string const& file) {
  std::string words;
  for (auto const& word : unknown) words += (words.empty() ? "" : ", ") + word;
  if (!words.empty()) complain("warning: words that the model does not know were left out" + (file.empty() ? "" : "; file: " + file) + "; found: " + tadp::printable(words));
  if (truncated) complain("warning: a caption is longer than the model reads, and was cut; file: " + file);
}

bool takes_captions(tadp::ModelDescription const& description) {
  return tadp::reads_words(description.prompt_parts);
}

tadp::HeadDescription require_head(ModelFile const& file, std::string const& task) {
  auto head = tadp::find_head(file.description, task);
  if (!head && task == "segmentation") head = tadp::find_head(file.description, "segmentation_voc");
  if (head) return *head;
  throw tadp::Error(tadp::Errc::unsupported, "the model has no head for this task", {.file = file.path.string(), .key = "task", .expected = task, .found = tasks_of(file.description)});
}

std::unique_ptr<Runner> make_runner(ModelFile const& file, RunnerOptions const& options) {
  auto const& d = file.description;
  std::string const path = file.path.string();
  (void)stack_of(file, {});  // a task that nothing here has is said before a network that differs
  Networks const& nearest = *std::max_element(std::begin(networks), std::end(networks), [&](Networks const& a, Networks const& b) { return a.likeness(d) < b.likeness(d); });
  std::string const name = std::string(nearest.name) + ": ";
  tadp::require_config(d.unet, nearest.unet, name + "unet", path);
  tadp::require_config(d.vae, nearest.vae, name + "vae", path);
  tadp::require_config(d.text, nearest.text, name + "text", path);
  Stack const& stack = stack_of(file, nearest.name);
  if (stack.width > 0)
    if (int const width = require_head(file, "segmentation").width; width != stack.width)
      throw tadp::Error(tadp::Errc::shape, "the model file was made for other networks than this program has",
                        {.file = path, .key = name + "head_width", .expected = std::to_string(stack.width), .found = std::to_string(width)});
  if (auto runner = stack.make(file, options)) return runner;
  throw tadp::Error(tadp::Errc::unsupported, "the model has a prompt that this program was not built for",
                    {.file = path, .key = "prompt.parts", .expected = std::string(stack.prompts), .found = joined(d.prompt_parts, " + ")});
}

}  // namespace program
