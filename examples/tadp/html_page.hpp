// SPDX-License-Identifier: Apache-2.0
// The page of `tadp explain`: a caption whose words show where they look, over the picture, with the result beside it.
// One file without anything from elsewhere: pictures are data: addresses, and a policy in the page forbids the rest.
#pragma once

#include "tadp/draw_heat.hpp"

#include "tadp/io/base64.hpp"
#include "tadp/io/image_png_write.hpp"
#include "tadp/text/unicode.hpp"

namespace program {

/// A piece of the text as the page shows it. `map`: the picture laid over, nothing where the model did not read it.
struct PageWord {
  std::string text{};
  std::string note{};  ///< shown with the word; why it is struck through where it has no map
  std::optional<std::size_t> map{};
  bool gap = false;    ///< blanks and punctuation between words
};

/// A map as a palette picture, and what its darkest and brightest colours stand for.
struct PageMap {
  tadp::LabelMap heat{};
  double low = 0.0, high = 0.0;
};

/// What the head made of the picture.
struct PageResult {
  struct Row {
    Colour colour{};
    std::string name{}, value{};
  };
  std::string title{};
  tadp::Picture picture{};
  std::vector<Row> legend{};
};

struct Page {
  std::string title{};
  tadp::Picture picture{};
  std::vector<PageWord> words{};
  std::vector<PageMap> maps{};
  PageResult result{};
  std::vector<std::string> notes{};
};

namespace page_detail {

/// Text for HTML: what has a meaning there is written out, what no browser should see becomes a question mark.
inline std::string html(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    auto const code = tadp::checked_code_point_at(text, at);
    std::size_t const bytes = code ? code->bytes : 1;
    bool const bad = !code || (code->code < 0x20 && code->code != '\n' && code->code != '\t') || (code->code >= 0x7f && code->code < 0xa0);
    constexpr std::string_view special = "&<>\"'";
    constexpr char const* written[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    auto const which = special.find(text[at]);
    if (bad)
      out += '?';
    else if (which != std::string_view::npos)
      out += written[which];
    else
      out += text.substr(at, bytes);
    at += bytes;
  }
  return out;
}

inline std::string png_address(std::vector<std::byte> const& png) { return "data:image/png;base64," + tadp::base64(png); }

inline tadp::Palette heat_palette() {
  tadp::Palette palette;
  for (int i = 0; i < 256; ++i) palette.push_back(draw_detail::heat_colour(i / 255.0));
  return palette;
}
inline std::string css_colour(Colour const& c) {
  char text[16];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", c[0], c[1], c[2]);
  return text;
}
inline std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", v);
  return text;
}

/// At most `longest` pixels a side: a page is looked at on a screen.
inline tadp::Picture screen_sized(tadp::Picture const& picture, int longest = 1280) {
  int const side = std::max(picture.width, picture.height);
  if (side <= longest) return picture;
  auto const scaled = [&](int n) { return std::max(1, static_cast<int>(static_cast<std::int64_t>(n) * longest / side)); };
  return tadp::resize(picture, scaled(picture.width), scaled(picture.height), tadp::Resize::torch_bilinear_antialias);
}

inline constexpr char const* style = R"css(
:root { color-scheme: light dark; --paper: #fafaf8; --ink: #222428; --faint: #66686c; --line: #d8d8d4; --mark: #b4380f; --soft: #fff; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181b; --ink: #e8e8e4; --faint: #a0a2a6; --line: #3a3c40; --mark: #ff9a5a; --soft: #222428; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 96rem; padding: 1.25rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .5rem; font-size: 1rem; font-weight: 600; color: var(--faint); overflow-wrap: anywhere; }
#caption { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.9; overflow-wrap: anywhere; white-space: pre-wrap; }
#caption button { font: inherit; line-height: 1.25; color: inherit; padding: 0 .12em; margin: 0; border: 0; border-bottom: .14em solid var(--line); border-radius: .2em; background: none; cursor: pointer; touch-action: manipulation; }
#caption button.on { background: var(--mark); border-color: var(--mark); color: var(--paper); }
#caption button:focus-visible { outline: .12em solid var(--mark); outline-offset: .1em; }
#caption s { color: var(--faint); }
main { display: flex; flex-wrap: wrap; gap: 1.25rem; align-items: flex-start; }
figure { margin: 0; flex: 1 1 22rem; min-width: 0; }
figcaption { min-height: 3.2rem; padding-top: .4rem; color: var(--faint); font-size: .9rem; }
.stage { position: relative; line-height: 0; }
.stage img { width: 100%; height: auto; display: block; border-radius: .3rem; }
.stage .heat { position: absolute; inset: 0; height: 100%; opacity: 0; transition: opacity .12s; pointer-events: none; }
.stage .heat.on { opacity: .68; }
.stage.shown > img:first-child { filter: grayscale(1); }
.scale { display: none; align-items: center; gap: .5rem; }
.shown + figcaption .scale { display: flex; }
.scale i { flex: 0 1 12rem; height: .7rem; border-radius: .2rem; }
ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; color: var(--ink); }
li i { display: inline-block; width: 1.4em; height: .8em; margin-right: .4em; border: 1px solid var(--faint); }
li b { font-weight: 400; color: var(--faint); margin-left: .4em; }
.note { color: var(--faint); font-size: .9rem; margin: 0 0 1rem; }
)css";

/// A word is chosen by pointer, by focus or by the end of the address, and stays until another is; Escape clears.
inline constexpr char const* script = R"js(
const words = [...document.querySelectorAll('button[data-word]')], heats = [...document.querySelectorAll('.heat')];
const stage = document.querySelector('.stage'), said = document.querySelector('#said'), low = document.querySelector('#low'), high = document.querySelector('#high');
const hint = said.textContent;
function show(word) {
  for (const w of words) { w.classList.toggle('on', w === word); w.setAttribute('aria-pressed', w === word); }
  for (const h of heats) h.classList.toggle('on', !!word && h.dataset.map === word.dataset.map);
  stage.classList.toggle('shown', !!word);
  said.textContent = word ? 'attention to "' + word.textContent + '"' : hint;
  if (word) { low.textContent = word.dataset.low; high.textContent = word.dataset.high; }
}
for (const w of words)
  for (const kind of ['pointerenter', 'focus', 'click']) w.addEventListener(kind, () => show(w));
addEventListener('keydown', e => { if (e.key === 'Escape') { document.activeElement.blur(); show(null); } });
function fromAddress() {
  const named = /^#word=(\d+)$/.exec(location.hash);
  show(named ? words.find(w => w.dataset.word === named[1]) || null : null);
}
addEventListener('hashchange', fromAddress);
fromAddress();
)js";

inline std::string caption_html(Page const& page) {
  std::string out;
  std::size_t number_of_word = 0;
  for (PageWord const& word : page.words) {
    std::string const note = word.note.empty() ? "" : " title=\"" + html(word.note) + "\"";
    if (word.gap) {
      out += html(word.text);
      continue;
    }
    std::string const id = "data-word=\"" + std::to_string(++number_of_word) + "\"";
    if (!word.map) {
      out += "<s " + id + note + ">" + html(word.text) + "</s>";
      continue;
    }
    PageMap const& map = page.maps[*word.map];
    out += "<button type=\"button\" aria-pressed=\"false\" " + id + " data-map=\"" + std::to_string(*word.map) + "\" data-low=\"" + number(map.low) + "\" data-high=\"" + number(map.high) + "\"" + note + ">" + html(word.text) + "</button>";
  }
  return out;
}

inline std::string scale_css() {
  std::string out = "linear-gradient(90deg";
  for (int i = 0; i <= 8; ++i) out += "," + css_colour(draw_detail::heat_colour(i / 8.0));
  return out + ")";
}

}  // namespace page_detail

/// A map of a whole picture, averaged to at most `longest` a side and stretched from its smallest to its largest value.
template <class At>
PageMap page_map(int width, int height, At const& at, int longest = 256) {
  int const cell = std::max(1, (std::max(width, height) + longest - 1) / longest), columns = (width + cell - 1) / cell, rows = (height + cell - 1) / cell;
  std::vector<double> means;
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column) {
      double sum = 0.0;
      int const right = std::min(width, (column + 1) * cell), below = std::min(height, (row + 1) * cell);
      for (int y = row * cell; y < below; ++y)
        for (int x = column * cell; x < right; ++x) sum += static_cast<double>(at(x, y));
      means.push_back(sum / ((right - column * cell) * (below - row * cell)));
    }
  auto const [low, high] = std::minmax_element(means.begin(), means.end());
  PageMap map{.heat = tadp::LabelMap(columns, rows), .low = *low, .high = *high};
  double const range = std::max(map.high - map.low, 1e-12);
  for (std::size_t i = 0; i < means.size(); ++i) map.heat.labels[i] = draw_detail::mix(0.0, 255.0, (means[i] - map.low) / range);
  return map;
}

/// The page as text.
inline std::string page_html(Page const& page) {
  using namespace page_detail;
  std::string const title = html(page.title);
  std::string out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>" +
                    title + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n<h1>" + title + "</h1>\n<p id=\"caption\">" + caption_html(page) + "</p>\n";
  for (std::string const& note : page.notes) out += "<p class=\"note\">" + html(note) + "</p>\n";
  out += "<main>\n<figure>\n<div class=\"stage\"><img alt=\"the picture\" src=\"" + png_address(tadp::encode_png(screen_sized(page.picture))) + "\">";
  tadp::Palette const palette = heat_palette();
  for (std::size_t k = 0; k < page.maps.size(); ++k)
    out += "\n<img class=\"heat\" alt=\"\" data-map=\"" + std::to_string(k) + "\" src=\"" + png_address(tadp::encode_labels(page.maps[k].heat, palette)) + "\">";
  out += "</div>\n<figcaption aria-live=\"polite\"><span id=\"said\">Point at a word, touch it, or reach it with the tab key.</span><div class=\"scale\"><span id=\"low\"></span><i style=\"background:" + scale_css() +
         "\"></i><span id=\"high\"></span></div></figcaption>\n</figure>\n";
  out += "<figure>\n<div class=\"stage\"><img alt=\"" + html(page.result.title) + "\" src=\"" + png_address(tadp::encode_png(screen_sized(page.result.picture))) + "\"></div>\n<figcaption>" + html(page.result.title) + "<ul>\n";
  for (auto const& row : page.result.legend) out += "<li><i style=\"background:" + css_colour(row.colour) + "\"></i>" + html(row.name) + "<b>" + html(row.value) + "</b></li>\n";
  return out + "</ul></figcaption>\n</figure>\n</main>\n<script>" + script + "</script>\n</body>\n</html>\n";
}

}  // namespace program
