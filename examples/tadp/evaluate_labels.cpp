// SPDX-License-Identifier: Apache-2.0
// `tadp evaluate --task segmentation`: a model's labels against those of a data set.
#include "tadp/evaluate.hpp"

#include "tadp/data/dataset.hpp"

namespace program {

namespace {

/// Classes are compared by index: the two lists have to be the same.
void require_same_classes(tadp::Dataset const& data, std::vector<tadp::ClassDescription> const& a) {
  auto const& b = data.classes();
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i].name == b[i].name) ++i;
  if (i == a.size() && i == b.size()) return;
  auto const name = [&](auto const& classes) { return i < classes.size() ? classes[i].name : "no such class"; };
  throw tadp::Error(tadp::Errc::shape, "the data set has other classes than the model",
                    {.file = data.folder().string(), .key = "class " + std::to_string(i), .expected = name(a) + " (" + std::to_string(a.size()) + " classes)",
                     .found = name(b) + " (" + std::to_string(b.size()) + " classes)"});
}

json score_json(tadp::SegmentationScore const& score, std::vector<tadp::ClassDescription> const& classes) {
  json rows = json::array();
  for (int c = 0; c < score.classes(); ++c)
    rows.push_back({{"index", c}, {"name", classes[static_cast<std::size_t>(c)].name}, {"iou", score.iou(c)}, {"accuracy", score.accuracy(c)}, {"pixels", score.labelled(c)}});
  return {{"miou", score.miou()}, {"pixel_accuracy", score.pixel_accuracy()}, {"class_accuracy", score.class_accuracy()}, {"pixels", score.pixels()}, {"classes", rows}};
}

void print_score(tadp::SegmentationScore const& score, std::vector<tadp::ClassDescription> const& classes) {
  std::printf("  %-20s %7s %9s %8s\n", "class", "IoU", "accuracy", "share");
  for (int c = 0; c < score.classes(); ++c)
    std::printf("  %-20s %s %s %7.2f%%\n", tadp::printable(classes[static_cast<std::size_t>(c)].name, 20).c_str(), score_text(100 * score.iou(c), 7, 2, "%").c_str(), score_text(100 * score.accuracy(c), 9, 2, "%").c_str(),
                100.0 * static_cast<double>(score.labelled(c)) / static_cast<double>(std::max<std::uint64_t>(1, score.pixels())));
  auto const percent = [](double share) { return score_text(100 * share, 0, 2, " %"); };
  std::printf("mIoU %s, pixel accuracy %s, class accuracy %s\n", percent(score.miou()).c_str(), percent(score.pixel_accuracy()).c_str(), percent(score.class_accuracy()).c_str());
}

}  // namespace

Status evaluate_labels(Evaluating& e) {
  EvaluateOptions const& o = e.options();
  tadp::Dataset data(o.data, {.captions = o.captions, .classes = {}});
  auto const& classes = e.head().classes;
  require_same_classes(data, classes);
  auto const rule = e.rule_for(data);
  auto const result = e.run([&](RunnerSession& session, tadp::Control const& control) { return tadp::evaluate(session, data, rule, control); });
  json out = e.report(result);
  out.update(score_json(result.score, classes));
  if (e.tells()) print_score(result.score, classes);
  if (result.score.pixels() == 0) e.warn_of_nothing("no pixel has a label");
  if (o.ceiling) {
    int const stride = e.description().vae.stride();
    auto const best = tadp::ceiling(data, static_cast<int>(classes.size()), stride, e.opening());
    out["ceiling"] = score_json(best, classes);
    if (e.tells()) std::printf("ceiling of a stride of %d pixels: mIoU %s; the model has %s of it\n", stride, score_text(100 * best.miou(), 0, 2, " %").c_str(), score_text(100 * result.score.miou() / best.miou(), 0, 1, " %").c_str());
  }
  return e.finish(out);
}

}  // namespace program
