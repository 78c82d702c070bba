// SPDX-License-Identifier: Apache-2.0
// `tadp train --task detection`: pictures with boxes, in a folder of the VOC form.
#include "tadp/train_data.hpp"

#include "tadp/data/voc_boxes.hpp"
#include "tadp/runs/detection_training.hpp"

namespace program {

namespace {

/// VOC's colour of a label: the bits of its number in turn, from the top of red, green and blue.
std::array<std::uint8_t, 3> voc_colour(std::size_t label) {
  std::array<std::uint8_t, 3> colour{};
  for (std::size_t bit = 0; bit < 24; ++bit) colour[bit % 3] = static_cast<std::uint8_t>(colour[bit % 3] | (label >> bit & 1U) << (7 - bit / 3));
  return colour;
}
std::vector<tadp::ClassDescription> classes_of(std::vector<std::string> const& names) {
  std::vector<tadp::ClassDescription> classes{{"background", {}}};
  for (std::string const& name : names) classes.push_back({name, voc_colour(classes.size())});
  return classes;
}
std::vector<std::string> names_of(tadp::HeadDescription const& head) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < head.classes.size(); ++i) names.push_back(head.classes[i].name);
  return names;
}

/// The folder with labels by the old head's classes where they have a name for everything in it.
tadp::VocBoxes open(DataTraining& training, std::optional<tadp::HeadDescription> const& old) {
  auto const& o = training.options;
  tadp::VocBoxesOptions reading{.split = o.split, .classes = o.classes, .captions = o.captions, .incomplete = o.incomplete, .drop_boxes = o.incomplete};
  reading.corners = o.corners == "from-zero" ? tadp::VocCorners::from_zero : tadp::VocCorners::as_written;
  reading.cache_bytes = kept_bytes;
  tadp::VocBoxes data(o.data, reading, training.counting("reading", "files"));
  if (!old || !o.classes.empty()) return data;
  auto const known = names_of(*old);
  for (std::string const& name : data.classes())
    if (std::find(known.begin(), known.end(), name) == known.end()) return data;
  reading.classes = known;
  return tadp::VocBoxes(o.data, reading, training.counting("reading", "files"));
}

}  // namespace

Status train_detection_on_data(DataTraining& training) {
  auto const& o = training.options;
  auto old = tadp::find_head(training.file.description, "detection");
  auto head = tadp::describe_head<tadp::StreetDetectionTask>();
  if (old && (old->width != head.width || old->detection != head.detection)) old.reset();
  tadp::VocBoxes data = open(training, old);
  training.warn_of(data.report());
  // The layers that know the classes are new where these are others.
  bool const keeps_classes = old && names_of(*old) == data.classes();
  head.classes = keeps_classes ? old->classes : classes_of(data.classes());
  training.read_prompts(data, class_names(head.classes));
  training.notes.insert({{"corners", o.corners}, {"split", o.split.empty() ? "every annotation" : o.split}});
  auto const model = std::make_shared<tadp::StreetDetection const>(tadp::ModelSizes{.classes = static_cast<tadp::index_t>(head.classes.size())});
  auto const all = head_of(*model, !old);
  auto const weights = training.weights_of(*model, [&](tadp::ParameterSpec const& p) { return all(p) || (!keeps_classes && p.name.starts_with("decode_head.roi_heads.box_predictor.")); });
  tadp::DetectionTrainingOptions options;
  training.fill(options);
  options.crop.width = training.crop[1];
  options.crop.height = training.crop[0];
  if (o.unchanged) options.crop = {.width = training.crop[1], .height = training.crop[0], .mirror = false};
  return training.run(options, head, *weights, [&] { tadp::train_detection(model, weights, data, options); });
}

}  // namespace program
