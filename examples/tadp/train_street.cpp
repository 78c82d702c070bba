// SPDX-License-Identifier: Apache-2.0
// `tadp train street`: the recipe of the embedded model, from rendered scenes alone.
#include "tadp/interrupt.hpp"
#include "tadp/train.hpp"

#include "tadp/runs/street_training.hpp"

namespace program {

namespace {

struct StreetOptions {
  std::string out{};
  int threads = 1;
  tadp::StreetTrainingOptions run{};
};

Status run(StreetOptions const& o, Common const& common) {
  prepare_folder(o.out);
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  tadp::StreetTrainingOptions options = o.run;
  options.folder = o.out;
  options.threads = o.threads;
  options.stop = interrupt.token();
  std::string stage;
  json reached = json::object();
  options.on_progress = [&](std::string_view name, tadp::TrainingProgress const& p) {
    if (stage != name) progress.keep();
    stage = name;
    reached[stage] = {{"step", p.step}, {"steps", p.steps}, {"loss", p.loss}, {"seconds_per_step", p.seconds_per_step}};
    progress.show(training_text(name, p), p.step == p.steps);
  };
  try {
    tadp::StreetTraining(options).run();
  } catch (tadp::Error const& error) {
    if (error.code() != tadp::Errc::cancelled) throw;
    progress.keep();
    if (common.json) print_json({{"out", o.out}, {"finished", false}, {"stages", reached}});
    complain("stopped; the same command goes on from here: " + std::string(error.what()));
    return interrupted;
  }
  progress.keep();
  if (reached.empty()) warn_of_finished(o.out);
  if (common.json) print_json({{"out", o.out}, {"finished", true}, {"stages", reached}});
  if (!common.json && !common.quiet) std::printf("trained: %s\n", o.out.c_str());
  return ok;
}

}  // namespace

void add_train_street(CLI::App& train, Command& command) {
  auto const o = std::make_shared<StreetOptions>();
  auto* const sub = train.add_subcommand("street", "train the street model from rendered scenes: autoencoder, diffusion, segmentation");
  auto const steps = CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000});
  sub->add_option("--out", o->out, "folder of checkpoints, logs and weights; a run that was stopped goes on from it")->required()->type_name("DIR");
  sub->add_option("--seed", o->run.seed, "of weights, scenes and draws")->capture_default_str()->type_name("S");
  sub->add_option("--scenes", o->run.scenes, "rendered scenes to draw from; segmentation has four times as many of its own")->capture_default_str()->check(CLI::Range(1, 1'000'000))->type_name("N");
  sub->add_option("--autoencoder-steps", o->run.autoencoder_steps, "of the first stage")->capture_default_str()->check(steps)->type_name("N");
  sub->add_option("--diffusion-steps", o->run.diffusion_steps, "of the second")->capture_default_str()->check(steps)->type_name("N");
  sub->add_option("--segmentation-steps", o->run.segmentation_steps, "of the third")->capture_default_str()->check(steps)->type_name("N");
  static std::map<std::string, tadp::StreetStage> const stages{{"autoencoder", tadp::StreetStage::autoencoder}, {"diffusion", tadp::StreetStage::diffusion}, {"segmentation", tadp::StreetStage::segmentation}};
  sub->add_option("--first", o->run.first, "stage to begin with; what comes before is taken from --from")
      ->transform(CLI::CheckedTransformer(stages, CLI::ignore_case).description(""))
      ->type_name("autoencoder|diffusion|segmentation");
  sub->add_option("--from", o->run.from, "a street-diffusion.safetensors, for --first")->type_name("FILE");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  sub->footer("Ctrl-C saves a checkpoint first; the same command goes on. A second Ctrl-C ends at once.\n\n" +
              examples({"tadp train street --out runs/street", "tadp train street --out runs/try --scenes 50 --autoencoder-steps 100 --diffusion-steps 100 --segmentation-steps 100",
                        "tadp train street --first segmentation --from models/street-diffusion.safetensors --out runs/street"}));
  sub->callback([&command, o] {
    bool const begins_later = o->run.first != tadp::StreetStage::autoencoder;
    if (begins_later == o->run.from.empty()) throw CLI::ValidationError("--first and --from", "a later stage begins from a file, the first one from nothing");
    command.run = [&command, o] { return run(*o, command.common); };
  });
}

}  // namespace program
