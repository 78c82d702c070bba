// SPDX-License-Identifier: Apache-2.0
// `tadp class-embeddings`, and what every command says of vocabularies and learned tokens.
#include "models.hpp"
#include "run_program.hpp"
#include "tadp/io/class_embeddings.hpp"
#include "tadp/text/clip.hpp"

namespace td = tadp;
using run_program::run;

namespace {

/// A text encoder of Stable Diffusion 1's shapes whose numbers are all zero: a file with a hole, which takes no room.
std::filesystem::path hollow_clip(scratch::Folder const& folder) {
  td::ParameterList list;
  td::TextEncoderOf<td::clip_vit_l14> const encoder(td::Scope(list) / "cond_stage_model" / "transformer" / "text_model");
  nlohmann::json header;
  std::uint64_t at = 0;
  for (td::ParameterSpec const& spec : list.specs()) {
    auto const bytes = static_cast<std::uint64_t>(spec.count) * 4;
    header[spec.name] = {{"dtype", "F32"}, {"shape", spec.shape}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  auto const path = folder / "clip.safetensors";
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[static_cast<std::size_t>(i)] = static_cast<char>(text.size() >> 8 * i & 0xffU);
  run_program::write_text(path, length + text);
  std::filesystem::resize_file(path, 8 + text.size() + at);
  return path;
}

std::filesystem::path learned_token(scratch::Folder const& folder, std::uint64_t width) {
  std::vector<float> const values(width, 0.5F);
  td::TensorToWrite const tensor{"<mine>", td::Dtype::F32, {width}, {}, values};
  auto const path = folder / ("token" + std::to_string(width) + ".safetensors");
  td::write_safetensors(path, std::span(&tensor, 1));
  return path;
}

std::string quoted(std::filesystem::path const& path) { return "'" + path.string() + "'"; }

bool no_program() {
  if (!run_program::program().empty()) return false;
  MESSAGE("skipped: the program was not built");
  return true;
}

}  // namespace

TEST_CASE("names become embeddings, and an interrupted run goes on") {
  if (no_program()) return;
  scratch::Folder const folder;
  auto const model = folder / "tiny.safetensors", out = folder / "classes.safetensors", part = folder / "classes.safetensors.part";
  test_models::write_tiny(model);
  std::string const command = "class-embeddings --quiet --threads 1 --model " + quoted(model) + " --out " + quoted(out) + " --names ";
  CHECK(run(folder, command + "'road, parked_car ,sky,tree,wall'").status == 0);
  auto const whole = td::read_class_embeddings(out, 64);
  CHECK(whole.names == std::vector<std::string>{"road", "parked_car", "sky", "tree", "wall"});
  CHECK_FALSE(std::filesystem::exists(part));

  td::ClassEmbeddings begun{4, 64, {whole.values.begin(), whole.values.begin() + 4 * 64}, {"road", "parked_car", "sky", "tree"}};
  begun.values[70] += 1.0F;  // to see whether it is kept
  td::write_class_embeddings(part, begun);
  CHECK(run(folder, command + "'road, parked_car ,sky,tree,wall'").status == 0);
  auto const again = td::read_class_embeddings(out, 64);
  CHECK(again.values[70] == whole.values[70] + 1.0F);
  CHECK(std::equal(again.values.begin() + 4 * 64, again.values.end(), whole.values.begin() + 4 * 64));

  td::write_class_embeddings(part, begun);
  auto const others = run(folder, command + "'road,sky'");
  CHECK(others.status == 2);
  CHECK(others.says("an interrupted run for other names"));
  begun.values[0] += 1.0F;
  td::write_class_embeddings(part, begun);
  auto const model_changed = run(folder, command + "'road, parked_car ,sky,tree,wall'");
  CHECK(model_changed.status == 2);
  CHECK(model_changed.says("another model"));
}

TEST_CASE("names are given once, and each is one") {
  if (no_program()) return;
  scratch::Folder const folder;
  auto const model = folder / "tiny.safetensors";
  test_models::write_tiny(model);
  std::string const command = "class-embeddings --model " + quoted(model) + " --out " + quoted(folder / "x.safetensors");
  for (std::string const arguments : {"", " --names a --classes c.json", " --names a,,b", " --names a --vocab v", " --names a --learned-token t"}) {
    CAPTURE(arguments);
    CHECK(run(folder, command + arguments).status == 2);
  }
  CHECK(run(folder, command + " --classes " + quoted(folder / "none.json")).status == 3);
  CHECK_FALSE(std::filesystem::exists(folder / "x.safetensors"));
}

TEST_CASE("CLIP's vocabulary is asked for where there is none") {
  if (no_program()) return;
  scratch::Folder const folder;
  std::string const command = "class-embeddings --model " + quoted(hollow_clip(folder)) + " --out " + quoted(folder / "x.safetensors") + " --names cat";
  auto const none = run(folder, command, "TADP_VOCAB=");
  CHECK(none.status == 2);
  CHECK(none.says("no vocabulary was found"));
  CHECK(none.says("key: --vocab"));
  CHECK(none.says("tokenizer/vocab.json"));
  auto const wrong = run(folder, command + " --vocab " + quoted(folder / "nowhere.gz"), "TADP_VOCAB=");
  CHECK(wrong.status == 3);
  CHECK(wrong.says("nowhere.gz"));
  auto const variable = run(folder, command, "TADP_VOCAB=/nonexistent/vocab.json");
  CHECK(variable.status == 3);
  CHECK(variable.says("/nonexistent/vocab.json"));
}

TEST_CASE("learned tokens are told by name, and so is one that no text holds or that no file gives") {
  if (no_program()) return;
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: no shared data (set TADP_SHARED)");
    return;
  }
  scratch::Folder const folder;
  auto const out = folder / "x.safetensors", nameless = folder / "from_the_file.safetensors";
  std::vector<float> const values(2 * 768, 0.5F);
  td::TensorToWrite const tensor{"emb_params", td::Dtype::F32, {2, 768}, {}, values};
  td::write_safetensors(nameless, std::span(&tensor, 1));
  // What is told comes before the weights; a run for other names beside the result ends it there.
  td::write_class_embeddings(folder / "x.safetensors.part", {1, 768, std::vector<float>(768), {"another"}});
  std::string const command = "class-embeddings --model " + quoted(hollow_clip(folder)) + " --vocab " + quoted(*shared / "data/tokenizer/bpe_simple_vocab_16e6.txt.gz") + " --out " + quoted(out) + " --learned-token " +
                              quoted(learned_token(folder, 768)) + " --learned-token " + quoted(nameless);
  auto const told = run(folder, command + " --names 'a <mine> car,<night> sky,<Night>'");
  CAPTURE(told.err);
  CHECK(told.says("tadp: learned token <mine>, 1 vector\n"));
  CHECK(told.says("tadp: learned token from_the_file, 2 vectors\n"));
  CHECK(told.says("warning: no text of this run holds the learned token from_the_file"));
  CHECK_FALSE(told.says("holds the learned token <mine>"));
  CHECK(told.says("warning: a text holds <night>, but there is no learned token of this name"));
  CHECK(told.err.find("<night>") == told.err.rfind("<night>"));
  auto const quiet = run(folder, command + " --names 'from_the_file' --quiet");
  CAPTURE(quiet.err);
  CHECK_FALSE(quiet.says("vector"));
  CHECK(quiet.says("warning: no text of this run holds the learned token <mine>"));
}

TEST_CASE("words that a model does not know are told of the names of classes, too") {
  if (no_program()) return;
  scratch::Folder const folder;
  test_models::write_tiny(folder / "tiny.safetensors");
  auto const named = run(folder, "class-embeddings --quiet --threads 1 --model " + quoted(folder / "tiny.safetensors") + " --out " + quoted(folder / "x.safetensors") + " --names 'road,parked_zeppelin'");
  CAPTURE(named.err);
  CHECK(named.status == 0);
  CHECK(named.says("words that the model does not know were left out; found: zeppelin"));
}

TEST_CASE("learned tokens that do not fit are told apart") {
  if (no_program()) return;
  scratch::Folder const folder;
  std::string const command = "class-embeddings --model " + quoted(hollow_clip(folder)) + " --out " + quoted(folder / "x.safetensors") + " --names cat --learned-token ";
  auto const width = run(folder, command + quoted(learned_token(folder, 64)), "TADP_VOCAB=");
  CHECK(width.status == 3);
  CHECK(width.says("key: <mine>; expected: [768] or [vectors, 768]; found: [64]"));
  auto const nothing = run(folder, command + "'<night>'", "TADP_VOCAB=");
  CHECK(nothing.status == 2);
  CHECK(nothing.says("key: --learned-token"));

  auto const second = folder / "second.safetensors";
  std::filesystem::copy_file(learned_token(folder, 768), second);
  auto const twice = run(folder, command + quoted(folder / "token768.safetensors") + " --learned-token " + quoted(second), "TADP_VOCAB=");
  CHECK(twice.status == 2);
  CHECK(twice.says("file: " + second.string() + "; key: <mine>"));
  CHECK(twice.says("found: that of " + (folder / "token768.safetensors").string()));

  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: no shared data (set TADP_SHARED)");
    return;
  }
  // The vocabulary beside the model is found: it is what the name is a word of.
  std::filesystem::copy_file(*shared / "data/tokenizer/bpe_simple_vocab_16e6.txt.gz", folder / "bpe_simple_vocab_16e6.txt.gz");
  auto const clash = run(folder, command + "painting=" + quoted(learned_token(folder, 768)), "TADP_VOCAB=");
  CHECK(clash.status == 2);
  CHECK(clash.says("the name of a learned token is a word of the vocabulary"));
  CHECK(clash.says("found: token 3086"));
}
