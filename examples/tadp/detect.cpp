// SPDX-License-Identifier: Apache-2.0
// `tadp detect`: pictures and words to boxes with names and scores.
#include "tadp/draw_boxes.hpp"
#include "tadp/results.hpp"

#include "tadp/io/image.hpp"

namespace program {

namespace {

struct DetectOptions {
  LookOptions look{};
  double threshold = 0.5;
};

Outcome detect(Looking& run, Look const& look, double threshold) {
  auto const found = run.runner().detect(look.picture, look.prompt, run.control());
  json report = run.report(look);
  auto const objects = above(found, threshold);
  auto const classes = run.head("detection").classes;
  fs::path const shown = look.file(".boxes.png");
  tadp::write_png(shown, box_sheet(look.picture, objects, classes, notes_of(look)));
  report.update(boxes_json(objects, classes));
  report["threshold"] = threshold;
  report["below_threshold"] = found.objects.size() - objects.size();
  report["files"] = {{"boxes", shown.string()}};
  return {std::move(report), boxes_text(objects, classes), shown};
}

}  // namespace

void add_detect(CLI::App& app, Command& command) {
  auto const o = std::make_shared<DetectOptions>();
  auto* const sub = app.add_subcommand("detect", "find the objects of pictures: boxes with names and scores");
  add_look(*sub, o->look, command.common);
  add_threshold(*sub, o->threshold);
  sub->footer("Writes NAME.boxes.png and NAME.boxes.json for each picture; boxes are x1, y1, x2, y2 in pixels from the top left corner.\n\n" +
              examples({"tadp detect street.png --out results", "tadp detect photos/*.jpg --caption \"a photo of a dog and a bicycle\" --threshold 0.7 --out results --json"}));
  sub->callback([&command, o] {
    command.run = [&command, o] {
      Looking run(o->look, command.common);
      return run.run("detection", {".boxes.png", ".boxes.json"}, [&](Look const& look) { return detect(run, look, o->threshold); });
    };
  });
}

}  // namespace program
