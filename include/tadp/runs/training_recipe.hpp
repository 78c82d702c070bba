// SPDX-License-Identifier: Apache-2.0
// What the trainings of all tasks have in common: the recipe, and the two ways to follow it, with a backbone that learns
// and with one that stays as it is. Where batches come from is a function of step and part.
#pragma once

#include "tadp/data/sample.hpp"
#include "tadp/io/head_description.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/frozen_backbone.hpp"
#include "tadp/runs/head_only.hpp"
#include "tadp/runs/trainer.hpp"
#include "tadp/runs/training_session.hpp"

namespace tadp {

struct TrainingRecipe {
  TrainerOptions run{};
  int batch = 4;
  int threads = 2;
  AdamW adamw{.lr = 4e-4, .weight_decay = 0.01};
  std::optional<Muon> muon{};  ///< steps the hidden matrices in place of AdamW
  double unet_lr = 0.5;  ///< the UNet's share of the rate
  std::uint64_t warmup = 50;
  double clip = 1.0;
  LatentPolicy latent{};
  std::uint64_t seed = 0;
  std::function<std::string(Sample const&)> caption = [](Sample const& s) { return s.caption; };
  Tokenizer tokenizer{};
  std::array<int, 2> fit{0, 0};  ///< long and short side that samples are brought to before they are cut; zeros: as they are
  bool freeze_backbone = false;  ///< only the heads learn, on features without a tape: minutes where all takes hours
  std::vector<float> loss_weights{};  ///< one a task; missing ones are 1
  std::function<double(std::uint64_t)> schedule{};          ///< empty: polynomial to zero after the warm-up
  std::function<GroupFactors(std::string_view)> groups{};   ///< empty: PlainGroups of unet_lr
  std::map<std::string, std::string> notes{};  ///< what else a checkpoint must have been made with to be resumed: the data, for one
};

namespace recipe_detail {

inline std::function<double(std::uint64_t)> schedule_of(TrainingRecipe const& r) {
  return r.schedule ? r.schedule : PolySchedule{.total = r.run.steps, .warmup = r.warmup, .power = 0.9, .warmup_ratio = 1e-3};
}
inline std::function<GroupFactors(std::string_view)> groups_of(TrainingRecipe const& r) {
  return r.groups ? r.groups : PlainGroups{.unet_lr = r.unet_lr};
}
inline std::map<std::string, std::string> notes_of(TrainingRecipe const& r, std::array<int, 2> const& image, std::string learns) {
  std::ostringstream rate;
  rate << r.adamw.lr;
  std::map<std::string, std::string> notes{{"seed", std::to_string(r.seed)}, {"total", std::to_string(r.run.steps)}, {"batch", std::to_string(r.batch)},
                                           {"image", std::to_string(image[0]) + "x" + std::to_string(image[1])}, {"rate", rate.str()}, {"optimizer", optimizer_name(r.muon)}, {"learns", std::move(learns)}};
  for (auto const& [key, value] : r.notes) notes[key] = value;
  return notes;
}

/// The heads of some tasks, learning on a frozen backbone.
template <class Model, class List>
class HeadsOnFeatures;
template <class Model, class... Tasks>
class HeadsOnFeatures<Model, TaskList<Tasks...>> {
 public:
  using List = TaskList<Tasks...>;

  HeadsOnFeatures(std::shared_ptr<Model const> const& model, std::shared_ptr<Weights<Cpu>> const& weights, TrainingRecipe const& r, std::array<int, 2> const& image)
      : device_(r.threads), heads_(*model), own_(std::make_shared<Weights<Cpu>>(device_, heads_.list)), weights_(weights),
        backbone_(device_, model, weights, {.batch = r.batch, .image = image, .latent = r.latent, .seed = r.seed}),
        targets_({.batch = r.batch, .height = image[0], .width = image[1], .classes = class_counts(*model, List{}), .average = Average::valid_pixels}), loss_weights_(r.loss_weights) {
    copy_same_names(*weights_, *own_);
    FitOptions fitting{.adamw = r.adamw, .muon = r.muon, .schedule = schedule_of(r), .groups = groups_of(r), .clip = r.clip};
    fitting.tape.seed = r.seed;
    fit_.emplace(device_, own_, fitting);
  }

  Fit<Cpu>& fit() { return *fit_; }
  template <class Ctx>
  typename Ctx::Value loss(Ctx& ctx, TrainingBatch const& batch) {
    auto const targets = targets_(batch);
    backbone_.run(batch.pictures, batch.ids, ctx.step());
    ++summed_;
    return training_detail::sum_of(ctx, {loss_of<Tasks>(ctx, std::get<List::template position<Tasks>>(targets))...});
  }
  /// The mean loss of each head, weighted, since the last call; nothing where there is one head.
  std::vector<std::pair<std::string, double>> figures() {
    if constexpr (sizeof...(Tasks) == 1) return {};
    std::vector<std::pair<std::string, double>> means{{describe_head<Tasks>().task, sums_[List::template position<Tasks>] / summed_}...};
    sums_ = {}, summed_ = 0.0;
    return means;
  }
  /// Puts the trained heads into the model's weights.
  void finish() { copy_same_names(*own_, *weights_); }

 private:
  template <class Task, class Ctx>
  typename Ctx::Value loss_of(Ctx& ctx, typename Task::Target const& target) {
    constexpr std::size_t place = List::template position<Task>;
    auto const value = training_detail::weighted_loss<Task>(ctx, training_detail::weight_at(loss_weights_, place), heads_.template net<Task>(), backbone_.template pyramid<Task>(ctx), target);
    sums_[place] += static_cast<double>(value.slot->data().data[0]);
    return value;
  }

  Cpu device_;
  HeadsOnly<Model, List> heads_;
  std::shared_ptr<Weights<Cpu>> own_, weights_;
  FrozenBackbone<Model, Cpu, List> backbone_;
  BatchTargets<List> targets_;
  std::vector<float> loss_weights_;
  std::array<double, sizeof...(Tasks)> sums_{};
  double summed_ = 0.0;
  std::optional<Fit<Cpu>> fit_;
};

}  // namespace recipe_detail

/// Trains the heads of some tasks, by default of all, and nothing else; weights are changed at the end.
/// draw(step, part) -> TrainingBatch of pictures of `image` (height, width), valid until the next one. Resumes from
/// recipe.run.checkpoint, which holds the heads alone. Throws Error(cancelled) after saving when stopped.
template <class Model, class Draw, class List = typename Model::Tasks>
void train_on_frozen_backbone(std::shared_ptr<Model const> const& model, std::shared_ptr<Weights<Cpu>> const& weights, TrainingRecipe const& recipe, std::array<int, 2> const& image, Draw const& draw, List tasks = {}) {
  recipe_detail::HeadsOnFeatures<Model, List> learning(model, weights, recipe, image);
  auto const notes = recipe_detail::notes_of(recipe, image, "heads on " + backbone_fingerprint(*model, *weights, tasks));
  TrainerOptions run = recipe.run;
  if (List::count > 1) run.figures = [&] { return learning.figures(); };
  run_training(learning.fit(), run, notes, [&](auto& ctx, std::uint64_t step, int part) { return learning.loss(ctx, draw(step, part)); });
  learning.finish();
}

/// Trains UNet and heads in place; the rest as train_on_frozen_backbone, whose checkpoints it does not take.
template <class Model, class Draw>
void train_with_backbone(std::shared_ptr<Model const> const& model, std::shared_ptr<Weights<Cpu>> const& weights, TrainingRecipe const& recipe, std::array<int, 2> const& image, Draw const& draw) {
  using Policy = Training<Cpu, AdamW, std::function<double(std::uint64_t)>, std::function<GroupFactors(std::string_view)>, Freeze<typename Model::Backbone::TextEncoder>>;
  using Fitting = Session<Model, Policy>;
  typename Fitting::Options o;
  o.image = image;
  o.batch = recipe.batch;
  o.threads = recipe.threads;
  o.adamw = recipe.adamw;
  o.muon = recipe.muon;
  o.schedule = recipe_detail::schedule_of(recipe);
  o.groups = recipe_detail::groups_of(recipe);
  o.clip = recipe.clip;
  o.latent = recipe.latent;
  o.average = Average::valid_pixels;
  o.seed = recipe.seed;
  o.loss_weights = recipe.loss_weights;
  Fitting session(model, weights, o);
  run_training(session.fit(), recipe.run, recipe_detail::notes_of(recipe, image, "backbone and heads"), [&](auto& ctx, std::uint64_t step, int part) { return session.loss(ctx, draw(step, part)); });
}

/// One of the two, as the recipe says.
template <class Model, class Draw>
void train_by_recipe(std::shared_ptr<Model const> const& model, std::shared_ptr<Weights<Cpu>> const& weights, TrainingRecipe const& recipe, std::array<int, 2> const& image, Draw const& draw) {
  if (recipe.freeze_backbone)
    train_on_frozen_backbone(model, weights, recipe, image, draw);
  else
    train_with_backbone(model, weights, recipe, image, draw);
}

}  // namespace tadp
