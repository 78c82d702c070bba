// SPDX-License-Identifier: Apache-2.0
// `tadp reconstruct`: pictures through the street model's autoencoder and back, to see what its latents keep.
#include "tadp/draw_sheet.hpp"
#include "tadp/model_file.hpp"
#include "tadp/progress.hpp"

#include "tadp/io/image.hpp"
#include "tadp/io/resize.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/runs/reconstruction.hpp"
#include "tadp/runs/street_stack.hpp"

namespace program {

namespace {

struct ReconstructOptions {
  std::vector<std::string> pictures{};
  std::string model{}, out{}, fit{};
  int threads = 1;
};

double mean_difference(tadp::Picture const& a, tadp::Picture const& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(static_cast<double>(a.rgb[i]) - static_cast<double>(b.rgb[i]));
  return sum / static_cast<double>(a.rgb.size());
}

Status run(ReconstructOptions const& o, Common const& common) {
  prepare_file(o.out);
  ModelFile const file = open_model(o.model, {"street-diffusion.safetensors", "TADP_DIFFUSION_MODEL"});
  tadp::require_config(file.description.vae, tadp::street_vae, "vae", file.path.string());
  auto const fit = o.fit.empty() ? file.description.fit : fit_of(o.fit);
  tadp::StreetAutoencoder const model;
  tadp::Weights<tadp::Cpu> weights(tadp::Cpu(o.threads), model.list);
  tadp::load_weights_from(weights, std::span(&file.tensors, 1), file.path.string());
  ProgressLine progress(common.quiet);
  std::vector<SheetCell> cells;
  json results = json::array();
  for (std::string const& path : o.pictures) {
    progress.show(std::to_string(cells.size() + 1) + " of " + std::to_string(o.pictures.size()) + " pictures");
    tadp::Picture picture = tadp::read_image(path);
    auto const size = fit[0] == 0 ? std::array{picture.width, picture.height} : tadp::keep_ratio_size(picture.width, picture.height, fit[0], fit[1]);
    auto const whole = [](int side) {
      constexpr int stride = tadp::street_vae.stride();
      return std::max(stride, side / stride * stride);
    };
    if (picture.width != whole(size[0]) || picture.height != whole(size[1])) picture = tadp::resize(picture, whole(size[0]), whole(size[1]), tadp::Resize::cv2_bilinear);
    tadp::Picture const back = tadp::reconstruct<tadp::street_vae>(tadp::Cpu(o.threads), model.encoder, model.decoder, weights, picture, file.description.normalisation);
    double const off = mean_difference(picture, back);
    char text[48];
    std::snprintf(text, sizeof text, "%.1f grey levels off", off);
    cells.push_back({{picture, back}, text});
    results.push_back({{"picture", path}, {"mean_difference", off}});
  }
  progress.clear();
  tadp::write_png(o.out, contact_sheet(cells, std::min(4, static_cast<int>(cells.size()))));
  if (common.json)
    print_json({{"out", o.out}, {"model", file.path.string()}, {"pictures", results}});
  else if (!common.quiet)
    for (auto const& r : results) std::printf("%s: %.2f grey levels off on average\n", r["picture"].get<std::string>().c_str(), r["mean_difference"].get<double>());
  return ok;
}

}  // namespace

void add_reconstruct(CLI::App& app, Command& command) {
  auto const o = std::make_shared<ReconstructOptions>();
  auto* const sub = app.add_subcommand("reconstruct", "pictures through the street model's autoencoder and back");
  sub->add_option("PICTURE", o->pictures, "PNG or JPEG files")->required()->type_name("");
  sub->add_option("--out", o->out, "sheet of each picture above what came back")->required()->type_name("FILE.png");
  sub->add_option("--model", o->model, "diffusion model; else the variable TADP_DIFFUSION_MODEL, else the one that comes with the program")->type_name("FILE");
  sub->add_option("--fit", o->fit, "long and short side that pictures are brought to, or `none`; else the model's")->type_name("LxS|none");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp reconstruct scenes/images/*.png --out reconstructions.png"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
