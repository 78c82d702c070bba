// SPDX-License-Identifier: Apache-2.0
// `tadp train --data`: a street model goes on learning from pictures with labels.
#include "tadp/interrupt.hpp"
#include "tadp/model_file.hpp"
#include "tadp/prompt_option.hpp"
#include "tadp/runner.hpp"
#include "tadp/train.hpp"

#include "tadp/io/weights.hpp"
#include "tadp/runs/segmentation_training.hpp"
#include "tadp/runs/street_stack.hpp"
#include "tadp/train/initialize.hpp"

#include <set>

namespace program {

namespace {

using Model = tadp::StreetSegmentation;

/// The head's last layer is new where the classes are others.
bool same_classes(std::vector<tadp::ClassDescription> const& a, std::vector<tadp::ClassDescription> const& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](auto const& x, auto const& y) { return x.name == y.name; });
}

std::shared_ptr<tadp::Weights<tadp::Cpu>> weights_of(ModelFile const& file, Model const& model, bool keeps_classes, std::uint64_t seed, int threads) {
  auto weights = std::make_shared<tadp::Weights<tadp::Cpu>>(tadp::Cpu(threads), model.parameters());
  auto const old = [keeps_classes](tadp::ParameterSpec const& spec) { return keeps_classes || !spec.name.starts_with("decode_head.conv_seg."); };
  if (!keeps_classes) tadp::initialize(*weights, seed, [](tadp::ParameterSpec const&) { return true; });
  tadp::load_weights_from(*weights, std::span(&file.tensors, 1), file.path.string(), {.wanted = old});
  return weights;
}

std::set<std::string> unknown_words(tadp::Dataset const& data, tadp::PromptRule const& rule, tadp::Tokenizer const& tokenizer) {
  std::set<std::string> unknown;
  for (std::size_t i = 0; i < data.size(); ++i)
    for (auto const& word : tokenizer(rule.prompt({{}, {}, data.caption(i), {}}).caption).unknown) unknown.insert(word);
  return unknown;
}

}  // namespace

Status train_on_data(TrainDataOptions const& o, Common const& common) {
  for (auto const& [name, value] : {std::pair{"--data", &o.data}, {"--out", &o.out}})
    if (value->empty()) throw tadp::Error(tadp::Errc::argument, "training needs more", {.key = name, .expected = "--data DIR --out FILE, or `tadp train street`"});
  auto const rule = prompt_rule(o.prompt);
  auto const [height, width] = size_of(o.crop, "--crop", true);
  tadp::Dataset data(o.data, {.captions = o.captions, .classes = {}, .cache_bytes = std::uint64_t{2} << 30});
  if (fs::path(o.out).has_parent_path()) prepare_folder(fs::path(o.out).parent_path());
  prepare_file(o.out);
  ModelFile const file = open_model(o.model);
  std::string const path = file.path.string();
  if (file.description.task != "segmentation") throw tadp::Error(tadp::Errc::unsupported, "only segmentation is trained on a data set", {.file = path, .key = "task", .expected = "segmentation", .found = file.description.task});
  tadp::require_model<Model>(file.description, path);
  warn_of_dataset(data, o.prompt == "caption");
  tadp::WordTokenizer const tokenizer(file.description.vocabulary, tadp::street_text);
  auto const unknown = unknown_words(data, rule, tokenizer);
  warn_of_words({unknown.begin(), unknown.end()}, false, o.data);

  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  auto const model = std::make_shared<Model const>(tadp::ModelSizes{.classes = static_cast<tadp::index_t>(data.classes().size())});
  auto const weights = weights_of(file, *model, same_classes(file.description.classes, data.classes()), o.seed, o.threads);
  tadp::SegmentationTrainingOptions options;
  options.run = {.steps = o.steps, .checkpoint = o.out + ".checkpoint", .log = o.out + ".log.jsonl"};
  options.run.stop = interrupt.token();
  json last;
  options.run.on_progress = [&](tadp::TrainingProgress const& p) {
    last = {{"step", p.step}, {"loss", p.loss}, {"seconds_per_step", p.seconds_per_step}};
    progress.show(training_text("training", p), p.step == p.steps);
  };
  options.batch = o.batch;
  options.threads = o.threads;
  options.crop.width = width;
  options.crop.height = height;
  options.adamw.lr = o.rate;
  options.fit = file.description.fit;
  options.latent = file.description.latent;
  options.seed = o.seed;
  options.caption = [&rule](tadp::Sample const& s) { return rule.prompt(s).caption; };
  options.tokenizer = tokenizer;
  json out{{"data", o.data}, {"from", path}, {"out", o.out}, {"prompt", rule.name}, {"unknown_words", unknown}};
  try {
    tadp::train_segmentation(model, weights, data, options);
  } catch (tadp::Error const& error) {
    if (error.code() != tadp::Errc::cancelled) throw;
    progress.keep();
    out.update({{"finished", false}, {"last", last}});
    if (common.json) print_json(out);
    complain("stopped; the same command goes on from " + options.run.checkpoint.string() + ": " + error.what());
    return interrupted;
  }
  progress.keep();
  tadp::ModelDescription d = file.description;
  d.classes = data.classes();
  d.notes["data"] = o.data;
  d.notes["prompt"] = rule.name;
  d.notes["steps"] = std::to_string(o.steps);
  d.notes["seed"] = std::to_string(o.seed);
  tadp::save_weights(*weights, o.out, tadp::Dtype::F16, to_metadata(d));
  out.update({{"finished", true}, {"last", last}});
  if (common.json) print_json(out);
  if (!common.json && !common.quiet) std::printf("trained: %s\n", o.out.c_str());
  return ok;
}

}  // namespace program
