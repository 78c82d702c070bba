// SPDX-License-Identifier: Apache-2.0
// `tadp perceive`: all heads of a model on one pass of its backbone, on one sheet: labels, depth, boxes and attention.
#include "tadp/draw_boxes.hpp"
#include "tadp/draw_depth.hpp"
#include "tadp/draw_heat.hpp"
#include "tadp/draw_sheet.hpp"
#include "tadp/results.hpp"

#include "tadp/io/image.hpp"

namespace program {

namespace {

struct PerceiveOptions {
  LookOptions look{};
  double threshold = 0.5;
};

/// The places of at most `most` maps that differ most from one end to the other, in the order of the words.
std::vector<int> telling_maps(tadp::AttentionMaps const& maps, int most) {
  std::vector<std::pair<double, int>> spans;
  for (int k = 0; k < maps.count; ++k) {
    auto const [low, high] = range_of(maps.width, maps.height, [&](int x, int y) { return maps.at(k, x, y); });
    spans.emplace_back(low - high, k);
  }
  std::sort(spans.begin(), spans.end());
  std::vector<int> places;
  for (std::size_t i = 0; i < spans.size() && i < static_cast<std::size_t>(most); ++i) places.push_back(spans[i].second);
  std::sort(places.begin(), places.end());
  return places;
}

/// The depth with 0 where the labels say sky, which has no metres; and how many pixels that are.
struct WithoutSky {
  tadp::DepthMap depth{};
  std::size_t sky = 0;
};
WithoutSky without_sky(tadp::DepthMap const& depth, tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes) {
  WithoutSky out{depth};
  for (std::size_t i = 0; i < labels.labels.size(); ++i) {
    std::size_t const label = labels.labels[i];
    if (label < classes.size() && classes[label].name == "sky") out.depth.metres.at(i) = 0.0F, ++out.sky;
  }
  return out;
}

/// Where words look, three to a row, each map from its least to its largest value.
tadp::Picture attention_panel(tadp::Picture const& picture, tadp::AttentionMaps const& maps, std::vector<NamedPosition> const& named, int width) {
  std::vector<SheetCell> cells;
  for (int const k : telling_maps(maps, 9)) {
    auto const map = [&](int x, int y) { return maps.at(k, x, y); };
    auto const [low, high] = range_of(maps.width, maps.height, map);
    cells.push_back({{heat(picture, map, low, high)}, tadp::printable(named[static_cast<std::size_t>(k)].name, 30)});
  }
  int const columns = std::min(3, static_cast<int>(cells.size()));
  int const wide = width / columns - 14, tall = 640;  // at most: a narrow picture is not drawn at full width
  return contact_sheet(cells, columns, std::clamp(tall * picture.width / picture.height, 4, wide), 1);
}

json attention_json(tadp::AttentionMaps const& maps, std::vector<NamedPosition> const& named) {
  json out = json::array();
  for (int k = 0; k < maps.count; ++k) {
    NamedPosition const& one = named[static_cast<std::size_t>(k)];
    auto const [low, high] = range_of(maps.width, maps.height, [&](int x, int y) { return maps.at(k, x, y); });
    out.push_back({{"position", one.position}, {"word", one.name}, {"least", low}, {"largest", high}});
  }
  return out;
}

/// The answers one after the other: their panels, their part of the report, their words.
class Sheet {
 public:
  Sheet(Looking& run, Look const& look, double threshold) : run_(run), look_(look), threshold_(threshold), report_(run.report(look)) {}

  void add(tadp::LabelMap const& labels) {
    auto const classes = run_.head("segmentation").classes;
    auto const shares = shares_of(labels, classes);
    fs::path const path = look_.file(".labels.png");
    write_labels(path, labels, classes);
    panels_.push_back({"labels", overlay(look_.picture, labels, classes, shares, {})});
    report_["files"]["labels"] = path.string();
    report_["classes"] = shares_json(shares);
    tell(shares_text(shares));
  }
  /// `labels`: of the same pixels; null: none.
  void add(tadp::DepthMap const& depth, tadp::LabelMap const* labels) {
    auto const [shown, sky] = labels == nullptr ? WithoutSky{depth} : without_sky(depth, *labels, run_.head("segmentation").classes);
    json numbers = write_depth(look_, depth, shown);
    numbers["pixels_of_sky"] = labels == nullptr ? json() : json(sky);
    panels_.push_back({sky > 0 ? "depth (grey: sky)" : "depth", depth_sheet(shown, "")});
    for (char const* const kind : {"png", "npy"}) {
      report_["files"][std::string("depth_") + kind] = numbers[kind];
      numbers.erase(kind);
    }
    char told[64];
    std::snprintf(told, sizeof told, "%.1f to %.1f m", numbers["least"].get<double>(), numbers["most"].get<double>());
    tell(sky < depth.metres.size() ? told : "no depth: all is sky");
    report_["metres"] = std::move(numbers);
  }
  void add(tadp::DetectionResult const& found) {
    auto const objects = above(found, threshold_);
    auto const classes = run_.head("detection").classes;
    panels_.push_back({"boxes", box_sheet(look_.picture, objects, classes, {})});
    report_.update(boxes_json(objects, classes));
    report_["threshold"] = threshold_;
    report_["below_threshold"] = found.objects.size() - objects.size();
    tell(boxes_text(objects, classes));
  }
  void add(tadp::AttentionMaps const& maps, std::vector<NamedPosition> const& named) {
    if (maps.count == 0) return;
    int const wide = look_.picture.width * draw_detail::enlargement(look_.picture.width, look_.picture.height);
    panels_.push_back({"where words look", attention_panel(look_.picture, maps, named, std::max(wide, 480))});
    report_["attention"] = attention_json(maps, named);
  }
  Outcome finish() {
    fs::path const shown = look_.file(".perceive.png");
    tadp::write_png(shown, panel_sheet(panels_, 2, notes_of(look_)));
    report_["files"]["sheet"] = shown.string();
    return {std::move(report_), told_, shown};
  }

 private:
  void tell(std::string const& text) { told_ += (told_.empty() ? "" : "; ") + text; }

  Looking& run_;
  Look const& look_;
  double threshold_;
  json report_;
  std::vector<Panel> panels_{};
  std::string told_{};
};

Outcome perceive(Looking& run, Look const& look, double threshold) {
  auto const named = run.runner().positions();
  tadp::Wanted wanted;
  for (NamedPosition const& n : named) wanted.maps.push_back({n.position});
  auto const seen = run.runner().perceive(look.picture, look.prompt, wanted, run.control());
  Sheet sheet(run, look, threshold);
  if (seen.labels) sheet.add(seen.labels->labels);
  if (seen.depth) sheet.add(*seen.depth, seen.labels ? &seen.labels->labels : nullptr);
  if (seen.boxes) sheet.add(*seen.boxes);
  sheet.add(seen.maps, named);
  return sheet.finish();
}

}  // namespace

void add_perceive(CLI::App& app, Command& command) {
  auto const o = std::make_shared<PerceiveOptions>();
  auto* const sub = app.add_subcommand("perceive", "all that a model tells of pictures, on one sheet: labels, depth, boxes and attention");
  add_look(*sub, o->look, command.common);
  add_focal(*sub, o->look);
  add_threshold(*sub, o->threshold);
  sub->footer("The backbone runs once for all heads of the model; a panel of a head that it lacks is left out.\n"
              "Writes NAME.perceive.png, NAME.perceive.json, and NAME.labels.png, NAME.depth.png and NAME.depth.npy\nas `tadp segment` and `tadp depth` do, for each picture.\n"
              "Sky has no depth: where the labels say sky, the panel of depth is grey, and the metres that are told leave these pixels out;\nthe files hold what the head says there, too.\n\n" +
              examples({"tadp perceive street.png --out results", "tadp perceive *.jpg --caption \"a street photo of a road, cars and trees\" --out results --json"}));
  sub->callback([&command, o] {
    command.run = [&command, o] {
      Looking run(o->look, command.common);
      return run.run("", {".perceive.png", ".labels.png", ".depth.png", ".depth.npy", ".perceive.json"}, [&](Look const& look) { return perceive(run, look, o->threshold); });
    };
  });
}

}  // namespace program
