// SPDX-License-Identifier: Apache-2.0
// `tadp train`: a model on a data set, or the street model from nothing.
#include "tadp/train.hpp"

#include "tadp/model_file.hpp"
#include "tadp/prompt_option.hpp"

namespace program {

void add_train(CLI::App& app, Command& command) {
  auto const o = std::make_shared<TrainDataOptions>();
  auto* const sub = app.add_subcommand("train", "train a model on pictures with labels, depth or boxes, or the street model from nothing");
  sub->add_option("--task", o->task, "what is learned; a head that the model does not have starts at random, and the trained model has this head alone")
      ->capture_default_str()
      ->check(CLI::IsMember({"segmentation", "depth", "detection"}))
      ->type_name("segmentation|depth|detection");
  sub->add_option("--data", o->data, "labels: folder with images/, labels/, captions.json, and classes.json there or above; depth: a list of \"picture depth [focal]\", the focal length in pixels for all or for none, or images/ and depth/; boxes: JPEGImages/ or images/, Annotations/")->type_name("DIR");
  sub->add_option("--out", o->out, "the trained model; FILE.checkpoint and FILE.log.jsonl stand beside it. Not the file of --model where that has more heads")->type_name("FILE");
  add_model(*sub, o->model);
  add_prompt(*sub, o->prompt, by_classes, "labels: one averaged embedding a class in place of a text");
  add_modifier(*sub, o->modifier, true);
  sub->add_option("--captions", o->captions, "another caption file than the folder's")->type_name("FILE.json");
  sub->add_option("--freeze", o->freeze, "`backbone`: only the head learns, in a fraction of the time")->check(CLI::IsMember({"backbone"}))->type_name("PART");
  sub->add_option("--steps", o->steps, "of the optimizer")->capture_default_str()->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}))->type_name("N");
  sub->add_option("--batch", o->batch, "windows a step")->capture_default_str()->check(CLI::Range(1, 1024))->type_name("N");
  sub->add_option("--crop", o->crop, "size of a training window in pixels. The trained model looks through windows of this size where it shows pictures of --fit whole, else through no smaller ones than before")->capture_default_str()->type_name("HxW");
  sub->add_option("--fit", o->fit, "long and short side that pictures are brought to, or `none`; else the model's. The trained model says the same")->type_name("LxS|none");
  sub->add_option("--optimizer", o->optimizer, "of matrices and convolutions; the rest is AdamW's. Muon gets farther in few steps")->capture_default_str()->check(CLI::IsMember({"adamw", "muon"}))->type_name("adamw|muon");
  sub->add_option("--rate", o->rate, "learning rate of the head, at half of which the UNet learns; else 4e-4, for depth 5e-4, with a frozen backbone 1e-3")->check(number_above_zero())->type_name("X");
  sub->add_option("--seed", o->seed, "of every draw")->capture_default_str()->type_name("S");
  sub->add_flag("--no-augmentation", o->unchanged, "windows without mirror, scales and colours");
  sub->add_flag("--incomplete", o->incomplete, "depth and boxes: learn from what of the folder can be used and name the rest, in place of an error");
  sub->add_option("--features", o->features, "labels, with --freeze backbone: the backbone's features are computed once, into this file, and the head learns from it; a file that is there is refused unless it is of the same weights, texts, windows and data")->type_name("FILE");
  sub->add_option("--views", o->views, "windows of each picture in the file of --features")->capture_default_str()->check(CLI::Range(1, 1000))->type_name("N")->needs("--features");
  sub->add_option("--list", o->list, "depth: the list, in the folder or elsewhere; else list.txt where there is one")->type_name("FILE");
  sub->add_option("--depth-scale", o->depth_scale, "depth: units a metre of PNG files; else what the list says, or 1000")->check(number_above_zero())->type_name("N");
  sub->add_option("--split", o->split, "boxes: a list of ImageSets/Main without its ending; else all annotations")->type_name("NAME");
  sub->add_option("--corners", o->corners, "boxes: whether corners count as the file has them, or pixels from 0 where it counts from 1")->capture_default_str()->check(CLI::IsMember({"as-written", "from-zero"}))->type_name("as-written|from-zero");
  sub->add_option("--classes", o->classes, "boxes: names of the labels 1, 2, ..; else the model's where it knows all that are found, else those found")->delimiter(',')->type_name("NAME,..");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  add_train_street(*sub, command);
  add_train_street_heads(*sub, command);
  sub->footer("Ctrl-C saves a checkpoint first; the same command goes on from it, and another one is refused. A second Ctrl-C ends at once.\n\n" +
              examples({"tadp train --data camvid/day/train --out camvid.safetensors --steps 1500", "tadp train --data camvid/day/train --freeze backbone --features camvid.features --out head.safetensors", "tadp train --task depth --data sevenscenes/train --out kitchen.safetensors",
                        "tadp train --task detection --data bccd --split train --incomplete --freeze backbone --out cells.safetensors --prompt 'fixed:a photo'", "tadp train street --out runs/street"}));
  sub->callback([&command, o, sub] {
    if (!sub->get_subcommands().empty()) return;
    command.run = [&command, o] { return train_on_data(*o, command.common); };
  });
}

}  // namespace program
