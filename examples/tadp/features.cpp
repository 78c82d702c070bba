// SPDX-License-Identifier: Apache-2.0
// `tadp features`: the pyramid and the maps of a picture as a safetensors file, under the goldens' names.
#include "tadp/interrupt.hpp"
#include "tadp/learned_use.hpp"
#include "tadp/progress.hpp"
#include "tadp/runner.hpp"

#include "tadp/io/image.hpp"
#include "tadp/io/resize.hpp"

namespace program {

namespace {

struct FeaturesOptions {
  std::string picture{}, model{}, out{}, caption{}, modifier{}, tokens{}, size{}, device = "cpu";
  bool has_caption = false;
  int threads = 1;
  VocabularyOptions words{};
};

void write(Runner& runner, FeaturesOptions const& o, tadp::Picture const& picture, tadp::Control const& control) {
  try {
    runner.write_features(o.out, picture, control);
  } catch (tadp::Error const& error) {
    if (error.code() != tadp::Errc::shape) throw;
    throw tadp::Error(tadp::Errc::shape, "the network does not take a picture of this size, and without windows it sees all of it",
                      {.file = o.picture, .key = "--size", .expected = error.where().expected, .found = std::to_string(picture.height) + "x" + std::to_string(picture.width)});
  }
}

Status run(FeaturesOptions const& o, Common const& common) {
  require_device(o.device);
  require_phrase_words(o.modifier, o.words);
  tadp::Picture picture = tadp::read_image(o.picture);
  if (!o.size.empty()) {
    auto const [height, width] = size_of(o.size, "--size", true);
    picture = tadp::resize(picture, width, height, tadp::Resize::cv2_bilinear);
  }
  prepare_file(o.out);
  ModelFile const file = open_model(o.model);
  tadp::Prompt prompt = prompt_of(file.description, o.has_caption, o.caption, o.modifier, o.tokens);
  prompt.identifier = o.words.identifier;
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  auto const runner = make_runner(file, {.threads = o.threads, .device = o.device, .words = o.words});
  progress.clear();
  LearnedUse learned(runner->learned(), file.description.text, common.quiet);
  tadp::Control const control{.stop = interrupt.token(), .progress = [&](std::size_t done, std::size_t total) { progress.show("computing: " + std::to_string(100 * done / std::max<std::size_t>(1, total)) + " %"); }};
  tadp::Tokens const tokens = runner->encode(prompt, control);
  progress.clear();
  learned.note(tadp::text_of(prompt), tokens);
  learned.warn(o.picture);
  learned.warn_of_unused();
  warn_of_words(tokens.unknown, tokens.truncated, o.picture);
  write(*runner, o, picture, control);
  progress.clear();
  if (common.json)
    print_json({{"picture", o.picture}, {"width", picture.width}, {"height", picture.height}, {"model", file.path.string()}, {"caption", prompt.caption}, {"modifier", prompt.modifier},
                {"token_ids", tokens.ids}, {"unknown_words", tokens.unknown}, {"out", o.out}});
  else if (!common.quiet)
    std::printf("%s -> %s (tadp inspect shows what it holds)\n", o.picture.c_str(), o.out.c_str());
  return ok;
}

}  // namespace

void add_features(CLI::App& app, Command& command) {
  auto const o = std::make_shared<FeaturesOptions>();
  auto* const sub = app.add_subcommand("features", "write the feature pyramid and attention maps of a picture");
  sub->add_option("picture", o->picture, "a PNG or JPEG file; one pass over all of it, without windows")->required()->type_name("PICTURE");
  sub->add_option("--out", o->out, "latents, clip.last_hidden, feature.*, map.level2, map.level4, pyramid.*; float32, (N, C, H, W)")->required()->type_name("FILE.safetensors");
  add_model(*sub, o->model);
  auto* const caption = sub->add_option("--caption", o->caption, "what is seen; else the model's default")->type_name("TEXT");
  sub->add_option("--modifier", o->modifier, "words about the domain, \"{}\" stands for the caption; or the name of a phrase of the paper, such as comic or controlweak")->type_name("TEXT|NAME");
  add_model_words(*sub, o->words);
  sub->add_option("--tokens", o->tokens, "token ids in place of words")->type_name("ID,ID,...")->excludes(caption);
  sub->add_option("--size", o->size, "resize the picture first (bilinear); sides must be multiples of what the network takes")->type_name("HxW");
  add_threads(*sub, o->threads);
  add_device(*sub, o->device);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp features street.png --size 256x320 --caption \"a road and cars\" --out features.safetensors"}));
  sub->callback([&command, o, caption] {
    o->has_caption = caption->count() > 0;
    command.run = [&command, o] { return run(*o, command.common); };
  });
}

}  // namespace program
