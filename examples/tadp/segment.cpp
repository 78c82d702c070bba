// SPDX-License-Identifier: Apache-2.0
// `tadp segment`: pictures and words to labels, an overlay with a legend, and where each word looks.
#include "tadp/results.hpp"

#include "tadp/io/image.hpp"

namespace program {

namespace {

Outcome segment(Looking& run, Look const& look) {
  auto const named = run.runner().positions();
  tadp::Wanted wanted;
  for (NamedPosition const& n : named) wanted.maps.push_back({n.position});
  auto const result = run.runner().segment(look.picture, look.prompt, wanted, run.control());
  json report = run.report(look);
  auto const classes = run.head("segmentation").classes;
  auto const shares = shares_of(result.labels, classes);
  fs::path const shown = look.file(".overlay.png"), labels = look.file(".labels.png");
  tadp::write_png(shown, overlay(look.picture, result.labels, classes, shares, notes_of(look)));
  write_labels(labels, result.labels, classes);
  report["files"] = {{"overlay", shown.string()}, {"labels", labels.string()}, {"attention", write_attention(look, result.maps, named)}};
  report["classes"] = shares_json(shares);
  return {std::move(report), shares_text(shares), shown};
}

}  // namespace

void add_segment(CLI::App& app, Command& command) {
  auto const o = std::make_shared<LookOptions>();
  auto* const sub = app.add_subcommand("segment", "label every pixel of pictures, and show where each word looks");
  add_look(*sub, *o, command.common);
  sub->footer("Writes NAME.overlay.png, NAME.labels.png (class indices with a palette), NAME.attention.POSITION-WORD.png\nand NAME.json for each picture.\n\n" +
              examples({"tadp segment street.png --out results", "tadp segment *.jpg --caption \"a street photo of a road, cars and trees\" --out results",
                        "tadp segment photos/*.jpg --captions captions.json --modifier \"a dark night photo of {}\" --out results --json"}));
  sub->callback([&command, o] {
    command.run = [&command, o] {
      Looking run(*o, command.common);
      return run.run("segmentation", {".overlay.png", ".labels.png", ".json"}, [&](Look const& look) { return segment(run, look); });
    };
  });
}

}  // namespace program
