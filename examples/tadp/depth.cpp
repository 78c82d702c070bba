// SPDX-License-Identifier: Apache-2.0
// `tadp depth`: pictures and words to metres, as numbers and as colours with their scale.
#include "tadp/draw_depth.hpp"
#include "tadp/results.hpp"

#include "tadp/io/image.hpp"

namespace program {

namespace {

Outcome depth(Looking& run, Look const& look) {
  auto const map = run.runner().depth(look.picture, look.prompt, run.control());
  json report = run.report(look);
  json numbers = write_depth(look, map, map);
  fs::path const shown = look.file(".depth-colours.png");
  tadp::write_png(shown, depth_sheet(map, look.prompt.caption.empty() ? "" : "\"" + tadp::printable(look.prompt.caption) + "\""));
  char told[96];
  std::snprintf(told, sizeof told, "%.2f to %.2f m, half of it within %.2f m", numbers["least"].get<double>(), numbers["most"].get<double>(), numbers["median"].get<double>());
  report["files"] = {{"colours", shown.string()}, {"png", numbers["png"]}, {"npy", numbers["npy"]}};
  numbers.erase("png");
  numbers.erase("npy");
  report["metres"] = std::move(numbers);
  return {std::move(report), told, shown};
}

}  // namespace

void add_depth(CLI::App& app, Command& command) {
  auto const o = std::make_shared<LookOptions>();
  auto* const sub = app.add_subcommand("depth", "tell how far every pixel of pictures is, in metres");
  add_look(*sub, *o, command.common);
  add_focal(*sub, *o);
  sub->footer("Writes NAME.depth.png (16 bits, millimetres, at most 65.535 m), NAME.depth.npy (floats, metres),\nNAME.depth-colours.png (near is pale, far is dark, with the scale) and NAME.depth.json for each picture.\n\n" +
              examples({"tadp depth street.png --out results", "tadp depth rooms/*.jpg --model tadp_depth.ckpt --captions captions.json --out results --json"}));
  sub->callback([&command, o] {
    command.run = [&command, o] {
      Looking run(*o, command.common);
      return run.run("depth", {".depth.png", ".depth.npy", ".depth-colours.png", ".depth.json"}, [&](Look const& look) { return depth(run, look); });
    };
  });
}

}  // namespace program
