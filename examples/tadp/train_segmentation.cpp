// SPDX-License-Identifier: Apache-2.0
// `tadp train --task segmentation`: pictures with labels.
#include "tadp/train_data.hpp"

#include "tadp/data/dataset.hpp"
#include "tadp/runs/segmentation_training.hpp"

namespace program {

namespace {

bool same_names(std::vector<tadp::ClassDescription> const& a, std::vector<tadp::ClassDescription> const& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](auto const& x, auto const& y) { return x.name == y.name; });
}

}  // namespace

Status train_segmentation_on_data(DataTraining& training) {
  auto const& o = training.options;
  tadp::Dataset data(o.data, {.captions = o.captions, .classes = {}, .cache_bytes = kept_bytes});
  warn_of_dataset(data, o.prompt == "caption");
  training.read_prompts(data, class_names(data.classes()));
  auto const model = std::make_shared<tadp::StreetSegmentation const>(tadp::ModelSizes{.classes = static_cast<tadp::index_t>(data.classes().size())});
  tadp::HeadDescription const head{.width = tadp::street_labels_head().width, .classes = data.classes()};
  auto const old = tadp::find_head(training.file.description, head.task);
  // The last layer is new where the classes are others.
  bool const keeps_head = old && old->width == head.width, keeps_classes = keeps_head && same_names(old->classes, head.classes);
  auto const all = head_of(*model, !keeps_head);
  auto const weights = training.weights_of(*model, [&](tadp::ParameterSpec const& p) { return all(p) || (!keeps_classes && p.name.starts_with("decode_head.conv_seg.")); });
  tadp::SegmentationTrainingOptions options;
  training.fill(options);
  options.crop.width = training.crop[1];
  options.crop.height = training.crop[0];
  if (o.unchanged) options.crop = {.width = training.crop[1], .height = training.crop[0], .mirror = false};
  return training.run(options, head, *weights, [&] { tadp::train_segmentation(model, weights, data, options); });
}

}  // namespace program
