// SPDX-License-Identifier: Apache-2.0
// Batches of windows drawn from a source of samples, each with the tokens of its text. Every draw is keyed by seed, step
// and place, so that a run which resumes sees the same data.
#pragma once

#include "tadp/data/augment_boxes.hpp"
#include "tadp/data/crop.hpp"
#include "tadp/io/resize.hpp"
#include "tadp/runs/training_recipe.hpp"

namespace tadp {

/// A sample brought to a long and a short side: bilinear pixels, nearest labels and metres, boxes with the picture.
/// Metres stay as they are: every picture comes to one size, in training and after it.
inline Sample fitted_sample(Sample const& sample, std::array<int, 2> const& fit) {
  int const from_width = sample.picture.width, from_height = sample.picture.height;
  auto const [width, height] = keep_ratio_size(from_width, from_height, fit[0], fit[1]);
  Sample fitted{.picture = resize(sample.picture, width, height, Resize::cv2_bilinear), .labels = {}, .caption = sample.caption, .varied_caption = sample.varied_caption};
  if (!sample.labels.labels.empty()) fitted.labels = resize_nearest(sample.labels, width, height);
  if (!sample.depth.metres.empty()) {
    fitted.depth = DepthMap(width, height);
    auto const xs = detail::nearest_places(sample.depth.width, width), ys = detail::nearest_places(sample.depth.height, height);
    auto to = fitted.depth.metres.begin();
    for (auto const y : ys)
      for (auto const x : xs) *to++ = sample.depth.at(x, y);
  }
  fitted.boxes = scaled_boxes(sample.boxes, from_width, from_height, width, height);
  return fitted;
}

/// A source whose samples are brought to a long and a short side; zeros: as they are.
template <class Source>
class FittedSource {
 public:
  FittedSource(Source& source, std::array<int, 2> const& fit) : source_(source), fit_(fit) {}
  std::size_t size() const { return source_.size(); }
  Sample operator[](std::size_t i) { return fit_[0] == 0 ? Sample(source_[i]) : fitted_sample(source_[i], fit_); }

 private:
  Source& source_;
  std::array<int, 2> fit_;
};

/// A source is anything with size() and operator[] that gives a Sample: a folder of files, or rendered scenes.
/// Add: add(batch, sample, key, number) adds a window of a sample; `number` counts the samples of the run.
template <class Model, class Source, class Add>
class SampleBatches {
 public:
  /// Error(argument) where the source is empty, or the model reads texts and there is no tokenizer.
  SampleBatches(Source& source, TrainingRecipe const& recipe, Add add) : source_(source), recipe_(recipe), add_(std::move(add)) {
    if (source.size() == 0) throw Error(Errc::argument, "there is no sample to learn from");
    if (Model::Prompt::has_text && !recipe.tokenizer) throw Error(Errc::argument, "this model learns with texts: a tokenizer is needed");
  }

  TrainingBatch operator()(std::uint64_t step, int part) {
    batch_ = {};
    ids_.clear();
    for (int i = 0; i < recipe_.batch; ++i) {
      auto const place = static_cast<std::uint64_t>(part * recipe_.batch + i);
      std::uint64_t const key = random_key(recipe_.seed, step, place);
      Sample const& sample = source_[random_below(key, 100, source_.size())];
      std::uint64_t const number = step * static_cast<std::uint64_t>(recipe_.run.parts * recipe_.batch) + place;
      if (recipe_.fit[0] == 0)
        add_(batch_, sample, key, number);
      else
        add_(batch_, fitted_sample(sample, recipe_.fit), key, number);
      if constexpr (Model::Prompt::has_text) {
        auto const tokens = recipe_.tokenizer(recipe_.caption(sample));
        ids_.insert(ids_.end(), tokens.ids.begin(), tokens.ids.end());
      }
    }
    return {batch_.pictures, ids_, batch_.labels, batch_.depths, batch_.boxes};
  }

 private:
  Source& source_;
  TrainingRecipe const& recipe_;
  Add add_;
  Batch batch_;
  std::vector<std::int32_t> ids_;
};

/// Trains a model on the samples of a source by a recipe, on windows of `image` (height, width) that add() makes.
template <class Model, class Source, class Add>
void train_on_samples(std::shared_ptr<Model const> const& model, std::shared_ptr<Weights<Cpu>> const& weights, Source& source, TrainingRecipe recipe, std::array<int, 2> const& image, Add add) {
  recipe.notes.emplace("samples", std::to_string(source.size()));
  recipe.notes.emplace("fit", recipe.fit[0] == 0 ? "none" : std::to_string(recipe.fit[0]) + "x" + std::to_string(recipe.fit[1]));
  SampleBatches<Model, Source, Add> batches(source, recipe, std::move(add));
  train_by_recipe(model, weights, recipe, image, [&](std::uint64_t step, int part) { return batches(step, part); });
}

}  // namespace tadp
