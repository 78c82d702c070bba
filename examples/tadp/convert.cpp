// SPDX-License-Identifier: Apache-2.0
// `tadp convert`: a model in another layout, such as the folder that diffusers loads.
#include "tadp/interrupt.hpp"
#include "tadp/model_file.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"

#include "tadp/exec/control.hpp"
#include "tadp/io/convert.hpp"

#include <cstdio>

namespace program {

namespace {

struct ConvertOptions {
  std::string in{}, out{}, layout{}, dtype{};
  std::string prompt{}, vocabulary{};
  float latent_scale = 0;  ///< 0: not given
  bool averaged = false, force = false;
};

std::string layout_names() {
  std::string names;
  for (tadp::Layout const& layout : tadp::layouts) names += (names.empty() ? "" : ", ") + std::string(layout.name);
  return names;
}

std::optional<tadp::Dtype> dtype_of(std::string const& name) {
  if (name.empty()) return std::nullopt;
  if (name == "f32") return tadp::Dtype::F32;
  return name == "f16" ? tadp::Dtype::F16 : tadp::Dtype::BF16;
}

/// A file in the way is replaced only on request, a folder never.
void require_free(ConvertOptions const& o, bool folder) {
  std::error_code absent;
  if (folder || o.force || !fs::exists(o.out, absent)) return;
  throw tadp::Error(tadp::Errc::io, "there is a file in the place of the result; --force replaces it", {.file = o.out, .key = "--out"});
}

/// A model with a head takes its description along, so that a released checkpoint needs to be recognised only once.
std::map<std::string, std::string> description_for(tadp::ModelSource const& model, ConvertOptions const& o) {
  tadp::DescriptionHints hints{.prompt = o.prompt, .latent_scale = {}};
  if (o.latent_scale > 0) hints.latent_scale = o.latent_scale;
  bool const asked = !o.prompt.empty() || hints.latent_scale;
  try {
    return tadp::to_metadata(description_of_model(model, hints));
  } catch (tadp::Error const&) {
    if (asked) throw;
    return {};  // a model without a head, or not decided: it is converted all the same
  }
}

Status run(ConvertOptions const& o, Common const& common) {
  tadp::Layout const* const layout = tadp::find_layout(o.layout);
  if (layout == nullptr) throw tadp::Error(tadp::Errc::argument, "there is no such layout", {.key = "--layout", .expected = layout_names(), .found = o.layout});
  require_free(o, layout->name == "diffusers");
  auto const model = tadp::open_model(o.in, {.averaged = o.averaged});
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  tadp::Control const control{.stop = interrupt.token(), .progress = {}};
  auto const report = [&](std::uint64_t done, std::uint64_t all) {
    control.check();
    progress.show("converting: " + std::to_string(done / 1'000'000) + " of " + std::to_string(all / 1'000'000) + " MB");
  };
  auto const done = tadp::convert_model(model, *layout, o.out, {.dtype = dtype_of(o.dtype), .metadata = description_for(model, o), .vocabulary = o.vocabulary, .progress = report});
  progress.clear();
  if (common.json) {
    json files = json::array();
    for (auto const& file : done.files) files.push_back(file.string());
    print_json({{"from", model.layout_title()}, {"to", layout->title}, {"tensors", done.tensors}, {"files", files}, {"left_out", done.left_out}});
  } else if (!common.quiet) {
    std::printf("%s -> %s: %zu tensors\n", model.layout_title().c_str(), std::string(layout->title).c_str(), done.tensors);
    for (auto const& file : done.files) std::printf("  %s\n", file.string().c_str());
  }
  if (!done.left_out.empty())
    complain("warning: the layout has no place for " + std::to_string(done.left_out.size()) + " tensors, which were left out; the first: " + tadp::printable(done.left_out[0]));
  if (std::error_code absent; layout->name == "diffusers" && fs::exists(fs::path(o.out) / "text_encoder", absent) && !fs::exists(fs::path(o.out) / "tokenizer", absent))
    complain("warning: the folder has a text encoder and no tokenizer, which a pipeline needs; --vocab gives it CLIP's");
  return ok;
}

}  // namespace

void add_convert(CLI::App& app, Command& command) {
  auto const o = std::make_shared<ConvertOptions>();
  auto* const sub = app.add_subcommand("convert", "write a model in another layout");
  sub->add_option("model", o->in, "a file or folder in any layout")->required()->type_name("FILE|DIR");
  sub->add_option("--layout", o->layout, "of the result: " + layout_names())->required()->type_name("LAYOUT");
  sub->add_option("--out", o->out, "a safetensors file; for diffusers a new folder")->required()->type_name("PATH");
  sub->add_option("--dtype", o->dtype, "number format of the weights; as they are unless given")->check(CLI::IsMember({"f32", "f16", "bf16"}))->type_name("f32|f16|bf16");
  sub->add_option("--vocab", o->vocabulary, "for diffusers: CLIP's vocabulary, where the model is no folder that has it; a file or folder as `tadp tokenize` reads it")->type_name("FILE|DIR");
  sub->add_option("--prompt", o->prompt, "of a released checkpoint whose head does not tell")->check(CLI::IsMember({"caption", "averaged_eos"}))->type_name("caption|averaged_eos");
  sub->add_option("--latent-scale", o->latent_scale, "of a released checkpoint that does not tell: 1 or 0.18215")->check(number_above_zero())->type_name("NUMBER");
  sub->add_flag("--ema", o->averaged, "take the averaged weights of the UNet where the file has them");
  sub->add_flag("--force", o->force, "replace the file --out");
  add_common(*sub, command.common);
  sub->footer("The result appears whole or not at all.\n\n" + examples({"tadp convert v1-5-pruned.ckpt --layout diffusers --vocab bpe_simple_vocab_16e6.txt.gz --out sd15", "tadp convert sd15 --layout compvis --dtype f16 --out sd15.safetensors"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
