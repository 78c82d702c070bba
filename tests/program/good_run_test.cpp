// SPDX-License-Identifier: Apache-2.0
// The program from end to end with the tiny stack: scenes out, pictures in, all files there, numbers that agree.
#include "models.hpp"
#include "run_program.hpp"

#include "tadp/data/depth_image.hpp"
#include "tadp/io/image.hpp"
#include "tadp/runs/depth_metrics.hpp"
#include "tadp/runs/detection_metrics.hpp"

#include <cmath>

using run_program::program;
using run_program::run;

namespace {

bool skipped() {
  if (program().empty()) MESSAGE("skipped: TADP_PROGRAM names no program");
  return program().empty();
}
std::string quoted(std::filesystem::path const& path) { return "'" + path.string() + "'"; }

}  // namespace

TEST_CASE("render, segment, evaluate, inspect and features") {
  if (skipped()) return;
  scratch::Folder const folder;
  test_models::write_tiny(folder / "model.safetensors");
  std::string const model = "TADP_MODEL=" + quoted(folder / "model.safetensors");

  auto const rendered = run(folder, "render --out " + quoted(folder / "scenes") + " --count 2 --seed 5 --size 80x64 --sheet " + quoted(folder / "sheet.png") + " --json");
  REQUIRE(rendered.status == 0);
  CHECK(rendered.json()["count"] == 2);
  auto const scene = tadp::render_street(5, {.width = 80, .height = 64});
  auto const picture = folder / "scenes" / "images" / "street-000005.png";
  CHECK(tadp::read_image(picture).rgb == scene.picture.rgb);
  CHECK(tadp::read_labels(folder / "scenes" / "labels" / "street-000005.png").labels == scene.labels.labels);
  CHECK(tadp::read_image(folder / "sheet.png").width > 320);

  auto const segmented = run(folder, "segment " + quoted(picture) + " --caption 'a road, a zeppelin and cars' --out " + quoted(folder / "out") + " --json --threads 1", model);
  CAPTURE(segmented.err);
  REQUIRE(segmented.status == 0);
  CHECK(segmented.says("zeppelin"));
  auto const result = segmented.json()["pictures"][0];
  CHECK(result["unknown_words"] == nlohmann::json{"zeppelin"});
  CHECK(result["width"] == 80);
  CHECK(result["window"] == nlohmann::json{64, 64});
  CHECK(result["stride"] == nlohmann::json{42, 42});  // two thirds of a window
  auto const labels = tadp::read_labels(folder / "out" / "street-000005.labels.png");
  CHECK(labels.labels.size() == 80 * 64);
  double shares = 0;
  for (auto const& c : result["classes"]) shares += c["share"].get<double>();
  CHECK(shares == doctest::Approx(1.0));
  CHECK(tadp::read_image(folder / "out" / "street-000005.overlay.png").width >= 480);
  CHECK(nlohmann::json::parse(run_program::text_of(folder / "out" / "street-000005.json")) == result);
  for (char const* const word : {"01-a", "02-road", "03-a", "04-and", "05-cars"})
    CHECK(std::filesystem::exists(folder / "out" / ("street-000005.attention." + std::string(word) + ".png")));
  CHECK(result["files"]["attention"].size() == 5);

  auto const quiet = run(folder, "segment " + quoted(picture) + " --out " + quoted(folder / "out") + " --quiet --threads 1", model);
  CHECK(quiet.status == 0);
  CHECK(quiet.out.empty());
  CHECK(quiet.err.empty());
  auto without_default = test_models::tiny_description();
  without_default.default_caption.clear();
  test_models::write_tiny(folder / "silent.safetensors", without_default);
  auto const silent = run(folder, "segment " + quoted(picture) + " --out " + quoted(folder / "out") + " --quiet --threads 1 --model " + quoted(folder / "silent.safetensors"));
  CHECK(silent.status == 0);
  CHECK(silent.says("empty text"));

  auto const evaluated = run(folder, "evaluate --data " + quoted(folder / "scenes") + " --prompt 'fixed:a street photo' --ceiling --json --threads 1", model);
  CAPTURE(evaluated.err);
  REQUIRE(evaluated.status == 0);
  CHECK(evaluated.json()["pictures"] == 2);
  CHECK(evaluated.json()["miou"].get<double>() <= evaluated.json()["ceiling"]["miou"].get<double>());
  CHECK(evaluated.json()["classes"].size() == 11);

  auto const inspected = run(folder, "inspect " + quoted(folder / "model.safetensors") + " --check --json");
  CHECK(inspected.status == 0);
  CHECK(inspected.json()["description"]["classes"].size() == 11);

  auto const bad_size = run(folder, "features " + quoted(picture) + " --out " + quoted(folder / "f.safetensors") + " --threads 1", model);
  CHECK(bad_size.status == 3);
  for (char const* const part : {"street-000005.png", "key: --size", "expected: sides that are multiples of 64", "found: 64x80"}) CHECK(bad_size.says(part));
  auto const features = run(folder, "features " + quoted(picture) + " --size 64x128 --out " + quoted(folder / "f.safetensors") + " --threads 1", model);
  CAPTURE(features.err);
  REQUIRE(features.status == 0);
  tadp::SafetensorsFile const file(folder / "f.safetensors");
  REQUIRE(file.find("pyramid.1") != nullptr);
  CHECK(file.find("pyramid.1")->shape == std::vector<std::uint64_t>{1, 64 + 77, 4, 8});
  CHECK(file.find("map.level2")->shape == std::vector<std::uint64_t>{1, 77, 4, 8});
}

namespace {

/// Two small scenes in a folder, and the answers of the three heads to them.
struct Scenes {
  scratch::Folder folder{};
  std::string model = "TADP_MODEL=" + quoted(folder / "model.safetensors");

  Scenes() {
    test_models::write_perception(folder / "model.safetensors");
    REQUIRE(run(folder, "render --out " + quoted(folder / "scenes") + " --count 2 --seed 5 --size 80x64 --quiet").status == 0);
  }
  std::string pictures() const { return quoted(picture(0)) + " " + quoted(picture(1)); }
  std::filesystem::path picture(int i) const { return folder / "scenes" / "images" / (stem(i) + ".png"); }
  static std::string stem(int i) { return "street-00000" + std::to_string(5 + i); }
  static tadp::StreetScene truth(int i) { return tadp::render_street(static_cast<std::uint64_t>(5 + i), {.width = 80, .height = 64}); }
  nlohmann::json ask(std::string const& arguments) const {
    auto const outcome = run(folder, arguments + " --json --threads 1", model);
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome.json();
  }
};

}  // namespace

TEST_CASE("without --model, the model of the environment, of the folder above, and of the install prefix is found") {
  if (skipped()) return;
  scratch::Folder const folder;
  auto const prefix = folder / "prefix";
  for (char const* const sub : {"bin", "models", "share/tadp/models"}) std::filesystem::create_directories(prefix / sub);
  std::filesystem::copy_file(program(), prefix / "bin" / "tadp");
  tadp::write_png(folder / "street.png", tadp::render_street(5, {.width = 64, .height = 64}).picture);
  auto const used = [&](std::string const& environment) {
    auto const outcome = run_program::run_as(prefix / "bin" / "tadp", folder, "segment " + quoted(folder / "street.png") + " --out " + quoted(folder / "out") + " --json --threads 1", environment);
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    return std::filesystem::path(outcome.json()["pictures"][0]["model"].get<std::string>());
  };
  test_models::write_tiny(prefix / "share/tadp/models/street.safetensors");
  CHECK(used("env -u TADP_MODEL") == prefix / "share/tadp/models/street.safetensors");
  test_models::write_tiny(prefix / "models/street.safetensors");
  CHECK(used("env -u TADP_MODEL") == prefix / "models/street.safetensors");
  test_models::write_tiny(folder / "mine.safetensors");
  CHECK(used("TADP_MODEL=" + quoted(folder / "mine.safetensors")) == folder / "mine.safetensors");
}

TEST_CASE("depth: the files hold the same metres, and the score is that of these files") {
  if (skipped()) return;
  Scenes const s;
  tadp::DepthScore score({.max_depth = 80.0F});
  for (int i = 0; i < 2; ++i) {
    // The list that render writes tells the focal lengths to the score; here a person does.
    double const focal = std::round(1000.0 * static_cast<double>(Scenes::truth(i).picture.focal)) / 1000.0;  // as the list has it
    auto const one = s.ask("depth " + quoted(s.picture(i)) + " --focal " + std::to_string(focal) + " --caption 'a road, a zeppelin and cars' --out " + quoted(s.folder / "out"))["pictures"][0];
    CHECK(one["metres"]["focal"].get<double>() == doctest::Approx(focal));
    auto const metres = tadp::read_depth(one["files"]["npy"].get<std::string>()), rounded = tadp::read_depth(one["files"]["png"].get<std::string>());
    REQUIRE(metres.width == 80);
    REQUIRE(metres.height == 64);
    for (std::size_t k = 0; k < metres.metres.size(); k += 37) CHECK(rounded.metres[k] == doctest::Approx(std::min(metres.metres[k], 65.535F)).epsilon(0.001));
    CHECK(one["metres"]["least"].get<float>() == *std::min_element(metres.metres.begin(), metres.metres.end()));
    CHECK(one["unknown_words"] == nlohmann::json{"zeppelin"});
    CHECK(tadp::read_image(one["files"]["colours"].get<std::string>()).width >= 480);
    CHECK(nlohmann::json::parse(run_program::text_of(s.folder / "out" / (Scenes::stem(i) + ".depth.json"))) == one);
    score.add(metres, tadp::read_depth(s.folder / "scenes" / "depth" / (Scenes::stem(i) + ".png")));
  }
  auto const scored = s.ask("evaluate --task depth --data " + quoted(s.folder / "scenes") + " --prompt 'fixed:a road, a zeppelin and cars'");
  CHECK(scored["pictures"] == 2);
  CHECK(scored["pixels"] == score.pixels());
  auto const measures = score.measures();
  for (auto const& field : tadp::DepthMeasures::fields()) CHECK(scored["measures"][std::string(field.name)].get<double>() == doctest::Approx(measures.*field.value));
}

TEST_CASE("boxes: a threshold leaves out the rest, and the score is that of all of them") {
  if (skipped()) return;
  Scenes const s;
  std::string const asked = "detect " + s.pictures() + " --out " + quoted(s.folder / "out");
  auto const all = s.ask(asked + " --threshold 0"), some = s.ask(asked + " --threshold 0.21");
  tadp::DetectionScore score(5);
  for (int i = 0; i < 2; ++i) {
    auto const at = static_cast<std::size_t>(i);
    auto const& objects = all["pictures"][at]["objects"];
    std::vector<tadp::Detected> found;
    std::size_t sure = 0;
    for (auto const& o : objects) {
      auto const b = o["box"].get<std::array<float, 4>>();
      found.push_back({{b[0], b[1], b[2], b[3]}, o["label"].get<int>(), o["score"].get<float>()});
      sure += found.back().score >= 0.21F ? 1 : 0;
      CHECK(o["class"] == std::string(tadp::street_object_names()[static_cast<std::size_t>(found.back().label - 1)]));
      CHECK(b[0] >= 0.0F);
      CHECK(b[2] <= 80.0F);
      CHECK(b[3] <= 64.0F);
    }
    CHECK(!found.empty());
    auto const& kept = some["pictures"][at];
    CHECK(kept["objects"].size() == sure);
    CHECK(kept["below_threshold"] == found.size() - sure);
    CHECK(tadp::read_image(kept["files"]["boxes"].get<std::string>()).width >= 480);
    auto truths = tadp::true_boxes(Scenes::truth(i));
    for (auto& t : truths) t.box.x1 += 1.0F, t.box.y1 += 1.0F;  // the file counts pixels from 1, and its last ones belong to the box
    score.add(found, truths);
  }
  auto const scored = s.ask("evaluate --task detection --data " + quoted(s.folder / "scenes") + " --split all --prompt 'fixed:a street photo'");
  CHECK(scored["classes"].size() == 4);
  for (int c = 1; c <= 4; ++c) {
    auto const& row = scored["classes"][static_cast<std::size_t>(c - 1)];
    CHECK(row["objects"] == score.truths(c));
    CHECK(row["detections"] == score.detections(c));
    if (score.truths(c) > 0) CHECK(row["ap50_area"].get<double>() == doctest::Approx(score.ap_area(c)));
    if (score.truths(c) > 0) CHECK(row["ap50_eleven"].get<double>() == doctest::Approx(score.ap_eleven(c)));
  }
}

TEST_CASE("perceive: one sheet and one report with what each head alone says") {
  if (skipped()) return;
  Scenes const s;
  std::string const rest = " " + quoted(s.picture(0)) + " --out ";
  auto const seen = s.ask("perceive" + rest + quoted(s.folder / "all") + " --threshold 0.1")["pictures"][0];
  auto const labels = s.ask("segment" + rest + quoted(s.folder / "out"))["pictures"][0], metres = s.ask("depth" + rest + quoted(s.folder / "out"))["pictures"][0],
             boxes = s.ask("detect" + rest + quoted(s.folder / "out") + " --threshold 0.1")["pictures"][0];
  CHECK(seen["classes"] == labels["classes"]);
  CHECK(seen["objects"] == boxes["objects"]);
  CHECK(tadp::read_labels(seen["files"]["labels"].get<std::string>()).labels == tadp::read_labels(labels["files"]["labels"].get<std::string>()).labels);
  CHECK(run_program::text_of(seen["files"]["depth_npy"].get<std::string>()) == run_program::text_of(metres["files"]["npy"].get<std::string>()));
  CHECK(seen["attention"].size() == labels["files"]["attention"].size());
  CHECK(tadp::read_image(seen["files"]["sheet"].get<std::string>()).width >= 1280);
  auto const quiet = run(s.folder, "perceive" + rest + quoted(s.folder / "all") + " --quiet --threads 1", s.model);
  CHECK(quiet.status == 0);
  CHECK(quiet.out.empty());
  CHECK(quiet.err.empty());
}

TEST_CASE("perceive: what the labels call sky is grey among the depths and left out of the metres, not of the files") {
  if (skipped()) return;
  Scenes const s;
  std::string const rest = " " + quoted(s.picture(0)) + " --out " + quoted(s.folder / "out");
  auto const frequent = s.ask("segment" + rest)["pictures"][0]["classes"][0]["index"].get<std::size_t>();
  // Weights by rule see what they see; files say which of their classes is called sky.
  auto const called_sky = [&](auto const& is_sky) {
    auto heads = std::vector{tadp::street_labels_head(), tadp::street_depth_head(), tadp::street_detection_head()};
    for (std::size_t i = 0; i < heads[0].classes.size(); ++i) heads[0].classes[i].name = is_sky(i) ? "sky" : "class " + std::to_string(i);
    test_models::write_street<tadp::StreetPerception>(s.folder / "named.safetensors", test_models::street_description(heads));
    return "perceive" + rest + " --model " + quoted(s.folder / "named.safetensors");
  };
  auto const none = s.ask(called_sky([](std::size_t) { return false; }))["pictures"][0];
  auto const metres = s.ask("depth" + rest)["pictures"][0]["metres"];
  CHECK(none["metres"]["pixels_of_sky"] == 0);
  for (char const* const number : {"least", "median", "most", "pixels_beyond_png", "focal"}) CHECK(none["metres"][number] == metres[number]);

  auto const seen = s.ask(called_sky([&](std::size_t i) { return i == frequent; }))["pictures"][0];
  auto const depth = tadp::read_depth(seen["files"]["depth_npy"].get<std::string>());
  auto const labels = tadp::read_labels(seen["files"]["labels"].get<std::string>());
  std::vector<float> counted;
  for (std::size_t i = 0; i < depth.metres.size(); ++i) {
    CHECK(depth.metres[i] > 0.0F);
    if (labels.labels[i] != frequent) counted.push_back(depth.metres[i]);
  }
  REQUIRE(!counted.empty());
  REQUIRE(counted.size() < depth.metres.size());
  std::sort(counted.begin(), counted.end());
  CHECK(seen["metres"]["pixels_of_sky"] == depth.metres.size() - counted.size());
  CHECK(seen["metres"]["least"].get<float>() == counted.front());
  CHECK(seen["metres"]["most"].get<float>() == counted.back());
  CHECK(std::abs(seen["metres"]["median"].get<float>() - counted[(counted.size() - 1) / 2]) <= 0.001F);

  auto const all = run(s.folder, called_sky([](std::size_t) { return true; }) + " --threads 1", s.model);
  CHECK(all.status == 0);
  CHECK(all.out.find("no depth: all is sky") != std::string::npos);
}

TEST_CASE("depth: metres are in proportion to the focal length, and the one that stands in for none is told") {
  if (skipped()) return;
  Scenes const s;
  auto const most = [&](std::string const& focal) { return s.ask("depth " + quoted(s.picture(0)) + " --out " + quoted(s.folder / "out") + focal)["pictures"][0]["metres"]["most"].get<double>(); };
  double const without = most("");
  CHECK(most(" --focal 352") == without);
  CHECK(most(" --focal 704") == doctest::Approx(2.0 * without));
  for (char const* const command : {"depth --help", "perceive --help"}) CHECK(run(s.folder, command).out.find("352 for the street model") != std::string::npos);
}

TEST_CASE("a file of one head serves its command, and perceive") {
  if (skipped()) return;
  Scenes const s;
  test_models::write_depth(s.folder / "depth.safetensors");
  test_models::write_detection(s.folder / "boxes.safetensors");
  auto const arguments = [&](char const* model) { return " " + quoted(s.picture(0)) + " --out " + quoted(s.folder / "one") + " --model " + quoted(s.folder / model); };
  // By rule, weights depend on their names alone: a head in company is the same head.
  auto const rest = " " + quoted(s.picture(0)) + " --out " + quoted(s.folder / "out");
  CHECK(s.ask("depth" + arguments("depth.safetensors"))["pictures"][0]["metres"] == s.ask("depth" + rest)["pictures"][0]["metres"]);
  CHECK(s.ask("detect" + arguments("boxes.safetensors") + " --threshold 0")["pictures"][0]["objects"] == s.ask("detect" + rest + " --threshold 0")["pictures"][0]["objects"]);
  auto const seen = s.ask("perceive" + arguments("depth.safetensors"))["pictures"][0];
  CHECK(seen.contains("metres"));
  CHECK_FALSE(seen.contains("objects"));
  // Without --task the first head is scored, which in company is that of labels.
  CHECK(s.ask("evaluate --data " + quoted(s.folder / "scenes") + " --model " + quoted(s.folder / "depth.safetensors"))["task"] == "depth");
  CHECK(s.ask("evaluate --data " + quoted(s.folder / "scenes"))["task"] == "segmentation");
}

TEST_CASE("a model that makes no numbers is flagged") {
  if (skipped()) return;
  scratch::Folder const folder;
  std::vector<float> const values{1.0F, std::numeric_limits<float>::quiet_NaN()};
  tadp::write_safetensors(folder / "nan.safetensors", std::vector<tadp::TensorToWrite>{{.name = "x.weight", .dtype = tadp::Dtype::F32, .shape = {2}, .values = values}}, {});
  CHECK(run(folder, "inspect " + quoted(folder / "nan.safetensors")).status == 0);
  auto const checked = run(folder, "inspect " + quoted(folder / "nan.safetensors") + " --check");
  CHECK(checked.status == 1);
  CHECK(checked.says("x.weight"));
}

TEST_CASE("training of the street model begins at a later stage from its text-to-image file") {
  if (skipped()) return;
  scratch::Folder const folder;
  auto const from = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "models" / "street-diffusion.safetensors";
  auto const begin_at = [&](std::string const& stage, std::filesystem::path const& file) {
    return run(folder, "train street --first " + stage + " --from " + quoted(file) + " --out " + quoted(folder / stage) + " --scenes 2 --diffusion-steps 1 --segmentation-steps 1 --threads 1 --quiet");
  };
  for (std::string const stage : {"diffusion", "segmentation"}) {
    CAPTURE(stage);
    auto const trained = begin_at(stage, from);
    CAPTURE(trained.err);
    CHECK(trained.status == 0);
    CHECK(std::filesystem::exists(folder / stage / "street.safetensors"));
    CHECK(std::filesystem::exists(folder / stage / "street-diffusion.safetensors") == (stage == "diffusion"));
    CHECK_FALSE(std::filesystem::exists(folder / stage / "autoencoder.log.jsonl"));
    CHECK(begin_at(stage, from).says("nothing is left to train: " + (folder / stage).string() + " is finished"));
  }
  auto const other = begin_at("segmentation", folder / "diffusion" / "street-diffusion.safetensors");
  CHECK(other.status == 2);
  CHECK(other.says("key: from"));
}

TEST_CASE("training of the street model stops on a signal, saves, and goes on") {
  if (skipped()) return;
  scratch::Folder const folder;
  // A signal after a moment: the program saves and ends with 130, unless it has been done by then.
  std::string const arguments = "train street --out " + quoted(folder / "run") + " --scenes 4 --autoencoder-steps 100000 --threads 1 --quiet";
  std::string const script = "'" + program() + "' " + arguments + " & child=$!; sleep 6; kill -INT $child; wait $child";
  auto const script_file = folder / "script.sh";
  run_program::write_text(script_file, script + "\n");
  int const status = std::system(("sh " + quoted(script_file) + " 2>" + quoted(folder / "err.txt")).c_str());
  CHECK(WEXITSTATUS(status) == 130);
  CHECK(std::filesystem::exists(folder / "run" / "autoencoder.checkpoint.safetensors"));
  CHECK(run_program::text_of(folder / "err.txt").find("stopped") != std::string::npos);
}
