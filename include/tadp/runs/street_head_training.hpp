// SPDX-License-Identifier: Apache-2.0
// The heads of depth and detection of the street model: they learn side by side on rendered scenes, over the backbone of a
// model that segments. One file comes out, whose segmentation is that of the model.
#pragma once

#include "tadp/io/weights.hpp"
#include "tadp/runs/described_model.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/runs/training_recipe.hpp"
#include "tadp/train/initialize.hpp"

#include <sstream>

namespace tadp {

struct StreetHeadOptions {
  std::filesystem::path model{};   ///< a file of the street stack that segments; heads that it has beside that go on from there
  std::filesystem::path folder{};  ///< of heads.checkpoint.safetensors, heads.log.jsonl and street-heads.safetensors
  std::uint64_t seed = 1;
  int threads = 2;
  std::size_t scenes = 3000;  ///< about 0.6 MB of memory each
  std::uint64_t steps = 2500;
  int batch = 8;
  double rate = 1e-3;
  float depth_weight = 1.0F, detection_weight = 1.0F;  ///< 0: this head does not learn and stays to the bit as the file has it
  /// Scales about 1, at which pictures are looked at later: small things would be rarer in larger views.
  CropOptions crop{.width = 256, .height = 192, .min_scale = 0.8F, .max_scale = 1.25F, .photometric = true, .min_saturation = 0.5F, .max_saturation = 1.5F, .focal = street_depth.focal};
  std::function<void(TrainingProgress const&)> on_progress{};
  std::stop_token stop{};
};

namespace street_head_detail {

/// A model that is to get heads: all parameters, those at random that its file does not have.
struct Start {
  ModelDescription description{};
  std::shared_ptr<StreetPerception const> model{};
  std::shared_ptr<Weights<Cpu>> weights{};
  std::string fingerprint{};  ///< of the weights that the file has
};

/// Error(shape) where the file is of another stack or has no labels; errors of reading.
inline Start start_from(StreetHeadOptions const& o) {
  SafetensorsSet const file(o.model);
  std::string const name = o.model.string();
  Start start{.description = description_of(file.metadata(), name)};
  require_model<StreetSegmentation>(start.description, name);
  auto const labels_head = find_head(start.description, "segmentation");
  if (!labels_head) throw Error(Errc::shape, "this model does not segment: its backbone has not learned from labels", {.file = name, .key = "task", .expected = "segmentation", .found = start.description.task});
  start.model = std::make_shared<StreetPerception const>(ModelSizes{.classes = static_cast<index_t>(labels_head->classes.size()), .further_classes = {dynamic, static_cast<index_t>(street_detection_head().classes.size())}});
  start.weights = std::make_shared<Weights<Cpu>>(Cpu(o.threads), start.model->parameters());
  HeadsOnly<StreetPerception, TaskList<StreetDepthTask>> const depth(*start.model);
  HeadsOnly<StreetPerception, TaskList<StreetDetectionTask>> const detection(*start.model);
  bool const has_depth = find_head(start.description, "depth") == street_depth_head(), has_detection = find_head(start.description, "detection") == street_detection_head();
  auto const is_new = [&](ParameterSpec const& p) { return (!has_depth && depth.list->find(p.name)) || (!has_detection && detection.list->find(p.name)); };
  initialize(*start.weights, o.seed + 4, is_new);
  auto const is_read = [&](ParameterSpec const& p) { return !is_new(p); };
  load_weights(*start.weights, std::span(&file, 1), name, {.wanted = is_read});
  start.fingerprint = weights_fingerprint(*start.weights, is_read);
  if ((o.depth_weight == 0.0F && !has_depth) || (o.detection_weight == 0.0F && !has_detection))
    throw Error(Errc::argument, "a head that does not learn is to come from the model, which does not have it", {.file = name, .key = "head", .expected = o.depth_weight == 0.0F && !has_depth ? "depth" : "detection", .found = start.description.task});
  return start;
}

/// The heads of some tasks learn on rendered scenes; weights are changed at the end.
template <class... Tasks>
void train(StreetHeadOptions const& o, Start const& start, std::vector<float> loss_weights, TaskList<Tasks...> tasks) {
  TrainingRecipe recipe;
  recipe.run = {.steps = o.steps, .checkpoint = o.folder / "heads.checkpoint.safetensors", .log = o.folder / "heads.log.jsonl"};
  recipe.run.on_progress = o.on_progress;
  recipe.run.stop = o.stop;
  recipe.batch = o.batch;
  recipe.threads = o.threads;
  recipe.adamw = {.lr = o.rate, .weight_decay = 0.01};
  recipe.muon = Muon{.lr = 2.0 * o.rate};
  recipe.schedule = CosineSchedule{o.steps, 100, 0.01};
  recipe.latent = start.description.latent;
  recipe.seed = o.seed;
  recipe.loss_weights = std::move(loss_weights);
  recipe.notes = {{"start", start.fingerprint},
                  {"scenes", std::to_string(o.scenes)},
                  {"weights", std::to_string(o.depth_weight) + ", " + std::to_string(o.detection_weight)},
                  {"augmentation", augmentation_text(o.crop)}};
  StreetScenes scenes((o.seed + 4) * 1'000'000, o.scenes, {}, {.depth = true, .boxes = true});
  StreetRecipe const drawing{.seed = o.seed + 4, .batch = o.batch, .crop = o.crop};
  StreetBatches batches(drawing, scenes, start.weights->device());
  auto const draw = [&](std::uint64_t step, int) {
    Batch const& batch = batches.draw(step);
    std::int32_t const* const ids = batches.ids(step, drawing.caption_dropout, 0.4);
    return TrainingBatch{.pictures = batch.pictures, .ids = {ids, static_cast<std::size_t>(o.batch * street_text.length)}, .depths = batch.depths, .boxes = batch.boxes};
  };
  train_on_frozen_backbone(start.model, start.weights, recipe, {o.crop.height, o.crop.width}, draw, tasks);
}

/// What is told of a training in the file's notes: "depth and detection: 2000 steps of 8 windows of 192x256, scales 0.8 to 1.25, seed 1".
inline std::string note_of(StreetHeadOptions const& o) {
  std::ostringstream text;
  text << (o.detection_weight == 0.0F ? "depth" : o.depth_weight == 0.0F ? "detection" : "depth and detection") << ": " << o.steps << " steps of " << o.batch << " windows of "
       << o.crop.height << 'x' << o.crop.width << ", scales " << o.crop.min_scale << " to " << o.crop.max_scale << ", seed " << o.seed;
  return text.str();
}

}  // namespace street_head_detail

/// Trains and writes folder/street-heads.safetensors; the same options go on from the checkpoint. Throws Error(cancelled)
/// after saving when stopped; Error(argument) where no head is to learn, or one that is not would come from nowhere; errors of
/// reading the model.
inline void train_street_heads(StreetHeadOptions const& o) {
  if (o.depth_weight == 0.0F && o.detection_weight == 0.0F)
    throw Error(Errc::argument, "no head is to learn", {.key = "weights", .expected = "a weight above 0", .found = "0, 0"});
  auto const start = street_head_detail::start_from(o);
  std::filesystem::create_directories(o.folder);
  if (o.detection_weight == 0.0F)
    street_head_detail::train(o, start, {o.depth_weight}, TaskList<StreetDepthTask>{});
  else if (o.depth_weight == 0.0F)
    street_head_detail::train(o, start, {o.detection_weight}, TaskList<StreetDetectionTask>{});
  else
    street_head_detail::train(o, start, {o.depth_weight, o.detection_weight}, TaskList<StreetDepthTask, StreetDetectionTask>{});

  ModelDescription trained = start.description;
  set_heads(trained, {find_head(start.description, "segmentation").value(), street_depth_head(), street_detection_head()});
  std::string& note = trained.notes["heads"];
  note += (note.empty() ? "" : "; ") + street_head_detail::note_of(o);
  save_weights(*start.weights, o.folder / "street-heads.safetensors", Dtype::F16, to_metadata(trained));
}

}  // namespace tadp
