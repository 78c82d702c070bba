// SPDX-License-Identifier: Apache-2.0
// The reference's tiny networks with hashed weights, for tests of what runs over data.
#pragma once

#include "../data/dataset_files.hpp"
#include "tadp/data/sample.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/session.hpp"
#include "tadp/text/word_tokenizer.hpp"

namespace tiny_model {

namespace td = tadp;
using Backbone = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
using Model = td::Model<Backbone, td::PromptPolicy<td::Caption>, td::Head<td::SegmentationOf<td::dynamic, 16>>>;
using Session = td::Session<Model, td::Inference<td::Cpu>>;

struct Loaded {
  std::shared_ptr<Model const> model = std::make_shared<Model const>(td::ModelSizes{.classes = 3});
  std::shared_ptr<td::Weights<td::Cpu>> weights = std::make_shared<td::Weights<td::Cpu>>(td::Cpu(1), model->parameters());
  Loaded() { td::fill_by_hash(*weights, 0); }
};
inline td::SessionOptions options(int batch = 1) {
  return {.window = {64, 64}, .batch = batch, .texts = batch, .tokenizer = td::WordTokenizer({"a", "car", "road", "sky"}, td::tiny_text)};
}

/// Three pictures of coloured columns, each with its labels.
inline std::vector<td::Sample> samples(int width = 80, int height = 64) {
  std::vector<td::Sample> all;
  for (std::uint64_t i = 0; i < 3; ++i) {
    td::Sample s{td::Picture(width, height), dataset_files::labels(width, height, 3), i == 0 ? "a road" : "the sky", ""};
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c) s.picture.pixel(x, y)[c] = static_cast<std::uint8_t>((x * 3 / width == c ? 200U : 30U) + 10 * i + td::random_below(i, static_cast<std::uint64_t>(y * width + x), 9));
    all.push_back(std::move(s));
  }
  return all;
}

}  // namespace tiny_model
