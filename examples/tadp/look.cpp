// SPDX-License-Identifier: Apache-2.0
// The run over pictures, from names and captions to reports.
#include "tadp/look.hpp"

#include "tadp/learned_use.hpp"

#include "tadp/io/captions.hpp"
#include "tadp/io/image.hpp"
#include "tadp/runs/street_heads.hpp"

#include <map>

namespace program {

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }

/// Fails where two pictures would write the same files, or a file of results is one of the pictures.
void require_own_names(std::vector<Look> const& looks, std::vector<std::string> const& endings) {
  std::map<fs::path, fs::path> seen;
  for (Look const& look : looks)
    if (auto const [at, added] = seen.try_emplace(look.base, look.path); !added)
      throw tadp::Error(tadp::Errc::argument, "two pictures would write the same files", {.file = look.path.string(), .expected = "pictures with names of their own", .found = at->second.string()});
  std::error_code absent;
  for (Look const& look : looks)
    for (std::string const& ending : endings)
      for (Look const& other : looks)
        if (fs::equivalent(look.file(ending), other.path, absent))
          throw tadp::Error(tadp::Errc::argument, "a result would replace one of the pictures", {.file = other.path.string(), .key = "--out"});
}

std::vector<Look> looks_of(LookOptions const& o, std::vector<std::string> const& endings) {
  std::vector<Look> looks;
  for (std::string const& name : o.pictures) {
    tadp::MappedFile const there(name);  // a name that is wrong is told before any work, not after an hour of it
    looks.push_back({.path = name, .base = fs::path(o.out) / fs::path(name).stem(), .prompt = {.modifier = o.modifier, .identifier = o.words.identifier}});
  }
  require_own_names(looks, endings);
  if (o.captions.empty()) return looks;
  tadp::CaptionFile const captions(o.captions);
  captions.match(o.pictures);  // another data set's file: one message about the file
  for (Look& look : looks) {
    std::string const* const found = captions.find(look.path);
    if (found == nullptr)
      throw tadp::Error(tadp::Errc::key, "a picture has no entry in the caption file",
                        {.file = o.captions, .key = look.path.string(), .expected = "an entry of this name", .found = "none among " + std::to_string(captions.entries().size())});
    look.prompt.caption = *found;
  }
  return looks;
}

}  // namespace

void add_focal(CLI::App& sub, LookOptions& o) {
  sub.add_option("--focal", o.focal, "the camera's focal length in pixels of the pictures; metres are in proportion to it. Without it that of the model's training stands in, in pixels of the pictures as the model sees them: " +
                                      std::to_string(std::lround(tadp::street_depth.focal)) + " for the street model, `tadp inspect` tells it for others; a model without one tells the same metres with and without --focal")->check(number_above_zero(1e9))->type_name("PIXELS");
}

void add_look(CLI::App& sub, LookOptions& o, Common& common) {
  sub.add_option("picture", o.pictures, "PNG or JPEG files")->required()->type_name("PICTURE");
  auto* const caption = sub.add_option("--caption", o.caption, "what is seen, for all pictures; else the model's default")->type_name("TEXT")->each([&o](std::string const&) { o.has_caption = true; });
  auto* const captions = sub.add_option("--captions", o.captions, "caption of each picture, as {\"name\": {\"captions\": [\"...\"]}}")->type_name("FILE.json")->excludes(caption);
  sub.add_option("--modifier", o.modifier, "words about the domain, \"{}\" stands for the caption; or the name of a phrase of the paper, such as comic or controlweak")->type_name("TEXT|NAME");
  add_model_words(sub, o.words);
  sub.add_option("--tokens", o.tokens, "token ids in place of words, for models without a vocabulary")->type_name("ID,ID,...")->excludes(caption)->excludes(captions);
  sub.add_option("--out", o.out, "folder of the results")->required()->type_name("DIR");
  add_model(sub, o.model);
  sub.add_option("--window", o.window, "size of the sliding window in pixels, else the model's")->type_name("HxW");
  sub.add_option("--stride", o.stride, "pixels between windows, else the model's; 0: two thirds of a window")->check(CLI::Range(0, 65536))->type_name("N");
  sub.add_option("--batch", o.batch, "windows computed at a time")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
  sub.add_option("--fit", o.fit, "long and short side that pictures are brought to, or `none`; else the model's")->type_name("LxS|none");
  add_threads(sub, o.threads);
  add_device(sub, o.device);
  add_common(sub, common);
}

Status Looking::run(std::string const& task, std::vector<std::string> const& endings, std::function<Outcome(Look const&)> const& answer) {
  require_device(o_.device);
  require_phrase_words(o_.modifier, o_.words);
  auto looks = looks_of(o_, endings);
  RunnerOptions options{.stride = o_.stride, .batch = o_.batch, .threads = o_.threads, .device = o_.device, .words = o_.words};
  if (!o_.window.empty()) options.window = size_of(o_.window, "--window", true);
  if (!o_.fit.empty()) options.fit = fit_of(o_.fit);
  prepare_folder(o_.out);
  model_ = open_model(o_.model);
  if (!task.empty()) (void)head(task);
  if (auto const metres = tadp::find_head(description(), "depth"); metres && metres->depth.focal == 0.0F && o_.focal > 0.0F)
    complain("warning: this model's metres are for no certain focal length, and the same with and without --focal; file: " + model_->path.string());
  if (o_.captions.empty()) {  // those without a caption of a file have the command line's, or the model's own
    tadp::Prompt prompt = prompt_of(description(), o_.has_caption, o_.caption, o_.modifier, o_.tokens);
    prompt.identifier = o_.words.identifier;
    for (Look& look : looks) look.prompt = prompt;
  }
  progress_.show("reading " + model_->path.string());
  runner_ = make_runner(*model_, options);
  progress_.clear();
  LearnedUse learned(runner_->learned(), description().text, common_.quiet);
  json results = json::array();
  for (std::size_t i = 0; i < looks.size(); ++i) {
    Look& look = looks[i];
    control_.progress = [&, i](std::size_t done, std::size_t total) {
      progress_.show(tadp::printable(look.path.string()) + ": " + std::to_string(100 * done / std::max<std::size_t>(1, total)) + " %" +
                     (looks.size() > 1 ? ", picture " + std::to_string(i + 1) + " of " + std::to_string(looks.size()) : ""));
    };
    look.begin = std::chrono::steady_clock::now();
    look.picture = tadp::read_image(look.path);
    look.picture.focal = o_.focal;
    look.tokens = runner_->encode(look.prompt, control_);
    progress_.clear();
    learned.note(tadp::text_of(look.prompt), look.tokens);
    learned.warn(look.path.string());
    warn_of_words(look.tokens.unknown, look.tokens.truncated, look.path.string());
    Outcome outcome = answer(look);
    double const seconds = seconds_since(look.begin);
    fs::path const report = look.file(endings.back());
    outcome.report["files"]["json"] = report.string();
    outcome.report["seconds"]["all"] = seconds;
    write_json(report, outcome.report);
    progress_.clear();
    if (!common_.quiet && !common_.json) std::printf("%s -> %s (%s; %.1f s)\n", tadp::printable(look.path.string()).c_str(), tadp::printable(outcome.shown.string()).c_str(), outcome.told.c_str(), seconds);
    results.push_back(std::move(outcome.report));
    look.picture = {};
  }
  learned.warn_of_unused();
  if (common_.json) print_json({{"pictures", results}});
  return ok;
}

json Looking::report(Look const& look) const {
  return {{"picture", look.path.string()}, {"width", look.picture.width}, {"height", look.picture.height}, {"model", model_->path.string()},
          {"caption", look.prompt.caption}, {"modifier", look.prompt.modifier}, {"token_ids", look.prompt.ids}, {"unknown_words", look.tokens.unknown},
          {"truncated", look.tokens.truncated}, {"window", runner_->window()}, {"stride", runner_->stride()}, {"files", json::object()},
          {"seconds", {{"network", seconds_since(look.begin)}}}};
}

std::vector<Note> notes_of(Look const& look) {
  tadp::Prompt const& prompt = look.prompt;
  std::vector<Note> notes;
  std::string const text = tadp::printable(prompt.modifier.empty() ? prompt.caption : prompt.modifier + " | " + prompt.caption);
  if (!text.empty()) notes.push_back({"\"" + text + "\""});
  if (!prompt.ids.empty()) notes.push_back({std::to_string(prompt.ids.size()) + " token ids"});
  std::string unknown;
  for (auto const& word : look.tokens.unknown) unknown += (unknown.empty() ? "" : ", ") + word;
  if (!unknown.empty()) notes.push_back({"not in the vocabulary: " + tadp::printable(unknown), Colour{190, 40, 30}});
  return notes;
}

}  // namespace program
