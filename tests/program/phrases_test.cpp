// SPDX-License-Identifier: Apache-2.0
// Phrases of --modifier that stand for a word which was not given, and texts that name learned tokens in vain: every
// command that takes a text says so.
#include "models.hpp"
#include "run_program.hpp"

#include "tadp/io/image.hpp"

using run_program::run;

namespace {

std::string quoted(std::filesystem::path const& path) { return "'" + path.string() + "'"; }

bool no_program() {
  if (!run_program::program().empty()) return false;
  MESSAGE("skipped: the program was not built");
  return true;
}

std::filesystem::path write_picture(scratch::Folder const& folder, std::string const& name) {
  tadp::write_png(folder / name, tadp::Picture(64, 64));
  return folder / name;
}

std::size_t times(std::string const& text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a phrase whose word was not given is refused with what to give") {
  if (no_program()) return;
  scratch::Folder const folder;
  auto const picture = write_picture(folder, "a.png");
  test_models::write_perception(folder / "street.safetensors");
  test_models::write_tiny(folder / "tiny.safetensors");
  std::string const out = " --threads 1 --out " + quoted(folder / "out");
  for (char const* const model : {"street", "tiny"})
    for (std::string const& command : {"segment " + quoted(picture) + out, "explain " + quoted(picture) + out + ".html", "features " + quoted(picture) + out + ".safetensors", "evaluate --threads 1 --data " + quoted(folder / "none")}) {
      CAPTURE(command);
      std::string const rest = " --model " + quoted(folder / (std::string(model) + ".safetensors"));
      auto const night = run(folder, command + rest + " --modifier textual_inversion");
      CHECK(night.status == 2);
      CHECK(night.says("needs the learned token <night>"));
      CHECK(night.says("expected: --learned-token FILE"));
      auto const personal = run(folder, command + rest + " --modifier dreambooth");
      CHECK(personal.status == 2);
      CHECK(personal.says("expected: --identifier WORD"));
    }
  CHECK_FALSE(std::filesystem::exists(folder / "out.html"));
  auto const trained = run(folder, "train --data " + quoted(folder / "none") + " --model " + quoted(folder / "street.safetensors") + " --modifier textual_inversion --out " + quoted(folder / "t.safetensors"));
  CHECK(trained.status == 2);
  CHECK(trained.says("key: <night>"));
}

TEST_CASE("a text with the name of a learned token that is none is warned about once") {
  if (no_program()) return;
  scratch::Folder const folder;
  auto const a = write_picture(folder, "a.png"), b = write_picture(folder, "b.png");
  test_models::write_perception(folder / "street.safetensors");
  std::string const rest = " --threads 1 --quiet --caption 'a <night> street with <night> cars' --model " + quoted(folder / "street.safetensors");
  for (std::string const& command : {"segment " + quoted(a) + " " + quoted(b) + " --out " + quoted(folder / "out"), "explain " + quoted(a) + " --out " + quoted(folder / "a.html")}) {
    auto const warned = run(folder, command + rest);
    CAPTURE(warned.err);
    CHECK(warned.status == 0);
    CHECK(times(warned.err, "warning: a text holds <night>, but there is no learned token of this name: it is read as plain words; file: " + a.string()) == 1);
    CHECK(times(warned.err, "<night>") == 1);
  }
}

TEST_CASE("lines to be tokenized are texts, too") {
  if (no_program()) return;
  auto const shared = scratch::shared_folder();
  if (!shared) {
    MESSAGE("skipped: no shared data (set TADP_SHARED)");
    return;
  }
  scratch::Folder const folder;
  run_program::write_text(folder / "lines.txt", "a <night> car\na <day> car\na <night> car\n");
  auto const outcome = run(folder, "tokenize --quiet --added '<day>=49408' --vocab " + quoted(*shared / "data/tokenizer/bpe_simple_vocab_16e6.txt.gz"), "", (folder / "lines.txt").string());
  CAPTURE(outcome.err);
  CHECK(outcome.status == 0);
  CHECK(times(outcome.err, "a text holds <night>") == 1);
  CHECK_FALSE(outcome.says("<day>"));
}
