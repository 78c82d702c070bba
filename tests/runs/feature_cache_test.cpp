// SPDX-License-Identifier: Apache-2.0
#include "tadp/runs/evaluator.hpp"
#include "tadp/runs/feature_building.hpp"
#include "tadp/runs/head_training.hpp"
#include "tiny_model.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using scratch::error_of;

struct Setting {
  scratch::Folder folder;
  tiny_model::Loaded loaded;
  std::vector<Sample> source = tiny_model::samples();
  FeatureCacheOptions options{.path = folder / "features.safetensors", .dtype = Dtype::F32, .data = "columns"};

  FeatureCache open(PromptRule const& rule = file_caption(), int batch = 2, Control const& control = {}) {
    tiny_model::Session session(loaded.model, loaded.weights, tiny_model::options(batch));
    return open_or_build_features(session, *loaded.weights, source, rule, options, control);
  }
  std::string refusal(PromptRule const& rule = file_caption()) {
    auto const error = error_of([&] { open(rule); });
    return error && error->code() == Errc::argument ? error->where().key : "-";
  }
};

std::vector<float> level(FeatureCache const& cache, std::size_t item, std::size_t l) {
  auto const [h, w, c] = cache.layout().levels[l];
  std::vector<float> values(static_cast<std::size_t>(h * w * c));
  cache.read(item, l, values.data());
  return values;
}

}  // namespace

TEST_CASE("features are built once and are those of the session") {
  Setting s;
  s.options.views = 2;
  std::size_t built = 0, all = 0;
  auto const cache = s.open(file_caption(), 4, Control{.progress = [&](std::size_t done, std::size_t total) { built = done, all = total; }});
  CHECK(built == 6);
  CHECK(all == 6);
  CHECK(cache.size() == 6);
  CHECK(cache.layout().levels[0] == std::array<index_t, 3>{8, 8, 32});
  CHECK(cache.layout().levels[1] == std::array<index_t, 3>{4, 4, 64 + 77});
  CHECK(cache.layout().labels == std::array<index_t, 2>{64, 64});
  CHECK(s.folder.entries() == 1);

  tiny_model::Session session(s.loaded.model, s.loaded.weights, tiny_model::options());
  Batch window;
  CropOptions crop{.width = 64, .height = 64};
  add_crop(window, s.source[1], crop, random_key(0, 3));
  session.run_raw({window.pictures, WordTokenizer({"a", "car", "road", "sky"}, tiny_text)("the sky").ids});
  CHECK(std::equal(window.labels.begin(), window.labels.end(), cache.labels(3).begin(), cache.labels(3).end()));
  for (std::size_t l = 0; l < 4; ++l) {
    auto const view = session.pyramid(static_cast<int>(l));
    auto const stored = level(cache, 3, l);
    double worst = 0.0;
    for (index_t p = 0; p < view.shape.pixels(); ++p)
      for (index_t c = 0; c < view.shape.channels(); ++c)
        worst = std::max(worst, std::abs(static_cast<double>(view.pixel(p)[c]) - static_cast<double>(stored[static_cast<std::size_t>(p * view.shape.channels() + c)])));
    CHECK(worst == 0.0);
  }
  built = 0;
  auto const again = s.open(file_caption(), 1, Control{.progress = [&](std::size_t, std::size_t) { ++built; }});
  CHECK(built == 0);
  CHECK(level(again, 5, 2) == level(cache, 5, 2));
}

TEST_CASE("a cache of other weights, prompt, preprocessing or data is refused") {  // D14
  Setting s;
  auto const cache = s.open();
  CHECK(s.refusal() == "-");
  CHECK(s.refusal(null_text()) == "prompt");
  CHECK(s.refusal(fixed_text("a road")) == "prompt");
  auto const before = s.options;
  s.options.crop.photometric = true;
  CHECK(s.refusal() == "preprocessing");
  s.options = before, s.options.seed = 1;
  CHECK(s.refusal() == "preprocessing");
  s.options = before, s.options.dtype = Dtype::F16;
  CHECK(s.refusal() == "preprocessing");
  s.options = before, s.options.data = "rows";
  CHECK(s.refusal() == "data");
  s.options = before;
  auto const changed = [&](char const* name) { return s.loaded.weights->data(s.loaded.model->parameters()->find(name)); };
  changed("decode_head.conv_seg.bias")[0] += 1.0F;
  CHECK(s.refusal() == "-");
  changed("model.diffusion_model.input_blocks.0.0.bias")[0] += 1e-3F;
  CHECK(s.refusal() == "weights");
}

TEST_CASE("a cache is whole or not there, and damage is seen") {
  Setting s;
  std::stop_source stop;
  auto const error = error_of([&] { s.open(file_caption(), 1, Control{.stop = stop.get_token(), .progress = [&](std::size_t, std::size_t) { stop.request_stop(); }}); });
  REQUIRE(error);
  CHECK(error->code() == Errc::cancelled);
  CHECK(s.folder.entries() == 0);
  s.open();
  std::filesystem::resize_file(s.options.path, std::filesystem::file_size(s.options.path) - 3);
  CHECK(error_of([&] { s.open(); })->code() == Errc::format);
  write_safetensors(s.options.path, {}, {});
  CHECK(error_of([&] { s.open(); })->code() == Errc::format);
  s.options.path = s.folder / "none/features.safetensors";
  CHECK(error_of([&] { s.open(); })->code() == Errc::io);
  s.options.path = s.folder / "other.safetensors";
  FeatureCacheLayout layout{.items = 2, .levels = {{{1, 1, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}}, .labels = {1, 1}};
  FeatureCacheWriter writer(s.options.path, {}, layout);
  std::vector<float> const two{0.5F, -3.0F}, one{1.0F};
  std::vector<std::uint8_t> const label{255};
  CHECK(error_of([&] { writer.add({one, one, one, one}, label); })->code() == Errc::shape);
  writer.add({two, one, one, one}, label);
  CHECK(error_of([&] { writer.commit(); })->code() == Errc::shape);
  writer.add({two, one, one, one}, label);
  writer.commit();
  FeatureCache const cache(s.options.path, {});
  CHECK(cache.layout() == layout);
  CHECK(level(cache, 1, 0) == two);  // halves hold these exactly
  CHECK(cache.labels(0)[0] == 255);
}

TEST_CASE("a head learns from cached features and resumes") {
  Setting s;
  s.options.dtype = Dtype::F16;
  s.options.views = 2;
  auto const cache = s.open();
  HeadTrainingOptions options{.batch = 2, .threads = 1, .adamw = {.lr = 3e-3}, .warmup = 2, .seed = 4};
  options.run = {.steps = 60, .report_every = 10};
  std::vector<double> losses;
  options.run.on_progress = [&](TrainingProgress const& p) { losses.push_back(p.loss); };
  auto const head = [&] {
    auto const id = s.loaded.model->parameters()->find("decode_head.conv_seg.weight");
    return std::vector<float>(s.loaded.weights->data(id), s.loaded.weights->data(id) + (*s.loaded.model->parameters())[id].count);
  };
  auto const untouched = backbone_fingerprint(*s.loaded.model, *s.loaded.weights);
  train_head(*s.loaded.model, *s.loaded.weights, cache, options);
  auto const in_one_go = head();
  REQUIRE(losses.size() == 6);
  MESSAGE("loss " << losses.front() << " to " << losses.back());
  CHECK(losses.back() < 0.6 * losses.front());
  CHECK(backbone_fingerprint(*s.loaded.model, *s.loaded.weights) == untouched);
  tiny_model::Session session(s.loaded.model, s.loaded.weights, tiny_model::options());
  MESSAGE("mIoU on its own pictures " << evaluate(session, s.source, file_caption()).score.miou());

  std::stop_source stop;
  options.run.checkpoint = s.folder / "head.checkpoint.safetensors";
  options.run.stop = stop.get_token();
  options.run.on_progress = [&](TrainingProgress const& p) {
    if (p.step == 30) stop.request_stop();
  };
  CHECK(error_of([&] { train_head(*s.loaded.model, *s.loaded.weights, cache, options); })->code() == Errc::cancelled);
  options.run.stop = {};
  train_head(*s.loaded.model, *s.loaded.weights, cache, options);
  CHECK(head() == in_one_go);

  tiny_model::Model const others({.classes = 2});
  Weights<Cpu> weights(Cpu(1), others.parameters());
  CHECK(error_of([&] { train_head(others, weights, cache, options); })->code() == Errc::argument);
}
