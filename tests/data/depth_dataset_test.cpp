// SPDX-License-Identifier: Apache-2.0
#include "dataset_files.hpp"
#include "tadp/data/augment_depth.hpp"
#include "tadp/data/depth_dataset.hpp"
#include "tadp/io/depth_files.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

namespace {

using namespace tadp;
using namespace dataset_files;
using scratch::error_of;

DepthMap ramp(int width, int height, float first) {
  DepthMap map(width, height);
  for (std::size_t i = 0; i < map.metres.size(); ++i) map.metres[i] = first + 0.001F * static_cast<float>(i);
  map.metres[0] = 0.0F;
  return map;
}
void add_pair(scratch::Folder const& folder, std::string const& stem, float first = 1.0F, int width = 12, int height = 8) {
  write_png(folder / ("images/" + stem + ".png"), picture(12, 8, stem.size()));
  write_depth_png(folder / ("depth/" + stem + ".png"), ramp(width, height, first).metres, width, height);
}
/// Pictures a, b and c with depth.
void make_depths(scratch::Folder const& folder) {
  for (auto const* part : {"images", "depth"}) std::filesystem::create_directories(folder / part);
  for (auto const* stem : {"b", "a", "c"}) add_pair(folder, stem);
}
std::optional<Error> fault_of_open(scratch::Folder const& folder, DepthDatasetOptions const& options = {}) {
  return error_of([&] { DepthDataset(folder / "", options); });
}
/// The set is refused with this code, and without the pair it can be used.
void check_fault(scratch::Folder const& folder, FolderFault fault, Errc code, std::size_t left = 2, DepthDatasetOptions options = {}) {
  CAPTURE(to_string(fault));
  auto const error = fault_of_open(folder, options);
  REQUIRE(error);
  CHECK(error->code() == code);
  options.incomplete = true;
  DepthDataset const set(folder / "", options);
  CHECK(set.size() == left);
  CHECK(set.report().count() == 1);
  CHECK(set.report().count(fault) == 1);
  CHECK(std::string_view(error->what()).find(set.report().text()) != std::string_view::npos);
}
Sample sample(int width, int height) { return {picture(width, height, 9), LabelMap(width, height, ignore_label), "a caption", "another", ramp(width, height, 0.5F), {}}; }

}  // namespace

TEST_CASE("two folders become pictures with depth") {
  scratch::Folder const folder;
  make_depths(folder);
  auto floats = ramp(12, 8, 2.0F);
  floats.metres[5] = std::numeric_limits<float>::quiet_NaN(), floats.metres[6] = -1.0F, floats.metres[7] = std::numeric_limits<float>::infinity();
  std::filesystem::remove(folder / "depth/c.png");
  write_npy(folder / "depth/c.npy", floats.metres, 12, 8);
  DepthDataset set(folder / "");
  REQUIRE(set.size() == 3);
  CHECK(set.report().complete());
  CHECK(set.report().remarks().empty());
  CHECK(set.name(0) == "a.png");
  CHECK(set.units_per_metre() == 1000.0);
  CHECK(set[0].picture.rgb == picture(12, 8, 1).rgb);
  CHECK(set[0].depth.metres[0] == 0.0F);
  CHECK(set[0].depth.metres[20] == doctest::Approx(1.02));
  CHECK(set[2].depth.metres[20] == floats.metres[20]);
  for (std::size_t i : {5U, 6U, 7U}) CHECK(set[2].depth.metres[i] == 0.0F);
  CHECK(set.summary().pixels() == 3 * 96);
  CHECK(set.summary().valid() == 3 * 96 - 6);
  CHECK(set.summary().least() == doctest::Approx(1.001));
  CHECK(set.summary().most() == doctest::Approx(2.095));
  CHECK(set.check().empty());
  CHECK(fault_of_open(folder, {.max_depth = 1.05F})->code() == Errc::format);  // nothing of c is that near
  DepthDataset const near(folder / "", {.max_depth = 1.05F, .incomplete = true});
  CHECK(near.size() == 2);
  CHECK(near.load(0).depth.metres[40] > 0.0F);
  CHECK(near.load(0).depth.metres[60] == 0.0F);
}

TEST_CASE("a list names pairs, focal lengths and the scale") {
  scratch::Folder const folder;
  make_depths(folder);
  write_text(folder / "captions.json", R"({"/images/c.png": {"captions": ["a room"]}})");
  write_text(folder / "list.txt", "\xef\xbb\xbf# depth_scale 500\r\n/images/c.png /depth/c.png\r\n\r\nimages/a.png  depth/a.png 292.5\n# a remark\n");
  DepthDataset set(folder / "");
  REQUIRE(set.size() == 2);
  CHECK(set.name(0) == "/images/c.png");
  CHECK(set.caption(0) == "a room");
  CHECK(set[0].caption == "a room");
  CHECK(set.focal(0) == 0.0F);
  CHECK(set.focal(1) == 292.5F);
  auto const mixed = error_of([&] { set.has_focals(); });
  REQUIRE(mixed);
  CHECK(mixed->code() == Errc::format);
  CHECK(mixed->where().found == "1 of 2 without, the first is /images/c.png");
  CHECK(set[1].picture.focal == 292.5F);
  CHECK(set.units_per_metre() == 500.0);
  CHECK(set[1].depth.metres[20] == doctest::Approx(2.04));
  CHECK(fault_of_open(folder, {.depth_scale = 256})->code() == Errc::argument);
  CHECK(!fault_of_open(folder, {.depth_scale = 500}));
  std::filesystem::rename(folder / "list.txt", folder / "my list.txt");
  CHECK(DepthDataset(folder / "", {.list = "my list.txt"}).size() == 2);
  CHECK(DepthDataset(folder / "", {.list = folder / "my list.txt", .cache_bytes = 10'000}).size() == 2);
  CHECK(fault_of_open(folder, {.list = "none.txt"})->code() == Errc::io);
  DepthDataset const plain(folder / "", {.depth_scale = 256});
  CHECK(plain.load(0).depth.metres[20] == doctest::Approx(1020.0 / 256));
  for (double const bad : {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) CHECK(fault_of_open(folder, {.depth_scale = bad})->code() == Errc::argument);
}

TEST_CASE("lists that are wrong say their lines") {  // D7, D8
  scratch::Folder const folder;
  make_depths(folder);
  auto const listed = [&](std::string const& line, FolderFault fault, Errc code) {
    CAPTURE(line);
    write_text(folder / "list.txt", "images/a.png depth/a.png\n" + line + "\nimages/b.png depth/b.png\n");
    check_fault(folder, fault, code);
  };
  for (auto const* line : {"images/c.png", "images/c.png depth/c.png 1 2", "images/c.png depth/c.png x", "images/c.png depth/c.png 0", "images/c.png depth/c.png nan", "../images/c.png depth/c.png",
                           "images/c.png depth/../../c.png", "/ /"})
    listed(line, FolderFault::list_line, Errc::format);
  listed("images/a.png depth/c.png", FolderFault::listed_twice, Errc::key);
  listed("images/d.png depth/c.png", FolderFault::picture_missing, Errc::key);
  listed("images/c.png depth/d.png", FolderFault::depth_missing, Errc::key);
  listed("images/c.png None", FolderFault::depth_missing, Errc::key);
  listed("images/c.png depth", FolderFault::unusable_file, Errc::io);
  for (auto const* scale : {"# depth_scale none", "# depth_scale", "# depth_scale -1", "# depth_scale 0", "# depth_scale 1000\n# depth_scale 256"}) {
    write_text(folder / "list.txt", std::string(scale) + "\nimages/a.png depth/a.png\n");
    CHECK_MESSAGE(fault_of_open(folder)->code() == Errc::format, scale);
  }
  for (auto const* odd : {"two words", "stra\xc3\x9f""e"}) add_pair(folder, odd);
  write_text(folder / "list.txt", "images/two words.png\tdepth/two words.png\t5\nimages/stra\xc3\x9f""e.png depth/stra\xc3\x9f""e.png\n");
  CHECK(DepthDataset(folder / "").check().empty());
  write_text(folder / "list.txt", "\n# nothing\n");
  CHECK(fault_of_open(folder)->code() == Errc::format);
}

TEST_CASE("pairs that do not fit are named when the set is opened") {
  scratch::Folder const folder;
  CHECK(fault_of_open(folder)->code() == Errc::io);  // D1
  make_depths(folder);
  auto const restore = [&] { add_pair(folder, "a"); };
  write_depth_png(folder / "depth/a.png", std::vector<float>(96, 0.0F), 12, 8);  // D9
  check_fault(folder, FolderFault::no_valid_depth, Errc::format);
  DepthDataset const unread(folder / "", {.read_depths = false});
  CHECK(unread.size() == 3);
  CHECK(error_of([&] { unread.load(0); })->code() == Errc::format);
  CHECK(unread.check().size() == 1);
  for (bool const read : {true, false}) {
    DepthDatasetOptions const options{.read_depths = read};
    write_depth_png(folder / "depth/a.png", ramp(8, 12, 1.0F).metres, 8, 12);  // D3
    check_fault(folder, FolderFault::sizes_differ, Errc::shape, 2, options);
    write_gray_png(folder / "depth/a.png", std::vector<std::uint8_t>(96, 7), 12, 8);  // I10
    check_fault(folder, FolderFault::damaged_depth, Errc::format, 2, options);
    write_png(folder / "depth/a.png", picture(12, 8, 1));
    check_fault(folder, FolderFault::damaged_depth, Errc::format, 2, options);
    write_text(folder / "depth/a.png", "GIF89a");
    check_fault(folder, FolderFault::damaged_depth, Errc::format, 2, options);
    write_text(folder / "depth/a.png", "");
    check_fault(folder, FolderFault::damaged_depth, Errc::format, 2, options);
    restore();
    write_text(folder / "images/a.png", "\x89PNG\r\n\x1a\n");
    check_fault(folder, FolderFault::damaged_picture, Errc::format, 2, options);
    restore();
  }
  std::filesystem::remove(folder / "depth/b.png");  // D2
  check_fault(folder, FolderFault::depth_missing, Errc::key);
  std::filesystem::rename(folder / "images/b.png", folder / "b.png");
  CHECK(DepthDataset(folder / "").size() == 2);
  std::filesystem::remove(folder / "images/a.png");
  check_fault(folder, FolderFault::picture_missing, Errc::key, 1);
  restore();
  std::filesystem::create_symlink("loop.png", folder / "depth/loop.png");  // D6
  check_fault(folder, FolderFault::unusable_file, Errc::io);
  std::filesystem::remove(folder / "depth/loop.png");
  add_pair(folder, "A");  // D11
  DepthDataset const twins(folder / "", {.incomplete = true});
  CHECK(twins.report().count(FolderFault::twin_names) == 2);
}

TEST_CASE("a map of another scale is remarked, not refused") {  // D9
  scratch::Folder const folder;
  make_depths(folder);
  add_pair(folder, "d", 3.9F);
  DepthDataset const set(folder / "");
  REQUIRE(set.report().remarks().size() == 1);
  CHECK(set.report().remarks()[0].file == "depth/d.png");
}

TEST_CASE("a list has focal lengths for all or for none, and they belong to the content") {
  scratch::Folder const folder;
  make_depths(folder);
  write_text(folder / "list.txt", "images/c.png depth/c.png\nimages/a.png depth/a.png\n");
  DepthDataset const none(folder / "");
  CHECK_FALSE(none.has_focals());
  write_text(folder / "list.txt", "images/c.png depth/c.png 100\nimages/a.png depth/a.png 100\n");
  DepthDataset const all(folder / "");
  CHECK(all.has_focals());
  CHECK(all.fingerprint() != none.fingerprint());
  std::stop_source stop;
  stop.request_stop();
  CHECK(error_of([&] { all.fingerprint({.stop = stop.get_token(), .progress = {}}); })->code() == Errc::cancelled);
}

TEST_CASE("a depth file that changes is noticed") {  // D13
  scratch::Folder const folder;
  make_depths(folder);
  DepthDataset const set(folder / "");
  auto const before = set.fingerprint();
  write_depth_png(folder / "depth/a.png", ramp(12, 8, 2.0F).metres, 12, 8);
  std::filesystem::last_write_time(folder / "depth/a.png", std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  CHECK(error_of([&] { set.load(0); })->code() == Errc::io);
  CHECK(set.fingerprint() != before);
}

TEST_CASE("damaged .npy files are refused before memory is asked for") {
  auto good = encode_npy(ramp(3, 2, 1.0F).metres, 3, 2);
  CHECK(decode_depth(good).metres.size() == 6);
  auto const refused = [](std::vector<std::byte> const& bytes) {
    auto const error = error_of([&] { decode_depth(bytes); });
    REQUIRE(error);
    return error->code();
  };
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(refused({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}) == Errc::format);
  auto const with = [&](std::string_view from, std::string_view to) {
    std::string text(reinterpret_cast<char const*>(good.data()), good.size());
    auto const at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, to.size(), to);
    return scratch::bytes_of(text);
  };
  CHECK(refused(with("<f4", "<f8")) == Errc::format);
  CHECK(refused(with("'shape'", "'shade'")) == Errc::format);
  CHECK(refused(with("(2, 3)", "(2; 3)")) == Errc::format);
  CHECK(refused(with("(2, 3)", "(9, 9)")) == Errc::format);
  CHECK(refused(with("(2, 3)", "(0, 3)")) == Errc::format);
  CHECK(refused(with("(2, 3), }", "(-2, 3) }")) == Errc::format);
  CHECK(refused(with("(2, 3), }          ", "(60000, 60000), }  ")) == Errc::limit);
  CHECK(refused(with("(2, 3), }               ", "(99999999999, 60000), } ")) == Errc::format);
}

namespace {

/// A .npy as numpy.save writes it: its head, filled up with blanks to a multiple of 64 bytes, and its numbers.
template <class Number>
std::vector<std::byte> npy(std::string const& descr, std::string const& order, std::string const& shape, std::vector<Number> const& numbers) {
  std::string text = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  text.resize(117, ' ');
  text = std::string("\x93NUMPY\x01\0\x76\0", 10) + text + "\n" + std::string(reinterpret_cast<char const*>(numbers.data()), sizeof(Number) * numbers.size());
  return scratch::bytes_of(text);
}

}  // namespace

TEST_CASE("numpy's files of doubles and of one channel are read; others are told as not handled, not as damaged") {
  std::vector<double> const doubles{1.5, 2.25, 0.0, -1.0, 1e39, std::numeric_limits<double>::quiet_NaN()};
  std::vector<float> const read{1.5F, 2.25F, 0.0F, 0.0F, 0.0F, 0.0F}, floats{1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F};
  auto const wide = decode_depth(npy("<f8", "False", "(2, 3)", doubles));
  CHECK((wide.width == 3 && wide.height == 2));
  CHECK(wide.metres == read);
  CHECK(decode_depth(npy("<f8", "False", "(3, 2, 1)", doubles)).height == 3);
  CHECK(decode_depth(npy("<f4", "False", "(2, 3, 1)", floats)).metres == floats);
  CHECK(error_of([&] { decode_depth(npy("<f8", "False", "(2, 3)", floats)); })->code() == Errc::format);  // too short
  struct Row {
    char const *numbers, *order, *shape;
  };
  for (Row const& row : {Row{">f4", "False", "(2, 3)"}, Row{">f8", "False", "(2, 3)"}, Row{"<f4", "True", "(2, 3)"}, Row{"<u2", "False", "(2, 3)"}, Row{"<f2", "False", "(2, 3)"}, Row{"<f4", "False", "(2, 3, 3)"},
                         Row{"<f4", "False", "(1, 2, 3)"}, Row{"<f4", "False", "(6,)"}, Row{"<f4", "False", "()"}}) {
    CAPTURE(row.numbers);
    CAPTURE(row.shape);
    auto const error = error_of([&] { decode_depth(npy(row.numbers, row.order, row.shape, floats)); });
    REQUIRE(error);
    CHECK(error->code() == Errc::unsupported);
    CHECK(error->where().found.find(row.shape) != std::string::npos);
  }
  scratch::Folder const folder;
  make_depths(folder);
  std::filesystem::remove(folder / "depth/a.png");
  auto const columns = npy("<f4", "True", "(8, 12)", std::vector<float>(96, 1.0F));
  std::ofstream(folder / "depth/a.npy", std::ios::binary).write(reinterpret_cast<char const*>(columns.data()), static_cast<std::streamsize>(columns.size()));
  check_fault(folder, FolderFault::unhandled_depth, Errc::unsupported);
}

TEST_CASE("a summary tells the middle of what is measured at any distance") {
  auto const middle = [](std::vector<float> const& metres) {
    std::vector<float> sorted;
    for (float const m : metres)
      if (m > 0.0F) sorted.push_back(m);
    std::sort(sorted.begin(), sorted.end());
    return sorted[(sorted.size() - 1) / 2];
  };
  DepthSummary summary;
  CHECK(summary.median() == 0.0F);
  DepthMap map(3, 2);
  std::vector<float> all;
  for (float const scale : {0.0004F, 1.0F, 50.0F, 3e8F}) {
    map.metres = {0.0F, 1.3F * scale, 2.7F * scale, 1.9F * scale, 0.3F * scale, 4.4F * scale};
    CHECK(median_depth(map) == 1.9F * scale);
    summary.add(map);
    all.insert(all.end(), map.metres.begin(), map.metres.end());
    CHECK(summary.median() == middle(all));
  }
  // More different depths than are counted one by one: 3 million over seven powers of two.
  DepthSummary large;
  DepthMap slope(1500, 1000);
  std::vector<float> slopes;
  for (float const first : {1.0F, 60.0F}) {
    for (std::size_t i = 0; i < slope.metres.size(); ++i) slope.metres[i] = first + 0.00004F * static_cast<float>(i);
    large.add(slope);
    slopes.insert(slopes.end(), slope.metres.begin(), slope.metres.end());
  }
  CHECK(large.valid() == 3'000'000);
  CHECK(std::abs(large.median() / middle(slopes) - 1.0F) < 1.0F / 4000.0F);
}

TEST_CASE("heads of pictures are read from their start") {
  scratch::Folder const folder;
  write_png(folder / "large.png", picture(200, 100, 4));  // noise of 60 kB
  auto const header = read_picture_header(folder / "large.png");
  CHECK((header.width == 200 && header.height == 100 && header.bit_depth == 8 && header.png && !header.gray));
  CHECK(error_of([&] { read_picture_header(folder / "large.png", {.max_pixels = 1000}); })->code() == Errc::limit);
  CHECK(error_of([&] { read_picture_header(folder / "none.png"); })->code() == Errc::io);
  CHECK(error_of([&] { read_picture_header(folder / ""); })->code() == Errc::io);
  write_text(folder / "large.png", std::string(40'000, 'x'));
  CHECK(error_of([&] { read_picture_header(folder / "large.png"); })->code() == Errc::format);
}

TEST_CASE("depth's pipeline turns and cuts both") {
  DepthPipeline p;
  p.crop_width = 8, p.crop_height = 6, p.cut_depth_every = 0, p.colour = 0.0F;
  auto const s = sample(20, 10);
  std::vector<int> lefts, tops;
  for (std::uint64_t i = 0; i < 300; ++i) {
    auto const view = augment(s, p, random_key(3, i), i);
    REQUIRE((view.picture.width == 8 && view.picture.height == 6 && view.depth.width == 8));
    // The ramp says where every pixel came from.
    bool const turned = view.depth.at(1, 1) < view.depth.at(0, 1);
    auto const place = static_cast<int>(std::lround((static_cast<double>(view.depth.at(turned ? 7 : 0, 1)) - 0.5) * 1000.0));
    int const x = place % 20, y = place / 20;
    for (int c = 0; c < 8; ++c) CHECK(std::equal(view.picture.pixel(c, 1), view.picture.pixel(c, 1) + 3, s.picture.pixel(turned ? x + 7 - c : x + c, y)));
    lefts.push_back(x + (turned ? 100 : 0)), tops.push_back(y - 1);
  }
  CHECK(std::count_if(lefts.begin(), lefts.end(), [](int v) { return v >= 100; }) > 110);
  CHECK(*std::min_element(tops.begin(), tops.end()) == 0);
  CHECK(*std::max_element(tops.begin(), tops.end()) == 4);
  auto const small = augment(sample(5, 4), p, 1, 0);
  CHECK((small.picture.width == 5 && small.depth.height == 4));
  Batch batch;
  add_augmented(batch, s, p, 1, 0);
  add_augmented(batch, sample(5, 4), p, 1, 0);
  CHECK(batch.pictures.size() == 2 * 8 * 6 * 3);
  CHECK(batch.depths.size() == 2 * 8 * 6);
  CHECK(batch.labels == std::vector<std::uint8_t>(2 * 8 * 6, ignore_label));
  CHECK((batch.boxes.size() == 2 && batch.captions[1] == "a caption" && batch.varied_captions[1] == "another"));
  CHECK(std::equal(batch.depths.begin(), batch.depths.begin() + 48, augment(s, p, 1, 0).depth.metres.begin()));
  for (std::size_t x = 0; x < 8; ++x) CHECK((batch.depths[48 + 8 + x] > 0.0F) == (x < 5));  // padded
  CHECK(batch.pictures[48 * 3 + 47 * 3] == 0.0F);
  CHECK(error_of([&] { augment(Sample{picture(5, 4, 1), {}, {}, {}, {}, {}}, p, 1, 0); })->code() == Errc::shape);
}

TEST_CASE("depth's pipeline brings metres to the camera that it is told of") {
  DepthPipeline p;
  p.crop_width = 20, p.crop_height = 10, p.cut_depth_every = 0, p.colour = 0.0F, p.mirror = 0.0F;
  auto s = sample(20, 10);
  auto const own = augment(s, p, 1, 0).depth.metres;
  p.focal = 300.0F;
  CHECK(augment(s, p, 1, 0).depth.metres == own);  // nobody knows the sample's
  s.picture.focal = 200.0F;
  auto const brought = augment(s, p, 1, 0).depth.metres;
  for (std::size_t i = 0; i < own.size(); ++i) CHECK(brought[i] == doctest::Approx(1.5F * own[i]));
}

TEST_CASE("every fourth picture has a strip of depth") {
  DepthPipeline p;
  p.crop_width = 20, p.crop_height = 10, p.mirror = 0.0F, p.colour = 0.0F;
  auto const s = sample(20, 10);
  for (std::uint64_t i = 0; i < 40; ++i) {
    auto const view = augment(s, p, random_key(8, i), i);
    int strips = 0;
    for (int x = 0; x < 20; ++x) {
      bool const same = std::equal(view.picture.pixel(x, 3), view.picture.pixel(x, 3) + 3, s.picture.pixel(x, 3));
      auto const mm = static_cast<std::uint8_t>(std::lround(1000.0 * static_cast<double>(s.depth.at(x, 3))) % 256);
      bool const depth = view.picture.pixel(x, 3)[0] == mm && view.picture.pixel(x, 3)[1] == mm && view.picture.pixel(x, 3)[2] == mm;
      CHECK((same || depth));
      strips += same ? 0 : 1;
    }
    CHECK((strips > 0) == (i % 4 == 0));
    CHECK(view.depth.metres == s.depth.metres);
  }
  CHECK(cut_depth_strip(640, 0.25F, 0.5F) == std::array<int, 2>{160, 180});
  CHECK(cut_depth_strip(640, 0.99F, 0.0F) == std::array<int, 2>{633, 1});
}

TEST_CASE("changes of colour drop fractions as the original's tables do") {
  auto const changed = [](std::vector<std::uint8_t> rgb, DepthColourDraw const& draw) {
    Picture one(1, 1);
    one.rgb = std::move(rgb);
    change_colours(one, draw);
    return one.rgb;
  };
  using Bytes = std::vector<std::uint8_t>;
  CHECK(changed({10, 100, 250}, {}) == Bytes{10, 100, 250});
  // 10 * 1.1 + 0.1 * 255 = 36.5, 135.5, 300.5; then 10 * 0.8 - 51 = -43, 29, 149.
  CHECK(changed({10, 100, 250}, {.contrast_brightness = {{1.1F, 0.1F}}}) == Bytes{36, 135, 255});
  CHECK(changed({10, 100, 250}, {.contrast_brightness = {{0.8F, -0.2F}}}) == Bytes{0, 29, 149});
  // (v / 255)^1.2 * 255 = 5.22, 82.92, 249.02
  CHECK(changed({10, 100, 250}, {.gamma = 1.2}) == Bytes{5, 82, 249});
  CHECK(changed({100, 100, 100}, {.hsv = {{7.5F, -30.0F, 9.9F}}}) == Bytes{109, 109, 109});
  CHECK(detail::shifted_hue(175, 7.5F) == 2);
  CHECK(detail::shifted_hue(3, -3.5F) == 179);
  int done = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    auto const draw = draw_colours({}, random_key(4, i));
    done += draw.gamma ? 1 : 0;
    if (draw.gamma) CHECK((*draw.gamma >= 0.799 && *draw.gamma < 1.201));
    if (draw.contrast_brightness) CHECK((std::abs((*draw.contrast_brightness)[0] - 1.0F) <= 0.201F && std::abs((*draw.contrast_brightness)[1]) <= 0.201F));
  }
  CHECK((done > 150 && done < 250));
}

TEST_CASE("the shared depth sets are read whole") {
  auto const shared = scratch::shared_folder();
  if (!shared || !std::filesystem::exists(*shared / "data" / "rgbd" / "meta.json")) {
    MESSAGE("skipped: the shared data are not here");
    return;
  }
  struct Row {
    char const* name;
    std::size_t pairs;
    int width, height;
    double scale, valid, least, median, most;
  };
  for (Row const& row : {Row{"sevenscenes/train", 160, 320, 240, 1000, 0.89592, 0.801, 1.809, 3.602}, Row{"sevenscenes/test", 40, 320, 240, 1000, 0.90862, 0.801, 1.838, 3.975},
                         Row{"indoor5", 5, 640, 480, 1000, 0.70432, 0.713, 2.877, 9.823}, Row{"tum2", 2, 640, 480, 5000, 0.6615, 0.9694, 1.5332, 10.4984}, Row{"nyu1", 1, 160, 120, 1000, 0.66208, 1.485, 2.799, 10.0}}) {
    CAPTURE(row.name);
    DepthDataset set(*shared / "data" / "rgbd" / row.name, {.depth_scale = row.scale});
    CHECK(set.size() == row.pairs);
    CHECK(set.report().complete());
    auto const& s = set.summary();
    CHECK(std::abs(s.valid_fraction() - row.valid) < 6e-6);
    CHECK(std::abs(static_cast<double>(s.least()) - row.least) < 1e-5);
    CHECK(std::abs(static_cast<double>(s.median()) - row.median) < 1.1e-3);
    CHECK(std::abs(static_cast<double>(s.most()) - row.most) < 1e-4);
    CHECK((set[0].picture.width == row.width && set[0].depth.height == row.height));
    if (row.width == 320) CHECK(set.focal(0) == 292.5F);
    CHECK(set.check().empty());
  }
}
