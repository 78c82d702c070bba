// SPDX-License-Identifier: Apache-2.0
// `tadp train street-heads`: heads of depth and detection for a street model, from rendered scenes.
#include "tadp/interrupt.hpp"
#include "tadp/model_file.hpp"
#include "tadp/train.hpp"

#include "tadp/runs/street_head_training.hpp"

namespace program {

namespace {

struct HeadOptions {
  std::string model{}, out{}, crop{};
  std::vector<float> scales{};
  tadp::StreetHeadOptions run{};
};

Status run(HeadOptions const& o, Common const& common) {
  tadp::StreetHeadOptions options = o.run;
  options.model = find_model(o.model);
  options.folder = o.out;
  if (!o.crop.empty()) {
    auto const [height, width] = size_of(o.crop, "--crop", true);
    options.crop.height = height, options.crop.width = width;
  }
  if (!o.scales.empty()) options.crop.min_scale = o.scales[0], options.crop.max_scale = o.scales[1];
  if (options.crop.min_scale > options.crop.max_scale) throw tadp::Error(tadp::Errc::argument, "the lower scale is above the higher one", {.key = "--scales"});
  prepare_folder(o.out);
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  options.stop = interrupt.token();
  fs::path const trained = options.folder / "street-heads.safetensors";
  json out{{"from", options.model.string()}, {"out", trained.string()}};
  options.on_progress = [&](tadp::TrainingProgress const& p) {
    out["last"] = training_json(p);
    progress.show(training_text("heads", p), p.step == p.steps);
  };
  bool finished = true;
  std::string why;
  try {
    tadp::train_street_heads(options);
  } catch (tadp::Error const& error) {
    if (error.code() != tadp::Errc::cancelled) throw;
    finished = false;
    why = error.what();
  }
  progress.keep();
  if (finished && !out.contains("last")) warn_of_finished(options.folder / "heads.checkpoint.safetensors");
  out["finished"] = finished;
  if (common.json) print_json(out);
  if (!finished) complain("stopped; the same command goes on from here: " + why);
  if (finished && !common.json && !common.quiet) std::printf("trained: %s\n", trained.c_str());
  return finished ? ok : interrupted;
}

}  // namespace

void add_train_street_heads(CLI::App& train, Command& command) {
  auto const o = std::make_shared<HeadOptions>();
  auto* const sub = train.add_subcommand("street-heads", "train heads of depth and detection on rendered scenes, over the frozen backbone of a street model that segments");
  add_model(*sub, o->model);
  sub->add_option("--out", o->out, "folder of street-heads.safetensors, which has all three heads, checkpoint and log; a run that was stopped goes on from it")->required()->type_name("DIR");
  sub->add_option("--steps", o->run.steps, "of the optimizer")->capture_default_str()->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}))->type_name("N");
  sub->add_option("--batch", o->run.batch, "windows a step")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
  sub->add_option("--scenes", o->run.scenes, "rendered scenes to draw from")->capture_default_str()->check(CLI::Range(1, 1'000'000))->type_name("N");
  sub->add_option("--rate", o->run.rate, "learning rate")->capture_default_str()->check(number_above_zero())->type_name("X");
  sub->add_option("--crop", o->crop, "size of a training window in pixels, else 192x256; sides must be multiples of 32")->type_name("HxW");
  sub->add_option("--scales", o->scales, "between which a scene's scale is drawn before a window is cut, else 0.8 1.25")->expected(2)->check(number_between(0.1, 10.0))->type_name("LOW HIGH");
  sub->add_option("--depth-weight", o->run.depth_weight, "of the loss of depth; 0: the model has this head, which stays as it is")->capture_default_str()->check(number_between(0.0, 1e30))->type_name("X");
  sub->add_option("--detection-weight", o->run.detection_weight, "of the losses of detection; 0 likewise")->capture_default_str()->check(number_between(0.0, 1e30))->type_name("X");
  sub->add_option("--seed", o->run.seed, "of heads, scenes and draws")->capture_default_str()->type_name("S");
  add_threads(*sub, o->run.threads);
  add_common(*sub, command.common);
  sub->footer("Ctrl-C saves a checkpoint first; the same command goes on. A second Ctrl-C ends at once.\n\n" +
              examples({"tadp train street-heads --model runs/street/street.safetensors --out runs/heads", "tadp train street-heads --model runs/heads/street-heads.safetensors --detection-weight 0 --crop 256x320 --scales 1 1.2 --seed 2 --out runs/depth",
                        "tadp train street-heads --out runs/try --scenes 50 --steps 100"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
