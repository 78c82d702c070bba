// SPDX-License-Identifier: Apache-2.0
// What heads lose or gain by learning together: the three heads of the street model learn on rendered scenes with one
// backbone, and each learns alone, from the same file with the same windows, steps and rates. All are scored on the same unseen scenes.
//     price_of_sharing FILE STEPS BATCH SEED [learning|frozen] [THREADS] [SCENES]
// FILE: a model of the street stack; a head that it does not have starts at random. SCENES: how many are scored.
#include "tadp/io/weights.hpp"
#include "tadp/runs/described_model.hpp"
#include "tadp/runs/evaluator.hpp"
#include "tadp/runs/street_heads.hpp"
#include "tadp/runs/training_recipe.hpp"
#include "tadp/train/initialize.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using namespace tadp;

struct Trial {
  std::string file{};
  std::uint64_t steps = 0, seed = 1;
  int batch = 4, threads = 2;
  bool frozen = false;
  std::size_t scored = 60;
};

template <class Model>
struct Learner {
  std::shared_ptr<Model const> model{};
  std::shared_ptr<Weights<Cpu>> weights{};
};

template <class Task>
index_t classes_of() {
  if constexpr (depth_task<Task>)
    return Task::classes;
  else
    return static_cast<index_t>(finds_boxes<Task> ? street_detection_head().classes.size() : street_class_names().size());
}
template <class Model, class... Tasks>
std::shared_ptr<Model const> model_of(TaskList<Tasks...>) {
  std::vector<index_t> const counts{classes_of<Tasks>()...};
  return std::make_shared<Model const>(ModelSizes{.classes = counts[0], .further_classes = {counts.begin() + 1, counts.end()}});
}

template <class Model>
Learner<Model> start(Trial const& trial, SafetensorsSet const& file) {
  Learner<Model> learner{.model = model_of<Model>(typename Model::Tasks{})};
  learner.weights = std::make_shared<Weights<Cpu>>(Cpu(trial.threads), learner.model->parameters());
  auto const is_new = [&](ParameterSpec const& p) { return file.find(p.name) == nullptr; };
  initialize(*learner.weights, trial.seed, is_new);
  load_weights(*learner.weights, std::span(&file, 1), trial.file, {.wanted = [&](ParameterSpec const& p) { return !is_new(p); }});
  return learner;
}

/// Windows of whole scenes, the same for every learner of a trial.
void train(Trial const& trial, ModelDescription const& description, auto const& learner, StreetScenes& scenes, char const* name) {
  TrainingRecipe recipe;
  recipe.run.steps = trial.steps;
  recipe.run.on_progress = [&](TrainingProgress const& p) {
    std::fprintf(stderr, "\r%s: step %llu of %llu, loss %.3f, %.2f s a step ", name, static_cast<unsigned long long>(p.step), static_cast<unsigned long long>(p.steps), p.loss,
                 p.seconds_per_step);
  };
  recipe.batch = trial.batch;
  recipe.threads = trial.threads;
  recipe.adamw.lr = 5e-4;
  recipe.muon = Muon{.lr = 5e-4};
  recipe.warmup = trial.steps / 6;
  recipe.latent = description.latent;
  recipe.seed = trial.seed;
  recipe.freeze_backbone = trial.frozen;
  StreetRecipe const drawing{
      .seed = trial.seed,
      .batch = trial.batch,
      .crop = {
          .width = 320, .height = 256, .min_scale = 1.0F, .max_scale = 1.15F, .photometric = true, .min_saturation = 0.5F, .max_saturation = 1.5F, .focal = street_depth.focal}};
  StreetBatches batches(drawing, scenes, learner.weights->device());
  train_by_recipe(learner.model, learner.weights, recipe, {drawing.crop.height, drawing.crop.width}, [&](std::uint64_t step, int) {
    Batch const& batch = batches.draw(step);
    std::int32_t const* const ids = batches.ids(step, drawing.caption_dropout, 0.4);
    auto const count = static_cast<std::size_t>(trial.batch * street_text.length);
    return TrainingBatch{.pictures = batch.pictures, .ids = {ids, count}, .labels = batch.labels, .depths = batch.depths, .boxes = batch.boxes};
  });
  std::fprintf(stderr, "\n");
}

/// One row of the table: what the heads of a model score.
template <class Model>
void score(Trial const& trial, ModelDescription const& description, Learner<Model> const& learner, StreetScenes& scenes, char const* name) {
  SessionOptions options = session_options_of(description);
  options.threads = trial.threads;
  using Looking = Session<Model, Inference<Cpu>>;
  Looking session(learner.model, learner.weights, options);
  PromptRule const rule = fixed_text("a street photo");
  std::printf("%-16s", name);
  if constexpr (Looking::template answers<SegmentationResult>) std::printf("  labels: mIoU %.2f %%", 100.0 * evaluate(session, scenes, rule).score.miou());
  if constexpr (Looking::template answers<DepthMap>) {
    auto const measures = evaluate_depth(session, scenes, rule, {.max_depth = street_depth.max_depth}).score.measures();
    std::printf("  depth: REL %.4f, RMSE %.3f m", measures.abs_rel, measures.rmse);
  }
  if constexpr (Looking::template answers<DetectionResult>) {
    DetectionScore const nothing(static_cast<int>(street_detection_head().classes.size()));
    std::printf("  boxes: mAP50 %.2f %%", 100.0 * evaluate_detection(session, scenes, rule, nothing).score.mean_ap_area());
  }
  std::printf("\n");
  std::fflush(stdout);
}

template <class Model>
void learn(Trial const& trial, SafetensorsSet const& file, StreetScenes& scenes, StreetScenes& unseen, char const* name) {
  auto const description = description_of(file.metadata(), trial.file);
  Learner<Model> const learner = start<Model>(trial, file);
  if (trial.steps > 0) train(trial, description, learner, scenes, name);
  score(trial, description, learner, unseen, name);
}

void run(Trial const& trial) {
  SafetensorsSet const file(trial.file);
  constexpr SceneAnswers all{.depth = true, .boxes = true};
  StreetScenes scenes((trial.seed + 6) * 1'000'000, 3000, {}, all), unseen(900'000'001, trial.scored, {}, all);
  std::printf("%llu steps of %d windows, seed %llu, %s backbone\n", static_cast<unsigned long long>(trial.steps), trial.batch, static_cast<unsigned long long>(trial.seed),
              trial.frozen ? "frozen" : "learning");
  learn<StreetPerception>(trial, file, scenes, unseen, "together");
  if (trial.steps == 0) return;
  learn<StreetSegmentation>(trial, file, scenes, unseen, "labels alone");
  learn<StreetDepth>(trial, file, scenes, unseen, "depth alone");
  learn<StreetDetection>(trial, file, scenes, unseen, "boxes alone");
}

}  // namespace

int main(int argc, char** argv) try {
  std::string_view const backbone = argc > 5 ? argv[5] : "learning";
  if (argc < 5 || (backbone != "learning" && backbone != "frozen")) {
    std::fprintf(stderr, "price_of_sharing FILE STEPS BATCH SEED [learning|frozen] [THREADS] [SCENES]; 0 steps: the file as it is\n");
    return 2;
  }
  run({.file = argv[1],
       .steps = std::strtoull(argv[2], nullptr, 10),
       .seed = std::strtoull(argv[4], nullptr, 10),
       .batch = std::max(1, std::atoi(argv[3])),
       .threads = argc > 6 ? std::max(1, std::atoi(argv[6])) : 2,
       .frozen = backbone == "frozen",
       .scored = argc > 7 ? std::strtoull(argv[7], nullptr, 10) : 60});
  return 0;
} catch (tadp::Error const& error) {
  std::fprintf(stderr, "bench_price_of_sharing: %s\n", error.what());
  return 3;
}
