// SPDX-License-Identifier: Apache-2.0
// `tadp render`: street scenes with all their answers into a folder that training and evaluation read, or one picture into
// a file.
#include "tadp/draw_sheet.hpp"
#include "tadp/interrupt.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"

#include "tadp/data/street.hpp"
#include "tadp/device/threads.hpp"
#include "tadp/io/depth_files.hpp"
#include "tadp/io/image.hpp"

#include <optional>

namespace program {

namespace {

struct RenderOptions {
  std::string out{}, size = "320x240", sheet{};
  int count = 1, threads = 1;
  std::uint64_t seed = 1;
  bool no_depth = false, no_boxes = false;
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

void write_text(fs::path const& path, std::string const& text) { tadp::write_file_atomic(path, std::as_bytes(std::span(text))); }

/// An annotation of the VOC form, which counts pixels from 1 and names the last one: xmin is x1 + 1, xmax is x2.
std::string voc_annotation(std::string const& file, tadp::StreetScene const& scene) {
  auto const tag = [](char const* name, int value) { return std::string("<") + name + ">" + std::to_string(value) + "</" + name + ">"; };
  std::string text = "<annotation>\n  <filename>" + file + "</filename>\n  <size>" + tag("width", scene.picture.width) + tag("height", scene.picture.height) + tag("depth", 3) + "</size>\n";
  for (tadp::Box2D const& b : scene.boxes)
    text += "  <object>\n    <name>" + std::string(tadp::street_class_names()[b.label]) + "</name>\n    <difficult>0</difficult>\n    <bndbox>" + tag("xmin", b.x1 + 1) +
            tag("ymin", b.y1 + 1) + tag("xmax", b.x2) + tag("ymax", b.y2) + "</bndbox>\n  </object>\n";
  return text + "</annotation>\n";
}

/// The folder of a set of scenes: files of each scene as it comes, lists at the end.
class SceneFolder {
 public:
  SceneFolder(fs::path folder, RenderOptions const& options) : folder_(std::move(folder)), options_(options) {
    for (auto const& c : street_classes()) palette_.push_back(c.colour);
    for (char const* const part : {"images", "labels"}) prepare_folder(folder_ / part);
    if (!options.no_depth) prepare_folder(folder_ / "depth");
    if (!options.no_boxes)
      for (char const* const part : {"Annotations", "ImageSets/Main"}) prepare_folder(folder_ / part);
  }
  void add(std::uint64_t seed, tadp::StreetScene const& scene) {
    std::string const stem = name_of(seed), name = stem + ".png";
    tadp::write_png(folder_ / "images" / name, scene.picture);
    tadp::write_labels(folder_ / "labels" / name, scene.labels, palette_);
    captions_[name] = {{"captions", {scene.caption}}};
    if (!options_.no_depth) {
      tadp::write_depth_png(folder_ / "depth" / name, scene.depth.metres, scene.depth.width, scene.depth.height);
      char focal[32];  // the third column of NYUv2's lists: without it metres cannot become points
      std::snprintf(focal, sizeof focal, " %.3f\n", static_cast<double>(scene.picture.focal));
      depths_ += "images/" + name + " depth/" + name + focal;
    }
    if (options_.no_boxes) return;
    write_text(folder_ / "Annotations" / (stem + ".xml"), voc_annotation(name, scene));
    stems_ += stem + "\n";
  }
  void finish() const {
    write_json(folder_ / "captions.json", captions_);
    write_json(folder_ / "classes.json", classes_json());
    if (!options_.no_depth) write_text(folder_ / "list.txt", depths_);
    if (!options_.no_boxes) write_text(folder_ / "ImageSets" / "Main" / "all.txt", stems_);
  }

 private:
  fs::path folder_;
  RenderOptions const& options_;
  tadp::Palette palette_;
  json captions_ = json::object();
  std::string depths_, stems_;
};

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
  std::optional<SceneFolder> folder;
  if (single) {
    if (out.has_parent_path()) prepare_folder(out.parent_path());
    prepare_file(out);
  } else {
    folder.emplace(out, options);
  }
  if (!options.sheet.empty()) prepare_file(options.sheet);

  constexpr std::size_t most_cells = 48;
  auto const classes = street_classes();
  std::vector<SheetCell> cells;
  std::string caption;
  render_all(options, common, [&](std::uint64_t seed, tadp::StreetScene const& scene) {
    caption = scene.caption;
    if (!options.sheet.empty() && cells.size() < most_cells)
      cells.push_back({{scene.picture, colour_labels(scene.labels, classes)}, std::to_string(seed) + ": " + scene.caption});
    single ? tadp::write_png(out, scene.picture) : folder->add(seed, scene);
  });
  if (folder) folder->finish();
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
  auto* const sub = app.add_subcommand("render", "render street scenes with labels, captions, depth and boxes");
  sub->add_option("--out", o->out, "folder for images/, labels/, captions.json, classes.json, depth and boxes; or a file *.png for one picture")->required()->type_name("DIR|FILE.png");
  sub->add_option("--count", o->count, "scenes")->capture_default_str()->check(CLI::Range(1, 1'000'000))->type_name("N");
  sub->add_option("--seed", o->seed, "of the first scene; the others count on")->capture_default_str()->type_name("S");
  sub->add_option("--size", o->size, "width and height in pixels")->capture_default_str()->type_name("WxH");
  sub->add_option("--sheet", o->sheet, "also a sheet of the first 48 scenes with their labels")->type_name("FILE.png");
  sub->add_flag("--no-depth", o->no_depth, "leave out depth/*.png (16 bits, millimetres along the optical axis; 0: sky, or beyond 65 m) and list.txt (\"picture depth focal\" a line)");
  sub->add_flag("--no-boxes", o->no_boxes, "leave out Annotations/*.xml (the VOC form, pixels counted from 1: boxes of sign, car, pedestrian and bicyclist) and ImageSets/Main/all.txt");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp render --out street.png --seed 7", "tadp render --out scenes --count 200 --seed 1000 --sheet scenes.png"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
