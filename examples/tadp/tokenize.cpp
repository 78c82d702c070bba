// SPDX-License-Identifier: Apache-2.0
// `tadp tokenize`: lines of text to the ids that CLIP's text encoder reads.
#include "tadp/learned_use.hpp"
#include "tadp/program.hpp"

#include "tadp/io/bpe_vocabulary.hpp"
#include "tadp/text/bpe_tokenizer.hpp"

#include <charconv>
#include <cstdio>

namespace program {

namespace {

struct TokenizeOptions {
  std::string vocabulary{};
  std::string merges{};
  std::vector<std::string> added{};
};

/// "<night>=49408"
tadp::AddedToken added_token(std::string const& text) {
  auto const equals = text.rfind('=');
  tadp::AddedToken token;
  if (equals != std::string::npos) {
    token.text = text.substr(0, equals);
    char const* const begin = text.data() + equals + 1;
    char const* const end = text.data() + text.size();
    auto const [stopped, fault] = std::from_chars(begin, end, token.id);
    if (fault == std::errc() && stopped == end && !token.text.empty()) return token;
  }
  throw tadp::Error(tadp::Errc::argument, "an added token is a text and an id", {.key = "--added", .expected = "TOKEN=ID, such as <night>=49408", .found = tadp::printable(text)});
}

/// The next line without its end; false at the end of the input.
bool read_line(std::string& line, std::size_t number) {
  line.clear();
  for (int c = std::getc(stdin); c != EOF; c = std::getc(stdin)) {
    if (c == '\n') return true;
    if (line.size() > tadp::BpeTokenizer::max_text_bytes)
      throw tadp::Error(tadp::Errc::limit, "a line is longer than allowed",
                        {.file = "standard input", .key = "line " + std::to_string(number), .expected = "at most " + std::to_string(tadp::BpeTokenizer::max_text_bytes) + " bytes", .found = "more"});
    line += static_cast<char>(c);
  }
  if (std::ferror(stdin)) throw tadp::Error(tadp::Errc::io, "cannot read", {.file = "standard input"});
  return !line.empty();
}

tadp::Tokens tokens_of_line(tadp::BpeTokenizer const& tokenizer, std::string const& line, std::size_t number) {
  try {
    return tokenizer(line);
  } catch (tadp::Error const& error) {
    tadp::Where where = error.where();  // its offset is that in the line
    where.file = "standard input";
    where.key = "line " + std::to_string(number);
    throw tadp::Error(error.code(), error.code() == tadp::Errc::limit ? "a line is longer than allowed" : "a line is not UTF-8", std::move(where));
  }
}

void print_ids(tadp::Tokens const& tokens) {
  std::string text;
  for (std::int32_t const id : tokens.ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  std::puts(text.c_str());
}

Status run(TokenizeOptions const& o, Common const& common) {
  std::vector<tadp::AddedToken> added;
  for (std::string const& text : o.added) added.push_back(added_token(text));
  tadp::BpeTokenizer const tokenizer(tadp::read_bpe_vocabulary(o.vocabulary, o.merges), tadp::clip_vit_l14, added);
  LearnedUse named(added);
  json lines = json::array();
  std::string line;
  for (std::size_t number = 1; read_line(line, number); ++number) {
    auto const tokens = tokens_of_line(tokenizer, line, number);
    named.note(line, tokens);
    named.warn("standard input");
    if (tokens.truncated) complain("line " + std::to_string(number) + " has more tokens than the text encoder reads: its end was left out");
    if (common.json)
      lines.push_back({{"ids", tokens.ids}, {"words", tokens.words}, {"truncated", tokens.truncated}});
    else if (!common.quiet)
      print_ids(tokens);
  }
  if (common.json) print_json({{"lines", lines}});
  return ok;
}

}  // namespace

void add_tokenize(CLI::App& app, Command& command) {
  auto const o = std::make_shared<TokenizeOptions>();
  auto* const sub = app.add_subcommand("tokenize", "print the token ids of lines of text");
  sub->description("print the token ids of lines of text: reads standard input and prints 77 ids a line, as CLIP's text encoder of Stable Diffusion 1 reads them");
  sub->add_option("--vocab", o->vocabulary, "bpe_simple_vocab_16e6.txt.gz (packed or not), merges.txt, vocab.json, tokenizer.json, or a folder that holds one of the latter two")->required()->type_name("FILE");
  sub->add_option("--merges", o->merges, "merges.txt of a vocab.json; without it, the one beside it")->type_name("FILE");
  sub->add_option("--added", o->added, "a text that is one token, and its id, which follows those of the vocabulary")->type_name("TOKEN=ID");
  add_common(*sub, command.common);
  sub->footer(examples({"echo \"a photo of a cat\" | tadp tokenize --vocab bpe_simple_vocab_16e6.txt.gz", "tadp tokenize --vocab tokenizer/vocab.json --merges tokenizer/merges.txt --added \"<night>=49408\" < captions.txt"}));
  sub->callback([&command, o] { command.run = [&command, o] { return run(*o, command.common); }; });
}

}  // namespace program
