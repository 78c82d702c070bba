// SPDX-License-Identifier: Apache-2.0
// `tadp render`: street scenes into a folder that training and evaluation read, or one picture into a file.
#include "tadp/draw.hpp"
#include "tadp/interrupt.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"

#include "tadp/data/street.hpp"
#include "tadp/device/threads.hpp"
#include "tadp/io/image.hpp"

namespace program {

namespace {

struct RenderOptions {
  std::string out{}, size = "320x240", sheet{};
  int count = 1, threads = 1;
  std::uint64_t seed = 1;
};

std::vector<tadp::ClassDescription> street_classes() {
  std::vector<tadp::ClassDescription> classes;
  auto const names = tadp::street_class_names();
  for (std::size_t i = 0; i < names.size(); ++i) classes.push_back({std::string(names[i]), tadp::street_class_colours()[i]});
  return classes;
}

/// classes.json as CamVid's folder has it.
json classes_json() {
  json classes = json::array();
  auto const known = street_classes();
  for (std::size_t i = 0; i < known.size(); ++i)
    classes.push_back({{"index", i}, {"name", known[i].name}, {"caption_phrase", tadp::street_class_phrases()[i]}, {"rgb", known[i].colour}});
  return {{"classes", classes},
          {"void", {{"index", tadp::ignore_label}, {"name", "unlabelled"}, {"rgb", {0, 0, 0}}}},
          {"caption_form", "a street photo of <phrases of the classes over 0.5% of all pixels, in decreasing area>"}};
}

std::string name_of(std::uint64_t seed) {
  char text[40];
  std::snprintf(text, sizeof text, "street-%06llu", static_cast<unsigned long long>(seed));
  return text;
}

/// Scenes of consecutive seeds, `threads` at a time, given to `take` in their order.
template <class Take>
void render_all(RenderOptions const& options, Common const& common, Take const& take) {
  auto const [width, height] = size_of(options.size, "--size", false);
  Interrupt interrupt;
  tadp::ThreadPool pool(options.threads);
  ProgressLine progress(common.quiet);
  std::vector<tadp::StreetScene> scenes;
  for (int first = 0; first < options.count; first += options.threads) {
    if (interrupt.token().stop_requested()) throw tadp::Error(tadp::Errc::cancelled, "stopped after " + std::to_string(first) + " scenes; the folder is not complete");
    scenes.assign(static_cast<std::size_t>(std::min(options.threads, options.count - first)), {});
    pool.run(static_cast<tadp::index_t>(scenes.size()), [&, w = width, h = height](tadp::index_t i, int) {
      scenes[static_cast<std::size_t>(i)] = tadp::render_street(options.seed + static_cast<std::uint64_t>(first) + static_cast<std::uint64_t>(i), {.width = w, .height = h});
    });
    for (std::size_t i = 0; i < scenes.size(); ++i) take(options.seed + static_cast<std::uint64_t>(first) + i, scenes[i]);
    progress.show("rendered " + std::to_string(first + static_cast<int>(scenes.size())) + " of " + std::to_string(options.count));
  }
}

Status run(RenderOptions const& options, Common const& common) {
  fs::path const out = options.out;
  bool const single = out.extension() == ".png";
  if (single && options.count != 1)
    throw tadp::Error(tadp::Errc::argument, "several scenes need a folder", {.key = "--out", .expected = "a folder", .found = out.string()});
  auto const [width, height] = size_of(options.size, "--size", false);
  if (width > 4096 || height > 4096)
    throw tadp::Error(tadp::Errc::argument, "a street cannot be rendered at this size", {.key = "--size", .expected = "at most 4096x4096", .found = options.size});
  if (single) {
    if (out.has_parent_path()) prepare_folder(out.parent_path());
    prepare_file(out);
  } else {
    prepare_folder(out / "images");
    prepare_folder(out / "labels");
  }
  if (!options.sheet.empty()) prepare_file(options.sheet);

  constexpr std::size_t most_cells = 48;
  auto const classes = street_classes();
  tadp::Palette palette;
  for (auto const& c : classes) palette.push_back(c.colour);
  json captions = json::object();
  std::vector<SheetCell> cells;
  std::string caption;
  render_all(options, common, [&](std::uint64_t seed, tadp::StreetScene const& scene) {
    caption = scene.caption;
    if (!options.sheet.empty() && cells.size() < most_cells)
      cells.push_back({{scene.picture, colour_labels(scene.labels, classes)}, std::to_string(seed) + ": " + scene.caption});
    if (single) return tadp::write_png(out, scene.picture);
    std::string const name = name_of(seed) + ".png";
    tadp::write_png(out / "images" / name, scene.picture);
    tadp::write_labels(out / "labels" / name, scene.labels, palette);
    captions[name] = {{"captions", {scene.caption}}};
  });
  if (!single) {
    write_json(out / "captions.json", captions);
    write_json(out / "classes.json", classes_json());
  }
  if (!options.sheet.empty()) tadp::write_png(options.sheet, contact_sheet(cells, std::min(4, static_cast<int>(cells.size()))));
  if (common.json) {
    json result{{"out", out.string()}, {"count", options.count}, {"first_seed", options.seed}, {"width", width}, {"height", height}};
    if (single) result["caption"] = caption;
    if (!options.sheet.empty()) result["sheet"] = options.sheet;
    print_json(result);
  } else if (!common.quiet) {
    single ? std::printf("%s: %s\n", out.c_str(), caption.c_str()) : std::printf("%d scenes of %d x %d in %s\n", options.count, width, height, out.c_str());
  }
  return ok;
}

}  // namespace

void add_render(CLI::App& app, Command& command) {
  auto const o = std::make_shared<RenderOptions>();
  auto* const sub = app.add_subcommand("render", "render street scenes with labels and captions");
  sub->add_option("--out", o->out, "folder for images/, labels/, captions.json and classes.json; or a file *.png for one picture")->required()->type_name("DIR|FILE.png");
  sub->add_option("--count", o->count, "scenes")->capture_default_str()->check(CLI::Range(1, 1'000'000))->type_name("N");
  sub->add_option("--seed", o->seed, "of the first scene; the others count on")->capture_default_str()->type_name("S");
  sub->add_option("--size", o->size, "width and height in pixels")->capture_default_str()->type_name("WxH");
  sub->add_option("--sheet", o->sheet, "also a sheet of the first 48 scenes with their labels")->type_name("FILE.png");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp render --out street.png --seed 7", "tadp render --out scenes --count 200 --seed 1000 --sheet scenes.png"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
