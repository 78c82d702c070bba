// SPDX-License-Identifier: Apache-2.0
// What `tadp train` goes on from, and what it learned with: checkpoints of other runs are refused, and the file that comes out
// says the text and the camera that it was taught, and takes no place of a model that has more.
#include "models.hpp"
#include "trained_place.hpp"

using run_program::run;
using trained_place::Place;
using trained_place::quoted;
using trained_place::skipped;

namespace {

void drop_third_column(std::filesystem::path const& list, std::size_t lines) {
  std::string kept, text = run_program::text_of(list);
  for (std::size_t at = 0; at < text.size();) {
    auto const end = text.find('\n', at);
    std::string const line = text.substr(at, end - at);
    kept += (lines > 0 ? line.substr(0, line.rfind(' ')) : line) + "\n";
    if (lines > 0) --lines;
    at = end + 1;
  }
  run_program::write_text(list, kept);
}

}  // namespace

TEST_CASE("a checkpoint of other data, texts or settings is refused with the names of what differs") {
  if (skipped()) return;
  Place const p;
  p.render("others", 50);
  for (char const* const copy : {"scaled", "lettered"}) std::filesystem::copy(p.folder / "scenes", p.folder / copy, std::filesystem::copy_options::recursive);
  drop_third_column(p.folder / "scaled" / "list.txt", 3);
  auto captions = nlohmann::json::parse(run_program::text_of(p.folder / "scenes" / "captions.json"));
  for (auto& entry : captions) entry = {{"captions", {"a road"}}};
  run_program::write_text(p.folder / "lettered" / "captions.json", captions.dump());

  std::string const depth = "--task depth --steps 1 --freeze backbone ", boxes = "--task detection --steps 1 --freeze backbone ", labels = "--steps 1 --freeze backbone ";
  struct Row {
    std::string first, second, data, fit;
    std::vector<std::string> named;
  };
  for (auto const& row : {Row{depth, depth, "others", "none", {"data"}}, Row{depth, depth + "--prompt fixed:night", "scenes", "none", {"prompt", "fixed text: night", "caption of the file"}},
                          Row{depth, depth + "--no-augmentation", "scenes", "none", {"augmentation"}}, Row{depth, depth, "scenes", "96x64", {"fit", "96x64"}},
                          Row{depth, depth + "--depth-scale 500", "scenes", "none", {"depth_scale", "500"}}, Row{depth, depth, "scaled", "none", {"data"}}, Row{depth, depth, "lettered", "none", {"captions", "data"}},
                          Row{depth, depth + "--modifier night --modifier-at training", "scenes", "none", {"prompt", "modifier"}}, Row{boxes, boxes + "--corners from-zero", "scenes", "none", {"corners", "from-zero"}},
                          Row{boxes, boxes + "--classes sign,car,pedestrian,bicyclist,tram", "scenes", "none", {"classes", "tram"}}, Row{boxes, boxes + "--split all", "scenes", "none", {"split", "all"}},
                          Row{labels, labels, "lettered", "none", {"captions"}}, Row{labels, labels + "--no-augmentation", "scenes", "none", {"augmentation"}}}) {
    CAPTURE(row.second);
    CAPTURE(row.data);
    for (char const* const left : {"trained.safetensors", "trained.safetensors.checkpoint"}) std::filesystem::remove(p.folder / left);
    auto const first = p.train(row.first);
    CAPTURE(first.err);
    REQUIRE(first.status == 0);
    auto const before = run_program::text_of(p.folder / "trained.safetensors");
    auto const refused = p.train(row.second, "trained.safetensors", row.data, "64x64", row.fit);
    CAPTURE(refused.err);
    // Classes are of the head's form: their checkpoint is one of other numbers.
    CHECK((refused.status == 2 || (refused.status == 3 && row.named[0] == "classes")));
    if (refused.status == 2) {
      CHECK(refused.says("this checkpoint is of a run with other settings"));
      for (auto const& name : row.named) CHECK(refused.says(name));
    }
    CHECK(run_program::text_of(p.folder / "trained.safetensors") == before);
  }
}

TEST_CASE("a checkpoint of another start is refused, of all that learns and of a head on features") {
  if (skipped()) return;
  Place const p;
  REQUIRE(p.train("--task depth --steps 1").status == 0);
  REQUIRE(p.train("--task depth --steps 1 --prompt null", "other.safetensors").status == 0);
  auto const refused = p.train("--task depth --steps 1 --model " + quoted(p.folder / "other.safetensors"));
  CAPTURE(refused.err);
  CHECK(refused.status == 2);
  CHECK(refused.says("start"));
  std::string const kept = "--steps 1 --freeze backbone --views 1 --features " + quoted(p.folder / "kept.features");
  REQUIRE(p.train(kept, "head.safetensors").status == 0);
  auto const faster = p.train(kept + " --rate 0.01", "head.safetensors");
  CHECK(faster.status == 2);
  CHECK(faster.says("rate"));
}

TEST_CASE("metres of pictures without a focal length are for none, and a list has one for all or for none") {
  if (skipped()) return;
  Place const p;
  std::filesystem::copy(p.folder / "scenes", p.folder / "plain", std::filesystem::copy_options::recursive);
  drop_third_column(p.folder / "plain" / "list.txt", 1);
  auto const mixed = p.train("--task depth --steps 1 --freeze backbone", "trained.safetensors", "plain");
  CAPTURE(mixed.err);
  CHECK(mixed.status == 3);
  CHECK(mixed.says("1 of 3 without"));
  std::filesystem::copy_file(p.folder / "scenes" / "list.txt", p.folder / "plain" / "list.txt", std::filesystem::copy_options::overwrite_existing);
  drop_third_column(p.folder / "plain" / "list.txt", 3);
  REQUIRE(p.train("--task depth --steps 1 --freeze backbone", "trained.safetensors", "plain").status == 0);
  CHECK(tadp::find_head(p.description(), "depth")->depth.focal == 0.0F);
  REQUIRE(p.train("--task depth --steps 1 --freeze backbone", "taught.safetensors").status == 0);
  CHECK(tadp::find_head(p.description("taught.safetensors"), "depth")->depth.focal == 352.0F);
  CHECK(run(p.folder, "inspect " + quoted(p.folder / "trained.safetensors")).out.find("no certain focal length") != std::string::npos);

  auto const picture = p.folder / "scenes" / "images" / "street-000005.png";
  auto const look = [&](std::string const& more) { return run(p.folder, "depth " + quoted(picture) + " --json --threads 1 --out " + quoted(p.folder / "out") + " --model " + quoted(p.folder / "trained.safetensors") + more); };
  auto const without = look(""), with = look(" --focal 704");
  CAPTURE(with.err);
  REQUIRE(with.status == 0);
  CHECK(with.json()["pictures"][0]["metres"]["most"] == without.json()["pictures"][0]["metres"]["most"]);
  CHECK(with.says("no certain focal length"));
  CHECK_FALSE(without.says("focal length"));
  // The head goes on with pictures of known cameras, whatever it was before.
  auto const again = p.train("--task depth --steps 1 --freeze backbone --model " + quoted(p.folder / "trained.safetensors"), "again.safetensors");
  REQUIRE(again.status == 0);
  CHECK(tadp::find_head(p.description("again.safetensors"), "depth")->depth.focal == 352.0F);
}

TEST_CASE("pictures without a caption are shown the model's own, in training and at scores, and both say so") {
  if (skipped()) return;
  Place const p;
  auto const scenes = p.folder / "scenes", captions = scenes / "captions.json";
  auto const some = nlohmann::json::parse(run_program::text_of(captions));
  std::filesystem::remove(captions);
  auto const score = [&](std::string const& task, std::string const& arguments, std::string const& model = "street.safetensors") {
    return run(p.folder, "evaluate --task " + task + " --data " + quoted(scenes) + " --json --threads 1 --model " + quoted(p.folder / model) + " " + arguments);
  };
  for (std::string const task : {"segmentation", "depth", "detection"}) {
    CAPTURE(task);
    std::string const file = task + ".safetensors";
    auto const trained = p.train("--task " + task + " --steps 1 --freeze backbone", file);
    CAPTURE(trained.err);
    REQUIRE(trained.status == 0);
    CHECK(trained.says("pictures without a caption are shown the model's own, \"a street photo\""));
    CHECK(trained.json()["prompt"] == "the model's caption: a street photo");
    CHECK(p.description(file).notes.at("prompt") == "the model's caption: a street photo");
    auto const own = score(task, "", file), fixed = score(task, "--prompt 'fixed:a street photo'", file);
    CAPTURE(own.err);
    REQUIRE(own.status == 0);
    CHECK(own.json()["prompt"] == "the model's caption: a street photo");
    for (char const* const figure : {"measures", "classes"})
      if (fixed.json().contains(figure)) CHECK(own.json()[figure] == fixed.json()[figure]);
  }
  run_program::write_text(captions, nlohmann::json{{some.begin().key(), some.begin().value()}}.dump());
  auto const partly = score("segmentation", "");
  CHECK(partly.json()["prompt"] == "caption of the file, else the model's caption: a street photo");
  CHECK(partly.says("2 of 3 without"));
  std::filesystem::remove(captions);
  auto silent = p.description("street.safetensors");
  silent.default_caption.clear();
  test_models::write_street<tadp::StreetSegmentation>(p.folder / "silent.safetensors", silent);
  auto const nothing = score("segmentation", "", "silent.safetensors");
  CAPTURE(nothing.err);
  CHECK(nothing.json()["prompt"] == "null text");
  CHECK(nothing.says("an empty text, as the model has no caption of its own"));
}

TEST_CASE("a model that learned with one text is shown that text later") {
  if (skipped()) return;
  Place const p;
  struct Row {
    std::string prompt, caption;
  };
  for (auto const& row : {Row{"--prompt 'fixed:a road at night'", "a road at night"}, Row{"--prompt null", ""}, Row{"--prompt caption", "a street photo"},
                          Row{"--prompt 'fixed:a road' --modifier 'a dark {}' --modifier-at training", "a dark a road"}, Row{"--prompt 'fixed:a road' --modifier 'a dark {}'", "a road"}}) {
    CAPTURE(row.prompt);
    auto const trained = p.train("--task depth --steps 1 --freeze backbone " + row.prompt);
    CAPTURE(trained.err);
    REQUIRE(trained.status == 0);
    CHECK(p.description().default_caption == row.caption);
    std::filesystem::remove(p.folder / "trained.safetensors.checkpoint");
  }
  auto const named = p.train("--steps 1 --freeze backbone --prompt class_names");
  REQUIRE(named.status == 0);
  CHECK(p.description().default_caption.starts_with("sky building"));
}

TEST_CASE("a trained model does not replace a source that has more heads") {
  if (skipped()) return;
  Place const p;
  test_models::write_perception(p.folder / "all.safetensors");
  auto const before = run_program::text_of(p.folder / "all.safetensors");
  std::filesystem::create_symlink(p.folder / "all.safetensors", p.folder / "link.safetensors");
  for (char const* const out : {"all.safetensors", "link.safetensors"}) {
    auto const refused = p.train("--task depth --steps 1 --freeze backbone --model " + quoted(p.folder / "all.safetensors"), out);
    CAPTURE(refused.err);
    CHECK(refused.status == 2);
    CHECK(refused.says("--out"));
    CHECK(refused.says("segmentation, detection"));
    CHECK(run_program::text_of(p.folder / "all.safetensors") == before);
  }
  CHECK_FALSE(std::filesystem::exists(p.folder / "all.safetensors.checkpoint"));
  REQUIRE(p.train("--task depth --steps 1 --freeze backbone --model " + quoted(p.folder / "all.safetensors"), "one.safetensors").status == 0);
  std::filesystem::remove(p.folder / "one.safetensors.checkpoint");
  CHECK(p.train("--task depth --steps 1 --freeze backbone --model " + quoted(p.folder / "one.safetensors"), "one.safetensors").status == 0);
}
