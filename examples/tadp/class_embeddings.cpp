// SPDX-License-Identifier: Apache-2.0
// `tadp class-embeddings`: names of classes to one embedding each, averaged over the 80 sentences of CLIP's evaluation.
// What is done is kept beside the result, so that an interrupted run goes on where it was.
#include "tadp/interrupt.hpp"
#include "tadp/learned_use.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"
#include "tadp/runner.hpp"

#include "tadp/data/classes.hpp"
#include "tadp/io/model_configs.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/text/averaged_eos.hpp"

#include <cmath>
#include <cstdio>

namespace program {

namespace {

struct EmbeddingOptions {
  std::string model{}, names{}, classes{}, out{};
  VocabularyOptions words{};
  int batch = 16, threads = 1;
};

/// "road, sky" to two names.
std::vector<std::string> names_of(std::string const& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= list.size() && !list.empty();) {
    auto const comma = std::min(list.find(',', at), list.size());
    auto const first = list.find_first_not_of(" \t", at), last = list.find_last_not_of(" \t", comma - (comma > at ? 1 : 0));
    names.push_back(first < comma ? list.substr(first, last - first + 1) : "");
    at = comma + 1;
  }
  return names;
}

std::vector<std::string> names_of(EmbeddingOptions const& o) {
  if (o.names.empty() == o.classes.empty()) throw tadp::Error(tadp::Errc::argument, "class embeddings need the names of the classes", {.expected = "either --names or --classes"});
  if (!o.names.empty()) return names_of(o.names);
  std::vector<std::string> names;
  for (auto const& c : tadp::read_classes(o.classes).classes) names.push_back(c.name);
  return names;
}

/// Rows that an earlier run has left; those of other names are not its.
tadp::ClassEmbeddings kept(fs::path const& part, std::vector<std::string> const& names, int width) {
  std::error_code absent;
  if (!fs::exists(part, absent)) return {0, width, {}, {}};
  auto done = tadp::read_class_embeddings(part, width);
  if (done.names.size() > names.size() || done.names.empty() || !std::equal(done.names.begin(), done.names.end(), names.begin()))
    throw tadp::Error(tadp::Errc::argument, "an interrupted run for other names lies beside the result: finish or remove it", {.file = part.string(), .expected = tadp::printable(names.front(), 60) + ", ...", .found = done.names.empty() ? "no names" : tadp::printable(done.names.front(), 60) + ", ..."});
  return done;
}

class Embedding {
 public:
  Embedding(EmbeddingOptions const& o, Common const& common) : o_(o), common_(common), progress_(common.quiet) {}

  Status run() {
    auto const names = names_of(o_);
    if (fs::path(o_.out).has_parent_path()) prepare_folder(fs::path(o_.out).parent_path());
    prepare_file(o_.out);
    tadp::ModelSource const model = tadp::open_model(find_model(o_.model));
    auto const config = tadp::configs_of(model).text;
    if (!config) throw tadp::Error(tadp::Errc::unsupported, "the model has no text encoder that this program knows", {.file = model.path().string(), .key = "text", .expected = "that of Stable Diffusion 1, or of a street model"});
    if (*config == tadp::clip_vit_l14) return embed<tadp::clip_vit_l14>(model, names);
    if (*config == tadp::street_text) return embed<tadp::street_text>(model, names);
    return embed<tadp::tiny_text>(model, names);
  }

 private:
  template <tadp::TextEncoderConfig Config>
  Status embed(tadp::ModelSource const& model, std::vector<std::string> const& names) {
    auto const own_words = tadp::has_description(model.metadata()) ? tadp::description_of(model.metadata(), model.path().string()).vocabulary : std::vector<std::string>();
    ModelWords const words = model_words(WordSource{model, Config, own_words, true}, o_.words);
    if (words.tokenizer) read(names, words, Config);  // what is missing is told before the weights are read
    auto const list = std::make_shared<tadp::ParameterList>();
    tadp::TextEncoderOf<Config> const encoder(tadp::Scope(*list) / "cond_stage_model" / "transformer" / "text_model", tadp::row_count(words.learned));
    tadp::Weights<tadp::Cpu> weights(tadp::Cpu(o_.threads), list);
    progress_.show("reading " + model.path().string());
    tadp::WithTokenEmbeddings const longer(model, words.learned, Config);
    tadp::load_weights_from(weights, std::span(&longer, 1), model.path().string());
    return embed(weights, encoder, words.tokenizer, names);
  }

  void read(std::vector<std::string> const& names, ModelWords const& words, tadp::TextEncoderConfig const& config) const {
    LearnedUse learned(words.learned, config, common_.quiet);
    std::vector<std::string> unknown;
    for (std::string const& name : names) {
      std::string text = name;
      std::replace(text.begin(), text.end(), '_', ' ');
      auto const tokens = words.tokenizer(text);
      learned.note(name, tokens);
      for (std::string const& word : tokens.unknown)
        if (std::find(unknown.begin(), unknown.end(), word) == unknown.end()) unknown.push_back(word);
    }
    learned.warn(o_.classes);
    learned.warn_of_unused();
    warn_of_words(unknown, false, o_.classes);
  }
  template <class TextEncoder>
  Status embed(tadp::Weights<tadp::Cpu> const& weights, TextEncoder const& encoder, tadp::Tokenizer const& tokenizer, std::vector<std::string> const& names) {
    fs::path const part = o_.out + ".part";
    auto done = kept(part, names, TextEncoder::config.width);
    tadp::AveragedEosOptions const options{.length = std::min(20, TextEncoder::config.length), .batch = o_.batch};
    auto const computed = [&](std::vector<std::string> const& some) { return tadp::averaged_eos(weights.device(), weights, encoder, tokenizer, some, options, control_); };
    if (done.classes > 0) require_same_model(part, done, computed({names.front()}));
    while (done.names.size() < names.size()) {
      std::size_t const first = done.names.size(), count = std::min<std::size_t>(4, names.size() - first);
      std::vector<std::string> const some(names.begin() + static_cast<std::ptrdiff_t>(first), names.begin() + static_cast<std::ptrdiff_t>(first + count));
      control_.progress = [&](std::size_t texts, std::size_t all) { progress_.show("class embeddings: " + std::to_string(first + texts * count / std::max<std::size_t>(1, all)) + " of " + std::to_string(names.size())); };
      try {
        add(done, computed(some));
      } catch (tadp::Error const& error) {
        if (error.code() != tadp::Errc::cancelled) throw;
        progress_.keep();
        complain("stopped after " + std::to_string(first) + " of " + std::to_string(names.size()) + " classes; the same command goes on from " + part.string());
        return interrupted;
      }
      tadp::write_class_embeddings(part, done);
    }
    tadp::write_class_embeddings(o_.out, done);
    std::error_code gone;
    fs::remove(part, gone);
    return tell(done);
  }
  /// The file does not say of which model its rows are: the first one does.
  static void require_same_model(fs::path const& part, tadp::ClassEmbeddings const& done, tadp::ClassEmbeddings const& first) {
    for (std::size_t i = 0; i < first.values.size(); ++i)
      if (std::abs(done.values[i] - first.values[i]) > 1e-3F * std::max(1.0F, std::abs(first.values[i])))
        throw tadp::Error(tadp::Errc::argument, "an interrupted run with another model, vocabulary or learned token lies beside the result: finish or remove it", {.file = part.string()});
  }
  static void add(tadp::ClassEmbeddings& to, tadp::ClassEmbeddings const& from) {
    to.classes += from.classes;
    to.values.insert(to.values.end(), from.values.begin(), from.values.end());
    to.names.insert(to.names.end(), from.names.begin(), from.names.end());
  }
  Status tell(tadp::ClassEmbeddings const& e) {
    progress_.clear();
    if (common_.json) print_json({{"out", o_.out}, {"classes", e.names}, {"width", e.width}});
    if (!common_.json && !common_.quiet) std::printf("%s: %lld classes, %lld numbers each\n", o_.out.c_str(), static_cast<long long>(e.classes), static_cast<long long>(e.width));
    return ok;
  }

  EmbeddingOptions const& o_;
  Common const& common_;
  Interrupt interrupt_{};
  ProgressLine progress_;
  tadp::Control control_{.stop = interrupt_.token(), .progress = {}};
};

}  // namespace

void add_class_embeddings(CLI::App& app, Command& command) {
  auto const o = std::make_shared<EmbeddingOptions>();
  auto* const sub = app.add_subcommand("class-embeddings", "embed the names of classes, for models whose prompt is one token a class");
  sub->description("embed the names of classes: the text encoder's state at the end of each of 80 sentences about a name, averaged; what a prompt of averaged_eos reads");
  sub->add_option("--names", o->names, "names of the classes, with commas between")->type_name("NAME,NAME,...");
  sub->add_option("--classes", o->classes, "classes.json of a data set")->type_name("FILE");
  sub->add_option("--out", o->out, "file of the embeddings")->required()->type_name("FILE.safetensors");
  add_model(*sub, o->model);
  add_vocabulary(*sub, o->words);
  sub->add_option("--batch", o->batch, "sentences computed at a time")->capture_default_str()->check(CLI::Range(1, 4096))->type_name("N");
  add_threads(*sub, o->threads);
  add_common(*sub, command.common);
  sub->footer(examples({"tadp class-embeddings --model v1-5-pruned-emaonly.ckpt --vocab bpe_simple_vocab_16e6.txt.gz --names \"road, sidewalk, building\" --out classes.safetensors", "tadp class-embeddings --model sd15 --classes camvid/classes.json --out classes.safetensors"}));
  sub->callback([&command, o] { command.run = [&command, o] { return Embedding(*o, command.common).run(); }; });
}

}  // namespace program
