// SPDX-License-Identifier: Apache-2.0
// `tadp evaluate --task depth`: a model's metres against those of a folder, by the nine measures of depth papers.
#include "tadp/evaluate.hpp"

#include "tadp/data/depth_dataset.hpp"

namespace program {

Status evaluate_depths(Evaluating& e) {
  EvaluateOptions const& o = e.options();
  tadp::DepthProtocol protocol{.min_depth = static_cast<float>(o.least), .max_depth = o.most > 0.0 ? static_cast<float>(o.most) : e.head().depth.max_depth};
  if (o.eigen) protocol.rectangle = tadp::DepthRectangle::eigen();
  (void)tadp::DepthScore(protocol);  // caps that exclude everything are told before a folder is read
  tadp::DepthDataset data(o.data, {.list = o.list, .depth_scale = o.depth_scale, .captions = o.captions, .incomplete = o.incomplete}, e.opening());
  e.warn_of_folder(data.report());
  auto const rule = e.rule_for(data);
  auto const result = e.run([&](RunnerSession& session, tadp::Control const& control) { return tadp::evaluate_depth(session, data, rule, protocol, control); });
  auto const measures = result.score.measures();
  json out = e.report(result);
  out.update({{"pixels", result.score.pixels()}, {"pictures_without_pixels", result.score.empty()}, {"min_depth", protocol.min_depth}, {"max_depth", protocol.max_depth},
              {"eigen", o.eigen}, {"units_per_metre", data.units_per_metre()}, {"measures", json::object()}, {"left_out", left_out_json(data.report())}});
  for (auto const& field : tadp::DepthMeasures::fields()) out["measures"][std::string(field.name)] = measures.*field.value;
  if (e.tells()) {
    std::printf("  truth from %g to %g m%s; the means over pictures\n", static_cast<double>(protocol.min_depth), static_cast<double>(protocol.max_depth), o.eigen ? " in Eigen's rectangle" : "");
    for (auto const& field : tadp::DepthMeasures::fields()) std::printf("  %-9s %s\n", std::string(field.name).c_str(), score_text(measures.*field.value, 8, 4).c_str());
    std::printf("%llu pixels count", static_cast<unsigned long long>(result.score.pixels()));
    if (result.score.empty() > 0) std::printf("; %llu pictures have none", static_cast<unsigned long long>(result.score.empty()));
    std::printf("\n");
    e.tell_left_out(data.report());
  }
  if (result.score.pictures() == 0) e.warn_of_nothing("no measured pixel lies between the least and the largest depth that count");
  return e.finish(out);
}

}  // namespace program
