// SPDX-License-Identifier: Apache-2.0
#include "dataset_files.hpp"
#include "tadp/data/dataset.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>

namespace {

using namespace tadp;
using namespace dataset_files;
using scratch::error_of;

std::optional<Error> fault_of_open(scratch::Folder const& folder, DatasetOptions const& options = {}) {
  return error_of([&] { Dataset(folder / "", options); });
}
std::optional<Error> fault_of_load(scratch::Folder const& folder, std::size_t i = 0) {
  Dataset const set(folder / "");
  return error_of([&] { set.load(i); });
}

}  // namespace

TEST_CASE("a folder becomes samples in the order of their names") {
  scratch::Folder const folder;
  make(folder);
  Dataset set(folder / "");
  REQUIRE(set.size() == 3);
  CHECK(set.name(0) == "a.png");
  CHECK(set.name(2) == "c.png");
  CHECK(set.caption(1) == "second");
  CHECK(set[1].caption == "second");
  CHECK(set[2].caption.empty());
  CHECK(set[0].picture.rgb == picture(12, 8, 1).rgb);
  CHECK(set[0].labels.labels == labels(12, 8, 3).labels);
  CHECK(set.report().complete());
  CHECK(set.report().without_caption == std::vector<std::string>{"c.png"});
  REQUIRE(set.classes().size() == 3);
  CHECK(set.classes()[0].name == "sky");
  CHECK(set.classes()[1].colour == std::array<std::uint8_t, 3>{1, 2, 3});
  CHECK(set.class_phrases()[1] == "a road");
  CHECK(set.check().empty());
}

TEST_CASE("a cache keeps what fits") {
  scratch::Folder const folder;
  make(folder);
  std::uint64_t const one = 12 * 8 * 4;
  Dataset set(folder / "", {.cache_bytes = 2 * one});
  auto const* const first = &set[0];
  set[1], set[2];
  CHECK(&set[0] == first);
  CHECK(&set[1] == &set[1]);
  CHECK(set[2].caption.empty());
}

TEST_CASE("classes stand above, or where they are said to be") {
  scratch::Folder const folder;
  make(folder);
  std::filesystem::create_directories(folder / "day/test");
  for (auto const* part : {"images", "labels", "captions.json"}) std::filesystem::rename(folder / part, folder / (std::string("day/test/") + part));
  CHECK(Dataset(folder / "day/test").classes().size() == 3);
  CHECK(Dataset(folder / "day/test/").size() == 3);
  std::filesystem::rename(folder / "classes.json", folder / "c.json");
  CHECK(error_of([&] { Dataset(folder / "day/test"); })->code() == Errc::io);
  CHECK(Dataset(folder / "day/test", {.classes = folder / "c.json"}).size() == 3);
  for (auto const* text : {"[]", "{", "{\"classes\": []}", R"({"classes": [{"index": 1, "name": "a", "rgb": [1, 2, 3]}]})", R"({"classes": [{"index": 0, "name": "a", "rgb": [1, 2]}]})",
                           R"({"classes": [{"index": 0, "name": "a", "rgb": [1, 2, 300]}]})", R"({"classes": [{"index": 0, "rgb": [1, 2, 3]}]})",
                           R"({"classes": [{"index": 0, "name": "a", "rgb": [1,2,3]}, {"index": 0, "name": "b", "rgb": [1,2,3]}]})"}) {
    write_text(folder / "c.json", text);
    CHECK_MESSAGE(error_of([&] { read_classes(folder / "c.json"); })->code() == Errc::format, text);
  }
  write_text(folder / "c.json", std::string(100'000, '['));
  CHECK(error_of([&] { read_classes(folder / "c.json"); })->code() == Errc::limit);
}

TEST_CASE("a folder that is missing, empty or incomplete is refused with names") {
  scratch::Folder const folder;
  CHECK(fault_of_open(folder)->code() == Errc::io);  // D1
  CHECK(error_of([&] { Dataset(folder / "none"); })->code() == Errc::io);
  std::filesystem::create_directory(folder / "images");
  CHECK(fault_of_open(folder)->code() == Errc::io);
  std::filesystem::create_directory(folder / "labels");
  CHECK(fault_of_open(folder)->code() == Errc::format);
  make(folder);
  write_png(folder / "images/d.png", picture(4, 4, 0));  // D2
  auto error = fault_of_open(folder);
  REQUIRE(error);
  CHECK(error->code() == Errc::key);
  CHECK(error->where().found.find("d.png") != std::string::npos);
  std::filesystem::remove(folder / "images/d.png");
  write_labels(folder / "labels/e.png", LabelMap(4, 4));
  CHECK(fault_of_open(folder)->code() == Errc::key);
  Dataset const set(folder / "", {.incomplete = true});
  CHECK(set.size() == 3);
  CHECK(!set.report().complete());
  CHECK(set.report().without_picture == std::vector<std::string>{"e.png"});
}

TEST_CASE("samples that do not fit are refused with file and pixel") {
  scratch::Folder const folder;
  make(folder);
  write_labels(folder / "labels/a.png", LabelMap(12, 9));  // D3
  CHECK(fault_of_load(folder)->code() == Errc::shape);
  auto map = labels(12, 8, 3);
  map.at(5, 2) = 3;  // D4
  write_labels(folder / "labels/a.png", map);
  auto const error = fault_of_load(folder);
  REQUIRE(error);
  CHECK(error->code() == Errc::format);
  CHECK(error->where().key == "pixel (5, 2)");
  CHECK(error->where().found == "3");
  CHECK(error->where().file.ends_with("labels/a.png"));
  write_png(folder / "labels/a.png", picture(12, 8, 0));  // D5
  CHECK(fault_of_load(folder)->code() == Errc::format);
  write_text(folder / "images/b.png", "");  // D12
  CHECK(fault_of_load(folder, 1)->code() == Errc::format);
  CHECK(Dataset(folder / "").check().size() == 2);
}

TEST_CASE("a pipe among the pictures is refused and not waited for, whenever it came") {  // D12; permissions would not stop root
  scratch::Folder const folder;
  make(folder);
  Dataset const before(folder / "");
  std::filesystem::remove(folder / "images/b.png");
  REQUIRE(::mkfifo((folder / "images/b.png").c_str(), 0600) == 0);
  auto const late = error_of([&] { before.load(1); });
  REQUIRE(late);
  CHECK(late->code() == Errc::io);
  CHECK(late->where().file.ends_with("images/b.png"));
  CHECK(late->where().found == "a FIFO");
  auto const early = fault_of_open(folder);
  REQUIRE(early);
  CHECK(early->code() == Errc::key);
  CHECK(early->where().found.find("b.png") != std::string::npos);
  Dataset const rest(folder / "", {.incomplete = true});
  CHECK(rest.size() == 2);
  REQUIRE(rest.report().unusable.size() == 1);
  CHECK(rest.report().unusable[0].find("images/b.png") != std::string::npos);
}

TEST_CASE("loops of links, folders, twins and odd names") {
  scratch::Folder const folder;
  make(folder);
  std::filesystem::create_symlink("loop.png", folder / "images/loop.png");  // D6
  CHECK(fault_of_open(folder)->code() == Errc::key);
  std::filesystem::create_directory(folder / "images/folder.png");
  write_text(folder / "images/readme.txt", "x");
  Dataset const set(folder / "", {.incomplete = true});
  CHECK(set.report().unusable.size() == 2);
  CHECK(set.report().ignored == std::vector<std::string>{"images/readme.txt"});
  std::filesystem::remove(folder / "images/loop.png");
  std::filesystem::remove(folder / "images/folder.png");
  std::filesystem::create_directory_symlink(folder / "images/again", folder / "images/again");
  CHECK(Dataset(folder / "").size() == 3);
  for (auto const* odd : {"two words", "line\nbreak", "stra\xc3\x9f""e"}) add(folder, odd);  // D7
  Dataset const odd(folder / "");
  CHECK(odd.size() == 6);
  CHECK(odd.check().empty());
  add(folder, "A");  // D11
  auto const error = fault_of_open(folder);
  REQUIRE(error);
  CHECK(error->code() == Errc::key);
}

TEST_CASE("a file that changes is noticed") {  // D13
  scratch::Folder const folder;
  make(folder);
  Dataset const set(folder / "");
  auto const before = set.fingerprint();
  CHECK(before == Dataset(folder / "").fingerprint());
  write_labels(folder / "labels/a.png", LabelMap(12, 8));
  std::filesystem::last_write_time(folder / "labels/a.png", std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  CHECK(error_of([&] { set.load(0); })->code() == Errc::io);
  CHECK(Dataset(folder / "").fingerprint() != before);
}

TEST_CASE("captions of another data set are refused") {
  scratch::Folder const folder;
  make(folder);
  write_text(folder / "captions.json", R"({"q.png": {"captions": ["x"]}})");
  CHECK(fault_of_open(folder)->code() == Errc::key);
  std::filesystem::remove(folder / "captions.json");
  CHECK(Dataset(folder / "").report().without_caption.size() == 3);
  CHECK(fault_of_open(folder, {.captions = folder / "captions.json"})->code() == Errc::io);
}

TEST_CASE("CamVid opens") {
  auto const shared = scratch::shared_folder();
  if (!shared || !std::filesystem::exists(*shared / "data" / "camvid" / "classes.json")) {
    MESSAGE("skipped: the shared data are not here");
    return;
  }
  Dataset set(*shared / "data" / "camvid" / "day" / "test");
  CHECK(set.size() == 171);
  CHECK(set.report().complete());
  CHECK(set.report().without_caption.empty());
  CHECK(set.classes().size() == 11);
  CHECK(set.classes()[10].name == "bicyclist");
  CHECK(set[0].picture.width == 320);
  CHECK(set[0].caption == "a street photo of a road, trees, fences, pavement, sky, buildings and cars");
}
