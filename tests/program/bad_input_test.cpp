// SPDX-License-Identifier: Apache-2.0
// Whatever is wrong with what a person gives to the program: an exit status, and a message that names it.
#include "models.hpp"
#include "run_program.hpp"

#include "tadp/io/image.hpp"

using run_program::program;
using run_program::run;
using run_program::text_of;
using run_program::write_text;

namespace {

/// A folder with a picture, and a model where one is asked for.
struct Place {
  scratch::Folder folder{};
  explicit Place(bool with_model = false) {
    tadp::write_png(folder / "street.png", tadp::render_street(3, {.width = 64, .height = 64}).picture);
    if (with_model) test_models::write_tiny(folder / "model.safetensors");
  }
  std::string at(std::string const& name) const { return "'" + (folder / name).string() + "'"; }
  run_program::Outcome segment(std::string const& rest) const { return run(folder, "segment --model " + at("model.safetensors") + " --out " + at("out") + " --threads 1 " + rest); }
};

bool skipped() {
  if (program().empty()) MESSAGE("skipped: TADP_PROGRAM names no program");
  return program().empty();
}

}  // namespace

TEST_CASE("a command line that makes no sense") {
  if (skipped()) return;
  Place const p;
  struct Row {
    std::string arguments;
    std::vector<std::string> says;
  };
  for (Row const& row : {Row{"", {}}, Row{"nonsense", {"unknown command", "nonsense", "segment"}}, Row{"segment", {"picture"}}, Row{"segment --bogus x.png --out d", {"--bogus"}},
                         Row{"segment x.png --out d --threads none", {"--threads"}}, Row{"segment x.png --out d --caption a --captions b", {"--caption"}},
                         Row{"render --out " + p.at("r") + " --size 10", {"--size", "320x240", "found: 10"}}, Row{"render --out " + p.at("r.png") + " --count 2", {"--out"}},
                         Row{"segment " + p.at("street.png") + " --out " + p.at("out") + " --device cuda", {"cuda", "expected: cpu"}},
                         Row{"segment " + p.at("street.png") + " --out " + p.at("out") + " --device gpu9", {"unknown device", "found: gpu9"}},
                         Row{"segment " + p.at("street.png") + " " + p.at("street.png") + " --out " + p.at("out"), {"two pictures", "street.png"}},
                         Row{"detect x.png --out d --threshold 2", {"--threshold"}}, Row{"depth --out d", {"picture"}}, Row{"perceive x.png", {"--out"}},
                         Row{"evaluate --data x --task pose", {"--task", "depth"}}, Row{"evaluate --data x --max-depth -1", {"--max-depth"}},
                         Row{"evaluate --data " + p.at("x") + " --prompt maybe", {"--prompt", "maybe"}}, Row{"train", {"--data"}},
                         Row{"train --data x --out " + p.at("m.safetensors") + " --crop 96x100", {"key: --crop", "multiples of 32", "found: 96x100"}},
                         Row{"train street --out " + p.at("run") + " --first segmentation", {"--from"}}, Row{"train street --out " + p.at("run") + " --from " + p.at("x"), {"--first"}},
                         Row{"train street-heads --out " + p.at("run") + " --scales 2 1", {"--scales"}}, Row{"train street-heads --out " + p.at("run") + " --crop 192", {"--crop", "found: 192"}}}) {
    auto const outcome = run(p.folder, row.arguments);
    CAPTURE(row.arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 2);
    for (auto const& part : row.says) CHECK(outcome.says(part));
    if (!row.arguments.empty()) CHECK(outcome.err.starts_with("tadp: "));
  }
  CHECK_FALSE(std::filesystem::exists(p.folder / "out"));
}

TEST_CASE("help and version") {
  if (skipped()) return;
  Place const p;
  for (char const* const command : {"segment", "depth", "detect", "perceive", "render", "train", "train street", "train street-heads", "evaluate", "features", "sample", "reconstruct", "explain", "caption", "convert", "tokenize", "inspect", "verify", "devices"}) {
    auto const outcome = run(p.folder, std::string(command) + " --help");
    CAPTURE(command);
    CHECK(outcome.status == 0);
    CHECK(outcome.out.find("Examples:") != std::string::npos);
  }
  auto const help = run(p.folder, "--help");
  CHECK(help.status == 0);
  CHECK(help.out.find("130") != std::string::npos);
  CHECK(run(p.folder, "--version").out.starts_with("tadp "));
}

TEST_CASE("pictures that are none") {
  if (skipped()) return;
  Place const p(true);
  std::string const png = text_of(p.folder / "street.png");
  write_text(p.folder / "text.png", "this is not a picture");
  write_text(p.folder / "empty.png", "");
  write_text(p.folder / "cut.png", png.substr(0, png.size() / 2));
  std::filesystem::create_directory(p.folder / "folder.png");
  for (char const* const name : {"absent.png", "text.png", "empty.png", "cut.png", "folder.png"}) {
    auto const outcome = p.segment(p.at(name) + " --json");
    CAPTURE(outcome.err);
    CHECK(outcome.status == 3);
    CHECK(outcome.says(name));
    CHECK(outcome.json()["error"]["file"].get<std::string>().ends_with(name));
    CHECK_FALSE(outcome.json()["error"]["code"].get<std::string>().empty());
  }
  auto const outcome = p.segment(p.at("text.png"));
  CHECK(outcome.says("expected: a PNG or JPEG file"));
  CHECK(outcome.says("found: "));
}

TEST_CASE("caption files of every bad kind") {
  if (skipped()) return;
  Place const p(true);
  struct Row {
    char const* name;
    std::string content;
    std::vector<std::string> says;
  };
  std::string const good = R"({"street.png": {"captions": ["a road"]}})";
  std::string utf16 = "\xff\xfe";
  for (char const c : good) utf16 += c, utf16 += '\0';
  std::vector<Row> const rows = {
      {"J1 a list", R"([{"street.png": 1}])", {}},
      {"J2 a text", R"({"street.png": {"captions": "a road"}})", {"street.png"}},
      {"J2 null", R"({"street.png": {"captions": null}})", {"street.png"}},
      {"J2 empty", R"({"street.png": {"captions": []}})", {"street.png"}},
      {"J2 numbers", R"({"street.png": {"captions": [1, 2]}})", {"street.png"}},
      {"J3 absent", R"({"other.png": {"captions": ["a road"]}, "third.png": {"captions": ["a road"]}})", {"street.png", "other.png"}},
      {"J4 twice", R"({"street.png": {"captions": ["a"]}, "street.png": {"captions": ["b"]}})", {"street.png"}},
      {"J6 UTF-16", utf16, {"UTF-8"}},
      {"J7 long", R"({"street.png": {"captions": [")" + std::string(3'000'000, 'a') + R"("]}})", {}},
      {"J8 deep", R"({"street.png": )" + std::string(1'000'000, '['), {}},
      {"J9 NaN", R"({"street.png": {"captions": [NaN]}})", {}},
      {"J9 comment", R"({"street.png": {"captions": ["a road"]} /* road */})", {}},
      {"J9 comma", R"({"street.png": {"captions": ["a road"],}})", {}},
      {"J11 another set", R"({"a.jpg": {"captions": ["a cat"]}, "b.jpg": {"captions": ["a dog"]}})", {"street.png"}},
      {"empty file", "", {}},
  };
  for (Row const& row : rows) {
    write_text(p.folder / "captions.json", row.content);
    auto const outcome = p.segment(p.at("street.png") + " --captions " + p.at("captions.json"));
    CAPTURE(row.name);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 3);
    CHECK(outcome.says("captions.json"));
    CHECK(outcome.err.size() < 2000);
    for (auto const& part : row.says) CHECK(outcome.says(part));
  }
  CHECK_FALSE(std::filesystem::exists(p.folder / "out"));
  // One picture of two has no entry: it is named, and the file.
  std::filesystem::copy(p.folder / "street.png", p.folder / "second.png");
  write_text(p.folder / "captions.json", good);
  auto const outcome = p.segment(p.at("street.png") + " " + p.at("second.png") + " --captions " + p.at("captions.json"));
  CHECK(outcome.status == 3);
  CHECK(outcome.says("second.png"));
  CHECK(outcome.says("captions.json"));
}

TEST_CASE("captions that are odd but right") {
  if (skipped()) return;
  Place const p(true);
  for (char const* const content : {R"({"some\\folder\\street.png": {"captions": ["a road"]}})",      // J5: slashes of Windows
                                    R"({"street.jpg": {"captions": ["a road"]}})",                     // J5: another extension
                                    R"({"street.png": {"captions": ["a \u001b[31mred\u0007 road"]}})"}) {  // J10: what terminals obey
    write_text(p.folder / "captions.json", content);
    auto const outcome = p.segment(p.at("street.png") + " --captions " + p.at("captions.json"));
    CAPTURE(content);
    CAPTURE(outcome.err);
    CHECK((outcome.status == 0 || outcome.status == 3));
    CHECK(outcome.err.find('\x1b') == std::string::npos);
    CHECK(outcome.out.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("models that do not fit") {
  if (skipped()) return;
  Place const p;
  auto const segment = [&] { return p.segment(p.at("street.png")); };
  SUBCASE("absent") {
    auto const outcome = segment();
    CHECK(outcome.status == 3);
    CHECK(outcome.says("model.safetensors"));
  }
  SUBCASE("none to be found") {
    auto const outcome = run(p.folder, "segment " + p.at("street.png") + " --out " + p.at("out"), "TADP_MODEL=/nonexistent/other.safetensors");
    CHECK(outcome.status == 3);
    CHECK(outcome.says("/nonexistent/other.safetensors"));
  }
  SUBCASE("text") {
    write_text(p.folder / "model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    auto const outcome = segment();
    CHECK(outcome.status == 3);
    CHECK(outcome.says("model.safetensors"));
  }
  SUBCASE("no description") {
    tadp::write_safetensors(p.folder / "model.safetensors", std::vector<tadp::TensorToWrite>{}, {});
    auto const outcome = segment();
    CHECK(outcome.status == 3);
    CHECK(outcome.says("tadp.version"));
  }
  SUBCASE("missing, extra and misshapen keys in one table") {
    std::vector<float> const three(3);
    test_models::write_tiny(p.folder / "model.safetensors", test_models::tiny_description(), [&](std::vector<tadp::TensorToWrite>& tensors) {
      for (auto& t : tensors) {
        if (t.name == "decode_head.conv_seg.bias") t.name = "decode_head.conv_sag.bias";
        if (t.name == "neck.lateral_convs.0.conv.bias") t = {.name = t.name, .dtype = tadp::Dtype::F32, .shape = {3}, .values = three};
      }
    });
    auto const outcome = segment();
    CAPTURE(outcome.err);
    CHECK(outcome.status == 3);
    for (char const* const part : {"model.safetensors", "1 missing, 1 of another shape, 1 extra", "decode_head.conv_seg.bias", "decode_head.conv_sag.bias", "neck.lateral_convs.0.conv.bias", "[3]"})
      CHECK(outcome.says(part));
  }
  SUBCASE("another network") {
    auto d = test_models::tiny_description();
    d.unet.num_heads = 5;
    test_models::write_tiny(p.folder / "model.safetensors", d);
    auto const outcome = segment();
    CHECK(outcome.status == 3);
    for (char const* const part : {"model.safetensors", "key: tiny: unet.", "expected: ", "found: "}) CHECK(outcome.says(part));
  }
  SUBCASE("a newer version") {
    auto metadata = tadp::to_metadata(test_models::tiny_description());
    metadata["tadp.version"] = "9.0";
    std::vector<float> const one(1);
    tadp::write_safetensors(p.folder / "model.safetensors", std::vector<tadp::TensorToWrite>{{.name = "x", .dtype = tadp::Dtype::F32, .shape = {1}, .values = one}}, metadata);
    auto const outcome = segment();
    CHECK(outcome.status == 3);
    CHECK(outcome.says("9.0"));
  }
}

TEST_CASE("heads that a model does not have, and options of other tasks") {
  if (skipped()) return;
  Place const p(true);
  test_models::write_perception(p.folder / "all.safetensors");
  auto far = tadp::street_depth_head();
  far.depth.max_depth = 10.0F;
  auto const metadata_of = [](std::vector<tadp::HeadDescription> heads) { return tadp::to_metadata(test_models::street_description(std::move(heads))); };
  std::vector<float> const one(1);
  auto const write = [&](char const* name, std::map<std::string, std::string> const& metadata) {
    tadp::write_safetensors(p.folder / name, std::vector<tadp::TensorToWrite>{{.name = "x", .dtype = tadp::Dtype::F32, .shape = {1}, .values = one}}, metadata);
  };
  write("far.safetensors", metadata_of({far}));
  write("two.safetensors", metadata_of({tadp::street_labels_head(), tadp::street_depth_head()}));
  write("normals.safetensors", metadata_of({{.task = "normals", .classes = {}}}));
  auto damaged = metadata_of({tadp::street_depth_head()});
  damaged["tadp.heads"] = R"([{"task":"depth","width":32,"classes":[],"depth":{}}])";
  write("damaged.safetensors", damaged);
  std::string const picture = " " + p.at("street.png") + " --threads 1 --out " + p.at("out") + " --model ", data = " --threads 1 --data " + p.at("x") + " --model ";
  struct Row {
    std::string arguments;
    int status;
    std::vector<std::string> says;
  };
  for (Row const& row : {Row{"depth" + picture + p.at("model.safetensors"), 3, {"no head for this task", "expected: depth", "found: segmentation"}},
                         Row{"detect" + picture + p.at("model.safetensors"), 3, {"expected: detection"}},
                         Row{"segment" + picture + p.at("far.safetensors"), 3, {"expected: segmentation", "found: depth"}},
                         Row{"depth" + picture + p.at("far.safetensors"), 3, {"far.safetensors", "depth.max_depth", "expected: 80.0", "found: 10.0"}},
                         Row{"perceive" + picture + p.at("two.safetensors"), 3, {"does not have", "depth + detection + segmentation", "found: depth + segmentation"}},
                         Row{"perceive" + picture + p.at("normals.safetensors"), 3, {"does not have", "found: normals"}},
                         Row{"depth" + picture + p.at("damaged.safetensors"), 3, {"tadp.heads", "filters"}},
                         Row{"evaluate --task depth" + data + p.at("model.safetensors"), 3, {"no head for this task", "found: segmentation"}},
                         Row{"evaluate --eigen" + data + p.at("model.safetensors"), 2, {"--eigen", "expected: depth"}},
                         Row{"evaluate --task depth --split all" + data + p.at("all.safetensors"), 2, {"--split", "expected: detection"}},
                         Row{"evaluate --task depth --min-depth 5 --max-depth 2" + data + p.at("all.safetensors"), 2, {"caps", "5.0"}}}) {
    auto const outcome = run(p.folder, row.arguments);
    CAPTURE(row.arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.status == row.status);
    for (auto const& part : row.says) CHECK(outcome.says(part));
  }
  CHECK(std::filesystem::is_empty(p.folder / "out"));
}

TEST_CASE("folders of depth and of boxes that are not whole") {
  if (skipped()) return;
  Place const p;
  test_models::write_perception(p.folder / "all.safetensors");
  REQUIRE(run(p.folder, "render --out " + p.at("scenes") + " --count 2 --seed 5 --size 80x64 --quiet").status == 0);
  auto const evaluate = [&](std::string const& rest) { return run(p.folder, "evaluate --data " + p.at("scenes") + " --model " + p.at("all.safetensors") + " --prompt 'fixed:a street photo' --threads 1 " + rest); };
  CHECK(evaluate("--task depth --eigen").says("rectangle"));  // the pictures are smaller
  CHECK(evaluate("--task depth --list absent.txt").status == 3);
  CHECK(evaluate("--task detection --split absent").says("absent.txt"));
  std::filesystem::remove(p.folder / "scenes" / "depth" / "street-000006.png");
  auto const missing = evaluate("--task depth");
  CHECK(missing.status == 3);
  CHECK(missing.says("1 depth files missing"));
  auto const rest = evaluate("--task depth --incomplete --json");
  CHECK(rest.status == 0);
  CHECK(rest.says("is not used"));
  CHECK(rest.json()["pictures"] == 1);
  std::string annotation = text_of(p.folder / "scenes" / "Annotations" / "street-000005.xml");
  REQUIRE(annotation.find("<name>") != std::string::npos);
  annotation.replace(annotation.find("<name>"), 6, "<name>flying ");
  write_text(p.folder / "scenes" / "Annotations" / "street-000005.xml", annotation);
  auto const other = evaluate("--task detection");
  CHECK(other.status == 3);
  CHECK(other.says("1 objects of an unknown class"));
  CHECK(other.says("flying"));
  CHECK(evaluate("--task detection --incomplete").status == 0);
}

TEST_CASE("places for results that cannot be written") {
  if (skipped()) return;
  Place const p(true);
  write_text(p.folder / "file", "x");
  auto const model = " --model " + p.at("model.safetensors");
  for (std::string const& out : {p.at("file"), std::string("/proc/results")}) {
    auto const outcome = run(p.folder, "segment " + p.at("street.png") + model + " --out " + out + " --json");
    CAPTURE(outcome.err);
    CHECK(outcome.status == 3);
    CHECK(outcome.json()["error"]["code"] == "io");
    CHECK(outcome.says(out.starts_with("/") ? out : "file"));
  }
  for (char const* const arguments : {"render --out /proc/street.png", "sample --caption road --out /proc/x.png", "train --data x --out /proc/m/x"}) CHECK(run(p.folder, arguments).status == 3);
}

TEST_CASE("data sets and goldens that are none") {
  if (skipped()) return;
  Place const p(true);
  std::filesystem::create_directory(p.folder / "empty");
  auto const model = " --model " + p.at("model.safetensors");
  for (char const* const name : {"absent", "empty"}) {
    CHECK(run(p.folder, "evaluate --data " + p.at(name) + model).status == 3);
    CHECK(run(p.folder, "verify " + p.at(name)).status != 0);
    CHECK(run(p.folder, "verify " + p.at(name)).status != 1);
  }
}
