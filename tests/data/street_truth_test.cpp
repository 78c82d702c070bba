// SPDX-License-Identifier: Apache-2.0
// What is true of a rendered street: distances that agree with labels and geometry, boxes that agree with their pixels,
// and both after a window was cut.
#include "tadp/data/scene_source.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

namespace {

using tadp::StreetScene;

constexpr std::uint8_t label_sky = 0, label_road = 3, label_car = 8;

/// Of the pixels of each box: how many, and the corners, by another way than the renderer's.
std::vector<tadp::Box2D> scanned(std::vector<std::uint16_t> const& map, int width, int height, std::size_t boxes) {
  std::vector<tadp::Box2D> found;
  for (std::size_t n = 1; n <= boxes; ++n) {
    std::vector<int> columns(static_cast<std::size_t>(width)), rows(static_cast<std::size_t>(height));
    tadp::Box2D b;
    for (std::size_t i = 0; i < map.size(); ++i)
      if (map[i] == n) ++columns[i % static_cast<std::size_t>(width)], ++rows[i / static_cast<std::size_t>(width)], ++b.pixels;
    auto const ends = [](std::vector<int> const& v, int& first, int& end) {
      for (first = 0; first < static_cast<int>(v.size()) && v[static_cast<std::size_t>(first)] == 0;) ++first;
      for (end = static_cast<int>(v.size()); end > 0 && v[static_cast<std::size_t>(end) - 1] == 0;) --end;
    };
    ends(columns, b.x1, b.x2);
    ends(rows, b.y1, b.y2);
    found.push_back(b);
  }
  return found;
}

float median(std::vector<float> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

tadp::Sample sample_of(StreetScene const& s) {
  tadp::Sample sample{s.picture, s.labels, s.caption, {}};
  sample.depth = s.depth;
  sample.boxes = tadp::true_boxes(s);
  return sample;
}

/// The same scene with the numbers of its boxes in the place of labels, for nearest sampling of the instances.
tadp::Sample instances_as_labels(StreetScene const& s) {
  tadp::Sample sample{s.picture, s.labels, {}, {}};
  for (std::size_t i = 0; i < s.instances.size(); ++i) sample.labels.labels[i] = static_cast<std::uint8_t>(s.instances[i]);
  return sample;
}

}  // namespace

TEST_CASE("street truth: the same seed gives the same depth, boxes and instances") {
  auto const a = tadp::render_street(21), b = tadp::render_street(21), c = tadp::render_street(22);
  CHECK(a.depth.metres == b.depth.metres);
  CHECK(a.instances == b.instances);
  REQUIRE(a.boxes.size() == b.boxes.size());
  for (std::size_t i = 0; i < a.boxes.size(); ++i) CHECK(a.boxes[i].visible == b.boxes[i].visible);
  CHECK(a.picture.focal == b.picture.focal);
  CHECK(a.depth.metres != c.depth.metres);
}

TEST_CASE("street truth: sky has no depth, and a road comes nearer from row to row") {
  std::size_t runs = 0;
  for (std::uint64_t seed = 30; seed < 42; ++seed) {
    auto const s = tadp::render_street(seed);
    CAPTURE(seed);
    REQUIRE(s.depth.width == s.labels.width);
    REQUIRE(s.depth.height == s.labels.height);
    bool sky_holds = true, range_holds = true, road_holds = true;
    for (int y = 0; y < s.depth.height; ++y)
      for (int x = 0; x < s.depth.width; ++x) {
        float const d = s.depth.at(x, y);
        sky_holds = sky_holds && (s.labels.at(x, y) != label_sky || d == 0.0F);
        range_holds = range_holds && d >= 0.0F && d <= tadp::street_farthest;
        if (y == 0 || s.labels.at(x, y) != label_road || s.labels.at(x, y - 1) != label_road) continue;
        float const above = s.depth.at(x, y - 1);  // 0: beyond the farthest
        road_holds = road_holds && (above == 0.0F || (d > 0.0F && d < above));
        ++runs;
      }
    CHECK(sky_holds);
    CHECK(range_holds);
    CHECK(road_holds);
  }
  CHECK(runs > 100000);
}

TEST_CASE("street truth: the ground is a plane whose distance the camera's height and focal length give") {
  // 1/z is linear across a plane: second differences along rows and columns of road vanish.
  auto const s = tadp::render_street(31, {.width = 320, .height = 240});
  std::vector<float> bent;
  for (int y = 200; y < 239; ++y)
    for (int x = 1; x < 319; ++x) {
      bool road = true;
      for (int k = -1; k <= 1; ++k) road = road && s.labels.at(x, y + k) == label_road;
      if (!road) continue;
      float const a = 1.0F / s.depth.at(x, y - 1), b = 1.0F / s.depth.at(x, y), c = 1.0F / s.depth.at(x, y + 1);
      bent.push_back(std::abs(a - 2.0F * b + c) / (c - a));
    }
  REQUIRE(bent.size() > 1000);
  CHECK(median(bent) < 1e-3F);
  CHECK(s.picture.focal >= 0.95F * 320.0F);
  CHECK(s.picture.focal <= 1.3F * 320.0F);
  // Planar depth: halving the picture halves the focal length and leaves the metres.
  auto const half = tadp::render_street(31, {.width = 160, .height = 120});
  CHECK(half.picture.focal == doctest::Approx(s.picture.focal / 2.0F));
  std::vector<float> ratios;
  for (int y = 90; y < 119; ++y)
    for (int x = 0; x < 160; ++x)
      if (half.labels.at(x, y) == label_road && s.labels.at(2 * x, 2 * y) == label_road)
        ratios.push_back(half.depth.at(x, y) / s.depth.at(2 * x, 2 * y + 1));
  REQUIRE(ratios.size() > 500);
  CHECK(median(ratios) == doctest::Approx(1.0F).epsilon(0.02));
}

TEST_CASE("street truth: boxes are those of their pixels, and what is too small has none") {
  std::map<int, std::size_t> classes;
  for (std::uint64_t seed = 1; seed < 25; ++seed) {
    auto const s = tadp::render_street(seed);
    CAPTURE(seed);
    auto const own = scanned(s.instances, s.labels.width, s.labels.height, s.boxes.size());
    for (std::size_t i = 0; i < s.boxes.size(); ++i) {
      auto const &box = s.boxes[i], &seen = own[i];
      ++classes[box.label];
      bool const tight = box.x1 == seen.x1 && box.y1 == seen.y1 && box.x2 == seen.x2 && box.y2 == seen.y2 && box.pixels == seen.pixels;
      CHECK(tight);
      CHECK(box.pixels >= 12);
      CHECK(std::min(box.x2 - box.x1, box.y2 - box.y1) >= 3);
      CHECK(box.visible > 0.0F);
      CHECK(box.visible <= 1.0F);
    }
    bool labels_agree = true, in_range = true;
    std::size_t cars = 0, boxed = 0;
    for (std::size_t i = 0; i < s.instances.size(); ++i) {
      std::uint16_t const n = s.instances[i];
      in_range = in_range && n <= s.boxes.size();
      if (n > 0 && n <= s.boxes.size()) labels_agree = labels_agree && s.labels.labels[i] == s.boxes[n - 1].label;
      if (s.labels.labels[i] == label_car) ++cars, boxed += n > 0 ? 1U : 0U;
    }
    CHECK(in_range);
    CHECK(labels_agree);
    if (cars > 500) CHECK(static_cast<double>(boxed) > 0.9 * static_cast<double>(cars));  // all but distant specks
    for (auto const& b : tadp::true_boxes(s)) CHECK((b.label >= 1 && b.label <= 4 && !b.difficult));
    CHECK(tadp::true_boxes(s).size() == s.boxes.size());
  }
  CHECK(classes.size() == 4);  // signs, cars, pedestrians and bicyclists all occur
  CHECK(tadp::street_object_names().size() == 4);
  CHECK(tadp::street_object_names()[1] == "car");
}

TEST_CASE("street truth: a car stands before what is seen over its roof") {
  std::size_t cars = 0;
  for (std::uint64_t seed = 1; seed < 25; ++seed) {
    auto const s = tadp::render_street(seed);
    CAPTURE(seed);
    for (std::size_t n = 0; n < s.boxes.size(); ++n) {
      auto const& b = s.boxes[n];
      if (b.label != label_car || b.pixels < 150 || b.visible < 0.95F) continue;
      std::vector<float> own, over;
      for (int x = b.x1; x < b.x2; ++x)
        for (int y = b.y1, top = -1; y < b.y2; ++y) {
          auto const at = static_cast<std::size_t>(y) * static_cast<std::size_t>(s.depth.width) + static_cast<std::size_t>(x);
          if (s.instances[at] != n + 1) continue;
          own.push_back(s.depth.metres[at]);
          if (top < 0 && y > 0) over.push_back(s.depth.at(x, y - 1) == 0.0F ? 1e9F : s.depth.at(x, y - 1));
          top = y;
        }
      if (over.empty() || median(own) == 0.0F) continue;
      ++cars;
      CHECK(median(own) < median(over));
    }
  }
  CHECK(cars >= 15);
}

TEST_CASE("street truth: a window's metres come from the pixels of its labels, divided by the scale") {
  auto const s = tadp::render_street(9, {.width = 160, .height = 120});
  auto const sample = sample_of(s);
  tadp::CropOptions const options{.width = 80, .height = 60, .min_scale = 0.4F, .max_scale = 1.6F};
  bool mirrored = false, straight = false;
  for (std::uint64_t key = 0; key < 12; ++key) {
    auto const window = tadp::draw_window(160, 120, options, key);
    (window.mirrored ? mirrored : straight) = true;
    tadp::Batch batch;
    tadp::add_crop(batch, sample, options, key);
    REQUIRE(batch.depths.size() == 80 * 60);
    bool holds = true;
    for (int y = 0; y < 60; ++y)
      for (int x = 0; x < 80; ++x) {
        double const column = window.mirrored ? 79 - x : x;
        double const px = static_cast<double>(window.left) + (column + 0.5) / static_cast<double>(window.scale), py = static_cast<double>(window.top) + (y + 0.5) / static_cast<double>(window.scale);
        if (std::abs(px - std::round(px)) < 1e-3 || std::abs(py - std::round(py)) < 1e-3) continue;  // on the border of two pixels
        auto const at = static_cast<std::size_t>(y * 80 + x);
        bool const inside = px >= 0 && py >= 0 && px < 160 && py < 120;
        float const metres = inside ? s.depth.at(static_cast<int>(px), static_cast<int>(py)) / window.scale : 0.0F;
        holds = holds && batch.depths[at] == metres && batch.labels[at] == (inside ? s.labels.at(static_cast<int>(px), static_cast<int>(py)) : tadp::ignore_label);
      }
    CAPTURE(key);
    CHECK(holds);
  }
  CHECK((mirrored && straight));
}

TEST_CASE("street truth: a window's metres can be those for another camera") {
  auto const sample = sample_of(tadp::render_street(9, {.width = 160, .height = 120}));
  tadp::CropOptions options{.width = 80, .height = 60, .min_scale = 0.8F, .max_scale = 1.3F};
  tadp::Batch own, other, unknown;
  tadp::add_crop(own, sample, options, 5);
  options.focal = 2.0F * sample.picture.focal;  // sees the same from twice as far
  tadp::add_crop(other, sample, options, 5);
  REQUIRE(own.depths.size() == other.depths.size());
  CHECK(std::any_of(own.depths.begin(), own.depths.end(), [](float m) { return m > 0.0F; }));
  for (std::size_t i = 0; i < own.depths.size(); ++i) CHECK(other.depths[i] == doctest::Approx(2.0F * own.depths[i]));
  auto blind = sample;
  blind.picture.focal = 0.0F;
  tadp::add_crop(unknown, blind, options, 5);
  CHECK(unknown.depths == own.depths);
}

TEST_CASE("street truth: a window's boxes are those of the instances in it") {
  std::size_t whole = 0, cut = 0, gone = 0;
  for (std::uint64_t seed : {3U, 7U, 8U, 12U}) {
    auto const s = tadp::render_street(seed);
    auto const sample = sample_of(s), numbers = instances_as_labels(s);
    for (std::uint64_t key = 0; key < 10; ++key) {
      tadp::CropOptions const options{.width = 200, .height = 150, .min_scale = 1.0F, .max_scale = 2.0F};
      auto const window = tadp::draw_window(320, 240, options, key);
      tadp::Batch batch, map;
      tadp::add_crop(batch, sample, options, key);
      tadp::add_crop(map, numbers, options, key);
      REQUIRE(batch.boxes.size() == 1);
      CHECK(map.depths.empty());
      std::vector<std::uint16_t> instances;
      for (std::uint8_t const n : map.labels) instances.push_back(n == tadp::ignore_label ? 0 : n);
      auto const seen = scanned(instances, 200, 150, s.boxes.size());
      std::size_t next = 0;
      for (std::size_t i = 0; i < s.boxes.size(); ++i) {
        auto const kept = tadp::boxes_in_window(std::span(&sample.boxes[i], 1), window);
        if (kept.empty()) {
          ++gone;
          continue;
        }
        REQUIRE(next < batch.boxes[0].size());
        tadp::TrueBox const b = batch.boxes[0][next++];
        CHECK(b == kept[0]);
        CHECK((b.box.x1 >= 0.0F && b.box.y1 >= 0.0F && b.box.x2 <= 200.0F && b.box.y2 <= 150.0F));
        bool const inside = b.box.x1 > 0.0F && b.box.y1 > 0.0F && b.box.x2 < 200.0F && b.box.y2 < 150.0F;
        auto const& own = seen[i];
        // Nearest sampling rounds each side by at most half a pixel; a mirrored half rounds the other way.
        if (inside) {
          ++whole;
          CHECK(std::abs(b.box.x1 - static_cast<float>(own.x1)) <= 0.501F);
          CHECK(std::abs(b.box.y1 - static_cast<float>(own.y1)) <= 0.501F);
          CHECK(std::abs(b.box.x2 - static_cast<float>(own.x2)) <= 0.501F);
          CHECK(std::abs(b.box.y2 - static_cast<float>(own.y2)) <= 0.501F);
        } else if (own.pixels > 0) {
          ++cut;  // what remains lies in the clipped box
          CHECK((static_cast<float>(own.x1) >= b.box.x1 - 0.501F && static_cast<float>(own.x2) <= b.box.x2 + 0.501F));
          CHECK((static_cast<float>(own.y1) >= b.box.y1 - 0.501F && static_cast<float>(own.y2) <= b.box.y2 + 0.501F));
        }
      }
      CHECK(next == batch.boxes[0].size());
    }
  }
  CHECK(whole > 50);
  CHECK(cut > 10);
  CHECK(gone > 50);
}

TEST_CASE("street truth: which boxes a window leaves out, and that it mirrors them") {
  std::vector<tadp::TrueBox> const boxes{{{0, 0, 10, 10}, 1, false}, {{0, 20, 10, 30}, 2, true}, {{40, 0, 42, 30}, 3, false}, {{30, 40, 50, 60}, 4, false}};
  tadp::CropWindow const window{.width = 40, .height = 40, .left = 6.0F, .top = 15.0F, .scale = 1.0F};
  auto const cut = tadp::boxes_in_window(boxes, window);  // the first lies outside, the third is too thin
  REQUIRE(cut.size() == 2);
  CHECK(cut[0] == tadp::TrueBox{{0, 5, 4, 15}, 2, true});  // exactly 40 %
  CHECK(cut[1] == tadp::TrueBox{{24, 25, 40, 40}, 4, false});
  auto mirrored = window;
  mirrored.mirrored = true;
  auto const other = tadp::boxes_in_window(boxes, mirrored);
  REQUIRE(other.size() == 2);
  CHECK(other[0].box == tadp::Box{36, 5, 40, 15});
  auto less = window;
  less.left = 6.5F;
  CHECK(tadp::boxes_in_window(boxes, less).size() == 1);
  auto large = window;
  large.left = 38, large.top = 0, large.scale = 2;
  CHECK(tadp::boxes_in_window(boxes, large)[0] == tadp::TrueBox{{4, 0, 8, 40}, 3, false});
}

TEST_CASE("street truth: scenes keep the answers that were asked for, and a batch says what was not measured") {
  tadp::StreetOptions const size{.width = 96, .height = 72};
  tadp::StreetScenes plain(5, 2, size), all(5, 2, size, {.depth = true, .boxes = true});
  CHECK(plain[0].depth.metres.empty());
  CHECK(plain[0].boxes.empty());
  auto const scene = tadp::render_street(5, size);
  CHECK(all[0].depth.metres == scene.depth.metres);
  CHECK(all[0].boxes == tadp::true_boxes(scene));
  CHECK(all[0].picture.rgb == plain[0].picture.rgb);
  tadp::CropOptions const options{.width = 64, .height = 48};
  tadp::Batch batch;
  tadp::add_crop(batch, plain[0], options, 1);
  CHECK(batch.depths.empty());
  tadp::add_crop(batch, all[1], options, 2);
  tadp::add_crop(batch, plain[1], options, 3);
  REQUIRE(batch.depths.size() == 3 * 64 * 48);
  CHECK(batch.boxes.size() == 3);
  auto const any = [&](std::size_t n) { return std::any_of(batch.depths.begin() + static_cast<std::ptrdiff_t>(n * 64 * 48), batch.depths.begin() + static_cast<std::ptrdiff_t>((n + 1) * 64 * 48), [](float d) { return d != 0.0F; }); };
  CHECK_FALSE(any(0));
  CHECK(any(1));
  CHECK_FALSE(any(2));
  tadp::Sample bare{scene.picture, {}, "", "", scene.depth, {}};  // as folders of depth give it
  tadp::add_crop(batch, bare, options, 5);
  CHECK(std::all_of(batch.labels.end() - 64 * 48, batch.labels.end(), [](std::uint8_t l) { return l == tadp::ignore_label; }));
  auto wrong = all[0];
  wrong.depth = tadp::DepthMap(4, 4);
  CHECK_THROWS_AS(tadp::add_crop(batch, wrong, options, 4), tadp::Error);
}
