// SPDX-License-Identifier: Apache-2.0
#include "tadp/runs/evaluator.hpp"
#include "tadp/data/dataset.hpp"
#include "tiny_model.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tadp;
using scratch::error_of;

/// Answers with the labels that it was given, for each picture in turn.
struct Oracle {
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
  Oracle oracle{{source[0].labels, source[1].labels, LabelMap(9, 5, 1)}};
  std::size_t told = 0;
  auto const result = evaluate(oracle, source, file_caption("at night"), Control{.progress = [&](std::size_t done, std::size_t total) { told += done + total; }});
  CHECK(result.pictures == 3);
  CHECK(told == 1 + 2 + 3 + 9);
  CHECK(oracle.asked == std::vector<std::string>{"a road|at night", "the sky|at night", "the sky|at night"});
  CHECK(result.prompt == "caption of the file, modifier: at night");
  CHECK(result.unknown_words == std::vector<std::string>{"zebra"});
  CHECK(result.score.iou(0) == doctest::Approx(2.0 / 3));
  CHECK(result.score.iou(1) == doctest::Approx(3.0 / 5));
  Oracle other{{source[0].labels, source[1].labels, source[2].labels}};
  CHECK(evaluate(other, source, fixed_text("a street")).score.miou() == 1.0);
  CHECK(other.asked[2] == "a street|");
  std::stop_source stop;
  stop.request_stop();
  Oracle stopped{{source[0].labels}};
  CHECK(error_of([&] { evaluate(stopped, source, null_text(), Control{.stop = stop.get_token()}); })->code() == Errc::cancelled);
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
