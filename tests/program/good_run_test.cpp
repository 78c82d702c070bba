// SPDX-License-Identifier: Apache-2.0
// The program from end to end with the tiny stack: scenes out, pictures in, all files there, numbers that agree.
#include "models.hpp"
#include "run_program.hpp"

#include "tadp/io/image.hpp"

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
  CHECK(bad_size.status != 0);
  auto const features = run(folder, "features " + quoted(picture) + " --size 64x128 --out " + quoted(folder / "f.safetensors") + " --threads 1", model);
  CAPTURE(features.err);
  REQUIRE(features.status == 0);
  tadp::SafetensorsFile const file(folder / "f.safetensors");
  REQUIRE(file.find("pyramid.1") != nullptr);
  CHECK(file.find("pyramid.1")->shape == std::vector<std::uint64_t>{1, 64 + 77, 4, 8});
  CHECK(file.find("map.level2")->shape == std::vector<std::uint64_t>{1, 77, 4, 8});
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
