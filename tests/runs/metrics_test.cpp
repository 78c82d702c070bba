// SPDX-License-Identifier: Apache-2.0
#include "../io/scratch.hpp"
#include "tadp/io/safetensors.hpp"
#include "tadp/runs/metrics.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <fstream>

namespace {

using namespace tadp;
using scratch::error_of;
using Bytes = std::vector<std::uint8_t>;

std::vector<std::int32_t> integers(SafetensorsFile const& file, char const* name) {
  auto const bytes = file.data(*file.find(name));
  std::vector<std::int32_t> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

TEST_CASE("a score counts what is right, wrong and passed over") {
  SegmentationScore score(4);
  score.add(Bytes{0, 0, 1, 1, 255, 2}, Bytes{0, 1, 1, 255, 0, 0});
  CHECK(score.pixels() == 5);
  CHECK(score.intersect(0) == 1);
  CHECK(score.labelled(0) == 3);
  CHECK(score.predicted(0) == 2);
  CHECK(score.union_of(0) == 4);
  CHECK(score.iou(0) == 0.25);
  CHECK(score.iou(1) == 0.5);
  CHECK(score.iou(2) == 0.0);
  CHECK(std::isnan(score.iou(3)));
  CHECK(std::isnan(score.accuracy(2)));
  CHECK(score.miou() == doctest::Approx(0.25));
  CHECK(score.miou_smp() == doctest::Approx(1.75 / 4));
  CHECK(score.pixel_accuracy() == doctest::Approx(0.4));
  CHECK(score.class_accuracy() == doctest::Approx((1.0 / 3 + 0.5) / 2));
  SegmentationScore twice(4);
  twice.add(score);
  twice.add(score);
  CHECK(twice.pixels() == 10);
  CHECK(twice.miou() == score.miou());
  CHECK(std::isnan(SegmentationScore(2).miou()));
  CHECK(std::isnan(SegmentationScore(2).pixel_accuracy()));
}

TEST_CASE("what cannot be counted is refused") {
  SegmentationScore score(3);
  CHECK(error_of([&] { score.add(Bytes{0, 1}, Bytes{0}); })->code() == Errc::shape);
  CHECK(error_of([&] { score.add(Bytes{3}, Bytes{0}); })->code() == Errc::argument);
  CHECK(error_of([&] { score.add(Bytes{200}, Bytes{0}); })->code() == Errc::argument);
  CHECK(error_of([&] { score.add(Bytes{0}, Bytes{3}); })->code() == Errc::argument);
  CHECK(error_of([&] { score.add(LabelMap(2, 3), LabelMap(3, 2)); })->code() == Errc::shape);
  CHECK(error_of([&] { score.add(SegmentationScore(4)); })->code() == Errc::argument);
  CHECK(error_of([] { SegmentationScore(0); })->code() == Errc::argument);
  CHECK(error_of([] { SegmentationScore(255); })->code() == Errc::argument);
}

TEST_CASE("the reference's counts and means") {
  auto const shared = scratch::shared_folder();
  if (!shared || !std::filesystem::exists(*shared / "goldens" / "prim.json")) {
    MESSAGE("skipped: the shared goldens are not here");
    return;
  }
  SafetensorsFile const file(*shared / "goldens" / "prim.safetensors");
  auto const scalars = nlohmann::json::parse(std::ifstream(*shared / "goldens" / "prim.json")).at("scalars");
  auto const pred = integers(file, "miou.pred"), label = integers(file, "miou.label"), both = integers(file, "miou.intersect");
  auto const classes = static_cast<int>(both.size());
  SegmentationScore score(classes);
  // In two pictures: counts add up.
  Bytes const p(pred.begin(), pred.end()), l(label.begin(), label.end());
  std::size_t const half = p.size() / 2;
  score.add(std::span(p).first(half), std::span(l).first(half));
  score.add(std::span(p).subspan(half), std::span(l).subspan(half));
  auto const unions = integers(file, "miou.union"), predicted = integers(file, "miou.area_pred"), labelled = integers(file, "miou.area_label");
  for (int c = 0; c < classes; ++c) {
    auto const at = static_cast<std::size_t>(c);
    CHECK(static_cast<std::int32_t>(score.intersect(c)) == both[at]);
    CHECK(static_cast<std::int32_t>(score.union_of(c)) == unions[at]);
    CHECK(static_cast<std::int32_t>(score.predicted(c)) == predicted[at]);
    CHECK(static_cast<std::int32_t>(score.labelled(c)) == labelled[at]);
  }
  auto const near = [&](char const* name) { return doctest::Approx(scalars.at(name).at("value").get<double>()).epsilon(1e-6); };
  CHECK(score.miou() == near("miou.mmseg_nanmean"));
  CHECK(score.miou_smp() == near("miou.smp_zero_division_1"));
  CHECK(score.pixel_accuracy() == near("miou.all_acc"));
}
