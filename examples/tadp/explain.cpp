// SPDX-License-Identifier: Apache-2.0
// `tadp explain`: one page that shows where each word of a caption looks, and what the head makes of the picture.
#include "tadp/html_page.hpp"
#include "tadp/interrupt.hpp"
#include "tadp/learned_use.hpp"
#include "tadp/program.hpp"
#include "tadp/progress.hpp"
#include "tadp/runner.hpp"

#include "tadp/io/image.hpp"
#include "tadp/text/prompt_tokens.hpp"
#include "tadp/text/word_tokenizer.hpp"

namespace program {

namespace {

struct ExplainOptions {
  std::string picture{}, caption{}, modifier{}, model{}, out{}, window{}, fit{}, device = "cpu";
  bool has_caption = false;
  int threads = 1, stride = -1;
  VocabularyOptions words{};
};

/// Pieces of the text, and which positions of the context make up each map.
struct Wording {
  std::vector<PageWord> words{};
  std::vector<std::vector<int>> positions{};

  void add(std::string text, std::string note, std::vector<int> at) {
    words.push_back({.text = std::move(text), .note = std::move(note), .map = positions.size()});
    positions.push_back(std::move(at));
  }
};

/// The piece of the text that begins at `at`: a word, or what is between two.
PageWord next_piece(std::string_view text, std::size_t at) {
  auto const inside = [&](std::size_t i) {
    auto const code = tadp::checked_code_point_at(text, i);
    return std::pair{code && tadp::word_detail::in_word(code->code), code ? code->bytes : 1};
  };
  bool const word = inside(at).first;
  std::size_t end = at;
  while (end < text.size() && inside(end).first == word) end += inside(end).second;
  return {.text = std::string(text.substr(at, end - at)), .gap = !word};
}

/// What of a token is a part of words: CLIP's tokens are signs, too.
std::string letters_of(std::string const& name) {
  std::string letters;
  for (auto const& word : tadp::words_of(name)) letters += word;
  return letters;
}

/// Takes the positions at the front of `named` that spell the word: one, the pieces that it was split into, or all tokens
/// that stand for it. Signs before it are passed over.
std::vector<int> take_word(std::span<NamedPosition const>& named, tadp::Tokens const& tokens, std::string const& word) {
  std::string spelt;
  std::vector<int> positions;
  std::size_t used = 0;
  while (used < named.size() && letters_of(named[used].name).empty()) ++used;
  while (used < named.size()) {
    auto const at = static_cast<std::size_t>(named[used].position);
    bool const goes_on = !positions.empty() && at < tokens.goes_on.size() && tokens.goes_on[at];
    std::string const letters = letters_of(named[used].name);
    if (!goes_on && (spelt == word || letters.empty() || !std::string_view(word).substr(spelt.size()).starts_with(letters))) break;
    if (!goes_on) spelt += letters;
    positions.push_back(named[used++].position);
  }
  if (spelt != word) return {};
  named = named.subspan(used);
  return positions;
}

/// The text in its own spelling, its words joined to their positions; positions that are no words of it (ids, classes) follow.
Wording wording_of(std::string const& text, tadp::Tokens const& tokens, std::vector<NamedPosition> const& positions) {
  Wording out;
  std::span<NamedPosition const> named = positions;
  for (std::size_t at = 0; at < text.size();) {
    PageWord piece = next_piece(text, at);
    at += piece.text.size();
    if (!piece.gap) {
      auto const split = tadp::words_of(piece.text);
      std::string const word = split.empty() ? piece.text : split.front();
      if (auto found = take_word(named, tokens, word); !found.empty()) {
        out.add(std::move(piece.text), "", std::move(found));
        continue;
      }
      bool const unknown = std::find(tokens.unknown.begin(), tokens.unknown.end(), word) != tokens.unknown.end();
      piece.note = unknown ? "not in the model's vocabulary" : "the model did not read this word";
    }
    out.words.push_back(std::move(piece));
  }
  for (NamedPosition const& rest : named) {
    if (!out.words.empty()) out.words.push_back({.text = " ", .gap = true});
    out.add(rest.name, "position " + std::to_string(rest.position), {rest.position});
  }
  return out;
}

PageResult result_of(tadp::Picture const& picture, tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes) {
  PageResult out{.title = "what the model sees", .picture = blend_labels(picture, labels, classes, draw_detail::enlargement(picture.width, picture.height))};
  for (ClassShare const& s : shares_of(labels, classes)) {
    char text[32];
    std::snprintf(text, sizeof text, s.share < 0.0005 ? "< 0.1 %%" : "%.1f %%", 100.0 * s.share);
    out.legend.push_back({s.colour, s.name, text});
  }
  return out;
}

std::vector<std::string> notes_of(tadp::Tokens const& tokens) {
  std::vector<std::string> notes;
  std::string words;
  for (auto const& word : tokens.unknown) words += (words.empty() ? "" : ", ") + word;
  if (!words.empty()) notes.push_back("Struck through: not in the model's vocabulary, so the model did not read it (" + words + ").");
  if (tokens.truncated) notes.push_back("The caption is longer than the model reads; its end is struck through.");
  return notes;
}

/// Error(argument) where the page would replace what it is made from.
void require_own_file(ExplainOptions const& o, fs::path const& model) {
  std::error_code absent;
  for (fs::path const& input : {fs::path(o.picture), model})
    if (fs::equivalent(o.out, input, absent)) throw tadp::Error(tadp::Errc::argument, "the page would replace what it is made from", {.file = input.string(), .key = "--out"});
}

Status run(ExplainOptions const& o, Common const& common) {
  require_device(o.device);
  require_phrase_words(o.modifier, o.words);
  tadp::Picture const picture = tadp::read_image(o.picture);
  RunnerOptions options{.stride = o.stride, .threads = o.threads, .device = o.device, .words = o.words};
  if (!o.window.empty()) options.window = size_of(o.window, "--window", true);
  if (!o.fit.empty()) options.fit = fit_of(o.fit);
  ModelFile const file = open_model(o.model);
  auto const classes = require_head(file, "segmentation").classes;
  require_own_file(o, file.path);
  prepare_file(o.out);
  tadp::Prompt prompt = prompt_of(file.description, o.has_caption, o.caption, o.modifier, "");
  prompt.identifier = o.words.identifier;
  Interrupt interrupt;
  ProgressLine progress(common.quiet);
  progress.show("reading " + file.path.string());
  auto const runner = make_runner(file, options);
  progress.clear();
  LearnedUse learned(runner->learned(), file.description.text, common.quiet);
  tadp::Control const control{.stop = interrupt.token(), .progress = [&](std::size_t done, std::size_t total) { progress.show(o.picture + ": " + std::to_string(100 * done / std::max<std::size_t>(1, total)) + " %"); }};
  tadp::Tokens const tokens = runner->encode(prompt, control);
  progress.clear();
  learned.note(tadp::text_of(prompt), tokens);
  learned.warn(o.picture);
  learned.warn_of_unused();
  warn_of_words(tokens.unknown, tokens.truncated, o.picture);
  Wording wording = wording_of(takes_captions(file.description) ? tadp::text_of(prompt) : "", tokens, runner->positions());
  auto const result = runner->segment(picture, prompt, {.maps = wording.positions}, control);
  progress.clear();

  Page page{.title = fs::path(o.picture).filename().string(), .picture = picture, .words = std::move(wording.words), .result = result_of(picture, result.labels, classes), .notes = notes_of(tokens)};
  for (int k = 0; k < result.maps.count; ++k) page.maps.push_back(page_map(result.maps.width, result.maps.height, [&](int x, int y) { return result.maps.at(k, x, y); }));
  std::string const text = page_html(page);
  tadp::write_file_atomic(o.out, std::as_bytes(std::span(text)));
  if (common.json) {
    json words = json::array();
    for (PageWord const& word : page.words)
      if (!word.gap) words.push_back({{"word", word.text}, {"shown", word.map.has_value()}});
    print_json({{"picture", o.picture}, {"out", o.out}, {"model", file.path.string()}, {"caption", prompt.caption}, {"modifier", prompt.modifier}, {"words", words}, {"unknown_words", tokens.unknown}, {"truncated", tokens.truncated}});
  } else if (!common.quiet) {
    std::printf("%s -> %s (%zu words to point at; open it in a browser)\n", o.picture.c_str(), o.out.c_str(), page.maps.size());
  }
  return ok;
}

}  // namespace

void add_explain(CLI::App& app, Command& command) {
  auto const o = std::make_shared<ExplainOptions>();
  auto* const sub = app.add_subcommand("explain", "make a page that shows where each word of a caption looks");
  sub->add_option("picture", o->picture, "a PNG or JPEG file")->required()->type_name("PICTURE");
  auto* const caption = sub->add_option("--caption", o->caption, "what is seen; else the model's default")->type_name("TEXT");
  sub->add_option("--modifier", o->modifier, "words about the domain, \"{}\" stands for the caption; or the name of a phrase of the paper, such as comic or controlweak")->type_name("TEXT|NAME");
  add_model_words(*sub, o->words);
  sub->add_option("--out", o->out, "the page: one HTML file that needs no other, with the picture without its metadata")->required()->type_name("FILE.html");
  add_model(*sub, o->model);
  sub->add_option("--window", o->window, "size of the sliding window in pixels, else the model's")->type_name("HxW");
  sub->add_option("--stride", o->stride, "pixels between windows, else the model's; 0: two thirds of a window")->check(CLI::Range(0, 65536))->type_name("N");
  sub->add_option("--fit", o->fit, "long and short side that pictures are brought to, or `none`; else the model's")->type_name("LxS|none");
  add_threads(*sub, o->threads);
  add_device(*sub, o->device);
  add_common(*sub, command.common);
  sub->footer("In the page, point at a word, touch it or reach it with the tab key; page.html#word=3 opens with the third word.\n\n" +
              examples({"tadp explain street.png --caption \"a street photo of a road, cars and trees\" --out page.html"}));
  sub->callback([&command, o, caption] {
    o->has_caption = caption->count() > 0;
    command.run = [&command, o] { return run(*o, command.common); };
  });
}

}  // namespace program
