// SPDX-License-Identifier: Apache-2.0
#include "dataset_files.hpp"
#include "tadp/data/augment_boxes.hpp"
#include "tadp/data/voc_boxes.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace tadp;
using namespace dataset_files;
using scratch::error_of;

std::string object(std::string const& name, std::string const& corners, std::string const& more = "<difficult>0</difficult>") {
  std::string text = "<object><name>" + name + "</name>" + more + "<bndbox>";
  std::size_t at = 0;
  for (auto const* field : {"xmin", "ymin", "xmax", "ymax"}) {
    auto const end = std::min(corners.find(' ', at), corners.size());
    text += std::string("<") + field + ">" + corners.substr(at, end - at) + "</" + field + ">";
    at = std::min(end + 1, corners.size());
  }
  return text + "</bndbox></object>";
}
std::string annotation(std::string const& stem, std::string const& objects, int width = 12, int height = 8) {
  return "<annotation><filename>" + stem + ".png</filename><size><width>" + std::to_string(width) + "</width><height>" + std::to_string(height) + "</height><depth>3</depth></size>" + objects + "</annotation>";
}
void add_voc(scratch::Folder const& folder, std::string const& stem, std::string const& objects) {
  write_png(folder / ("JPEGImages/" + stem + ".png"), picture(12, 8, stem.size()));
  write_text(folder / ("Annotations/" + stem + ".xml"), annotation(stem, objects));
}
/// a: a dog and a difficult cat; b: nothing; c: a cat. The split "some" has c and a.
void make_voc(scratch::Folder const& folder) {
  for (auto const* part : {"JPEGImages", "Annotations", "ImageSets/Main"}) std::filesystem::create_directories(folder / part);
  add_voc(folder, "a", object("dog", "1 1 12 8") + object("cat", "2.5 3 6 7", "<difficult>1</difficult><part><bndbox><xmin>x</xmin></bndbox></part>"));
  add_voc(folder, "b", "");
  add_voc(folder, "c", object("cat", "0 2 5 6", ""));
  write_text(folder / "ImageSets/Main/some.txt", "c\r\n\r\n  a \n");
}
std::optional<Error> fault_of_open(scratch::Folder const& folder, VocBoxesOptions const& options = {}) {
  return error_of([&] { VocBoxes(folder / "", options); });
}
/// Opens with a's annotation replaced: what is refused, of which kind, and that the rest can be used.
void check_annotation(scratch::Folder const& folder, std::string const& text, FolderFault fault, Errc code, std::size_t left) {
  CAPTURE(text.substr(0, 400));
  write_text(folder / "Annotations/a.xml", text);
  auto const error = fault_of_open(folder);
  REQUIRE(error);
  CHECK(error->code() == code);
  CHECK(std::string_view(error->what()).find("a.xml") != std::string_view::npos);
  VocBoxes const set(folder / "", {.incomplete = true, .drop_boxes = true});
  CHECK(set.size() == left);
  CHECK(set.report().count() == 1);
  CHECK(set.report().count(fault) == 1);
  if (left < 3) CHECK(fault_of_open(folder, {.drop_boxes = true})->code() == code);
  if (left == 3) {
    CHECK(fault_of_open(folder, {.incomplete = true})->code() == code);
    CHECK(set.boxes(0).size() == 1);
  }
}

}  // namespace

TEST_CASE("a folder of the VOC form becomes samples") {
  scratch::Folder const folder;
  make_voc(folder);
  VocBoxes set(folder / "");
  REQUIRE(set.size() == 3);
  CHECK(set.report().complete());
  REQUIRE(set.classes().size() == 20);  // only names of VOC
  CHECK(set.classes()[7] == "cat");
  CHECK(set.boxes(0) == std::vector<TrueBox>{{{1, 1, 12, 8}, 12, false}, {{2.5F, 3, 6, 7}, 8, true}});
  CHECK(set.boxes(1).empty());
  CHECK(set[2].boxes == std::vector<TrueBox>{{{0, 2, 5, 6}, 8, false}});
  CHECK(set[2].picture.rgb == picture(12, 8, 1).rgb);
  CHECK(set.check().empty());
  VocBoxes const some(folder / "", {.split = "some"});
  REQUIRE(some.size() == 2);
  CHECK(some.name(0) == "c.png");
  CHECK(some.name(1) == "a.png");
  std::filesystem::rename(folder / "JPEGImages", folder / "images");
  CHECK(VocBoxes(folder / "").size() == 3);
}

TEST_CASE("classes keep their labels") {
  scratch::Folder const folder;
  make_voc(folder);
  add_voc(folder, "d", object("zebra", "1 1 5 5"));
  CHECK(VocBoxes(folder / "", {.split = "some"}).classes() == std::vector<std::string>{"cat", "dog", "zebra"});
  VocBoxes const given(folder / "", {.split = "some", .classes = {"dog", "cat"}});
  CHECK(given.boxes(0)[0].label == 2);
  auto const error = fault_of_open(folder, {.classes = {"dog", "cat"}});
  REQUIRE(error);
  CHECK(error->code() == Errc::key);
  CHECK(std::string_view(error->what()).find("zebra") != std::string_view::npos);
  CHECK(fault_of_open(folder, {.classes = {"dog", "dog"}})->code() == Errc::argument);
  CHECK(fault_of_open(folder, {.limits = {.max_classes = 2}})->code() == Errc::limit);
  write_text(folder / "Annotations/d.xml", "<annotation>");  // of another split: a remark
  VocBoxes const some(folder / "", {.split = "some"});
  CHECK(some.report().complete());
  CHECK(some.report().remark_count() == 1);
}

TEST_CASE("corners from zero, captions and a cache") {
  scratch::Folder const folder;
  make_voc(folder);
  write_text(folder / "Annotations/c.xml", annotation("c", object("cat", "1 2 5 6")));
  write_text(folder / "captions.json", R"({"a": {"captions": ["a dog"]}, "c.png": {"captions": ["a cat"]}})");
  VocBoxes set(folder / "", {.corners = VocCorners::from_zero, .cache_bytes = 12 * 8 * 4 + 100});
  CHECK(set.boxes(2)[0].box == Box{0, 1, 5, 6});
  CHECK(set.caption(0) == "a dog");
  CHECK(set[2].caption == "a cat");
  CHECK(set.report().remarks().size() == 1);  // b has none
  auto const* const kept = &set[2];
  set[0], set[1];
  CHECK(&set[2] == kept);
  auto const before = set.fingerprint();
  CHECK(VocBoxes(folder / "", {.corners = VocCorners::from_zero}).fingerprint() == before);
  CHECK(VocBoxes(folder / "").fingerprint() != before);  // other boxes of the same files
  write_text(folder / "Annotations/a.xml", annotation("a", ""));
  std::filesystem::last_write_time(folder / "Annotations/a.xml", std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  CHECK(error_of([&] { set.load(0); })->code() == Errc::io);  // D13
  CHECK(set.fingerprint() != before);
}

TEST_CASE("what is wrong in an annotation is named") {  // D10
  scratch::Folder const folder;
  make_voc(folder);
  std::string const good = object("dog", "1 1 4 4");
  auto const boxed = [&](std::string const& bad, FolderFault fault, Errc code) { check_annotation(folder, annotation("a", good + bad), fault, code, 3); };
  boxed(object("cat", "5 2 3 6"), FolderFault::box_inverted, Errc::format);
  boxed(object("cat", "5 6 7 2"), FolderFault::box_inverted, Errc::format);
  boxed(object("cat", "5 2 5 6"), FolderFault::box_empty, Errc::format);
  boxed(object("cat", "5 2 5 2"), FolderFault::box_empty, Errc::format);
  boxed(object("cat", "5 2 13 6"), FolderFault::box_outside, Errc::format);
  boxed(object("cat", "-1 2 4 6"), FolderFault::box_outside, Errc::format);
  boxed(object("cat", "100 100 104 106"), FolderFault::box_outside, Errc::format);
  for (auto const* corners : {"1 2 three 4", "1 2 nan 4", "1 2 inf 4", "1 2 1e999 4", "1 2 3", "1 2 3px 4", ""}) boxed(object("cat", corners), FolderFault::box_no_number, Errc::format);
  boxed("<object><name>cat</name></object>", FolderFault::box_no_number, Errc::format);
  boxed(object("cat", "1 2 3 4", "<difficult>perhaps</difficult>"), FolderFault::box_no_number, Errc::format);
  boxed(object("", "1 2 3 4"), FolderFault::object_unnamed, Errc::format);
  boxed(object(std::string(300, 'n'), "1 2 3 4"), FolderFault::object_unnamed, Errc::format);
  auto const whole = [&](std::string const& text, FolderFault fault, Errc code) { check_annotation(folder, text, fault, code, 2); };
  whole("<annotation>" + good + "</annotation>", FolderFault::size_missing, Errc::format);
  whole(annotation("a", good, 0, 0), FolderFault::size_missing, Errc::format);
  whole(annotation("a", good, 8, 12), FolderFault::sizes_differ, Errc::shape);
  for (auto const* text : {"", "<annotation>", "{}", "<html></html>", "<annotation></b>", "<annotation", "\xff\xfe<"}) whole(text, FolderFault::damaged_annotation, Errc::format);
}

TEST_CASE("hostile annotations are bounded") {
  scratch::Folder const folder;
  make_voc(folder);
  auto const whole = [&](std::string const& text) { check_annotation(folder, text, FolderFault::damaged_annotation, Errc::format, 2); };
  std::string bomb = "<!DOCTYPE annotation [<!ENTITY e0 \"ha\">";
  for (int i = 1; i < 40; ++i) bomb += "<!ENTITY e" + std::to_string(i) + " \"&e" + std::to_string(i - 1) + ";&e" + std::to_string(i - 1) + ";\">";
  whole(bomb + "]>" + annotation("a", object("&e39;", "1 1 4 4")));
  whole("<!DOCTYPE a SYSTEM \"file:///etc/passwd\">" + annotation("a", ""));
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += object("dog", "1 1 4 4");
  whole(annotation("a", many));  // above max_objects
  std::string million;
  for (int i = 0; i < 1'000'000; ++i) million += "<object/>";
  whole(annotation("a", million));  // above max_file_bytes
  std::string deep;
  for (int i = 0; i < 300'000; ++i) deep += "<a>";
  whole("<annotation>" + deep);
  std::string closed = deep;
  for (int i = 0; i < 300'000; ++i) closed += "</a>";
  write_text(folder / "Annotations/a.xml", annotation("a", closed));
  CHECK(VocBoxes(folder / "").boxes(0).empty());
  write_text(folder / "Annotations/a.xml", annotation("a", object("&lt;c&#10;at&unknown;", "1 1 4 4")));
  CHECK(VocBoxes(folder / "").classes().size() == 2);
}

TEST_CASE("what is missing is said at once") {
  scratch::Folder const folder;
  CHECK(fault_of_open(folder)->code() == Errc::io);  // D1
  for (auto const* part : {"JPEGImages", "Annotations"}) std::filesystem::create_directory(folder / part);
  CHECK(fault_of_open(folder)->code() == Errc::format);
  make_voc(folder);
  write_png(folder / "JPEGImages/only.png", picture(4, 4, 0));  // D2
  write_text(folder / "Annotations/lonely.xml", annotation("lonely", ""));
  write_text(folder / "JPEGImages/b.png", "no picture");
  std::filesystem::create_symlink("loop.png", folder / "JPEGImages/loop.png");  // D6
  std::filesystem::create_directory(folder / "Annotations/d.xml");
  write_text(folder / "JPEGImages/readme.txt", "x");
  add_voc(folder, "A", "");  // D11
  write_text(folder / "Annotations/c.xml", annotation("c", object("cat", "5 5 5 5") + object("dog", "9 9 3 3")));
  auto const error = fault_of_open(folder);
  REQUIRE(error);
  CHECK(error->code() == Errc::key);
  for (auto const* name : {"only", "lonely", "b.png", "loop.png", "d.xml", "object 0: 5 5 5 5", "object 1: 9 9 3 3"})
    CHECK_MESSAGE(std::string_view(error->what()).find(name) != std::string_view::npos, error->what());
  VocBoxes const set(folder / "", {.incomplete = true, .drop_boxes = true});
  CHECK(set.size() == 2);
  CHECK(set.report().count(FolderFault::picture_missing) == 1);
  CHECK(set.report().count(FolderFault::annotation_missing) == 1);
  CHECK(set.report().count(FolderFault::unusable_file) == 2);
  CHECK(set.report().count(FolderFault::twin_names) == 2);
  CHECK(set.report().count(FolderFault::damaged_picture) == 1);
  CHECK(set.report().count(FolderFault::box_empty) == 1);
  CHECK(set.report().count(FolderFault::box_inverted) == 1);
  CHECK(set.check().empty());
}

TEST_CASE("lists of a split") {  // D7, D8
  scratch::Folder const folder;
  make_voc(folder);
  for (auto const* odd : {"two words", "stra\xc3\x9f""e"}) add_voc(folder, odd, "");
  write_text(folder / "ImageSets/Main/odd.txt", "\xef\xbb\xbftwo words\nstra\xc3\x9f""e");
  CHECK(VocBoxes(folder / "", {.split = "odd"}).size() == 2);
  write_text(folder / "ImageSets/Main/bad.txt", "a\n../Annotations/a\na\n..\nmissing\n");
  auto const error = fault_of_open(folder, {.split = "bad"});
  REQUIRE(error);
  CHECK(error->code() == Errc::format);
  CHECK(std::string_view(error->what()).find("line 2") != std::string_view::npos);
  VocBoxes const set(folder / "", {.split = "bad", .incomplete = true});
  CHECK(set.size() == 1);
  CHECK(set.report().count(FolderFault::list_line) == 2);
  CHECK(set.report().count(FolderFault::listed_twice) == 1);
  CHECK(set.report().count(FolderFault::picture_missing) == 1);
  CHECK(fault_of_open(folder, {.split = "none"})->code() == Errc::io);
  CHECK(fault_of_open(folder, {.split = "../Main/some"})->code() == Errc::argument);
  write_text(folder / "ImageSets/Main/empty.txt", "\n");
  CHECK(fault_of_open(folder, {.split = "empty"})->code() == Errc::format);
}

TEST_CASE("a list of one class's flags is told from a split, and the split is named") {
  scratch::Folder const folder;
  make_voc(folder);
  auto const refused = [&](std::string const& split) {
    auto const error = fault_of_open(folder, {.split = split, .incomplete = true});
    REQUIRE(error);
    CHECK(error->code() == Errc::format);
    CHECK(std::string_view(error->what()).find("in which pictures one class is") != std::string_view::npos);
    return error->where();
  };
  write_text(folder / "ImageSets/Main/cat_some.txt", "c  1\na -1\n");
  CHECK(refused("cat_some").expected.starts_with("some,"));
  CHECK(refused("cat_some").found == "c  1");
  write_text(folder / "ImageSets/Main/cats.txt", "c 0\n");
  CHECK(refused("cats").expected.starts_with("a list whose lines are names alone"));
  for (auto const* name : {"photo 1", "photo 0"}) add_voc(folder, name, "");
  write_text(folder / "ImageSets/Main/photos.txt", "photo 1\nphoto 0\n");  // names that only look so
  CHECK(VocBoxes(folder / "", {.split = "photos"}).size() == 2);
}

TEST_CASE("a report keeps a bounded number and counts the rest") {
  FolderReport report;
  for (std::size_t i = 0; i < FolderReport::most_kept + 5; ++i) report.add(FolderFault::picture_missing, "p" + std::to_string(i));
  CHECK(report.count() == FolderReport::most_kept + 5);
  CHECK(report.findings().size() == FolderReport::most_kept);
  CHECK(report.text(2) == "10005 pictures missing (p0, p1, ...)");
  FolderReport boxes;
  boxes.add(FolderFault::box_empty, "line\nbreak");
  CHECK(boxes.text() == "1 boxes without an area (line\\x0abreak)");
  CHECK(!error_of([&] { boxes.require_none("x", true, false); }));
  CHECK(error_of([&] { boxes.require_none("x"); }));
}

TEST_CASE("boxes follow their picture into the frame") {
  Sample const sample{picture(20, 10, 3), LabelMap(20, 10, ignore_label), "c", "v", {}, {{{2, 1, 8, 6}, 1, false}, {{0, 0, 20, 10}, 2, true}}};
  BoxPipeline p;
  p.width = 40, p.height = 40, p.normalisation = Normalisation{};
  auto const view = view_of(sample, p);
  CHECK(view.boxes[0].box == Box{4, 4, 16, 24});
  CHECK(view.boxes[1] == TrueBox{{0, 0, 40, 40}, 2, true});
  auto const rounded = picture_of(view.values, 40, 40, p.normalisation);
  auto const torch = resize(sample.picture, 40, 40, Resize::torch_bilinear);
  int worst = 0;
  for (std::size_t i = 0; i < torch.rgb.size(); ++i) worst = std::max(worst, std::abs(torch.rgb[i] - rounded.rgb[i]));
  CHECK(worst <= 1);
  Sample turned = sample;
  mirror(turned.picture, turned.boxes);
  CHECK(turned.boxes[0].box == Box{12, 1, 18, 6});
  for (int x = 0; x < 20; ++x) CHECK(turned.picture.pixel(x, 4)[1] == sample.picture.pixel(19 - x, 4)[1]);
  mirror(turned.picture, turned.boxes);
  CHECK(turned.boxes == sample.boxes);
  CHECK(turned.picture.rgb == sample.picture.rgb);
  CHECK(augment(sample, p, 5).values == view.values);  // the paper's: no draw
  p.mirror = 0.5F, p.photometric = true;
  int mirrored = 0;
  for (std::uint64_t i = 0; i < 200; ++i) mirrored += augment(sample, p, random_key(7, i)).boxes[0].box.x1 > 20.0F ? 1 : 0;
  CHECK((mirrored > 70 && mirrored < 130));
  CHECK(augment(sample, p, 9).values == augment(sample, p, 9).values);
  Batch batch;
  for (std::uint64_t i = 0; i < 3; ++i) add_augmented(batch, sample, p, random_key(7, i));
  CHECK(batch.pictures.size() == 3 * 40 * 40 * 3);
  CHECK(batch.labels == std::vector<std::uint8_t>(3 * 40 * 40, ignore_label));
  CHECK((batch.depths.empty() && batch.boxes.size() == 3 && batch.captions[2] == "c" && batch.varied_captions[2] == "v"));
  CHECK(batch.boxes[1] == augment(sample, p, random_key(7, 1)).boxes);
  p.width = 20;
  CHECK(error_of([&] { add_augmented(batch, sample, p, 1); })->code() == Errc::shape);
  CHECK(error_of([&] { resized_values(sample.picture, 0, 4, p.normalisation); })->code() == Errc::argument);
}

TEST_CASE("BCCD is read whole") {
  auto const shared = scratch::shared_folder();
  if (!shared || !std::filesystem::exists(*shared / "data" / "bccd" / "Annotations")) {
    MESSAGE("skipped: the shared data are not here");
    return;
  }
  auto const folder = *shared / "data" / "bccd";
  struct Row {
    char const* split;
    std::size_t pictures, rbc, wbc, platelets;
  };
  std::size_t empty = 0;
  // The set's own counts hold the two empty boxes, which are no white cells.
  for (Row const& row : {Row{"train", 205, 2382, 214, 209}, Row{"val", 87, 968, 87, 83}, Row{"test", 72, 805, 71, 69}, Row{"trainval", 292, 3350, 301, 292}, Row{"", 364, 4155, 372, 361}}) {
    VocBoxes const set(folder, {.split = row.split, .classes = {"RBC", "WBC", "Platelets"}, .drop_boxes = true});
    CHECK(set.size() == row.pictures);
    std::size_t counts[4] = {};
    for (std::size_t i = 0; i < set.size(); ++i)
      for (TrueBox const& b : set.boxes(i)) {
        ++counts[b.label];
        CHECK(!b.difficult);
      }
    empty = set.report().count();
    CHECK(set.report().count(FolderFault::box_empty) == empty);
    CHECK(counts[1] + counts[2] + counts[3] + empty == row.rbc + row.wbc + row.platelets);
    CHECK(counts[2] == row.wbc);
  }
  CHECK(empty == 2);
  auto const error = error_of([&] { VocBoxes(folder, {}); });
  REQUIRE(error);
  CHECK(std::string_view(error->what()).find("BloodImage_00338.xml object 12: 504 337 504 337") != std::string_view::npos);
  CHECK(std::string_view(error->what()).find("BloodImage_00343.xml object 3:") != std::string_view::npos);
  VocBoxes set(folder, {.split = "test", .drop_boxes = true});
  CHECK(set.classes() == std::vector<std::string>{"Platelets", "RBC", "WBC"});
  CHECK(set.report().remark_count() == 0);
  CHECK(set[0].picture.width == 640);
  CHECK(set.check().empty());
}
