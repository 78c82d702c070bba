// SPDX-License-Identifier: Apache-2.0
// Files that people bring, from the command line: what is no model is told, a model is the same in every layout, and lines
// become CLIP's ids.
#include "models.hpp"
#include "run_program.hpp"

#include "../io/torch_bytes.hpp"

#include "tadp/io/image.hpp"
#include "tadp/io/model_source.hpp"

#include <algorithm>
#include <map>

using run_program::program;
using run_program::run;
using run_program::write_text;
using namespace std::string_literals;

namespace {

bool skipped() {
  if (program().empty()) MESSAGE("skipped: TADP_PROGRAM names no program");
  return program().empty();
}
std::string quoted(std::filesystem::path const& path) { return "'" + path.string() + "'"; }

/// Every tensor of a model by its name here, as it is stored.
std::map<std::string, std::string> tensors_of(std::filesystem::path const& path) {
  auto const model = tadp::open_model(path);
  std::map<std::string, std::string> all;
  for (auto const& entry : model.entries()) {
    std::string bytes(static_cast<std::size_t>(entry.size_bytes()), '\0');
    model.read_bytes(entry, 0, tadp::element_count(entry.shape).value_or(0), reinterpret_cast<std::byte*>(bytes.data()));
    all[entry.name] = std::string(to_string(entry.dtype)) + " " + bytes;
  }
  return all;
}

}  // namespace

TEST_CASE("what is no model is told by its content, with what to do") {
  if (skipped()) return;
  scratch::Folder const folder;
  test_models::write_tiny(folder / "whole.safetensors");
  auto const whole = run_program::text_of(folder / "whole.safetensors");
  auto const zip = torch_bytes::zip(torch_bytes::checkpoint()).bytes, legacy = torch_bytes::legacy();
  struct Row {
    std::string content, says, advice;
  };
  for (Row const& row : {Row{"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4265380512\n", "Git LFS pointer", "git lfs pull"}, Row{"<!DOCTYPE html><html>Sign in</html>", "web page", "fetch the file again"},
                         Row{"GGUF\x03\0\0\0"s + std::string(64, '\0'), "GGUF", "use the safetensors file"}, Row{torch_bytes::zip({{"a/readme.txt", "x"}}).bytes, "zip archive without a pickle", "data.pkl"},
                         Row{whole.substr(0, whole.size() / 2), "cut short", "bytes"}, Row{whole.substr(0, 100), "cut short", "bytes"}, Row{zip.substr(0, zip.size() - 40), "cut short", "fetch it again"},
                         Row{legacy.substr(0, legacy.size() - 5), "cut short", ""}, Row{"", "empty", "fetch it again"}, Row{"Access denied\n", "text", "why the download was refused"},
                         Row{std::string(5000, '\0'), "zeros", "fetch it again"}}) {
    CAPTURE(row.says);
    write_text(folder / "model.ckpt", row.content);
    for (auto const& command : {"inspect " + quoted(folder / "model.ckpt"), "convert " + quoted(folder / "model.ckpt") + " --layout compvis --out " + quoted(folder / "out.safetensors")}) {
      auto const outcome = run(folder, command);
      CAPTURE(outcome.err);
      CHECK(outcome.status == 3);
      CHECK(outcome.says("model.ckpt"));
      CHECK(outcome.says(row.says));
      CHECK(outcome.says(row.advice));
    }
  }
  CHECK_FALSE(std::filesystem::exists(folder / "out.safetensors"));
}

TEST_CASE("a model goes through every layout and comes back to the last bit") {
  if (skipped()) return;
  scratch::Folder const folder;
  test_models::write_tiny(folder / "first.safetensors");
  tadp::write_png(folder / "street.png", tadp::render_street(5, {.width = 64, .height = 64}).picture);
  auto const features = [&](std::filesystem::path const& model) {
    auto const outcome = run(folder, "features " + quoted(folder / "street.png") + " --size 64x64 --caption 'a street' --model " + quoted(model) + " --out " + quoted(folder / "f.safetensors") + " --threads 1");
    CAPTURE(outcome.err);
    CHECK(outcome.status == 0);
    return run_program::text_of(folder / "f.safetensors");
  };
  auto const wanted = tensors_of(folder / "first.safetensors");
  auto const description = tadp::open_model(folder / "first.safetensors").metadata();
  auto const seen = features(folder / "first.safetensors");
  auto from = folder / "first.safetensors";
  for (std::string const layout : {"diffusers", "mmseg", "lightning", "diffusers", "depth", "compvis"}) {
    CAPTURE(layout);
    auto const to = folder / ("to-" + layout + (layout == "diffusers" ? "-" + std::to_string(folder.entries()) : ".safetensors"));
    auto const outcome = run(folder, "convert " + quoted(from) + " --layout " + layout + " --out " + quoted(to) + " --json");
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.json()["left_out"].empty());
    CHECK((tensors_of(to) == wanted));
    CHECK((features(to) == seen));
    from = to;
  }
  CHECK(tadp::open_model(from).metadata() == description);
  // What is there stays, unless it is said otherwise.
  auto const again = "convert " + quoted(folder / "first.safetensors") + " --layout compvis --out " + quoted(from);
  auto const refused = run(folder, again);
  CHECK(refused.status == 3);
  CHECK(refused.says("--force"));
  CHECK(run(folder, again + " --force").status == 0);
  auto const unknown = run(folder, "convert " + quoted(from) + " --layout keras --out " + quoted(folder / "x.safetensors"));
  CHECK(unknown.status == 2);
  CHECK(unknown.says("compvis"));
}

TEST_CASE("a folder whose configuration is of another network is shown, and neither run nor converted") {
  if (skipped()) return;
  scratch::Folder const folder;
  test_models::write_tiny(folder / "tiny.safetensors");
  REQUIRE(run(folder, "convert " + quoted(folder / "tiny.safetensors") + " --layout diffusers --out " + quoted(folder / "sd")).status == 0);
  auto const path = folder / "sd/text_encoder/config.json";
  auto config = nlohmann::json::parse(run_program::text_of(path));
  config["hidden_act"] = "gelu";
  write_text(path, config.dump());
  tadp::write_png(folder / "street.png", tadp::render_street(5, {.width = 64, .height = 64}).picture);
  for (std::string const& command : {"features " + quoted(folder / "street.png") + " --model " + quoted(folder / "sd") + " --out " + quoted(folder / "out"), "segment " + quoted(folder / "street.png") + " --model " + quoted(folder / "sd") + " --out " + quoted(folder / "labels"),
                                    "convert " + quoted(folder / "sd") + " --layout compvis --out " + quoted(folder / "out"), "convert " + quoted(folder / "sd") + " --layout diffusers --out " + quoted(folder / "out"),
                                    "class-embeddings --names cat --model " + quoted(folder / "sd") + " --out " + quoted(folder / "out")}) {
    auto const outcome = run(folder, command);
    CAPTURE(command);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 3);
    CHECK(outcome.says("file: " + path.string() + "; key: hidden_act; expected: \"quick_gelu\"; found: \"gelu\""));
    CHECK_FALSE(std::filesystem::exists(folder / "out"));
  }
  auto const shown = run(folder, "inspect " + quoted(folder / "sd") + " --json");
  CHECK(shown.status == 0);
  CHECK(shown.says("key: hidden_act"));
  CHECK(shown.json()["config_departures"][0]["found"] == "\"gelu\"");
}

TEST_CASE("a diffusers folder has the tokenizer that is named, or is said to lack one") {
  if (skipped()) return;
  scratch::Folder const folder;
  test_models::write_tiny(folder / "tiny.safetensors");
  auto const convert = [&](std::string const& from, std::string const& to, std::string const& more) { return run(folder, "convert " + quoted(folder / from) + " --layout diffusers --out " + quoted(folder / to) + more); };
  auto const without = convert("tiny.safetensors", "without", "");
  CHECK(without.status == 0);
  CHECK(without.says("--vocab"));
  CHECK_FALSE(std::filesystem::exists(folder / "without" / "tokenizer"));
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: CLIP's vocabulary is not at hand");
    return;
  }
  auto const clip = *shared / "data/tokenizer";
  auto const vocabulary = " --vocab " + quoted(clip / "bpe_simple_vocab_16e6.txt.gz");
  auto const with = convert("tiny.safetensors", "with", vocabulary);
  CHECK(with.status == 0);
  CHECK(with.err.empty());
  auto const parsed = [](std::filesystem::path const& path) { return nlohmann::json::parse(run_program::text_of(path)); };
  auto const tokenizer = folder / "with" / "tokenizer";
  CHECK(parsed(tokenizer / "vocab.json") == parsed(clip / "vocab.json"));
  CHECK(run_program::text_of(tokenizer / "merges.txt") == run_program::text_of(clip / "merges.txt"));
  auto const config = parsed(tokenizer / "tokenizer_config.json");
  CHECK(config["model_max_length"] == parsed(folder / "with" / "text_encoder" / "config.json")["max_position_embeddings"]);
  CHECK(config["tokenizer_class"] == "CLIPTokenizer");
  CHECK(config["pad_token"] == "<|endoftext|>");
  CHECK(parsed(folder / "with" / "model_index.json")["tokenizer"][1] == "CLIPTokenizer");
  // The folder's own goes along, and a tokenizer.json alone becomes the pair.
  CHECK(convert("with", "again", "").status == 0);
  for (auto const* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
    CHECK(run_program::text_of(folder / "again" / "tokenizer" / name) == run_program::text_of(tokenizer / name));
  nlohmann::json merges = nlohmann::json::array();
  std::istringstream lines(run_program::text_of(clip / "merges.txt"));
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line);) merges.push_back({line.substr(0, line.find(' ')), line.substr(line.find(' ') + 1)});
  write_text(tokenizer / "tokenizer.json", nlohmann::json{{"version", "1.0"}, {"model", {{"type", "BPE"}, {"vocab", parsed(clip / "vocab.json")}, {"merges", merges}}}}.dump());
  std::filesystem::remove(tokenizer / "vocab.json");
  CHECK(convert("with", "newer", "").status == 0);
  CHECK(parsed(folder / "newer" / "tokenizer" / "vocab.json") == parsed(clip / "vocab.json"));
  CHECK(std::filesystem::exists(folder / "newer" / "tokenizer" / "tokenizer.json"));
  CHECK(convert("tiny.safetensors", "wrong", " --vocab " + quoted(folder / "tiny.safetensors")).status == 3);
  CHECK_FALSE(std::filesystem::exists(folder / "wrong"));
  auto const elsewhere = run(folder, "convert " + quoted(folder / "tiny.safetensors") + " --layout compvis --out " + quoted(folder / "x.safetensors") + vocabulary);
  CHECK(elsewhere.status == 2);
  CHECK(elsewhere.says("no place for a vocabulary"));
}

TEST_CASE("lines of text become CLIP's ids") {
  if (skipped()) return;
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: CLIP's vocabulary is not at hand");
    return;
  }
  scratch::Folder const folder;
  auto const tokenize = [&](std::string const& lines, std::string const& vocabulary, std::string const& more = "") {
    write_text(folder / "lines.txt", lines);
    return run(folder, "tokenize --vocab " + quoted(*shared / "data/tokenizer" / vocabulary) + more, "TADP_MODEL=/nonexistent/model.safetensors", (folder / "lines.txt").string());
  };
  std::string expected = "49406 320 1125 539 320 2368";  // "a photo of a cat"
  for (int i = 6; i < 77; ++i) expected += " 49407";
  for (auto const* const vocabulary : {"bpe_simple_vocab_16e6.txt.gz", "vocab.json", "."}) {
    auto const outcome = tokenize("a photo of a cat\r\n A  PHOTO of a Cat", vocabulary);  // the last line has no end
    CHECK(outcome.status == 0);
    CHECK(outcome.out == expected + "\n" + expected + "\n");
  }
  auto const added = tokenize("a <night>\n\n", "vocab.json", " --added '<night>=49408'");
  CHECK(added.out.starts_with("49406 320 49408 49407 49407"));
  CHECK(std::count(added.out.begin(), added.out.end(), '\n') == 2);  // an empty line is a text, too
  std::string many;
  for (int i = 0; i < 100; ++i) many += "cat ";
  auto const cut = tokenize(many + "\n", "vocab.json");
  CHECK(cut.status == 0);
  CHECK(cut.out.ends_with(" 2368 49407\n"));
  CHECK(cut.says("line 1 has more tokens"));
  auto const broken = tokenize("fine\n\xff\xfe\n", "vocab.json");
  CHECK(broken.status == 3);
  CHECK(broken.says("line 2"));
  CHECK(tokenize("x\n", "cases.json").status == 3);
  CHECK(tokenize("x\n", "vocab.json", " --added night").status == 2);
}
