// SPDX-License-Identifier: Apache-2.0
// Average precision on lists that can be counted by hand: difficult objects, doubled detections, rounding as in a text file,
// pictures and classes without anything.
#include "tadp/runs/detection_metrics.hpp"

#include <doctest/doctest.h>

using namespace tadp;

namespace {

constexpr VocRules plain{.text_file = false, .pixel = 0.0};
TrueBox there(Box b, bool difficult = false, int label = 1) { return {b, label, difficult}; }
Detected found(Box b, float score, int label = 1) { return {b, label, score}; }
constexpr Box a{10, 10, 50, 50}, b{100, 100, 140, 160}, nowhere{300, 300, 320, 330};

template <class Work>
Errc code_of(Work const& work) {
  try {
    work();
  } catch (Error const& e) {
    return e.code();
  }
  return Errc::cancelled;
}

}  // namespace

TEST_CASE("average precision is what counting by hand gives") {
  DetectionScore score(3, {0.5}, plain);
  score.add(std::vector{found(a, 0.9F), found(nowhere, 0.8F), found(b, 0.7F)}, std::vector{there(a), there(b)});
  auto const curve = score.curve(1);
  CHECK(curve.recall == std::vector{0.5, 0.5, 1.0});
  CHECK(curve.precision[0] == 1.0);
  CHECK(curve.precision[1] == 0.5);
  CHECK(curve.precision[2] == doctest::Approx(2.0 / 3.0));
  CHECK(score.ap_area(1) == doctest::Approx(0.5 + 0.5 * 2.0 / 3.0));
  CHECK(score.ap_eleven(1) == doctest::Approx((6.0 + 5.0 * 2.0 / 3.0) / 11.0));
  CHECK(std::isnan(score.ap_area(2)));  // the class is nowhere
  CHECK(score.mean_ap_area() == score.ap_area(1));
  CHECK(score.truths(1) == 2);
  CHECK(score.detections(1) == 3);
  CHECK(score.pictures() == 1);
}

TEST_CASE("an object is found once, by the best score, and only strictly above the overlap") {
  DetectionScore score(2, {0.5}, plain);
  score.add(std::vector{found(a, 0.5F), found(a, 0.6F)}, std::vector{there(a)});
  CHECK(score.curve(1).precision == std::vector{1.0, 0.5});
  DetectionScore half(2, {0.5, 0.49}, plain);
  half.add(std::vector{found({10, 10, 50, 30}, 0.5F)}, std::vector{there(a)});  // exactly half
  CHECK(half.ap_area(1, 0) == 0.0);
  CHECK(half.ap_area(1, 1) == 1.0);
}

TEST_CASE("a difficult object is neither counted nor held against the detector") {
  DetectionScore score(2, {0.5}, plain);
  score.add(std::vector{found(b, 0.9F), found(b, 0.8F), found(a, 0.7F)}, std::vector{there(a), there(b, true)});
  CHECK(score.truths(1) == 1);
  CHECK(score.ap_area(1) == 1.0);
  DetectionScore only(2, {0.5}, plain);
  only.add(std::vector{found(b, 0.9F)}, std::vector{there(b, true)});
  CHECK(std::isnan(only.ap_area(1)));
  CHECK(std::isnan(only.mean_ap_eleven()));
}

TEST_CASE("numbers are rounded as a text file rounds them, and pixels belong to their box") {
  DetectionScore score(2);
  // One row of pixels: as corners of lines it has no area.
  score.add(std::vector{found({9, 9, 19, 9}, 0.9F)}, std::vector{there({10, 10, 20, 10})});
  CHECK(score.ap_area(1) == 0.0);  // (10, 10, 19, 9) has no row left
  score.add(std::vector{found({9, 9, 20, 10}, 0.9F)}, std::vector{there({10, 10, 20, 10})});
  CHECK(score.curve(1).recall.back() == 0.5);
  // 0.80049 and 0.80001 are alike in three decimals: the order is that of the list.
  DetectionScore ties(2);
  ties.add(std::vector{found(nowhere, 0.80001F), found({9, 9, 50, 50}, 0.80049F)}, std::vector{there(a)});
  CHECK(ties.curve(1).precision == std::vector{0.0, 0.5});
  DetectionScore exact(2, {0.5}, plain);
  exact.add(std::vector{found(nowhere, 0.80001F), found(a, 0.80049F)}, std::vector{there(a)});
  CHECK(exact.curve(1).precision == std::vector{1.0, 0.5});
}

TEST_CASE("empty lists, boxes outside and boxes without area count as what they are") {
  DetectionScore score(2, {0.5}, plain);
  score.add(std::vector<Detected>{}, std::vector<TrueBox>{});
  CHECK(std::isnan(score.mean_ap_area()));
  score.add(std::vector<Detected>{}, std::vector{there(a)});
  CHECK(score.ap_area(1) == 0.0);
  CHECK(score.ap_eleven(1) == 0.0);
  score.add(std::vector{found({-50, -50, -20, -20}, 0.9F), found({5, 5, 5, 5}, 0.8F)}, std::vector<TrueBox>{});
  CHECK(score.detections(1) == 2);
  CHECK(score.ap_area(1) == 0.0);
  score.add(std::vector{found({5, 5, 5, 5}, 0.7F)}, std::vector{there({5, 5, 5, 5})});
  CHECK(score.ap_area(1) == 0.0);  // nothing over nothing is no overlap
}

TEST_CASE("scores of parts add up to the score of the whole") {
  std::vector const first{found(a, 0.9F), found(nowhere, 0.2F)}, second{found(b, 0.5F), found(nowhere, 0.95F)};
  std::vector const one{there(a)}, two{there(b), there(a)};
  DetectionScore whole(2), left(2), right(2);
  whole.add(first, one), whole.add(second, two);
  left.add(first, one), right.add(second, two);
  left.add(right);
  CHECK(left.curve(1).precision == whole.curve(1).precision);
  CHECK(left.ap_area(1) == whole.ap_area(1));
  CHECK(code_of([&] { left.add(DetectionScore(3)); }) == Errc::argument);
}

TEST_CASE("what is no class and no number is refused") {
  DetectionScore score(2);
  CHECK(code_of([&] { score.add(std::vector{found(a, 0.5F, 2)}, std::vector<TrueBox>{}); }) == Errc::argument);
  CHECK(code_of([&] { score.add(std::vector<Detected>{}, std::vector{there(a, false, 0)}); }) == Errc::argument);
  CHECK(code_of([&] { score.add(std::vector{found(a, std::nanf(""))}, std::vector<TrueBox>{}); }) == Errc::argument);
  CHECK(code_of([&] { (void)score.ap_area(0); }) == Errc::argument);
  CHECK(code_of([&] { (void)score.curve(1, 1); }) == Errc::argument);
  CHECK(code_of([] { DetectionScore(1); }) == Errc::argument);
  CHECK(code_of([] { DetectionScore(2, {}); }) == Errc::argument);
}
