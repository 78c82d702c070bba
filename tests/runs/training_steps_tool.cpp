// SPDX-License-Identifier: Apache-2.0
// Training steps of a street model on a data set, for against_pytorch_training.py: writes the weights that it began with,
// every batch, and every loss and rate.
#include "tadp/data/dataset.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/runs/described_model.hpp"
#include "tadp/runs/segmentation_training.hpp"
#include "tadp/runs/street_stack.hpp"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace tadp;
using Fitting = Session<StreetSegmentation, Training<Cpu, AdamW, PolySchedule, PlainGroups, Freeze<StreetTextEncoder>>>;

int run(std::filesystem::path const& model_file, std::filesystem::path const& data, std::filesystem::path const& out, std::uint64_t steps) {
  SafetensorsSet const file(model_file);
  ModelDescription const description = description_of(file.metadata(), model_file.string());
  auto const model = std::make_shared<StreetSegmentation const>(sizes_of<StreetSegmentation>(description, model_file.string()));
  auto const weights = std::make_shared<Weights<Cpu>>(Cpu(2), model->parameters());
  load_weights(*weights, std::span(&file, 1), model_file.string());
  save_weights(*weights, out / "weights.safetensors", Dtype::F32, {{"latent_scale", std::to_string(description.latent.scale)}});

  CropOptions const crop{.width = 160, .height = 128, .min_scale = 0.75F, .max_scale = 1.25F, .photometric = true};
  Fitting::Options o;
  o.image = {crop.height, crop.width};
  o.batch = 4;
  o.threads = 2;
  o.adamw = {.lr = 4e-4, .weight_decay = 0.01};
  o.schedule = {.total = steps, .warmup = 20, .power = 0.9, .warmup_ratio = 1e-3};
  o.groups = {.unet_lr = 0.5};
  o.clip = 1.0;
  o.latent = {.scale = std::stof(std::to_string(description.latent.scale))};
  o.average = Average::valid_pixels;
  o.dropout = false;  // no two libraries draw alike
  Fitting session(model, weights, o);
  Dataset source(data, {.captions = {}, .classes = {}, .cache_bytes = std::uint64_t{1} << 30});
  WordTokenizer const tokenizer(description.vocabulary, street_text);
  for (std::uint64_t step = 0; step < steps; ++step) {
    Batch batch;
    std::vector<std::int32_t> ids;
    for (int i = 0; i < o.batch; ++i) {
      std::uint64_t const key = random_key(7, step, static_cast<std::uint64_t>(i));
      Sample const& sample = source[random_below(key, 100, source.size())];
      add_crop(batch, sample, crop, key);
      auto const tokens = tokenizer(sample.caption);
      ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
    }
    for (auto const& [name, bytes] : {std::pair{"pictures", std::as_bytes(std::span(batch.pictures))}, std::pair{"labels", std::as_bytes(std::span(batch.labels))}, std::pair{"ids", std::as_bytes(std::span(ids))}})
      write_file_atomic(out / (std::to_string(step) + "." + name), bytes);
    double const rate = session.fit().learning_rate();
    float const loss = session.step({batch.pictures, ids, batch.labels});
    std::printf("%.9g %.12g\n", static_cast<double>(loss), rate);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fprintf(stderr, "usage: %s MODEL DATA OUT STEPS\n", arguments[0]);
    return 2;
  }
  try {
    return run(arguments[1], arguments[2], arguments[3], std::strtoull(arguments[4], nullptr, 10));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
