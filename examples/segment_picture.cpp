// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/weights.hpp"
#include "tadp/runs/described_model.hpp"
#include "tadp/tadp.hpp"

namespace td = tadp;
using Net = td::Backbone<td::UNetOf<td::street_unet>, td::TextEncoderOf<td::street_text>>;
using Stack = td::Model<Net, td::PromptPolicy<td::Caption>, td::Head<td::SegmentationOf<td::dynamic, 64>>>;

int main(int count, char** name) {  // segment_picture MODEL PICTURE LABELS
  if (count != 4) return 2;
  td::SafetensorsSet const file(name[1]);
  auto const about = td::description_of(file.metadata(), name[1]);
  auto const model = std::make_shared<Stack const>(td::sizes_of<Stack>(about, name[1]));
  auto const weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  td::load_weights(*weights, {name[1]});
  td::SessionOptions options = td::session_options_of(about);
  options.threads = 2;
  options.tokenizer = td::WordTokenizer(about.vocabulary, td::street_text);
  td::Session<Stack, td::Inference<td::Cpu>> segment(model, weights, options);
  td::write_labels(name[3], segment(td::read_image(name[2]), {.caption = "a street photo of a road, buildings, trees and cars"}));
}
