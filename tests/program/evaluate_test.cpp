// SPDX-License-Identifier: Apache-2.0
// `tadp evaluate` on folders that a person would bring: what cannot be used ends with 3, what is left out is counted, and where
// nothing counts the scores are none.
#include "models.hpp"
#include "run_program.hpp"

#include "tadp/data/depth_image.hpp"
#include "tadp/io/depth_files.hpp"
#include "tadp/io/image.hpp"

using run_program::program;
using run_program::run;
using run_program::text_of;
using run_program::write_text;

namespace {

bool skipped() {
  if (program().empty()) MESSAGE("skipped: TADP_PROGRAM names no program");
  return program().empty();
}
std::string quoted(std::filesystem::path const& path) { return "'" + path.string() + "'"; }

/// Two scenes of 80 x 64 with labels, depth and boxes, and a model with all heads.
struct Scenes {
  scratch::Folder folder{};
  std::filesystem::path data = folder / "scenes";

  Scenes() {
    test_models::write_perception(folder / "model.safetensors");
    REQUIRE(run(folder, "render --out " + quoted(data) + " --count 2 --seed 5 --size 80x64 --quiet").status == 0);
  }
  run_program::Outcome evaluate(std::string const& rest) const {
    return run(folder, "evaluate --data " + quoted(data) + " --model " + quoted(folder / "model.safetensors") + " --prompt 'fixed:a street photo' --threads 1 " + rest);
  }
  std::filesystem::path depth(int i) const { return data / "depth" / ("street-00000" + std::to_string(5 + i) + ".png"); }
  /// An annotation with nothing but this in it.
  void annotate(int i, std::string const& objects) const {
    std::string const stem = "street-00000" + std::to_string(5 + i);
    write_text(data / "Annotations" / (stem + ".xml"), "<annotation><filename>" + stem + ".png</filename><size><width>80</width><height>64</height><depth>3</depth></size>" + objects + "</annotation>");
  }
  static std::string car(int x1, int y1, int x2, int y2, bool difficult = false) {
    auto const side = [](char const* name, int v) { return std::string("<") + name + ">" + std::to_string(v) + "</" + name + ">"; };
    return "<object><name>car</name><difficult>" + std::string(difficult ? "1" : "0") + "</difficult><bndbox>" + side("xmin", x1) + side("ymin", y1) + side("xmax", x2) + side("ymax", y2) + "</bndbox></object>";
  }
  void measure_nothing(int i) const { tadp::write_depth_png(depth(i), std::vector<float>(80 * 64, 0.0F), 80, 64); }
};

}  // namespace

TEST_CASE("a folder that cannot be used ends with 3") {
  if (skipped()) return;
  Scenes const s;
  auto const refused = [&](std::string const& arguments, std::string const& says) {
    auto const outcome = s.evaluate(arguments);
    CAPTURE(arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 3);
    CHECK(outcome.says(says));
    CHECK(outcome.says("scenes"));
  };
  std::string const boxes = "--task detection", depth = "--task depth";
  s.annotate(1, Scenes::car(1, 1, 9, 9));
  for (auto const& [box, says] : {std::pair{Scenes::car(9, 9, 3, 3), "1 inverted boxes"}, {Scenes::car(5, 5, 5, 5), "1 boxes without an area"}, {Scenes::car(70, 9, 90, 20), "1 boxes outside of the picture"}}) {
    s.annotate(0, box);
    refused(boxes, says);
  }
  write_text(s.data / "ImageSets/Main/empty.txt", "\n");
  refused(boxes + " --split empty --incomplete", "no picture with an annotation");
  write_text(s.data / "none.txt", "# nothing\n");
  refused(depth + " --list none.txt", "no picture with depth");
  s.measure_nothing(0);
  refused(depth, "1 depth files without a measured pixel");
  s.measure_nothing(1);
  refused(depth + " --incomplete", "2 depth files without a measured pixel");
  auto labels = tadp::read_labels(s.data / "labels" / "street-000005.png");
  labels.labels[7] = 200;
  tadp::write_labels(s.data / "labels" / "street-000005.png", labels, {});
  refused("--task segmentation", "a label is no class");
}

TEST_CASE("a list of one class's flags is told as such, and the split is named") {
  if (skipped()) return;
  Scenes const s;
  write_text(s.data / "ImageSets/Main/car_all.txt", "street-000005 -1\nstreet-000006  1\n");
  auto const outcome = s.evaluate("--task detection --split car_all");
  CHECK(outcome.status == 3);
  CHECK(outcome.says("in which pictures one class is"));
  CHECK(outcome.says("expected: all,"));
  CHECK(outcome.says("found: street-000005 -1"));
}

TEST_CASE("what --incomplete leaves out is counted by reason, in the report and in words") {
  if (skipped()) return;
  Scenes const s;
  CHECK(s.evaluate("--task detection --json").json()["left_out"] == nlohmann::json{{"pictures", nlohmann::json::object()}, {"objects", nlohmann::json::object()}});
  std::string many = Scenes::car(1, 1, 20, 20);
  for (int i = 0; i < 5; ++i) many += Scenes::car(20 + i, 9, 3, 3);
  s.annotate(0, many + Scenes::car(5, 5, 5, 5));
  std::filesystem::copy(s.data / "images" / "street-000005.png", s.data / "images" / "without.png");
  auto const boxes = s.evaluate("--task detection --incomplete --json");
  CAPTURE(boxes.err);
  REQUIRE(boxes.status == 0);
  CHECK(boxes.json()["left_out"] == nlohmann::json::parse(R"({"pictures": {"annotations missing": 1}, "objects": {"inverted boxes": 5, "boxes without an area": 1}})"));
  auto const told = s.evaluate("--task detection --incomplete");
  CAPTURE(told.out);
  CHECK(told.out.find("left out: 1 annotations missing; 5 inverted boxes; 1 boxes without an area\n") != std::string::npos);
  s.measure_nothing(0);
  auto const depth = s.evaluate("--task depth --incomplete --json");
  CHECK(depth.json()["left_out"] == nlohmann::json::parse(R"({"pictures": {"depth files without a measured pixel": 1}, "objects": {}})"));
  CHECK(s.evaluate("--task depth --incomplete").out.find("left out: 1 depth files without a measured pixel\n") != std::string::npos);
}

TEST_CASE("where nothing counts the scores are dashes and null, and it is said") {
  if (skipped()) return;
  Scenes const s;
  auto const check = [&](std::string const& arguments, std::string const& why, std::string const& shown) {
    CAPTURE(arguments);
    auto const told = s.evaluate(arguments);
    CAPTURE(told.out);
    CHECK(told.status == 0);
    CHECK(told.out.find("nan") == std::string::npos);
    CHECK(told.out.find(shown) != std::string::npos);
    CHECK(told.says("warning: there was nothing to score: " + why));
    auto const quiet = s.evaluate(arguments + " --json --quiet");
    CHECK(quiet.says("nothing to score"));
    return quiet.json();
  };
  for (int const i : {0, 1}) s.annotate(i, Scenes::car(3, 3, 30, 30, true));
  CHECK(check("--task detection", "all objects of the pictures are difficult ones", "mAP50 - (11 points), - (area)")["map50_area"].is_null());
  for (int const i : {0, 1}) s.annotate(i, "");
  CHECK(check("--task detection", "the pictures have no objects", "mAP50 - (11 points), - (area)")["map50_area"].is_null());
  CHECK(check("--task depth --min-depth 79", "no measured pixel", "  rmse             -\n")["measures"]["d1"].is_null());
  for (char const* const stem : {"street-000005", "street-000006"}) tadp::write_labels(s.data / "labels" / (std::string(stem) + ".png"), tadp::LabelMap(80, 64, tadp::ignore_label), {});
  CHECK(check("--task segmentation --ceiling", "no pixel has a label", "mIoU -, pixel accuracy -, class accuracy -")["miou"].is_null());
  CHECK_FALSE(s.evaluate("--task depth").says("nothing to score"));
}

TEST_CASE("the middle of the metres is right beyond what millimetres of 16 bits can hold") {
  if (skipped()) return;
  Scenes const s;
  auto const median = [&](std::string const& command) {
    auto const outcome = run(s.folder, command + " " + quoted(s.data / "images" / "street-000005.png") + " --focal 100000 --threads 1 --json --model " + quoted(s.folder / "model.safetensors") + " --out " + quoted(s.folder / "out"));
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome.json()["pictures"][0];
  };
  auto const alone = median("depth");
  auto metres = tadp::read_depth(alone["files"]["npy"].get<std::string>()).metres;
  std::sort(metres.begin(), metres.end());
  float const middle = metres[(metres.size() - 1) / 2];
  REQUIRE(middle > 100.0F);
  CHECK(alone["metres"]["median"].get<float>() == middle);
  CHECK(median("perceive")["metres"]["median"].get<float>() > 100.0F);
}
