// SPDX-License-Identifier: Apache-2.0
// `tadp train`: a model on a data set, or the street model from nothing.
#include "tadp/train.hpp"

#include "tadp/model_file.hpp"
#include "tadp/prompt_option.hpp"

namespace program {

void add_train(CLI::App& app, Command& command) {
  auto const o = std::make_shared<TrainDataOptions>();
  auto* const sub = app.add_subcommand("train", "train a model on pictures with labels, or the street model from nothing");
  sub->add_option("--data", o->data, "folder with images/, labels/, captions.json, and classes.json there or above")->type_name("DIR");
  sub->add_option("--out", o->out, "the trained model; FILE.checkpoint and FILE.log.jsonl stand beside it")->type_name("FILE");
  add_model(*sub, o->model);
  add_prompt(*sub, o->prompt);
  sub->add_option("--captions", o->captions, "another caption file than the folder's")->type_name("FILE.json");
  sub->add_option("--steps", o->steps, "of the optimizer")->capture_default_str()->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}))->type_name("N");
  sub->add_option("--batch", o->batch, "windows a step")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
  sub->add_option("--crop", o->crop, "size of a training window in pixels")->capture_default_str()->type_name("HxW");
  sub->add_option("--rate", o->rate, "learning rate of the head; the UNet learns at half of it")->capture_default_str()->check(CLI::PositiveNumber)->type_name("X");
  sub->add_option("--seed", o->seed, "of every draw")->capture_default_str()->type_name("S");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  add_train_street(*sub, command);
  sub->footer("Ctrl-C saves a checkpoint first; the same command goes on from it. A second Ctrl-C ends at once.\n\n" +
              examples({"tadp train --data camvid/day/train --out camvid.safetensors --steps 1500", "tadp train street --out runs/street"}));
  sub->callback([&command, o, sub] {
    if (!sub->get_subcommands().empty()) return;
    command.run = [&command, o] { return train_on_data(*o, command.common); };
  });
}

}  // namespace program
