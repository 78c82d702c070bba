// SPDX-License-Identifier: Apache-2.0
// Training of each task on the tiny stack: what it learns from, what it leaves alone, and that it resumes.
#include "tadp/heads/depth.hpp"
#include "tadp/heads/detection.hpp"
#include "tadp/runs/depth_training.hpp"
#include "tadp/runs/detection_training.hpp"
#include "tadp/runs/segmentation_training.hpp"
#include "tadp/train/initialize.hpp"
#include "tiny_model.hpp"

#include <doctest/doctest.h>

#include <numeric>

namespace {

using namespace tadp;
using scratch::error_of;

using Labels = SegmentationOf<dynamic, 16>;
using Metres = DepthOf<DepthConfig{.embed = 8, .filters = 8, .max_depth = 20.0F}>;
using Boxes = DetectionOf<dynamic, DetectionConfig{.width = 16, .representation = 32, .best_of_level = 50, .proposals = 50, .training_best_of_level = 100, .training_proposals = 100, .anchor_samples = 64, .box_samples = 64}>;
template <class Task>
using ModelOf = Model<tiny_model::Backbone, PromptPolicy<Caption>, Head<Task>>;

/// Three pictures of columns, each with labels, metres by column and a box around the middle one.
std::vector<Sample> samples() {
  auto all = tiny_model::samples(96, 64);
  for (Sample& s : all) {
    s.depth = DepthMap(96, 64);
    for (int y = 0; y < 64; ++y)
      for (int x = 0; x < 96; ++x) s.depth.at(x, y) = y < 4 ? 0.0F : 2.0F + 3.0F * static_cast<float>(x * 3 / 96);
    s.boxes = {{{32, 8, 64, 56}, 1}};
  }
  return all;
}

struct Outcome {
  std::vector<double> losses{};
  std::shared_ptr<Weights<Cpu>> weights{};
};

template <class Task>
struct Trial {
  std::shared_ptr<ModelOf<Task> const> model = std::make_shared<ModelOf<Task> const>(ModelSizes{.classes = finds_boxes<Task> ? 2 : Task::classes < 0 ? 3 : Task::classes});
  std::vector<Sample> source = samples();

  template <class Options>
  static void common(Options& o, std::uint64_t steps) {
    o.run = {.steps = steps, .report_every = 1};
    o.batch = 2;
    o.threads = 1;
    o.warmup = 2;
    o.seed = 3;
    o.tokenizer = WordTokenizer({"a", "car", "road", "sky"}, tiny_text);
  }
  static auto options(std::uint64_t steps) {
    if constexpr (finds_boxes<Task>) {
      DetectionTrainingOptions o;
      common(o, steps);
      o.crop = {.width = 64, .height = 64, .min_scale = 0.9F, .max_scale = 1.1F};
      return o;
    } else if constexpr (std::is_same_v<result_of<Task>, DepthMap>) {
      DepthTrainingOptions o;
      common(o, steps);
      o.pipeline.crop_width = o.pipeline.crop_height = 64;
      return o;
    } else {
      SegmentationTrainingOptions o;
      common(o, steps);
      o.crop = {.width = 64, .height = 64};
      return o;
    }
  }
  using Options = decltype(options(0));

  std::shared_ptr<Weights<Cpu>> start() const {
    auto weights = std::make_shared<Weights<Cpu>>(Cpu(1), model->parameters());
    initialize(*weights, 1, [](ParameterSpec const&) { return true; });
    return weights;
  }
  void train(std::shared_ptr<Weights<Cpu>> const& weights, Options const& o) {
    if constexpr (finds_boxes<Task>)
      train_detection(model, weights, source, o);
    else if constexpr (std::is_same_v<result_of<Task>, DepthMap>)
      train_depth(model, weights, source, o);
    else
      train_segmentation(model, weights, source, o);
  }
  Outcome run(Options o) {
    Outcome out{.weights = start()};
    auto const told = o.run.on_progress;
    o.run.on_progress = [&](TrainingProgress const& p) {
      out.losses.push_back(p.loss);
      if (told) told(p);
    };
    train(out.weights, o);
    return out;
  }
};

bool same(Weights<Cpu>& a, Weights<Cpu>& b) { return std::equal(a.flat(), a.flat() + a.list().floats(), b.flat()); }
double mean(std::span<double const> v) { return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size()); }

}  // namespace

TEST_CASE_TEMPLATE("a head learns on a frozen backbone, which stays as it was to the bit", Task, Labels, Metres, Boxes) {
  Trial<Task> trial;
  auto options = trial.options(60);
  options.freeze_backbone = true;
  options.adamw.lr = 3e-3;
  auto const before = backbone_fingerprint(*trial.model, *trial.start());
  auto const out = trial.run(options);
  CHECK(backbone_fingerprint(*trial.model, *out.weights) == before);
  CHECK(!same(*out.weights, *trial.start()));
  double const first = mean(std::span(out.losses).first(5)), last = mean(std::span(out.losses).last(5));
  MESSAGE(first << " to " << last);
  CHECK(last < 0.7 * first);
}

TEST_CASE_TEMPLATE("features without a tape give the loss that features on it give", Task, Metres, Boxes) {
  Trial<Task> trial;
  auto options = trial.options(1);
  double const whole = trial.run(options).losses.at(0);
  options.freeze_backbone = true;
  CHECK(trial.run(options).losses.at(0) == doctest::Approx(whole).epsilon(1e-4));
}

TEST_CASE_TEMPLATE("a run that was stopped ends with the numbers of one that was not", Task, Labels, Metres, Boxes) {
  for (bool const frozen : {true, false}) {
    CAPTURE(frozen);
    scratch::Folder const folder;
    Trial<Task> trial;
    auto options = trial.options(6);
    options.freeze_backbone = frozen;
    auto const whole = trial.run(options);
    bool const untouched = backbone_fingerprint(*trial.model, *whole.weights) == backbone_fingerprint(*trial.model, *trial.start());
    CHECK(untouched == frozen);

    std::stop_source stop;
    options.run.checkpoint = folder / "checkpoint.safetensors";
    options.run.stop = stop.get_token();
    options.run.on_progress = [&](TrainingProgress const& p) {
      if (p.step == 3) stop.request_stop();
    };
    CHECK(error_of([&] { trial.run(options); })->code() == Errc::cancelled);
    options.run.stop = {};
    auto other = options;
    other.freeze_backbone = !frozen;
    CHECK(error_of([&] { trial.run(other); }));  // another choice of what learns
    other = options, other.seed = 4;
    CHECK(error_of([&] { trial.run(other); })->where().key == "seed");
    other = options, other.batch = 1;
    CHECK(error_of([&] { trial.run(other); })->where().key == "batch");
    other = options, other.notes["data"] = "others";
    CHECK(error_of([&] { trial.run(other); })->where().key == "data");
    other = options, other.fit = {48, 32};
    CHECK(error_of([&] { trial.run(other); })->where().found == "none");
    other = options, other.batch = 1, other.seed = 4;
    CHECK(error_of([&] { trial.run(other); })->where().key == "batch, seed");
    other = options;
    if constexpr (std::is_same_v<Task, Metres>)
      other.pipeline.colour = 0.0F;
    else
      other.crop.mirror = false;
    CHECK(error_of([&] { trial.run(other); })->where().key == "augmentation");
    auto const resumed = trial.run(options);
    CHECK(resumed.losses.size() == 3);
    CHECK(same(*resumed.weights, *whole.weights));
  }
}

TEST_CASE("a checkpoint of heads is refused for another backbone") {
  scratch::Folder const folder;
  Trial<Metres> trial;
  auto options = trial.options(1);
  options.freeze_backbone = true;
  options.run.checkpoint = folder / "checkpoint.safetensors";
  trial.run(options);
  auto const weights = trial.start();
  weights->data(trial.model->parameters()->find("model.diffusion_model.input_blocks.0.0.bias"))[0] += 1e-3F;
  CHECK(error_of([&] { trial.train(weights, options); })->where().key == "learns");
}

TEST_CASE("samples that cannot be learned from are refused") {
  Trial<Metres> depth;
  depth.source[0].depth = depth.source[1].depth = depth.source[2].depth = {};
  CHECK(error_of([&] { depth.run(depth.options(1)); })->code() == Errc::shape);
  depth.source.clear();
  CHECK(error_of([&] { depth.run(depth.options(1)); })->code() == Errc::argument);

  struct Bare : std::vector<Sample> {
    std::vector<TrueBox> const& boxes(std::size_t i) const { return (*this)[i].boxes; }
  };
  Trial<Boxes> trial;
  Bare bare;
  for (Sample s : samples()) s.boxes.clear(), bare.push_back(s);
  CHECK(error_of([&] { train_detection(trial.model, trial.start(), bare, trial.options(1)); })->code() == Errc::format);
  bare[1].boxes = {{{3, 3, 60, 60}, 1}};  // the others teach the background
  CHECK(!error_of([&] { train_detection(trial.model, trial.start(), bare, trial.options(2)); }));
  bare[1].boxes = bare[0].boxes = bare[2].boxes = {{{3, 3, 60, 60}, 2}};
  CHECK(error_of([&] { train_detection(trial.model, trial.start(), bare, trial.options(1)); })->code() == Errc::argument);

  Trial<Labels> labels;
  auto options = labels.options(1);
  options.tokenizer = {};
  CHECK(error_of([&] { labels.run(options); })->code() == Errc::argument);
  options = labels.options(1);
  options.crop.width = 72;
  CHECK(error_of([&] { labels.run(options); })->where().key == "image");
}

TEST_CASE("where nothing was measured, a step changes only what decays and what is counted") {
  Trial<Metres> trial;
  for (Sample& s : trial.source) std::fill(s.depth.metres.begin(), s.depth.metres.end(), 0.0F);
  auto options = trial.options(2);
  options.freeze_backbone = true;
  auto const out = trial.run(options);
  CHECK(out.losses == std::vector<double>{0.0, 0.0});
  auto const* const values = out.weights->flat();
  CHECK(std::all_of(values, values + out.weights->list().floats(), [](float v) { return std::isfinite(v); }));
}

TEST_CASE("answers follow a sample to another size") {
  Sample sample{Picture(8, 4), LabelMap(8, 4, 1), "a road", "", DepthMap(8, 4, 3.0F), {{{2, 1, 6, 3}, 1}}};
  sample.depth.at(7, 3) = 5.0F;
  auto const twice = fitted_sample(sample, {16, 8});
  CHECK(twice.picture.width == 16);
  CHECK(twice.labels.height == 8);
  CHECK(twice.depth.at(15, 7) == 5.0F);
  CHECK(twice.depth.at(13, 7) == 3.0F);
  CHECK(twice.boxes[0].box == Box{4, 2, 12, 6});
  CHECK(twice.caption == "a road");
}
