// SPDX-License-Identifier: Apache-2.0
#include "tadp/runs/described_model.hpp"
#include "tadp/tadp.hpp"

namespace td = tadp;
using Net = td::Backbone<td::UNetOf<td::street_unet>, td::TextEncoderOf<td::street_text>>;
using Stack = td::Model<Net, td::PromptPolicy<td::Caption>, td::Head<td::SegmentationOf<td::dynamic, 64>>>;

int main(int count, char** name) {  // segment_picture MODEL PICTURE LABELS
  if (count != 4) return 2;
  auto const [description, model, weights] = td::load_described<Stack>(name[1]);
  td::SessionOptions options = td::session_options_of(description);
  options.threads = 2;
  td::Session<Stack, td::Inference<td::Cpu>> segment(model, weights, options);
  td::write_labels(name[3], segment(td::read_image(name[2]), {.caption = "a street photo of a road, buildings, trees and cars"}));
}
