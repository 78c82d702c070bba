// SPDX-License-Identifier: Apache-2.0
// `tadp train --task segmentation`: pictures with labels.
#include "tadp/train_data.hpp"

#include "tadp/data/dataset.hpp"
#include "tadp/runs/feature_building.hpp"
#include "tadp/runs/head_training.hpp"
#include "tadp/runs/segmentation_training.hpp"
#include "tadp/text/averaged_eos.hpp"

namespace program {

namespace {

bool same_names(std::vector<tadp::ClassDescription> const& a, std::vector<tadp::ClassDescription> const& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](auto const& x, auto const& y) { return x.name == y.name; });
}

/// The street stack conditioned by one averaged embedding a class, in place of words.
using StreetByClasses = tadp::Model<tadp::StreetBackbone, tadp::PromptPolicy<tadp::AveragedEos>, tadp::Head<tadp::StreetSegmentation::Task>>;

/// The head alone, on features that are computed once: the same for every seed of the training.
template <class Model>
void train_on_features(DataTraining& training, std::shared_ptr<Model const> const& model, std::shared_ptr<tadp::Weights<tadp::Cpu>> const& weights, tadp::Dataset& data,
                       tadp::SegmentationTrainingOptions const& recipe) {
  auto const& o = training.options;
  tadp::Session<Model, tadp::Inference<tadp::Cpu>> session(model, weights,
                                                           {.window = training.crop, .batch = o.batch, .texts = o.batch, .threads = o.threads, .latent = recipe.latent,
                                                            .normalisation = training.file.description.normalisation, .tokenizer = training.tokenizer});
  tadp::FittedSource<tadp::Dataset> samples(data, recipe.fit);
  std::string const content = training.notes.at("data") + ", within " + std::to_string(recipe.fit[0]) + " x " + std::to_string(recipe.fit[1]);
  auto const cache = tadp::open_or_build_features(session, *weights, samples, training.rule, {.path = o.features, .views = o.views, .crop = recipe.crop, .data = content}, training.counting("features of", "windows"));
  tadp::train_head(*model, *weights, cache, {.run = recipe.run, .batch = o.batch, .threads = o.threads, .adamw = recipe.adamw, .muon = recipe.muon, .seed = o.seed, .fresh = false, .notes = recipe.notes});
}

template <class Model>
Status train_as(DataTraining& training, tadp::Dataset& data) {
  auto const& o = training.options;
  auto const classes = static_cast<tadp::index_t>(data.classes().size());
  auto const model = std::make_shared<Model const>(tadp::ModelSizes{.classes = classes, .class_embeddings = Model::Prompt::has_classes ? classes : tadp::dynamic});
  tadp::HeadDescription const head{.width = tadp::street_labels_head().width, .classes = data.classes()};
  auto const old = tadp::find_head(training.file.description, head.task);
  // The last layer is new where the classes are others, the whole head where it would read other maps.
  bool const keeps_head = old && old->width == head.width && Model::Prompt::names() == training.file.description.prompt_parts, keeps_classes = keeps_head && same_names(old->classes, head.classes);
  auto const all = head_of(*model, !keeps_head);
  auto const weights = training.weights_of(*model, [&](tadp::ParameterSpec const& p) { return all(p) || p.name == "class_embeddings" || (!keeps_classes && p.name.starts_with("decode_head.conv_seg.")); });
  if constexpr (Model::Prompt::has_classes) {
    tadp::AveragedEosOptions const texts{.length = std::min(tadp::AveragedEosOptions{}.length, tadp::street_text.length)};
    tadp::put_class_embeddings(*weights, tadp::averaged_eos(weights->device(), *weights, model->backbone().text, training.tokenizer, class_names(data.classes()), texts));
    training.file.description.prompt_parts = Model::Prompt::names();
    training.file.description.class_embeddings = static_cast<int>(classes);
  }
  tadp::SegmentationTrainingOptions options;
  training.fill(options);
  options.crop.width = training.crop[1];
  options.crop.height = training.crop[0];
  if (o.unchanged) options.crop = {.width = training.crop[1], .height = training.crop[0], .mirror = false};
  return training.run(options, head, *weights, [&] {
    if (o.features.empty())
      tadp::train_segmentation(model, weights, data, options);
    else
      train_on_features(training, model, weights, data, options);
  });
}

}  // namespace

Status train_segmentation_on_data(DataTraining& training) {
  auto const& o = training.options;
  tadp::Dataset data(o.data, {.captions = o.captions, .classes = {}, .cache_bytes = kept_bytes});
  training.read_prompts(data, class_names(data.classes()));
  return o.prompt == by_classes ? train_as<StreetByClasses>(training, data) : train_as<tadp::StreetSegmentation>(training, data);
}

}  // namespace program
