// SPDX-License-Identifier: Apache-2.0
// `tadp train --data`: a street model goes on learning from pictures with labels, depth or boxes.
#include "tadp/train_data.hpp"

#include "tadp/runner.hpp"

namespace program {

namespace {

struct DataTask {
  char const* name;
  std::vector<char const*> marks;  ///< what only a folder for this task has
  Status (*train)(DataTraining&);
};
std::vector<DataTask> const& data_tasks() {
  static std::vector<DataTask> const tasks{{"segmentation", {"labels"}, train_segmentation_on_data}, {"depth", {"depth", "list.txt"}, train_depth_on_data}, {"detection", {"Annotations"}, train_detection_on_data}};
  return tasks;
}
bool is_for(DataTask const& task, fs::path const& folder) {
  return std::any_of(task.marks.begin(), task.marks.end(), [&](char const* mark) {
    std::error_code absent;
    return fs::exists(folder / mark, absent);
  });
}

/// A folder for another task says so here, and not by the files that it lacks.
DataTask const& task_of(TrainDataOptions const& o) {
  auto const& tasks = data_tasks();
  auto const& wanted = *std::find_if(tasks.begin(), tasks.end(), [&](DataTask const& t) { return t.name == o.task; });
  if (is_for(wanted, o.data) || !o.list.empty()) return wanted;
  for (DataTask const& other : tasks)
    if (is_for(other, o.data))
      throw tadp::Error(tadp::Errc::argument, "this folder is one for another task", {.file = o.data, .key = "--task", .expected = other.name, .found = o.task});
  return wanted;
}

/// Options of one task are refused beside another.
void require_options_of_task(TrainDataOptions const& o) {
  struct Row {
    char const *option, *task;
    bool given;
  };
  for (Row const& row : {Row{"--features", "segmentation", !o.features.empty()}, Row{"--list", "depth", !o.list.empty()}, Row{"--depth-scale", "depth", o.depth_scale != 0.0}, Row{"--split", "detection", !o.split.empty()},
                         Row{"--corners", "detection", o.corners != "as-written"}, Row{"--classes", "detection", !o.classes.empty()}})
    if (row.given && o.task != row.task)
      throw tadp::Error(tadp::Errc::argument, "this option belongs to another task", {.key = row.option, .expected = row.task, .found = o.task});
  if (o.prompt == by_classes && o.task != "segmentation")
    throw tadp::Error(tadp::Errc::argument, "averaged class embeddings belong to another task", {.key = "--prompt", .expected = "segmentation", .found = o.task});
  if (o.prompt == by_classes && !o.modifier.modifier.empty()) throw tadp::Error(tadp::Errc::argument, "a modifier needs a text to modify", {.key = "--modifier", .expected = "another --prompt", .found = by_classes});
  if (!o.features.empty() && o.freeze.empty())
    throw tadp::Error(tadp::Errc::argument, "features are kept of a backbone that does not learn", {.key = "--features", .expected = "--freeze backbone beside it"});
  if (o.incomplete && o.task == "segmentation")
    throw tadp::Error(tadp::Errc::argument, "this option belongs to another task", {.key = "--incomplete", .expected = "depth or detection", .found = o.task});
}

/// Error(shape) unless the file's networks are the street stack's; its heads do not matter.
void require_street(ModelFile const& file) {
  auto const& d = file.description;
  std::string const path = file.path.string();
  tadp::require_config(d.unet, tadp::StreetUNet::config, "unet", path);
  tadp::require_config(d.vae, tadp::street_vae, "vae", path);
  tadp::require_config(d.text, tadp::street_text, "text", path);
  if (d.prompt_parts != tadp::StreetSegmentation::Prompt::names())
    throw tadp::Error(tadp::Errc::unsupported, "only models that read captions are trained on a data set", {.file = path, .key = "prompt", .expected = "caption"});
}

/// Says before the work what the trained model will lack; Error(argument) where it would take the place of the one that has it.
void warn_of_left_out(ModelFile const& file, TrainDataOptions const& o) {
  std::string others;
  for (auto const& head : tadp::heads_of(file.description))
    if (head.task != o.task) others += (others.empty() ? "" : ", ") + head.task;
  if (others.empty()) return;
  if (std::error_code absent; fs::equivalent(o.out, file.path, absent))
    throw tadp::Error(tadp::Errc::argument, "the trained model would replace its source, which has more heads: " + others, {.file = o.out, .key = "--out", .expected = "another file than --model", .found = file.path.string()});
  complain("warning: the trained model has one head, " + o.task + "; left out: " + others + "; file: " + file.path.string());
}

/// The window that a trained model looks through, (height, width): that of training where it showed fitted pictures whole,
/// as more room was never seen; else the larger of both.
std::array<int, 2> window_after(std::array<int, 2> window, std::array<int, 2> crop, std::array<int, 2> fit) {
  auto const [shorter, longer] = std::minmax(crop[0], crop[1]);
  if (fit[0] > 0 && fit[0] <= longer && fit[1] <= shorter) return crop;
  return {std::max(window[0], crop[0]), std::max(window[1], crop[1])};
}

}  // namespace

tadp::Control DataTraining::counting(std::string const& doing, std::string const& what) {
  return {.stop = interrupt.token(), .progress = [this, doing, what](std::size_t done, std::size_t total) { progress.show(doing + " " + std::to_string(done) + " of " + std::to_string(total) + " " + what, done == total); }};
}

void DataTraining::warn_of(tadp::FolderReport const& report) const {
  if (!report.complete()) complain("warning: a part of the data set is not used; file: " + options.data + "; found: " + report.text());
  if (report.remark_count() > 0)
    complain("warning: files of the data set are worth a look; file: " + options.data + "; found: " + std::to_string(report.remark_count()) + ", the first is " +
             tadp::printable(report.remarks().front().file + ": " + report.remarks().front().text, 300));
}

void DataTraining::set_rule(tadp::PromptRule chosen) {
  if (options.prompt == by_classes)
    rule = {"one averaged embedding a class", std::move(chosen.prompt)};
  else
    rule = tadp::with_modifier(std::move(chosen), options.modifier, tadp::Phase::training);
}

/// The text that all pictures had, where the option says that it is one.
std::optional<std::string> DataTraining::only_text() const {
  auto const& prompt = options.prompt;
  if (prompt == "null" || prompt == "class_names" || prompt.starts_with("fixed:")) return tadp::text_of(rule.prompt({}));
  return {};
}

void DataTraining::warn_of_unknown() const { warn_of_words({unknown.begin(), unknown.end()}, false, options.data); }

void DataTraining::fill(tadp::TrainingRecipe& recipe) const {
  auto const& o = options;
  recipe.run = {.steps = o.steps, .checkpoint = o.out + ".checkpoint", .log = o.out + ".log.jsonl"};
  recipe.batch = o.batch;
  recipe.threads = o.threads;
  recipe.freeze_backbone = o.freeze == "backbone";
  if (o.rate > 0.0)
    recipe.adamw.lr = o.rate;
  else if (recipe.freeze_backbone)
    recipe.adamw.lr = 1e-3;
  if (o.optimizer == "muon") recipe.muon = tadp::Muon{.lr = recipe.adamw.lr};
  recipe.fit = fit;
  recipe.latent = file.description.latent;
  recipe.seed = o.seed;
  recipe.caption = [this](tadp::Sample const& s) { return tadp::text_of(rule.prompt(s)); };
  recipe.tokenizer = tokenizer;
  recipe.notes = notes;
}

Status DataTraining::run(tadp::TrainingRecipe& recipe, tadp::HeadDescription const& head, tadp::Weights<tadp::Cpu> const& weights, std::function<void()> const& train) {
  auto const& o = options;
  json last;
  recipe.run.stop = interrupt.token();
  recipe.run.on_progress = [&](tadp::TrainingProgress const& p) {
    last = training_json(p);
    progress.show(training_text(head.task, p), p.step == p.steps);
  };
  json out{{"task", head.task}, {"data", o.data}, {"from", file.path.string()}, {"out", o.out}, {"prompt", rule.name}, {"unknown_words", unknown}};
  try {
    train();
  } catch (tadp::Error const& error) {
    if (error.code() != tadp::Errc::cancelled) throw;
    progress.keep();
    out.update({{"finished", false}, {"last", last}});
    if (common.json) print_json(out);
    complain("stopped; the same command goes on from " + recipe.run.checkpoint.string() + ": " + error.what());
    return interrupted;
  }
  progress.keep();
  if (last.is_null()) warn_of_finished(recipe.run.checkpoint);
  tadp::ModelDescription d = file.description;
  tadp::set_heads(d, {head});
  if (auto const text = only_text()) d.default_caption = *text;  // what it learned with is what it is shown later
  d.fit = fit;
  d.window = window_after(d.window, crop, fit);
  d.notes["data"] = o.data;
  d.notes["prompt"] = rule.name;
  if (!o.modifier.modifier.empty()) d.notes["modifier"] = o.modifier.modifier;
  d.notes["steps"] = std::to_string(o.steps);
  d.notes["seed"] = std::to_string(o.seed);
  d.notes["learned"] = recipe.freeze_backbone ? "the head" : "UNet and head";
  tadp::save_weights(weights, o.out, tadp::Dtype::F16, to_metadata(d));
  out.update({{"finished", true}, {"last", last}});
  if (common.json) print_json(out);
  if (!common.json && !common.quiet) std::printf("trained: %s\n", o.out.c_str());
  return ok;
}

Status train_on_data(TrainDataOptions const& o, Common const& common) {
  for (auto const& [name, value] : {std::pair{"--data", &o.data}, {"--out", &o.out}})
    if (value->empty()) throw tadp::Error(tadp::Errc::argument, "training needs more", {.key = name, .expected = "--data DIR --out FILE, or `tadp train street`"});
  require_options_of_task(o);
  DataTask const& task = task_of(o);
  if (o.prompt != by_classes) (void)prompt_rule(o.prompt, std::array{std::string("class")});  // an unknown rule is told before a folder is read
  auto const crop = size_of(o.crop, "--crop", true);
  for (int const side : crop)
    if (side % tadp::StreetBackbone::granularity != 0)
      throw tadp::Error(tadp::Errc::argument, "windows of this size do not fit the network", {.key = "--crop", .expected = "sides that are multiples of " + std::to_string(tadp::StreetBackbone::granularity), .found = o.crop});
  if (fs::path(o.out).has_parent_path()) prepare_folder(fs::path(o.out).parent_path());
  prepare_file(o.out);
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  ModelFile file = open_model(o.model);
  require_street(file);
  warn_of_left_out(file, o);
  auto const fit = o.fit.empty() ? file.description.fit : fit_of(o.fit);
  tadp::WordTokenizer const tokenizer(file.description.vocabulary, tadp::street_text);
  tadp::require_phrase_word({.modifier = o.modifier.modifier}, tokenizer(tadp::modifier_text(o.modifier.modifier)));
  DataTraining training{o, common, interrupt, progress, crop, fit, std::move(file), tokenizer};
  return task.train(training);
}

}  // namespace program
