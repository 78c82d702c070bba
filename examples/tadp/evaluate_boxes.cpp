// SPDX-License-Identifier: Apache-2.0
// `tadp evaluate --task detection`: a model's boxes against those of a folder of the VOC form, by average precision.
#include "tadp/evaluate.hpp"

#include "tadp/data/voc_boxes.hpp"

#include <cmath>

namespace program {

namespace {

/// The names of a head's labels 1, 2, ..; VocBoxes refuses a folder with others.
std::vector<std::string> names_of(tadp::HeadDescription const& head) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < head.classes.size(); ++i) names.push_back(head.classes[i].name);
  return names;
}

json score_json(tadp::DetectionScore const& score, std::vector<tadp::ClassDescription> const& classes) {
  json rows = json::array();
  for (int c = 1; c < score.classes(); ++c)
    rows.push_back({{"label", c}, {"name", classes[static_cast<std::size_t>(c)].name}, {"ap50_eleven", score.ap_eleven(c)}, {"ap50_area", score.ap_area(c)}, {"objects", score.truths(c)}, {"detections", score.detections(c)}});
  return {{"map50_eleven", score.mean_ap_eleven()}, {"map50_area", score.mean_ap_area()}, {"classes", rows}};
}

void print_score(tadp::DetectionScore const& score, std::vector<tadp::ClassDescription> const& classes) {
  std::printf("  %-20s %15s %14s %8s %10s\n", "class", "AP50, 11 points", "AP50, area", "objects", "detections");
  for (int c = 1; c < score.classes(); ++c) {
    std::printf("  %-20s %s %s %8llu %10llu\n", tadp::printable(classes[static_cast<std::size_t>(c)].name, 20).c_str(), score_text(100 * score.ap_eleven(c), 15, 2, "%").c_str(),
                score_text(100 * score.ap_area(c), 14, 2, "%").c_str(), static_cast<unsigned long long>(score.truths(c)), static_cast<unsigned long long>(score.detections(c)));
  }
  std::printf("mAP50 %s (11 points), %s (area)\n", score_text(100 * score.mean_ap_eleven(), 0, 2, " %").c_str(), score_text(100 * score.mean_ap_area(), 0, 2, " %").c_str());
}

}  // namespace

Status evaluate_boxes(Evaluating& e) {
  EvaluateOptions const& o = e.options();
  tadp::VocBoxes data(o.data, {.split = o.split, .classes = names_of(e.head()), .captions = o.captions, .incomplete = o.incomplete, .drop_boxes = o.incomplete}, e.opening());
  e.warn_of_folder(data.report());
  auto const& classes = e.head().classes;
  tadp::DetectionScore const score(static_cast<int>(classes.size()), {0.5}, {});
  auto const rule = e.rule_for(data);
  auto const result = e.run([&](RunnerSession& session, tadp::Control const& control) { return tadp::evaluate_detection(session, data, rule, score, control); });
  std::size_t difficult = 0;
  for (std::size_t i = 0; i < data.size(); ++i)
    difficult += static_cast<std::size_t>(std::count_if(data.boxes(i).begin(), data.boxes(i).end(), [](tadp::TrueBox const& b) { return b.difficult; }));
  json out = e.report(result);
  out.update(score_json(result.score, classes));
  out.update({{"difficult", difficult}, {"split", o.split}, {"left_out", left_out_json(data.report())}});
  if (e.tells()) {
    print_score(result.score, classes);
    if (difficult > 0) std::printf("%zu difficult objects neither count nor are held against the model\n", difficult);
    e.tell_left_out(data.report());
  }
  if (std::isnan(result.score.mean_ap_area()))
    e.warn_of_nothing(difficult > 0 ? "all objects of the pictures are difficult ones" : data.report().complete() ? "the pictures have no objects" : "no object of the pictures can be used");
  return e.finish(out);
}

}  // namespace program
