// SPDX-License-Identifier: Apache-2.0
// The rendered street: the same seed gives the same bytes, the classes come in the shares and widths of real streets,
// and captions keep their rule and their vocabulary.
#include "tadp/data/street.hpp"

#include <doctest/doctest.h>
#include <png.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace {

/// What day/train of CamVid measures at 320 x 240: share of labelled pixels, median width of a run in pixels, mean RGB.
struct Measured {
  double share, run;
  double rgb[3];
};
constexpr Measured camvid_day[11] = {
    {0.1711, 5, {244, 252, 252}},  // sky
    {0.2302, 18, {101, 101, 99}},  // building
    {0.0103, 2, {94, 95, 97}},     // pole
    {0.3550, 125, {83, 85, 90}},   // road
    {0.0467, 14, {78, 78, 79}},    // pavement
    {0.0978, 5, {115, 116, 114}},  // tree
    {0.0122, 5, {87, 83, 90}},     // sign
    {0.0131, 11, {67, 66, 63}},    // fence
    {0.0546, 19, {74, 76, 82}},    // car
    {0.0066, 4, {40, 39, 43}},     // pedestrian
    {0.0025, 6, {38, 38, 43}},     // bicyclist
};

/// Sums over many scenes.
struct Census {
  std::size_t pixels[11]{}, labelled = 0;
  double colour[11][3]{};
  std::vector<int> runs[11]{};

  void add(tadp::StreetScene const& s) {
    for (int y = 0; y < s.labels.height; ++y)
      for (int x = 0, start = 0; x < s.labels.width; ++x) {
        std::uint8_t const l = s.labels.at(x, y);
        if (x + 1 == s.labels.width || s.labels.at(x + 1, y) != l) {
          if (l < 11) runs[l].push_back(x + 1 - start);
          start = x + 1;
        }
        if (l >= 11) continue;
        ++pixels[l], ++labelled;
        for (int k = 0; k < 3; ++k) colour[l][k] += s.picture.pixel(x, y)[k];
      }
  }
  double run(int k) {
    auto& r = runs[k];
    if (r.empty()) return 0;
    std::nth_element(r.begin(), r.begin() + static_cast<std::ptrdiff_t>(r.size() / 2), r.end());
    return r[r.size() / 2];
  }
};

std::filesystem::path shared() {
  if (char const* dir = std::getenv("TADP_SHARED")) return dir;
#ifdef TADP_SHARED_DIR
  return TADP_SHARED_DIR;
#else
  return {};
#endif
}

/// An 8-bit grey PNG; tests trust the file.
tadp::LabelMap read_grey(std::filesystem::path const& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&image, path.c_str()) != 0);
  image.format = PNG_FORMAT_GRAY;
  tadp::LabelMap map(static_cast<int>(image.width), static_cast<int>(image.height));
  REQUIRE(png_image_finish_read(&image, nullptr, map.labels.data(), 0, nullptr) != 0);
  return map;
}

std::vector<std::string> words_of(std::string text) {
  std::erase(text, ',');
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string w; in >> w;) words.push_back(w);
  return words;
}

}  // namespace

TEST_CASE("street: the same seed and size give the same scene, another seed another") {
  auto const a = tadp::render_street(7), b = tadp::render_street(7), c = tadp::render_street(8);
  CHECK(a.picture.rgb == b.picture.rgb);
  CHECK(a.labels.labels == b.labels.labels);
  CHECK(a.depth.metres == b.depth.metres);
  CHECK(a.caption == b.caption);
  CHECK(a.picture.rgb != c.picture.rgb);
  CHECK(tadp::varied_caption(a, 3) == tadp::varied_caption(b, 3));
}

TEST_CASE("street: any size from one pixel, and a sentence for sizes that cannot be") {
  constexpr std::pair<int, int> sizes[] = {{1, 1}, {1, 9}, {64, 48}, {77, 33}, {512, 512}};
  for (auto const& [w, h] : sizes) {
    auto const s = tadp::render_street(11, {.width = w, .height = h});
    auto const n = static_cast<std::size_t>(w) * static_cast<std::size_t>(h);
    CHECK(s.picture.rgb.size() == 3 * n);
    CHECK(s.labels.labels.size() == n);
    CHECK(s.depth.metres.size() == n);
    CHECK(s.instances.size() == n);
    CHECK(s.labels.width == w);
    CHECK(s.picture.height == h);
  }
  CHECK_THROWS_AS(tadp::render_street(1, {.width = 0}), tadp::Error);
  CHECK_THROWS_AS(tadp::render_street(1, {.height = 5000}), tadp::Error);
}

TEST_CASE("street: classes, widths and colours are near those of real streets") {
  Census census;
  for (std::uint64_t seed = 1000; seed < 1100; ++seed) {
    auto const s = tadp::render_street(seed);
    census.add(s);
    bool depth_holds = true, labels_hold = true;
    for (std::size_t i = 0; i < s.labels.labels.size(); ++i) {
      float const d = s.depth.metres[i];
      depth_holds = depth_holds && d >= 0 && d <= tadp::street_farthest && (s.labels.labels[i] != 0 || d == 0);
      labels_hold = labels_hold && (s.labels.labels[i] < 11 || s.labels.labels[i] == 255);
    }
    CHECK(depth_holds);
    CHECK(labels_hold);
    for (auto const& box : s.boxes)
      CHECK((box.x1 >= 0 && box.x1 < box.x2 && box.x2 <= 320 && box.y1 >= 0 && box.y1 < box.y2 && box.y2 <= 240 &&
             (box.label >= 8 || box.label == 6)));
  }
  for (int k = 0; k < 11; ++k) {
    std::string const name(tadp::street_class_names()[static_cast<std::size_t>(k)]);
    double const share = static_cast<double>(census.pixels[k]) / static_cast<double>(census.labelled),
                 run = census.run(k);
    CAPTURE(name);
    CAPTURE(share);
    CAPTURE(run);
    CHECK(share >= camvid_day[k].share / 2);
    CHECK(share <= camvid_day[k].share * 2);
    CHECK(run >= camvid_day[k].run / 2);
    CHECK(run <= camvid_day[k].run * 2);
    for (int c = 0; c < 3; ++c) {
      double const mean = census.colour[k][c] / static_cast<double>(census.pixels[k]);
      CAPTURE(mean);
      CHECK(std::abs(mean - camvid_day[k].rgb[c]) < 32);
    }
  }
}

TEST_CASE("street: every word of a caption is in the vocabulary, which is small, sorted and without doubles") {
  auto const words = tadp::street_vocabulary();
  CHECK(words.size() <= 250);
  CHECK(std::is_sorted(words.begin(), words.end()));
  CHECK(std::adjacent_find(words.begin(), words.end()) == words.end());
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    auto const s = tadp::render_street(seed, {.width = 96, .height = 72});
    for (std::uint64_t k = 0; k < 60; ++k)
      for (auto const& word : words_of(k == 0 ? s.caption : tadp::varied_caption(s, k))) {
        CAPTURE(word);
        CHECK(std::binary_search(words.begin(), words.end(), word));
      }
  }
  for (auto const phrase : tadp::street_class_phrases())
    for (auto const& word : words_of(std::string(phrase))) CHECK(std::binary_search(words.begin(), words.end(), word));
}

TEST_CASE("street: the caption rule at its edges") {
  tadp::LabelMap map(20, 20, 255);
  CHECK(tadp::caption_of(map) == "a street photo");
  map.labels[0] = map.labels[1] = 8;  // 0.5 % is not over 0.5 %
  CHECK(tadp::caption_of(map) == "a street photo");
  map.labels[2] = 8;
  CHECK(tadp::caption_of(map) == "a street photo of cars");
  for (std::size_t i = 10; i < 13; ++i) map.labels[i] = 0;
  CHECK(tadp::caption_of(map) == "a street photo of sky and cars");
  for (std::size_t i = 20; i < 40; ++i) map.labels[i] = 3;
  CHECK(tadp::caption_of(map) == "a street photo of a road, sky and cars");
}

TEST_CASE("street: the caption rule gives the captions of CamVid") {
  auto const root = shared() / "data/camvid";
  if (shared().empty() || !std::filesystem::exists(root)) {
    MESSAGE("skipped: no shared data (set TADP_SHARED)");
    return;
  }
  for (char const* part : {"day/train", "day/val", "day/test", "dusk/val", "dusk/test"}) {
    std::ifstream in(root / part / "captions.json");
    auto const all = nlohmann::json::parse(in);
    for (auto const& item : all.items()) {
      std::string const& name = item.key();
      auto const map = read_grey(root / part / "labels" / (name.substr(0, name.size() - 4) + ".png"));
      CAPTURE(name);
      CHECK(tadp::caption_of(map) == item.value()["captions"][0].get<std::string>());
    }
  }
}
