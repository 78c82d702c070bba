// SPDX-License-Identifier: Apache-2.0
// `tadp sample`: pictures out of noise and a caption, to see what the street model's diffusion learned.
#include "tadp/draw_sheet.hpp"
#include "tadp/interrupt.hpp"
#include "tadp/learned_use.hpp"
#include "tadp/model_file.hpp"
#include "tadp/progress.hpp"

#include "tadp/io/image.hpp"
#include "tadp/io/weights.hpp"
#include "tadp/runs/sampler.hpp"
#include "tadp/runs/street_stack.hpp"

namespace program {

namespace {

struct SampleOptions {
  std::string model{}, caption{}, out{}, size = "192x128";
  int steps = 50, count = 1, threads = 1;
  float guidance = 3.0F;
  std::uint64_t seed = 1;
};

void require_street_diffusion(ModelFile const& file) {
  auto const& d = file.description;
  std::string const path = file.path.string();
  if (d.task != "diffusion") throw tadp::Error(tadp::Errc::argument, "this model makes no pictures", {.file = path, .key = "task", .expected = "diffusion", .found = d.task});
  tadp::require_config(d.unet, tadp::street_unet, "unet", path);
  tadp::require_config(d.vae, tadp::street_vae, "vae", path);
  tadp::require_config(d.text, tadp::street_text, "text", path);
}

Status run(SampleOptions const& o, Common const& common) {
  prepare_file(o.out);
  auto const [width, height] = size_of(o.size, "--size", false);
  ModelFile const file = open_model(o.model, {"street-diffusion.safetensors", "TADP_DIFFUSION_MODEL"});
  require_street_diffusion(file);
  tadp::WordTokenizer const tokenizer(file.description.vocabulary, tadp::street_text);
  auto const tokens = tokenizer(o.caption);
  LearnedUse named;
  named.note(o.caption, tokens);
  named.warn("");
  if (!tokens.unknown.empty()) {
    std::string words;
    for (auto const& word : tokens.unknown) words += (words.empty() ? "" : ", ") + word;
    complain("warning: words that the model does not know were left out; found: " + tadp::printable(words));
  }
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  tadp::StreetDiffusion const model;
  auto weights = std::make_shared<tadp::Weights<tadp::Cpu>>(tadp::Cpu(o.threads), model.list);
  tadp::load_weights_from(*weights, std::span(&file.tensors, 1), file.path.string());
  tadp::Sampler<tadp::StreetBackbone, tadp::VaeDecoderOf<tadp::street_vae>, tadp::Cpu> sampler(
      model.backbone, model.decoder, weights,
      {.width = width, .height = height, .batch = o.count, .steps = o.steps, .guidance = o.guidance, .latent_scale = file.description.latent.scale,
       .normalisation = file.description.normalisation, .threads = o.threads});
  tadp::Control const control{.stop = interrupt.token(), .progress = [&](std::size_t done, std::size_t total) { progress.show("step " + std::to_string(done) + " of " + std::to_string(total)); }};
  auto const pictures = sampler(std::vector(static_cast<std::size_t>(o.count), tokens.ids), o.seed, control);
  progress.clear();
  if (o.count == 1) {
    tadp::write_png(o.out, pictures[0]);
  } else {
    std::vector<SheetCell> cells;
    for (auto const& picture : pictures) cells.push_back({{picture}, cells.empty() ? o.caption : ""});
    tadp::write_png(o.out, contact_sheet(cells, std::min(4, o.count)));
  }
  if (common.json)
    print_json({{"out", o.out}, {"model", file.path.string()}, {"caption", o.caption}, {"unknown_words", tokens.unknown}, {"steps", o.steps}, {"guidance", o.guidance}, {"seed", o.seed}, {"count", o.count}});
  else if (!common.quiet)
    std::printf("%s: \"%s\"\n", o.out.c_str(), tadp::printable(o.caption).c_str());
  return ok;
}

}  // namespace

void add_sample(CLI::App& app, Command& command) {
  auto const o = std::make_shared<SampleOptions>();
  auto* const sub = app.add_subcommand("sample", "make pictures of a caption with the street diffusion model");
  sub->add_option("--caption", o->caption, "what is to be seen")->required()->type_name("TEXT");
  sub->add_option("--out", o->out, "the picture, or a sheet of several")->required()->type_name("FILE.png");
  sub->add_option("--model", o->model, "diffusion model; else the variable TADP_DIFFUSION_MODEL, else the one that comes with the program")->type_name("FILE");
  sub->add_option("--count", o->count, "pictures")->capture_default_str()->check(CLI::Range(1, 64))->type_name("N");
  sub->add_option("--size", o->size, "width and height, multiples of 32")->capture_default_str()->type_name("WxH");
  sub->add_option("--steps", o->steps, "of the sampler")->capture_default_str()->check(CLI::Range(1, 999))->type_name("N");
  sub->add_option("--guidance", o->guidance, "how strongly the caption rules; 1: not at all")->capture_default_str()->check(number_between(-1000.0, 1000.0))->type_name("X");
  sub->add_option("--seed", o->seed, "of the noise")->capture_default_str()->type_name("S");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp sample --caption \"a street photo of a road, trees and cars\" --out sample.png", "tadp sample --caption \"buildings and sky\" --count 8 --out samples.png"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
