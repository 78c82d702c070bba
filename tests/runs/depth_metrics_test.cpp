// SPDX-License-Identifier: Apache-2.0
// The measures of depth by hand: ratios, caps, the rectangle, means over pictures, what is no depth, and what is refused.
#include "tadp/runs/depth_metrics.hpp"

#include <doctest/doctest.h>

namespace td = tadp;

namespace {

constexpr float endless = std::numeric_limits<float>::infinity(), no_number = std::numeric_limits<float>::quiet_NaN();

td::DepthMap row(std::vector<float> metres) {
  td::DepthMap map(static_cast<int>(metres.size()), 1);
  map.metres = std::move(metres);
  return map;
}
template <class Call>
td::Errc code_of(Call const& call) {
  try {
    call();
  } catch (td::Error const& e) {
    return e.code();
  }
  return td::Errc::cancelled;
}

}  // namespace

TEST_CASE("the nine measures of two pixels") {
  td::DepthScore score;
  auto const m = score.add(row({2.0F, 2.0F}), row({1.0F, 2.0F}));
  REQUIRE(m.has_value());
  double const l = std::log(2.0);
  CHECK(m->d1 == 0.5);
  CHECK(m->d2 == 0.5);
  CHECK(m->d3 == 0.5);  // 2 is above 1.25^3
  CHECK(m->abs_rel == doctest::Approx(0.5));
  CHECK(m->sq_rel == doctest::Approx(0.5));
  CHECK(m->rmse == doctest::Approx(std::sqrt(0.5)));
  CHECK(m->rmse_log == doctest::Approx(std::sqrt(0.5) * l));
  CHECK(m->log10 == doctest::Approx(0.5 * std::log10(2.0)));
  CHECK(m->silog == doctest::Approx(std::sqrt(0.5 * l * l - 0.5 * 0.25 * l * l)));
}

TEST_CASE("the shares are of ratios in either direction, strictly below") {
  td::DepthScore score;
  auto const m = score.add(row({1.0F, 1.2F, 1.0F, 1.5F, 1.9F, 1.0F, 1.25F}), row({1.0F, 1.0F, 1.2F, 1.0F, 1.0F, 3.0F, 1.0F}));
  CHECK(m->d1 == doctest::Approx(3.0 / 7.0));
  CHECK(m->d2 == doctest::Approx(5.0 / 7.0));
  CHECK(m->d3 == doctest::Approx(6.0 / 7.0));
}

TEST_CASE("means are over pictures, not over pixels; pictures without a truth are counted apart") {
  td::DepthScore score;
  score.add(row({1.0F, 1.0F, 1.0F}), row({1.0F, 1.0F, 1.0F}));
  score.add(row({3.0F}), row({2.0F}));
  CHECK_FALSE(score.add(row({3.0F, 1.0F, 1.0F, 1.0F}), row({0.0F, no_number, endless, -1.0F})).has_value());
  CHECK(score.measures().abs_rel == doctest::Approx(0.25));
  CHECK(score.pictures() == 2);
  CHECK(score.pixels() == 4);
  CHECK(score.empty() == 1);
  td::DepthScore const none;
  for (auto const& field : td::DepthMeasures::fields()) CHECK(std::isnan(none.measures().*field.value));
}

TEST_CASE("what is no depth counts as a cap") {
  td::DepthScore score;
  auto const m = score.add(row({endless, no_number, 0.0F, -2.0F}), row({1.0F, 1.0F, 1.0F, 1.0F}));
  CHECK(m->abs_rel == doctest::Approx((9.0 + 3 * 0.999) / 4.0));
  for (auto const& field : td::DepthMeasures::fields()) CHECK(std::isfinite(*m.*field.value));
}

TEST_CASE("caps are excluded, and the rectangle ends before its last row and column") {
  td::DepthScore capped;
  capped.add(row({1.0F, 1.0F, 1.0F}), row({10.0F, 1e-3F, 5.0F}));
  CHECK(capped.pixels() == 1);
  td::DepthScore nyu(td::DepthProtocol::nyu());
  nyu.add(td::DepthMap(640, 480, 2.0F), td::DepthMap(640, 480, 2.0F));
  CHECK(nyu.pixels() == 426 * 560);
  CHECK(nyu.measures().d1 == 1.0);
  CHECK(nyu.measures().silog == 0.0);
}

TEST_CASE("what does not fit is refused") {
  using td::Errc;
  CHECK(code_of([] { td::DepthScore({.min_depth = 2.0F, .max_depth = 1.0F}); }) == Errc::argument);
  CHECK(code_of([] { td::DepthScore({.min_depth = 0.0F}); }) == Errc::argument);
  CHECK(code_of([] { td::DepthScore({.rectangle = td::DepthRectangle{3, 3, 0, 1}}); }) == Errc::argument);
  CHECK(code_of([] { td::DepthScore({.rectangle = td::DepthRectangle{-1, 3, 0, 1}}); }) == Errc::argument);
  td::DepthScore score;
  CHECK(code_of([&] { score.add(row({1.0F}), row({1.0F, 2.0F})); }) == Errc::shape);
  CHECK(code_of([&] { score.add(std::vector<float>{1.0F}, std::vector<float>{1.0F}, 0, 1); }) == Errc::shape);
  td::DepthScore nyu(td::DepthProtocol::nyu());
  CHECK(code_of([&] { nyu.add(td::DepthMap(600, 480, 1.0F), td::DepthMap(600, 480, 1.0F)); }) == Errc::shape);
  CHECK(nyu.pictures() == 0);
}
