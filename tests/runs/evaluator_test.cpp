// SPDX-License-Identifier: Apache-2.0
#include "tadp/runs/evaluator.hpp"
#include "tadp/data/dataset.hpp"
#include "tiny_model.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using scratch::error_of;

/// Answers with the labels that it was given, for each picture in turn.
struct Teacher {
  std::vector<LabelMap> answers;
  std::size_t next = 0;
  std::vector<std::string> asked{};
  Tokens words{.unknown = {"zebra"}};
  index_t classes() const { return 3; }
  Tokens const& tokens() const { return words; }
  LabelMap operator()(PictureView, Prompt const& prompt, Control const&) {
    asked.push_back(prompt.caption + "|" + prompt.modifier);
    return answers[next++];
  }
};

}  // namespace

TEST_CASE("a session is run over a source by a rule") {
  auto source = tiny_model::samples(9, 5);
  Teacher teacher{{source[0].labels, source[1].labels, LabelMap(9, 5, 1)}};
  std::size_t told = 0;
  auto const result = evaluate(teacher, source, file_caption("at night"), Control{.progress = [&](std::size_t done, std::size_t total) { told += done + total; }});
  CHECK(result.pictures == 3);
  CHECK(told == 1 + 2 + 3 + 9);
  CHECK(teacher.asked == std::vector<std::string>{"a road|at night", "the sky|at night", "the sky|at night"});
  CHECK(result.prompt == "caption of the file, modifier: at night");
  CHECK(result.unknown_words == std::vector<std::string>{"zebra"});
  CHECK(result.score.iou(0) == doctest::Approx(2.0 / 3));
  CHECK(result.score.iou(1) == doctest::Approx(3.0 / 5));
  Teacher other{{source[0].labels, source[1].labels, source[2].labels}};
  CHECK(evaluate(other, source, fixed_text("a street")).score.miou() == 1.0);
  CHECK(other.asked[2] == "a street|");
  std::stop_source stop;
  stop.request_stop();
  Teacher stopped{{source[0].labels}};
  CHECK(error_of([&] { evaluate(stopped, source, null_text(), Control{.stop = stop.get_token()}); })->code() == Errc::cancelled);
}

TEST_CASE("metres and boxes are run over a source as labels are") {
  struct Answers {
    Tokens words{.truncated = true};
    Tokens const& tokens() const { return words; }
    DepthMap depth(PictureView picture, Prompt const&, Control const&) { return DepthMap(picture.width, picture.height, 2.0F); }
    DetectionResult detect(PictureView picture, Prompt const&, Control const&) { return {picture.width, picture.height, {{{0, 0, 3, 3}, 1, 0.9F}}}; }
  } session;
  std::vector<Sample> source = tiny_model::samples(9, 5);
  for (Sample& s : source) s.depth = DepthMap(9, 5, 4.0F), s.boxes = {{{1, 1, 3, 3}, 1, false}};
  source[2].depth = DepthMap(9, 5, 2.0F);
  source[2].boxes = {{{6, 1, 8, 3}, 2, false}};
  auto const metres = evaluate_depth(session, source, null_text());
  CHECK(metres.pictures == 3);
  CHECK(metres.truncated == 3);
  CHECK(metres.prompt == "null text");
  CHECK(metres.score.pixels() == 3 * 45);
  CHECK(metres.score.measures().abs_rel == doctest::Approx(1.0 / 3));  // half of 4 m twice, all of 2 m once
  CHECK(metres.score.measures().d1 == doctest::Approx(1.0 / 3));
  DepthProtocol const beyond{.rectangle = DepthRectangle::eigen()};
  CHECK(error_of([&] { evaluate_depth(session, source, null_text(), beyond); })->code() == Errc::shape);
  auto const boxes = evaluate_detection(session, source, null_text(), DetectionScore(3));
  CHECK(boxes.pictures == 3);
  CHECK(boxes.score.truths(1) == 2);
  CHECK(boxes.score.detections(1) == 3);
  CHECK(boxes.score.ap_area(1) == doctest::Approx(1.0));  // the wrong one has the same score and comes last
  CHECK(boxes.score.ap_area(2) == 0.0);
}

TEST_CASE("a model is scored over a folder, in one run as picture by picture") {
  scratch::Folder const folder;
  dataset_files::make(folder);
  tiny_model::Loaded const loaded;
  tiny_model::Session session(loaded.model, loaded.weights, tiny_model::options());
  Dataset set(folder / "");
  auto const result = evaluate(session, set, fixed_text("a strange road"));
  CHECK(result.unknown_words == std::vector<std::string>{"strange"});
  CHECK(result.score.pixels() == 3 * 12 * 7);
  SegmentationScore by_hand(3);
  for (std::size_t i = 0; i < set.size(); ++i) by_hand.add(session(PictureView(set[i].picture), Prompt{.caption = "a strange road"}), set[i].labels);
  CHECK(by_hand.miou() == result.score.miou());
}

TEST_CASE("a stride has a ceiling") {
  LabelMap halves(16, 16), fine(16, 16);
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) halves.at(x, y) = x < 8 ? 0 : 2, fine.at(x, y) = static_cast<std::uint8_t>(x % 2);
  CHECK(through_stride(halves, 3, 4).labels == halves.labels);
  CHECK(through_stride(fine, 3, 1).labels == fine.labels);
  CHECK(through_stride(fine, 3, 4).labels == std::vector<std::uint8_t>(256, 0));
  LabelMap unknown(5, 7, ignore_label);
  unknown.at(4, 6) = 1;
  CHECK(through_stride(unknown, 3, 4).at(4, 6) == 1);
  std::vector<Sample> source{{Picture(16, 16), halves, "", ""}, {Picture(16, 16), fine, "", ""}};
  auto const score = ceiling(source, 3, 4);
  CHECK(score.pixel_accuracy() == 0.75);
  CHECK(ceiling(source, 3, 1).miou() == 1.0);
  CHECK(error_of([&] { through_stride(halves, 3, 0); })->code() == Errc::argument);
}
