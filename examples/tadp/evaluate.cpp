// SPDX-License-Identifier: Apache-2.0
// `tadp evaluate`: a model's labels against those of a data set.
#include "tadp/interrupt.hpp"
#include "tadp/progress.hpp"
#include "tadp/prompt_option.hpp"
#include "tadp/runner.hpp"

#include "tadp/runs/evaluator.hpp"

namespace program {

namespace {

struct EvaluateOptions {
  std::string data{}, model{}, prompt = "caption", captions{}, window{}, fit{}, device = "cpu";
  int threads = 1, stride = -1, batch = 1;
  bool ceiling = false;
};

/// What `tadp::evaluate` wants of a session.
struct RunnerSession {
  Runner& runner;
  tadp::Tokens read{};

  int classes() const { return runner.classes(); }
  tadp::LabelMap operator()(tadp::PictureView picture, tadp::Prompt const& prompt, tadp::Control const& control) {
    read = runner.encode(prompt, control);
    return runner.segment(picture, prompt, {}, control).labels;
  }
  tadp::Tokens const& tokens() const { return read; }
};

/// Classes are compared by index: the two lists have to be the same.
void require_same_classes(tadp::Dataset const& data, ModelFile const& file) {
  auto const& a = file.description.classes;
  auto const& b = data.classes();
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i].name == b[i].name) ++i;
  if (i == a.size() && i == b.size()) return;
  auto const name = [&](auto const& classes) { return i < classes.size() ? classes[i].name : "no such class"; };
  throw tadp::Error(tadp::Errc::shape, "the data set has other classes than the model",
                    {.file = data.folder().string(), .key = "class " + std::to_string(i), .expected = name(a) + " (" + std::to_string(a.size()) + " classes)",
                     .found = name(b) + " (" + std::to_string(b.size()) + " classes)"});
}

json score_json(tadp::SegmentationScore const& score, std::vector<tadp::ClassDescription> const& classes) {
  json rows = json::array();
  for (int c = 0; c < score.classes(); ++c)
    rows.push_back({{"index", c}, {"name", classes[static_cast<std::size_t>(c)].name}, {"iou", score.iou(c)}, {"accuracy", score.accuracy(c)}, {"pixels", score.labelled(c)}});
  return {{"miou", score.miou()}, {"pixel_accuracy", score.pixel_accuracy()}, {"class_accuracy", score.class_accuracy()}, {"pixels", score.pixels()}, {"classes", rows}};
}

void print_score(tadp::SegmentationScore const& score, std::vector<tadp::ClassDescription> const& classes) {
  std::printf("  %-20s %7s %9s %8s\n", "class", "IoU", "accuracy", "share");
  for (int c = 0; c < score.classes(); ++c)
    std::printf("  %-20s %6.2f%% %8.2f%% %7.2f%%\n", tadp::printable(classes[static_cast<std::size_t>(c)].name, 20).c_str(), 100 * score.iou(c), 100 * score.accuracy(c),
                100.0 * static_cast<double>(score.labelled(c)) / static_cast<double>(std::max<std::uint64_t>(1, score.pixels())));
  std::printf("mIoU %.2f %%, pixel accuracy %.2f %%, class accuracy %.2f %%\n", 100 * score.miou(), 100 * score.pixel_accuracy(), 100 * score.class_accuracy());
}

Status run(EvaluateOptions const& o, Common const& common) {
  require_device(o.device);
  auto const rule = prompt_rule(o.prompt);
  tadp::Dataset data(o.data, {.captions = o.captions, .classes = {}});
  ModelFile const file = open_model(o.model);
  require_same_classes(data, file);
  if (!takes_captions(file.description) && o.prompt != "null")
    throw tadp::Error(tadp::Errc::argument, "this model reads no caption", {.file = file.path.string(), .key = "--prompt", .expected = "null", .found = o.prompt});
  warn_of_dataset(data, o.prompt == "caption");
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  RunnerOptions options{.stride = o.stride, .batch = o.batch, .threads = o.threads};
  if (!o.window.empty()) options.window = size_of(o.window, "--window", true);
  if (!o.fit.empty()) options.fit = fit_of(o.fit);
  auto const runner = make_runner(file, options);
  auto const begin = std::chrono::steady_clock::now();
  tadp::Control const control{.stop = interrupt.token(), .progress = [&](std::size_t done, std::size_t total) {
                                double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
                                auto const d = static_cast<double>(done);
                                progress.show(std::to_string(done) + " of " + std::to_string(total) + " pictures, " + duration_text(seconds / d * (static_cast<double>(total) - d)) + " left");
                              }};
  RunnerSession session{*runner};
  auto const result = tadp::evaluate(session, data, rule, control);
  progress.clear();
  warn_of_words(result.unknown_words, result.truncated > 0, o.data);
  auto const& classes = file.description.classes;
  json out{{"data", o.data}, {"model", file.path.string()}, {"prompt", result.prompt}, {"pictures", result.pictures}, {"seconds", result.seconds},
           {"unknown_words", result.unknown_words}, {"truncated_prompts", result.truncated}};
  out.update(score_json(result.score, classes));
  if (!common.json && !common.quiet) {
    std::printf("%s on %zu pictures of %s, prompt: %s\n", file.path.c_str(), result.pictures, o.data.c_str(), tadp::printable(result.prompt).c_str());
    print_score(result.score, classes);
  }
  if (o.ceiling) {
    auto const best = tadp::ceiling(data, static_cast<int>(classes.size()), file.description.vae.stride(), {.stop = interrupt.token(), .progress = {}});
    out["ceiling"] = score_json(best, classes);
    if (!common.json && !common.quiet)
      std::printf("ceiling of a stride of %d pixels: mIoU %.2f %%; the model has %.1f %% of it\n", file.description.vae.stride(), 100 * best.miou(), 100 * result.score.miou() / best.miou());
  }
  if (common.json) print_json(out);
  return ok;
}

}  // namespace

void add_evaluate(CLI::App& app, Command& command) {
  auto const o = std::make_shared<EvaluateOptions>();
  auto* const sub = app.add_subcommand("evaluate", "score a model on pictures with labels");
  sub->add_option("--data", o->data, "folder with images/, labels/, captions.json, and classes.json there or above")->required()->type_name("DIR");
  add_model(*sub, o->model);
  add_prompt(*sub, o->prompt);
  sub->add_option("--captions", o->captions, "another caption file than the folder's")->type_name("FILE.json");
  sub->add_option("--window", o->window, "size of the sliding window in pixels, else the model's")->type_name("HxW");
  sub->add_option("--stride", o->stride, "pixels between windows, else the model's")->check(CLI::Range(0, 65536))->type_name("N");
  sub->add_option("--batch", o->batch, "windows computed at a time")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
  sub->add_flag("--ceiling", o->ceiling, "also what the model's stride would allow with perfect answers");
  sub->add_option("--fit", o->fit, "long and short side that pictures are brought to, or `none`; else the model's")->type_name("LxS|none");
  add_threads(*sub, o->threads);
  add_device(*sub, o->device);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp evaluate --data scenes --ceiling", "tadp evaluate --data camvid/day/test --model camvid.safetensors --prompt \"fixed:a street photo\" --json"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
