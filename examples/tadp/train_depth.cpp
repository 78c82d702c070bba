// SPDX-License-Identifier: Apache-2.0
// `tadp train --task depth`: pictures with metres.
#include "tadp/train_data.hpp"

#include "tadp/data/depth_dataset.hpp"
#include "tadp/runs/depth_training.hpp"

namespace program {

Status train_depth_on_data(DataTraining& training) {
  auto const& o = training.options;
  auto head = tadp::street_depth_head();
  tadp::DepthDatasetOptions reading{.list = o.list, .depth_scale = o.depth_scale, .max_depth = head.depth.max_depth, .captions = o.captions, .incomplete = o.incomplete};
  reading.cache_bytes = kept_bytes;
  tadp::DepthDataset data(o.data, reading, training.counting("reading", "files"));
  training.warn_of(data.report());
  if (!data.has_focals()) head.depth.focal = 0.0F;  // whatever cameras took the pictures: no focal length goes with these metres
  training.read_prompts(data, {});
  training.notes["depth_scale"] = json(data.units_per_metre()).dump();
  auto const model = std::make_shared<tadp::StreetDepth const>();
  auto old = tadp::find_head(training.file.description, head.task);
  if (old) old->depth.focal = head.depth.focal;
  auto const weights = training.weights_of(*model, head_of(*model, old != head));
  tadp::DepthTrainingOptions options;
  training.fill(options);
  options.pipeline.crop_width = training.crop[1];
  options.pipeline.crop_height = training.crop[0];
  if (o.unchanged) options.pipeline.cut_depth_every = 0, options.pipeline.mirror = options.pipeline.colour = 0.0F;
  options.pipeline.normalisation = training.file.description.normalisation;
  return training.run(options, head, *weights, [&] { tadp::train_depth(model, weights, data, options); });
}

}  // namespace program
