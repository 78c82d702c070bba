// SPDX-License-Identifier: Apache-2.0
// `tadp segment`: pictures and words to labels, an overlay with a legend, and where each word looks.
#include "tadp/draw.hpp"
#include "tadp/interrupt.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"
#include "tadp/runner.hpp"

#include "tadp/io/captions.hpp"
#include "tadp/io/image.hpp"

#include <chrono>
#include <map>

namespace program {

namespace {

struct SegmentOptions {
  std::vector<std::string> pictures{};
  std::string caption{}, captions{}, modifier{}, model{}, out{}, window{}, fit{}, tokens{}, device = "cpu";
  bool has_caption = false;
  int threads = 1, stride = -1, batch = 1;
};

/// A picture and all that is known of it before the work begins.
struct Job {
  fs::path picture{};
  std::string stem{};
  tadp::Prompt prompt{};
};

/// Fails where two pictures would write the same files, or a file of results is one of the pictures.
void require_own_names(std::vector<Job> const& jobs, fs::path const& out) {
  std::map<std::string, fs::path> seen;
  for (Job const& job : jobs)
    if (auto const [at, added] = seen.try_emplace(job.stem, job.picture); !added)
      throw tadp::Error(tadp::Errc::argument, "two pictures would write the same files", {.file = job.picture.string(), .expected = "pictures with names of their own", .found = at->second.string()});
  std::error_code absent;
  for (Job const& job : jobs)
    for (char const* const kind : {".overlay.png", ".labels.png"})
      for (Job const& other : jobs)
        if (fs::equivalent(out / (job.stem + kind), other.picture, absent))
          throw tadp::Error(tadp::Errc::argument, "a result would replace one of the pictures", {.file = other.picture.string(), .key = "--out"});
}

std::vector<Job> jobs_of(SegmentOptions const& o) {
  std::vector<Job> jobs;
  for (std::string const& name : o.pictures) {
    tadp::MappedFile const there(name);  // a name that is wrong is told before any work, not after an hour of it
    jobs.push_back({name, fs::path(name).stem().string(), {.modifier = o.modifier}});
  }
  require_own_names(jobs, o.out);
  if (o.captions.empty()) return jobs;
  tadp::CaptionFile const captions(o.captions);
  captions.match(o.pictures);  // another data set's file: one message about the file
  for (Job& job : jobs) {
    std::string const* const found = captions.find(job.picture);
    if (found == nullptr)
      throw tadp::Error(tadp::Errc::key, "a picture has no entry in the caption file",
                        {.file = o.captions, .key = job.picture.string(), .expected = "an entry of this name", .found = "none among " + std::to_string(captions.entries().size())});
    job.prompt.caption = *found;
  }
  return jobs;
}

/// What stays as it is in a file name.
std::string plain_name(std::string const& word) {
  std::string name;
  for (char const c : word) name += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ? c : '_';
  return name.substr(0, 60);
}

std::string joined(std::vector<std::string> const& words) {
  std::string text;
  for (auto const& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::vector<Note> notes_of(tadp::Prompt const& prompt, tadp::Tokens const& tokens) {
  std::vector<Note> notes;
  std::string const text = tadp::printable(prompt.modifier.empty() ? prompt.caption : prompt.modifier + " | " + prompt.caption);
  if (!text.empty()) notes.push_back({"\"" + text + "\""});
  if (!prompt.ids.empty()) notes.push_back({std::to_string(prompt.ids.size()) + " token ids"});
  if (!tokens.unknown.empty()) notes.push_back({"not in the vocabulary: " + tadp::printable(joined(tokens.unknown)), Colour{190, 40, 30}});
  return notes;
}

class Segmenting {
 public:
  Segmenting(SegmentOptions const& o, Common const& common) : o_(o), common_(common), progress_(common.quiet) {}

  Status run() {
    require_device(o_.device);
    auto jobs = jobs_of(o_);
    RunnerOptions options{.stride = o_.stride, .batch = o_.batch, .threads = o_.threads};
    if (!o_.window.empty()) options.window = size_of(o_.window, "--window", true);
    if (!o_.fit.empty()) options.fit = fit_of(o_.fit);
    prepare_folder(o_.out);
    ModelFile const file = open_model(o_.model);
    model_ = &file;
    settle_prompts(jobs);
    progress_.show("reading " + file.path.string());
    auto const runner = make_runner(file, options);
    json results = json::array();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      control_.progress = [&, i](std::size_t done, std::size_t total) {
        progress_.show(jobs[i].picture.string() + ": " + std::to_string(100 * done / std::max<std::size_t>(1, total)) + " %" +
                       (jobs.size() > 1 ? ", picture " + std::to_string(i + 1) + " of " + std::to_string(jobs.size()) : ""));
      };
      results.push_back(segment(*runner, jobs[i]));
    }
    if (common_.json) print_json({{"pictures", results}});
    return ok;
  }

 private:
  /// Those without a caption of a file have the command line's, or the model's own.
  void settle_prompts(std::vector<Job>& jobs) const {
    if (!o_.captions.empty()) return;
    for (Job& job : jobs) job.prompt = prompt_of(model_->description, o_.has_caption, o_.caption, o_.modifier, o_.tokens);
  }

  json segment(Runner& runner, Job const& job) {
    auto const begin = std::chrono::steady_clock::now();
    tadp::Picture const picture = tadp::read_image(job.picture);
    tadp::Tokens const tokens = runner.encode(job.prompt, control_);
    progress_.clear();
    warn_of_words(tokens.unknown, tokens.truncated, job.picture.string());
    auto const named = runner.positions();
    tadp::Wanted wanted;
    for (NamedPosition const& n : named) wanted.maps.push_back({n.position});
    auto const result = runner.segment(picture, job.prompt, wanted, control_);
    double const network = seconds_since(begin);
    auto const& classes = model_->description.classes;
    auto const shares = shares_of(result.labels, classes);

    fs::path const base = fs::path(o_.out) / job.stem;
    auto const file = [&](std::string const& rest) { return fs::path(base.string() + rest); };
    tadp::write_png(file(".overlay.png"), overlay(picture, result.labels, classes, shares, notes_of(job.prompt, tokens)));
    tadp::Palette palette;
    for (auto const& c : classes) palette.push_back(c.colour);
    tadp::write_labels(file(".labels.png"), result.labels, palette);
    json maps = json::array();
    for (std::size_t k = 0; k < named.size(); ++k) maps.push_back(write_map(file, picture, result.maps, static_cast<int>(k), named[k]));

    json out{{"picture", job.picture.string()}, {"width", picture.width}, {"height", picture.height}, {"model", model_->path.string()},
             {"caption", job.prompt.caption}, {"modifier", job.prompt.modifier}, {"token_ids", job.prompt.ids},
             {"unknown_words", tokens.unknown}, {"truncated", tokens.truncated}, {"window", runner.window()}, {"stride", runner.stride()},
             {"files", {{"overlay", file(".overlay.png").string()}, {"labels", file(".labels.png").string()}, {"attention", maps}, {"json", file(".json").string()}}},
             {"seconds", {{"network", network}, {"all", seconds_since(begin)}}}};
    for (ClassShare const& s : shares) out["classes"].push_back({{"index", s.index}, {"name", s.name}, {"pixels", s.pixels}, {"share", s.share}});
    write_json(file(".json"), out);
    tell(job, shares, file(".overlay.png"), seconds_since(begin));
    return out;
  }

  template <class File>
  json write_map(File const& file, tadp::Picture const& picture, tadp::AttentionMaps const& maps, int k, NamedPosition const& named) const {
    char position[16];
    std::snprintf(position, sizeof position, "%02d", named.position);
    fs::path const path = file(std::string(".attention.") + position + "-" + plain_name(named.name) + ".png");
    double sum = 0.0, largest = 0.0;
    for (int y = 0; y < maps.height; ++y)
      for (int x = 0; x < maps.width; ++x) {
        double const v = static_cast<double>(maps.at(k, x, y));
        sum += v;
        largest = std::max(largest, v);
      }
    tadp::write_png(path, heat_over(picture, [&](int x, int y) { return maps.at(k, x, y); }, "attention to \"" + tadp::printable(named.name, 40) + "\""));
    return {{"position", named.position}, {"word", named.name}, {"file", path.string()}, {"mean", sum / std::max(1.0, static_cast<double>(maps.width) * maps.height)}, {"largest", largest}};
  }

  void tell(Job const& job, std::vector<ClassShare> const& shares, fs::path const& file, double seconds) {
    if (common_.quiet || common_.json) return;
    progress_.clear();
    std::string text;
    for (std::size_t i = 0; i < shares.size() && i < 5; ++i) {
      char share[64];
      std::snprintf(share, sizeof share, "%s %.0f %%", shares[i].name.c_str(), 100.0 * shares[i].share);
      text.append(text.empty() ? "" : ", ").append(share);
    }
    std::printf("%s -> %s (%s%s; %.1f s)\n", job.picture.c_str(), file.c_str(), text.c_str(), shares.size() > 5 ? ", ..." : "", seconds);
  }
  static double seconds_since(std::chrono::steady_clock::time_point begin) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }

  SegmentOptions const& o_;
  Common const& common_;
  Interrupt interrupt_{};
  ProgressLine progress_;
  tadp::Control control_{.stop = interrupt_.token(), .progress = {}};
  ModelFile const* model_ = nullptr;
};

}  // namespace

void add_segment(CLI::App& app, Command& command) {
  auto const o = std::make_shared<SegmentOptions>();
  auto* const sub = app.add_subcommand("segment", "label every pixel of pictures, and show where each word looks");
  sub->add_option("picture", o->pictures, "PNG or JPEG files")->required()->type_name("PICTURE");
  auto* const caption = sub->add_option("--caption", o->caption, "what is seen, for all pictures; else the model's default")->type_name("TEXT");
  auto* const captions = sub->add_option("--captions", o->captions, "caption of each picture, as {\"name\": {\"captions\": [\"...\"]}}")->type_name("FILE.json")->excludes(caption);
  sub->add_option("--modifier", o->modifier, "words about the domain; \"{}\" stands for the caption")->type_name("TEXT");
  sub->add_option("--tokens", o->tokens, "token ids in place of words, for models without a vocabulary")->type_name("ID,ID,...")->excludes(caption)->excludes(captions);
  sub->add_option("--out", o->out, "folder of the results")->required()->type_name("DIR");
  add_model(*sub, o->model);
  sub->add_option("--window", o->window, "size of the sliding window in pixels, else the model's")->type_name("HxW");
  sub->add_option("--stride", o->stride, "pixels between windows, else the model's; 0: two thirds of a window")->check(CLI::Range(0, 65536))->type_name("N");
  sub->add_option("--batch", o->batch, "windows computed at a time")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
  sub->add_option("--fit", o->fit, "long and short side that pictures are brought to, or `none`; else the model's")->type_name("LxS|none");
  add_threads(*sub, o->threads);
  add_device(*sub, o->device);
  add_common(*sub, command.common);
  sub->footer("Writes NAME.overlay.png, NAME.labels.png (class indices with a palette), NAME.attention.POSITION-WORD.png\nand NAME.json for each picture.\n\n" +
              examples({"tadp segment street.png --out results", "tadp segment *.jpg --caption \"a street photo of a road, cars and trees\" --out results",
                        "tadp segment photos/*.jpg --captions captions.json --modifier \"a dark night photo of {}\" --out results --json"}));
  sub->callback([&command, o, caption] {
    o->has_caption = caption->count() > 0;
    command.run = [&command, o] { return Segmenting(*o, command.common).run(); };
  });
}

}  // namespace program
