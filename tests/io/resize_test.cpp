// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/resize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using tadp::Picture;
using tadp::Resize;

std::vector<Resize> all_methods() {
  std::vector<Resize> methods;
  for (auto const name : tadp::resize_names) methods.push_back(tadp::resize_from_string(name));
  return methods;
}

Picture noise(int width, int height) {
  Picture out(width, height);
  std::uint32_t state = 12345;
  for (auto& byte : out.rgb) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

Picture from_hex(int width, int height, std::string const& hex) {
  Picture out(width, height);
  REQUIRE(hex.size() == out.rgb.size() * 2);
  for (std::size_t i = 0; i < out.rgb.size(); ++i)
    out.rgb[i] = static_cast<std::uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  return out;
}

int largest_difference(Picture const& a, Picture const& b) {
  REQUIRE(a.rgb.size() == b.rgb.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

}  // namespace

TEST_CASE("resize: within one grey level of what OpenCV, torch and Pillow gave") {
  // Made by resize_against_originals.py --fixture, which also explains the lines.
  std::string const here = __FILE__;
  std::ifstream file(here.substr(0, here.rfind('/') + 1) + "resize_fixture.txt");
  REQUIRE(file.good());
  Picture input;
  int answers = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, hex;
    int width = 0, height = 0;
    if (!(words >> name >> width >> height >> hex)) continue;
    auto const picture = from_hex(width, height, hex);
    if (name == "in") {
      input = picture;
      continue;
    }
    CAPTURE(name);
    CAPTURE(input.width);
    CAPTURE(input.height);
    CHECK(largest_difference(tadp::resize(input, width, height, tadp::resize_from_string(name)), picture) <= 1);
    ++answers;
  }
  CHECK(answers == 48);
}

TEST_CASE("resize: the focal length goes with the width") {
  auto picture = noise(20, 10);
  picture.focal = 30.0F;
  for (auto const method : all_methods()) CHECK(tadp::resize(picture, 10, 9, method).focal == 15.0F);
  tadp::FitPicture fit;
  CHECK(fit(picture, 40, 20).focal == 60.0F);
  CHECK(fit.to(picture, 20, 10).focal == 30.0F);
}

TEST_CASE("resize: the same size is the same picture, by every method") {
  auto const picture = noise(13, 7);
  for (auto const method : all_methods()) {
    CAPTURE(tadp::to_string(method));
    CHECK(tadp::resize(picture, 13, 7, method).rgb == picture.rgb);
  }
}

TEST_CASE("resize: one colour stays one colour, from and to sides of one pixel") {
  constexpr std::array sizes = {1, 2, 3, 64, 257};
  for (auto const method : all_methods())
    for (int const from : sizes)
      for (int const to : sizes) {
        Picture picture(from, sizes[0] + from / 2);
        std::fill(picture.rgb.begin(), picture.rgb.end(), std::uint8_t{255});
        auto const out = tadp::resize(picture, to, 258 - to, method);
        CAPTURE(tadp::to_string(method));
        CHECK(out.width == to);
        CHECK(out.height == 258 - to);
        CHECK(std::all_of(out.rgb.begin(), out.rgb.end(), [](int value) { return value == 255; }));
      }
}

TEST_CASE("resize: a view with padded rows in BGR order gives the same picture, in RGB") {
  auto const picture = noise(11, 9);
  constexpr std::ptrdiff_t row_bytes = 40;
  std::vector<std::uint8_t> bgr(static_cast<std::size_t>(row_bytes) * 9, 77);
  for (int y = 0; y < 9; ++y)
    for (int x = 0; x < 11; ++x)
      for (int c = 0; c < 3; ++c) bgr[static_cast<std::size_t>(y * row_bytes + 3 * x + 2 - c)] = picture.pixel(x, y)[c];
  tadp::PictureView const view{bgr.data(), 11, 9, row_bytes, tadp::PixelOrder::bgr};
  for (auto const method : all_methods())
    for (auto const& [width, height] : {std::array{5, 14}, std::array{14, 2}}) {
      CAPTURE(tadp::to_string(method));
      CHECK(tadp::resize(view, width, height, method).rgb == tadp::resize(picture, width, height, method).rgb);
    }
}

TEST_CASE("resize: labels are picked, never mixed") {
  tadp::LabelMap map(4, 2);
  map.labels = {0, 1, 2, 255, 10, 11, 12, 13};
  CHECK(tadp::resize_nearest(map, 2, 1).labels == std::vector<std::uint8_t>{0, 2});
  CHECK(tadp::resize_nearest(map, 3, 2).labels == std::vector<std::uint8_t>{0, 1, 2, 10, 11, 12});
  CHECK(tadp::resize_nearest(map, 8, 1).labels == std::vector<std::uint8_t>{0, 0, 1, 1, 2, 2, 255, 255});
}

TEST_CASE("resize: sizes below one and unknown names are refused") {
  auto const picture = noise(3, 3);
  CHECK_THROWS_AS(tadp::resize(picture, 0, 3, Resize::cv2_cubic), tadp::Error);
  CHECK_THROWS_AS(tadp::resize(picture, 3, -1, Resize::nearest), tadp::Error);
  CHECK_THROWS_AS(tadp::resize(Picture(), 3, 3, Resize::pillow_lanczos), tadp::Error);
  CHECK_THROWS_AS(tadp::resize_nearest(tadp::LabelMap(), 1, 1), tadp::Error);
  CHECK_THROWS_WITH_AS(tadp::resize_from_string("area"), doctest::Contains("pillow_lanczos"), tadp::Error);
}

TEST_CASE("keep_ratio_size: mmcv's rule") {
  using Size = std::array<int, 2>;
  CHECK(tadp::keep_ratio_size(1920, 1080, 1024, 512) == Size{910, 512});
  CHECK(tadp::keep_ratio_size(2048, 1024, 1280, 720) == Size{1280, 640});
  CHECK(tadp::keep_ratio_size(683, 512, 2048, 512) == Size{683, 512});
  CHECK(tadp::keep_ratio_size(512, 683, 2048, 512) == Size{512, 683});
  CHECK(tadp::keep_ratio_size(500, 375, 512, 2048) == Size{683, 512});
  CHECK(tadp::keep_ratio_size(10'000, 1, 2048, 512) == Size{2048, 1});
  CHECK_THROWS_AS(tadp::keep_ratio_size(0, 1, 2048, 512), tadp::Error);
}
