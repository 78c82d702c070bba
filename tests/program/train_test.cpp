// SPDX-License-Identifier: Apache-2.0
// `tadp train` for every task on rendered scenes: a file comes out that says what it is, and what does not fit is refused.
#include "models.hpp"
#include "trained_place.hpp"

using run_program::run;
using trained_place::Place;
using trained_place::quoted;
using trained_place::skipped;

TEST_CASE("a task is trained, the file says which, and the same command goes on") {
  if (skipped()) return;
  Place const p;
  for (std::string const task : {"segmentation", "depth", "detection"}) {
    CAPTURE(task);
    std::string const file = task + ".safetensors";
    auto const trained = p.train("--task " + task + " --steps 3 --freeze backbone", file);
    CAPTURE(trained.err);
    REQUIRE(trained.status == 0);
    CHECK(trained.json()["finished"] == true);
    CHECK(trained.json()["task"] == task);
    CHECK(trained.json()["last"]["step"] == 3);
    auto const d = p.description(file);
    REQUIRE(tadp::heads_of(d).size() == 1);
    CHECK(tadp::heads_of(d)[0].task == task);
    CHECK(d.window == std::array<int, 2>{128, 160});
    CHECK(d.fit == std::array<int, 2>{0, 0});
    CHECK(d.notes.at("learned") == "the head");
    // Done: the checkpoint holds all steps. Other settings are refused, and so is training all after the head.
    auto const again = p.train("--task " + task + " --steps 3 --freeze backbone", file);
    CHECK(again.status == 0);
    CHECK(again.says("nothing is left to train: " + (p.folder / (file + ".checkpoint")).string() + " is finished; remove it to begin again"));
    CHECK_FALSE(trained.says("nothing is left"));
    auto const other = p.train("--task " + task + " --steps 3 --freeze backbone --seed 9", file);
    CHECK(other.status == 2);
    CHECK(other.says("seed"));
    CHECK(p.train("--task " + task + " --steps 3", file).status == 3);
    std::filesystem::remove(p.folder / (file + ".checkpoint"));
    CHECK(p.train("--task " + task + " --steps 1 --no-augmentation", file).status == 0);
    CHECK(p.description(file).notes.at("learned") == "UNet and head");
  }
  CHECK(tadp::find_head(p.description("depth.safetensors"), "depth") == tadp::street_depth_head());
  auto const boxes = tadp::find_head(p.description("detection.safetensors"), "detection");
  REQUIRE(boxes);
  REQUIRE(boxes->classes.size() >= 2);  // of what the three scenes show
  CHECK(boxes->classes[0].name == "background");
  CHECK(tadp::find_head(p.description("segmentation.safetensors"), "segmentation")->classes == tadp::street_labels_head().classes);
}

TEST_CASE("heads that the trained model will not have are named before the training") {
  if (skipped()) return;
  Place const p;
  test_models::write_perception(p.folder / "all.safetensors");
  auto const trained = p.train("--task depth --steps 1 --freeze backbone --model " + quoted(p.folder / "all.safetensors"));
  CAPTURE(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(trained.says("warning: the trained model has one head, depth; left out: segmentation, detection"));
  REQUIRE(tadp::heads_of(p.description()).size() == 1);
  CHECK(tadp::heads_of(p.description())[0].task == "depth");
  auto const again = p.train("--task depth --steps 1 --freeze backbone --model " + quoted(p.folder / "trained.safetensors"), "again.safetensors");
  REQUIRE(again.status == 0);
  CHECK_FALSE(again.says("left out"));
}

TEST_CASE("a model that saw fitted pictures whole looks through windows of that size") {
  if (skipped()) return;
  Place const p;
  auto const window_after = [&](std::string const& name, std::string const& arguments) {
    auto const trained = run(p.folder, "train --task depth --data " + quoted(p.folder / "scenes") + " --out " + quoted(p.folder / name) + " --batch 2 --steps 1 --freeze backbone --threads 1 --json " + arguments, p.model);
    CAPTURE(trained.err);
    REQUIRE(trained.status == 0);
    return p.description(name).window;
  };
  using Window = std::array<int, 2>;
  CHECK(window_after("whole.safetensors", "--fit 80x64 --crop 64x96") == Window{64, 96});
  CHECK(window_after("goes_on.safetensors", "--crop 64x96 --model " + quoted(p.folder / "whole.safetensors")) == Window{64, 96});  // the fit is the model's
  CHECK(window_after("parts.safetensors", "--fit 160x128 --crop 64x96") == Window{128, 160});
  CHECK(window_after("unfitted.safetensors", "--fit none --crop 192x96") == Window{192, 160});
  auto const score = [&](std::string const& window) {
    auto const scored = run(p.folder, "evaluate --task depth --data " + quoted(p.folder / "scenes") + " --prompt null --json --threads 1 --model " + quoted(p.folder / "whole.safetensors") + window);
    REQUIRE(scored.status == 0);
    return scored.json()["measures"];
  };
  CHECK(score("") == score(" --window 64x96"));
  CHECK(score("") != score(" --window 128x160"));
}

TEST_CASE("a head goes on where the classes are the model's, and the classes can be chosen") {
  if (skipped()) return;
  Place const p;
  REQUIRE(p.train("--task detection --steps 1 --freeze backbone --classes sign,car,pedestrian,bicyclist,tram").status == 0);
  auto const head = tadp::find_head(p.description(), "detection");
  REQUIRE(head);
  CHECK(head->classes.size() == 6);
  CHECK(head->classes[5].name == "tram");
  // Again without a list: the model knows all classes that are found, and one more.
  REQUIRE(p.train("--task detection --steps 1 --freeze backbone --model " + quoted(p.folder / "trained.safetensors"), "again.safetensors").status == 0);
  CHECK(tadp::find_head(p.description("again.safetensors"), "detection") == head);
  auto const lacking = p.train("--task detection --steps 1 --classes car");
  CHECK(lacking.status == 3);
  CHECK(lacking.says("objects of an unknown class"));
}

TEST_CASE("labels are learned from one averaged embedding a class, too, and by Muon") {
  if (skipped()) return;
  Place const p;
  auto const trained = p.train("--prompt averaged_eos --optimizer muon --steps 2");
  CAPTURE(trained.err);
  REQUIRE(trained.status == 0);
  auto const d = p.description();
  CHECK(d.prompt_parts == std::vector<std::string>{"averaged_eos"});
  CHECK(d.class_embeddings == static_cast<int>(tadp::heads_of(d)[0].classes.size()));
  // Another optimizer is another run.
  CHECK(p.train("--prompt averaged_eos --steps 2").says("optimizer"));
  auto const scored = run(p.folder, "evaluate --data " + quoted(p.folder / "scenes") + " --model " + quoted(p.folder / "trained.safetensors") + " --prompt null --json");
  CAPTURE(scored.err);
  CHECK(scored.status == 0);
}

TEST_CASE("a head learns from features that are kept in a file, which is refused for another text") {
  if (skipped()) return;
  Place const p;
  std::string const keeping = "--freeze backbone --steps 2 --views 2 --features " + quoted(p.folder / "kept.features") + " ";
  auto const trained = p.train(keeping + "--prompt 'fixed:a road'");
  CAPTURE(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(trained.json()["finished"] == true);
  CHECK(p.description().notes.at("learned") == "the head");
  tadp::SafetensorsFile const kept(p.folder / "kept.features");
  CHECK(kept.entries().size() == 3 * 2 * 5);  // scenes, views, four levels and labels
  // Another seed is another head on the same features; the model that comes out is a whole one.
  REQUIRE(p.train(keeping + "--prompt 'fixed:a road' --seed 2", "second.safetensors").status == 0);
  auto const scored = run(p.folder, "evaluate --data " + quoted(p.folder / "scenes") + " --model " + quoted(p.folder / "second.safetensors") + " --prompt 'fixed:a road' --json");
  CAPTURE(scored.err);
  CHECK(scored.status == 0);
  auto const other = p.train(keeping + "--prompt null", "other.safetensors");
  CHECK(other.status == 2);
  CHECK(other.says("prompt"));
  CHECK(!std::filesystem::exists(p.folder / "other.safetensors"));
  CHECK(p.train(keeping + "--prompt 'fixed:a road' --no-augmentation", "other.safetensors").says("preprocessing"));
  // A checkpoint of a head on other features is no start for this one.
  auto const others = p.train("--freeze backbone --steps 2 --views 2 --features " + quoted(p.folder / "null.features") + " --prompt null");
  CHECK(others.status == 2);
  CHECK(others.says("features"));
}

TEST_CASE("what does not fit a task is refused before anything is trained") {
  if (skipped()) return;
  Place const p;
  auto const scenes = p.folder / "scenes";
  struct Row {
    std::string arguments;
    int status;
    std::vector<std::string> said;
  };
  for (auto const& row : {Row{"--task depth --split all", 2, {"--split", "detection"}}, Row{"--classes car", 2, {"--classes", "detection"}}, Row{"--incomplete", 2, {"--incomplete"}},
                          Row{"--task pose", 2, {"--task"}}, Row{"--freeze head", 2, {"--freeze"}}, Row{"--task detection --split none", 3, {"none"}},
                          Row{"--optimizer sgd", 2, {"--optimizer"}}, Row{"--task depth --prompt averaged_eos", 2, {"--prompt", "segmentation"}}, Row{"--prompt averaged_eos --modifier 'a dark {}'", 2, {"--modifier"}},
                          Row{"--prompt averaged", 2, {"--prompt"}}, Row{"--features x.features", 2, {"--features", "--freeze backbone"}},
                          Row{"--task depth --freeze backbone --features x.features", 2, {"--features", "segmentation"}}}) {
    CAPTURE(row.arguments);
    auto const refused = p.train(row.arguments + " --steps 1");
    CAPTURE(refused.err);
    CHECK(refused.status == row.status);
    for (auto const& word : row.said) CHECK(refused.says(word));
  }
  CHECK(p.train("--task depth --steps 1", "x.safetensors", "scenes", "70x64").says("multiples of 32"));
  // Folders for one task each.
  for (auto const& [name, part] : {std::pair<std::string, std::string>{"labelled", "labels"}, {"measured", "depth"}, {"boxed", "Annotations"}}) {
    std::filesystem::create_directories(p.folder / name);
    for (std::string const& copied : {std::string("images"), part}) std::filesystem::copy(scenes / copied, p.folder / name / copied);
  }
  auto const boxes = p.train("--task segmentation --steps 1", "x.safetensors", "boxed");
  CHECK(boxes.status == 2);
  CHECK(boxes.says("expected: detection"));
  CHECK(p.train("--task detection --steps 1", "x.safetensors", "measured").says("expected: depth"));
  CHECK(p.train("--task depth --steps 1", "x.safetensors", "labelled").says("expected: segmentation"));

  for (auto const& entry : std::filesystem::directory_iterator(p.folder / "boxed" / "Annotations")) {
    auto text = run_program::text_of(entry.path());
    while (text.find("<object>") != std::string::npos) text.erase(text.find("<object>"), text.find("</object>") + 9 - text.find("<object>"));
    run_program::write_text(entry.path(), text);
  }
  auto const empty = p.train("--task detection --steps 1 --classes car", "x.safetensors", "boxed");
  CHECK(empty.status == 3);
  CHECK(empty.says("no picture of the data set has a box"));
  CHECK(!std::filesystem::exists(p.folder / "x.safetensors"));
}
