// SPDX-License-Identifier: Apache-2.0
#include "scratch.hpp"
#include "tadp/io/captions.hpp"

#include <doctest/doctest.h>

#include <fstream>

namespace {

using namespace tadp;
using scratch::error_of;

std::filesystem::path written(scratch::Folder const& folder, std::string const& text) {
  auto const path = folder / "captions.json";
  std::ofstream(path, std::ios::binary) << text;
  return path;
}
/// The error of reading this text, or nothing.
std::optional<Error> fault(std::string const& text, CaptionLimits const& limits = {}) {
  scratch::Folder const folder;
  auto const path = written(folder, text);
  return error_of([&] { CaptionFile{path, limits}; });
}
Errc code(std::string const& text, CaptionLimits const& limits = {}) {
  auto const error = fault(text, limits);
  REQUIRE_MESSAGE(error, text.substr(0, 80));
  CHECK(!error->where().file.empty());
  return error->code();
}
CaptionFile file_of(scratch::Folder const& folder, std::string const& text) { return CaptionFile(written(folder, text)); }
std::string found(CaptionFile const& file, char const* picture) {
  auto const* const caption = file.find(picture);
  return caption == nullptr ? "-" : *caption;
}

}  // namespace

TEST_CASE("a caption file is read, members of others are passed over") {
  scratch::Folder const folder;
  auto const file = file_of(folder, R"({"a.png": {"captions": ["one", "two"], "class_label": 7, "score": {"x": [1, {"y": null}]}, "b": true}, "c.png": {"captions": [" \n "]}})");
  REQUIRE(file.entries().size() == 2);
  CHECK(file.entries()[0].captions == std::vector<std::string>{"one", "two"});
  CHECK(file.entries()[0].class_label == 7);
  CHECK(!file.entries()[1].class_label);
  CHECK(found(file, "a.png") == "one");
  CHECK(file_of(folder, "{}").entries().empty());
  CHECK(found(file_of(folder, "\xef\xbb\xbf{\"a.png\": {\"captions\": [\"one\"]}}"), "a.png") == "one");  // as editors on Windows save it
}

TEST_CASE("pictures are found by path, name and stem") {
  scratch::Folder const folder;
  auto const file = file_of(folder, R"({"night/a/x.png": {"captions": ["path"]}, "x.png": {"captions": ["name"]}, "2007_000032": {"captions": ["id"]},
    "/kitchen/rgb_1.jpg": {"captions": ["slash"]}, "win\\dows\\y.png": {"captions": ["windows"]}, "z.jpg": {"captions": ["stem"]}, "v1.5": {"captions": ["dots"]}})");
  CHECK(found(file, "data/night/a/x.png") == "path");
  CHECK(found(file, "night/a/x.png") == "path");
  CHECK(found(file, "other/x.png") == "name");
  CHECK(found(file, "x.png") == "name");
  CHECK(found(file, "VOC/JPEGImages/2007_000032.jpg") == "id");
  CHECK(found(file, "rgb_1.jpg") == "slash");
  CHECK(found(file, "kitchen/rgb_1.jpg") == "slash");
  CHECK(found(file, "win/dows/y.png") == "windows");
  CHECK(found(file, "dows\\y.png") == "windows");
  CHECK(found(file, "images/z.png") == "stem");
  CHECK(found(file, "v1.5") == "dots");
  CHECK(found(file, "v1.png") == "-");
  CHECK(found(file, "Z.png") == "-");
  CHECK(found(file, "xx.png") == "-");
}

TEST_CASE("what fits several entries is an error") {
  scratch::Folder const folder;
  auto const stems = file_of(folder, R"({"x.jpg": {"captions": ["a"]}, "x.png": {"captions": ["b"]}})");
  CHECK(found(stems, "x.png") == "b");
  CHECK(error_of([&] { stems.find("x.webp"); })->code() == Errc::key);
  auto const paths = file_of(folder, R"({"a/x.png": {"captions": ["a"]}, "b/x.png": {"captions": ["b"]}})");
  CHECK(found(paths, "a/x.png") == "a");
  CHECK(found(paths, "c/x.png") == "-");
  auto const error = error_of([&] { paths.find("x.png"); });
  REQUIRE(error);
  CHECK(error->where().key == "x.png");
  CHECK(error->where().found.find("b/x.png") != std::string::npos);
}

TEST_CASE("missing pictures are reported, another data set's file is refused") {
  scratch::Folder const folder;
  auto const file = file_of(folder, R"({"a.png": {"captions": ["a"]}, "B.png": {"captions": ["b"]}})");  // J3, J5
  auto const match = file.match(std::vector<std::string>{"a.png", "b.png", "c.png"});
  CHECK(match.found == 1);
  CHECK(match.missing == std::vector<std::string>{"b.png (the file has B.png)", "c.png"});
  CHECK(match.unused == 1);
  auto const error = error_of([&] { file.match(std::vector<std::string>{"q.png", "r.png"}); });  // J11
  REQUIRE(error);
  CHECK(error->code() == Errc::key);
  CHECK(error->where().expected == "q.png");
  CHECK(error->where().found == "a.png");
}

TEST_CASE("malformed caption files give errors that say where") {
  CHECK(code("") == Errc::format);
  for (auto const* text : {"[]", "1", "\"x\"", "null", R"([{"a": 1}])", R"({"a": []})", R"({"a": "x"})", R"({"a": null})"}) CHECK(code(text) == Errc::format);  // J1
  for (auto const* list : {"\"x\"", "null", "[]", "[1, 2]", "[null]", "[[\"x\"]]", "{}"})                                                            // J2
    CHECK(code("{\"pic\": {\"captions\": " + std::string(list) + "}}") == Errc::format);
  CHECK(fault(R"({"pic": {"captions": "x"}})")->where().key == "pic");
  CHECK(code(R"({"a": {}})") == Errc::format);
  CHECK(code(R"({"a": {"captions": ["x"], "class_label": "3"}})") == Errc::format);
  CHECK(code(R"({"a": {"captions": ["x"], "class_label": 1.5}})") == Errc::format);
  CHECK(code(R"({"a": {"captions": ["x"]}, "a": {"captions": ["y"]}})") == Errc::key);  // J4
  CHECK(code(R"({"a/b": {"captions": ["x"]}, "a\\b": {"captions": ["y"]}})") == Errc::key);
  CHECK(code(R"({"a": {"captions": ["x"], "captions": ["y"]}})") == Errc::key);
  CHECK(fault(std::string("\xff\xfe{\0", 4))->where().found == "UTF-16 or UTF-32");  // J6
  CHECK(code(std::string("\0{\0}", 4)) == Errc::format);
  CHECK(code(R"({"a": {"captions": [")" + std::string(20'000, 'x') + "\"]}}") == Errc::limit);  // J7
  for (auto const* text : {R"({"a": {"captions": ["x"], "s": NaN}})", "{/* no */}", R"({"a": {"captions": ["x"],}})", R"({"a": {"captions": ["x"]}} x)", R"({"a)", "{\"a\xff\": 1}",
                           R"({"a": {"captions": ["\ud800"]}})"})  // J9
    CHECK(code(text) == Errc::format);
  for (auto const* bad : {"\\u001b[2J", "\\u0000", "\\u009b", "\\u007f"}) {  // J10
    CHECK(code(R"({"a": {"captions": [")" + std::string(bad) + "\"]}}") == Errc::format);
    auto const error = fault("{\"" + std::string(bad) + "\": {\"captions\": [\"x\"]}}");
    REQUIRE(error);
    CHECK(error->code() == Errc::format);
    CHECK(std::string(error->what()).find('\x1b') == std::string::npos);
  }
  CHECK(code("{\"a\": {\"captions\": [\"x\x1b\"]}}") == Errc::format);
}

TEST_CASE("large and deep caption files cost nothing") {
  scratch::Folder const folder;
  auto const path = written(folder, "{");  // J7
  std::filesystem::resize_file(path, 100'000'000);
  CHECK(error_of([&] { CaptionFile{path}; })->code() == Errc::limit);
  std::string const deep(1'000'000, '[');  // J8
  CHECK(code(deep) == Errc::format);
  CHECK(code("{\"a\": {\"captions\": [\"x\"], \"more\": " + deep) == Errc::limit);
  CHECK(code("{\"a\": {\"captions\": [\"x\"]}, \"b\": {\"captions\": [\"x\"]}}", {.max_entries = 1}) == Errc::limit);
  CHECK(code("{\"a\": {\"captions\": [\"x\", \"y\"]}}", {.max_captions = 1}) == Errc::limit);
  CHECK(error_of([&] { CaptionFile{folder / "none.json"}; })->code() == Errc::io);
  CHECK(error_of([&] { CaptionFile{folder / ""}; })->code() == Errc::io);
}

TEST_CASE("what is written is read back, whole or not at all") {
  scratch::Folder const folder;
  auto const path = folder / "out.json";
  std::vector<CaptionEntry> const entries{{"b.png", {"a \"street\"", "caf\xc3\xa9"}, 3}, {"a.png", {""}, {}}};
  write_captions(path, entries);
  CaptionFile const file(path);
  REQUIRE(file.entries().size() == 2);
  CHECK(file.entries()[0].key == "b.png");
  CHECK(file.entries()[0].captions == entries[0].captions);
  CHECK(file.entries()[0].class_label == 3);
  CHECK(file.entries()[1].captions == entries[1].captions);
  for (auto const& bad : {CaptionEntry{"x", {}, {}}, CaptionEntry{"x", {"\xff"}, {}}, CaptionEntry{"", {"x"}, {}}})
    CHECK(error_of([&] { write_captions(path, std::vector{bad}); })->code() == Errc::argument);
  CHECK(error_of([&] { write_captions(path, std::vector{entries[0], entries[0]}); })->code() == Errc::argument);
  CHECK(CaptionFile(path).entries().size() == 2);
  CHECK(folder.entries() == 1);
  CHECK(error_of([&] { write_captions(folder / "none/out.json", entries); })->code() == Errc::io);
}

TEST_CASE("the caption files of TADP are read") {
  auto const shared = scratch::shared_folder();
  if (!shared || !std::filesystem::exists(*shared / "data" / "captions" / "index.json")) {
    MESSAGE("skipped: the shared captions are not here");
    return;
  }
  auto const folder = *shared / "data" / "captions";
  auto const index = nlohmann::json::parse(std::ifstream(folder / "index.json"));
  int files = 0;
  for (auto const& item : index.items()) {
    std::string const name = item.key();
    auto const& facts = item.value();
    if (!std::filesystem::exists(folder / name)) continue;
    CAPTURE(name);
    CaptionFile const file(folder / name);
    CHECK(file.entries().size() == facts.at("entries").get<std::size_t>());
    std::size_t captions = 0, found = 0;
    for (auto const& entry : file.entries()) {
      captions += entry.captions.size();
      found += file.find_entry(entry.key + ".jpg") == &entry || file.find_entry(entry.key) == &entry ? 1 : 0;
    }
    CHECK(captions == facts.at("captions").get<std::size_t>());
    CHECK(found == file.entries().size());
    ++files;
  }
  CHECK(files == 11);
}
