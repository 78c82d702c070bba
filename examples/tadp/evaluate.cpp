// SPDX-License-Identifier: Apache-2.0
// `tadp evaluate`: the command, and what its tasks share.
#include "tadp/evaluate.hpp"

#include <cmath>

namespace program {

namespace {

struct Task {
  char const* name;
  Status (*run)(Evaluating&);
};
constexpr Task tasks[] = {{"segmentation", evaluate_labels}, {"depth", evaluate_depths}, {"detection", evaluate_boxes}};

/// The one that is named, else that of the model's first head.
std::string task_of(EvaluateOptions const& o, ModelFile const& file) {
  if (!o.task.empty()) return o.task;
  auto const heads = tadp::heads_of(file.description);
  if (heads.empty())
    throw tadp::Error(tadp::Errc::unsupported, "the model has no head that could be scored", {.file = file.path.string(), .key = "--task", .expected = "segmentation, depth or detection", .found = file.description.task});
  return heads[0].task == "segmentation_voc" ? "segmentation" : heads[0].task;
}

/// A device, a modifier or a rule of texts that there is not is told before a model is opened; what classes there are is known later.
std::string const& checked_model(EvaluateOptions const& o) {
  require_device(o.device);
  require_phrase_words(o.modifier.modifier, o.words);
  (void)prompt_rule(o.prompt, std::array{std::string("class")});
  return o.model;
}

/// Options of one task are nothing to another.
void require_fitting(CLI::App const& sub, std::string const& task) {
  struct Row {
    char const* option;
    char const* task;
  };
  for (Row const& row : {Row{"--ceiling", "segmentation"}, Row{"--list", "depth"}, Row{"--depth-scale", "depth"}, Row{"--min-depth", "depth"}, Row{"--max-depth", "depth"}, Row{"--eigen", "depth"}, Row{"--split", "detection"}})
    if (task != row.task && sub.get_option(row.option)->count() > 0)
      throw tadp::Error(tadp::Errc::argument, "this option belongs to another task", {.key = row.option, .expected = row.task, .found = task});
  if (task == "segmentation" && sub.get_option("--incomplete")->count() > 0)
    throw tadp::Error(tadp::Errc::argument, "this option belongs to another task", {.key = "--incomplete", .expected = "depth or detection", .found = task});
}

Status run(EvaluateOptions const& o, Common const& common, CLI::App const& sub) {
  Evaluating evaluating(o, common);
  require_fitting(sub, evaluating.task());
  for (Task const& task : tasks)
    if (evaluating.task() == task.name) return task.run(evaluating);
  throw tadp::Error(tadp::Errc::unsupported, "there is no score for this task", {.key = "--task", .expected = "segmentation, depth or detection", .found = evaluating.task()});
}

}  // namespace

Evaluating::Evaluating(EvaluateOptions const& o, Common const& common)
    : o_(o), common_(common), file_(open_model(checked_model(o))), task_(task_of(o, file_)), head_(require_head(file_, task_)), progress_(common.quiet) {
  (void)prompt_rule(o.prompt, class_names(head_.classes));  // names that a head does not have are missed before a folder is read
  if (!takes_captions(file_.description) && o.prompt != "null")
    throw tadp::Error(tadp::Errc::argument, "this model reads no caption", {.file = file_.path.string(), .key = "--prompt", .expected = "null", .found = o.prompt});
}

std::unique_ptr<Runner> Evaluating::start() {
  RunnerOptions options{.stride = o_.stride, .batch = o_.batch, .threads = o_.threads, .device = o_.device, .words = o_.words};
  if (!o_.window.empty()) options.window = size_of(o_.window, "--window", true);
  if (!o_.fit.empty()) options.fit = fit_of(o_.fit);
  return make_runner(file_, options);
}

void Evaluating::show(std::chrono::steady_clock::time_point begin, std::size_t done, std::size_t total) {
  double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  auto const d = static_cast<double>(done);
  progress_.show(std::to_string(done) + " of " + std::to_string(total) + " pictures, " + duration_text(seconds / d * (static_cast<double>(total) - d)) + " left");
}

json Evaluating::report(tadp::EvaluationRun const& run) const {
  return {{"data", o_.data}, {"model", file_.path.string()}, {"task", task_}, {"prompt", run.prompt}, {"pictures", run.pictures}, {"seconds", run.seconds},
          {"unknown_words", run.unknown_words}, {"truncated_prompts", run.truncated}};
}

std::string score_text(double value, int width, int decimals, char const* unit) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f%s", decimals, value, unit);
  std::string const shown = std::isnan(value) ? "-" : text;
  return std::string(shown.size() < static_cast<std::size_t>(width) ? static_cast<std::size_t>(width) - shown.size() : 0, ' ') + shown;
}

json left_out_json(tadp::FolderReport const& report) {
  json out{{"pictures", json::object()}, {"objects", json::object()}};
  for (std::size_t kind = 0; kind < tadp::folder_fault_kinds; ++kind) {
    auto const fault = static_cast<tadp::FolderFault>(kind);
    if (report.count(fault) > 0) out[tadp::concerns_box(fault) ? "objects" : "pictures"][std::string(to_string(fault))] = report.count(fault);
  }
  return out;
}

void Evaluating::warn_of_nothing(std::string const& why) const { complain("warning: there was nothing to score: " + why + "; file: " + o_.data); }

void Evaluating::warn_of_folder(tadp::FolderReport const& report) const {
  if (!report.complete()) complain("warning: a part of the data set is not used; file: " + o_.data + "; found: " + report.text());
  if (report.remark_count() > 0)
    complain("warning: files of the data set are worth a look; file: " + o_.data + "; found: " + std::to_string(report.remark_count()) + ", the first is " +
             tadp::printable(report.remarks().front().file + ": " + report.remarks().front().text, 300));
}

void Evaluating::tell_left_out(tadp::FolderReport const& report) {
  if (!report.complete()) std::printf("left out: %s\n", report.text(0).c_str());
}

Status Evaluating::finish(json const& report) const {
  if (common_.json) print_json(report);
  return ok;
}

void add_evaluate(CLI::App& app, Command& command) {
  auto const o = std::make_shared<EvaluateOptions>();
  auto* const sub = app.add_subcommand("evaluate", "score a model on pictures with labels, depth or boxes");
  sub->add_option("--data", o->data, "labels: folder with images/, labels/, captions.json, and classes.json there or above; depth: a list of \"picture depth\", or images/ and depth/; boxes: JPEGImages/ or images/, Annotations/")->required()->type_name("DIR");
  add_model(*sub, o->model);
  sub->add_option("--task", o->task, "which head is scored, else the model's first")->check(CLI::IsMember({"segmentation", "depth", "detection"}))->type_name("segmentation|depth|detection");
  add_prompt(*sub, o->prompt);
  add_modifier(*sub, o->modifier, false);
  add_model_words(*sub, o->words);
  sub->add_option("--captions", o->captions, "another caption file than the folder's")->type_name("FILE.json");
  sub->add_option("--window", o->window, "size of the sliding window in pixels, else the model's")->type_name("HxW");
  sub->add_option("--stride", o->stride, "pixels between windows, else the model's")->check(CLI::Range(0, 65536))->type_name("N");
  sub->add_option("--batch", o->batch, "windows computed at a time")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
  sub->add_option("--fit", o->fit, "long and short side that pictures are brought to, or `none`; else the model's")->type_name("LxS|none");
  sub->add_flag("--ceiling", o->ceiling, "labels: also what the model's stride would allow with perfect answers");
  sub->add_flag("--incomplete", o->incomplete, "depth and boxes: score what of the folder can be used and name the rest, in place of an error");
  sub->add_option("--list", o->list, "depth: the list, in the folder or elsewhere; else list.txt where there is one")->type_name("FILE");
  sub->add_option("--depth-scale", o->depth_scale, "depth: units a metre of PNG files; else what the list says, or 1000")->check(number_above_zero())->type_name("N");
  sub->add_option("--min-depth", o->least, "depth: metres; what is nearer does not count")->capture_default_str()->check(number_above_zero())->type_name("M");
  sub->add_option("--max-depth", o->most, "depth: metres; what is farther does not count; else the model's largest depth")->check(number_above_zero())->type_name("M");
  sub->add_flag("--eigen", o->eigen, "depth: only rows 45 to 470 and columns 41 to 600, as papers score NYUv2");
  sub->add_option("--split", o->split, "boxes: a list of ImageSets/Main without its ending; else all annotations")->type_name("NAME");
  add_threads(*sub, o->threads);
  add_device(*sub, o->device);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp evaluate --data scenes --ceiling", "tadp evaluate --data camvid/day/test --model camvid.safetensors --prompt \"fixed:a street photo\" --json",
                        "tadp evaluate --task depth --data nyu --list nyu/test.txt --model tadp_depth.ckpt --eigen", "tadp evaluate --task detection --data VOC2007 --split test --model boxes.safetensors"}));
  sub->callback([&command, o, sub] { command.run = [&command, o, sub] { return run(*o, command.common, *sub); }; });
}

}  // namespace program
