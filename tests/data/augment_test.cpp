// SPDX-License-Identifier: Apache-2.0
#include "dataset_files.hpp"
#include "tadp/data/augment.hpp"
#include "tadp/io/safetensors.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <set>

namespace {

using namespace tadp;
using namespace dataset_files;

Sample sample(int width, int height) { return {picture(width, height, 9), labels(width, height, 3), "a caption", "another"}; }

/// The integers of a golden as bytes; pictures there are blue, green, red.
std::vector<int> golden(SafetensorsFile const& file, std::string const& name) {
  auto const bytes = file.data(*file.find(name));
  std::vector<int> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}
int largest_difference(std::vector<int> const& bgr, Picture const& picture) {
  int worst = 0;
  for (std::size_t i = 0; i < bgr.size(); ++i) worst = std::max(worst, std::abs(bgr[i] - picture.rgb[i / 3 * 3 + 2 - i % 3]));
  return worst;
}

}  // namespace

TEST_CASE("colours change as OpenCV and the original change them") {
  auto const shared = scratch::shared_folder();
  if (!shared || !std::filesystem::exists(*shared / "goldens" / "prim.json")) {
    MESSAGE("skipped: the shared goldens are not here");
    return;
  }
  auto const tables = nlohmann::json::parse(std::ifstream(*shared / "goldens" / "prim.json")).at("tables");
  if (!tables.contains("pmd")) {
    MESSAGE("skipped: these goldens were made without OpenCV");
    return;
  }
  SafetensorsFile const file(*shared / "goldens" / "prim.safetensors");
  auto const image = golden(file, "pmd.image_bgr"), hsv = golden(file, "pmd.hsv");
  Picture start(48, 40);
  REQUIRE(image.size() == start.rgb.size());
  int unlike = 0;
  for (std::size_t i = 0; i < image.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) start.rgb[i + c] = static_cast<std::uint8_t>(image[i + 2 - c]);
    auto const mine = rgb_to_hsv(start.rgb[i], start.rgb[i + 1], start.rgb[i + 2]);
    for (std::size_t c = 0; c < 3; ++c) unlike += mine[c] != hsv[i + c] ? 1 : 0;
  }
  CHECK(unlike == 0);
  Picture back = start;
  change_hsv(back, [](Hsv&) {});
  CHECK(largest_difference(golden(file, "pmd.hsv_back"), back) <= 1);
  auto const draws = tables.at("pmd").at("draws");
  for (std::size_t k = 0; k < draws.size(); ++k) {
    auto const& d = draws[k];
    auto const number = [&](char const* name) { return d.at(name).is_null() ? std::nullopt : std::optional(d.at(name).get<float>()); };
    PhotometricDraw draw{number("brightness"), d.at("mode") == 1, number("contrast"), number("saturation"), {}};
    if (!d.at("hue").is_null()) draw.hue = d.at("hue").get<int>();
    Picture out = start;
    distort(out, draw);
    int const worst = largest_difference(golden(file, "pmd.out." + std::to_string(k)), out);
    MESSAGE("pmd.out." << k << ": largest difference " << worst);
    CHECK(worst <= 1);
  }
}

TEST_CASE("hue, saturation and value go there and back") {
  int worst = 0;
  for (int r = 0; r < 256; r += 5)
    for (int g = 0; g < 256; g += 5)
      for (int b = 0; b < 256; b += 5) {
        auto const byte = [](int v) { return static_cast<std::uint8_t>(v); };
        auto const rgb = hsv_to_rgb(rgb_to_hsv(byte(r), byte(g), byte(b)), false);
        worst = std::max({worst, std::abs(rgb[0] - r), std::abs(rgb[1] - g), std::abs(rgb[2] - b)});
      }
  CHECK(worst <= 6);  // 180 hues do not hold more
  CHECK(turn_hue(3, -5) == 178);
  CHECK(turn_hue(178, 17) == 15);
}

TEST_CASE("draws follow the key and fill their ranges") {
  int brightness = 0, hue = 0;
  int low = 0, high = 0;
  for (std::uint64_t key = 0; key < 4000; ++key) {
    auto const d = draw_photometric(random_key(key));
    brightness += d.brightness ? 1 : 0;
    if (d.brightness) CHECK(std::abs(*d.brightness) <= 32.0F);
    if (d.contrast) CHECK((*d.contrast >= 0.5F && *d.contrast < 1.5F));
    if (d.hue) ++hue, low = std::min(low, *d.hue), high = std::max(high, *d.hue);
    for (int const by : draw_hsv_shift(key)) CHECK((by >= -10 && by <= 9));
  }
  CHECK((brightness > 1800 && brightness < 2200));
  CHECK((hue > 1800 && hue < 2200));
  CHECK(low == -18);
  CHECK(high == 17);
}

TEST_CASE("ADE's pipeline cuts, mirrors and pads from a key") {
  CropPipeline p;
  p.long_side = 160, p.short_side = 40, p.crop_width = 32, p.crop_height = 48;
  Sample const s = sample(60, 50);
  Batch batch, again, other;
  for (std::uint64_t i = 0; i < 6; ++i) add_augmented(batch, s, p, random_key(1, i)), add_augmented(again, s, p, random_key(1, i)), add_augmented(other, s, p, random_key(2, i));
  CHECK(batch.pictures == again.pictures);
  CHECK(batch.labels == again.labels);
  CHECK(batch.labels != other.labels);
  CHECK(batch.pictures.size() == 6 * 32 * 48 * 3);
  CHECK(batch.labels.size() == 6 * 32 * 48);
  CHECK(batch.captions.size() == 6);
  std::set<int> heights;
  for (std::uint64_t i = 0; i < 40; ++i) {
    auto const view = augment(s, p, random_key(3, i));
    CHECK(view.picture.width <= 32);
    CHECK(view.picture.height == view.labels.height);
    heights.insert(view.picture.height);
  }
  CHECK(heights.size() > 5);  // a ratio below one leaves less than the crop: the batch pads it
  AugmentedView const small{Picture(2, 1), LabelMap(2, 1)};
  Batch padded;
  add_view(padded, small, 3, 2, {});
  CHECK(padded.labels == std::vector<std::uint8_t>{0, 0, 255, 255, 255, 255});
  CHECK(padded.pictures[0] == -1.0F);
  CHECK(padded.pictures[8] == 0.0F);
}

TEST_CASE("windows of one label are drawn again") {
  CropPipeline p;
  p.long_side = p.short_side = 64, p.min_scale = p.max_scale = 1.0F, p.crop_width = p.crop_height = 16, p.photometric = false, p.mirror = 0;
  Sample s{Picture(64, 64), LabelMap(64, 64), "", ""};
  for (int y = 0; y < 64; ++y) s.labels.at(20, y) = s.labels.at(21, y) = s.labels.at(22, y) = s.labels.at(23, y) = 1;
  int with = 0, without = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    for (double const most : {0.99, 1.1}) {
      p.most_of_a_label = most;
      auto const view = augment(s, p, random_key(5, i));
      bool const both = std::count(view.labels.labels.begin(), view.labels.labels.end(), 1) > 0;
      (most < 1 ? with : without) += both ? 1 : 0;
    }
  }
  CHECK(with > 190);
  CHECK(without > 190);  // one label alone is never enough
  p.retries = 0;
  int unseen = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    auto const view = augment(s, p, random_key(5, i));
    unseen += std::count(view.labels.labels.begin(), view.labels.labels.end(), 1) > 0 ? 1 : 0;
  }
  CHECK(unseen < 120);
}

TEST_CASE("a mirror turns picture and labels together") {
  CropPipeline p;
  p.long_side = p.short_side = 30, p.min_scale = p.max_scale = 1.0F, p.crop_width = p.crop_height = 30, p.photometric = false;
  Sample const s = sample(30, 30);
  p.mirror = 0.0F;
  auto const plain = augment(s, p, 1);
  CHECK(plain.picture.rgb == s.picture.rgb);
  CHECK(plain.labels.labels == s.labels.labels);
  p.mirror = 1.0F;
  auto const turned = augment(s, p, 1);
  for (int x = 0; x < 30; ++x) {
    CHECK(turned.labels.at(x, 7) == s.labels.at(29 - x, 7));
    CHECK(turned.picture.pixel(x, 7)[1] == s.picture.pixel(29 - x, 7)[1]);
  }
}

TEST_CASE("Cityscapes' and VOC's pipelines") {
  auto const p = CropPipeline::cityscapes();
  auto const view = augment(sample(256, 128), p, 4);
  CHECK(view.picture.width == 512);
  CHECK(view.picture.height == 512);  // 1280 x 640, cut
  CHECK(p.normalisation == Normalisation::imagenet());
  VocPipeline voc;
  voc.side = 24;
  Batch batch;
  for (std::uint64_t i = 0; i < 8; ++i) add_augmented(batch, sample(40, 20), voc, random_key(i));
  CHECK(batch.labels.size() == 8 * 24 * 24);
  for (auto const label : batch.labels) CHECK((label < 3 || label == 255));
  Picture grey(1, 1);
  grey.rgb = {100, 100, 100};
  shift_hsv(grey, {5, -3, 9});
  CHECK(grey.rgb == std::vector<std::uint8_t>{109, 109, 109});
  shift_hsv(grey, {0, 0, 200});
  CHECK(grey.rgb == std::vector<std::uint8_t>{255, 255, 255});
}
