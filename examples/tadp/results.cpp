// SPDX-License-Identifier: Apache-2.0
// Files, numbers and words of what heads answer.
#include "tadp/results.hpp"

#include "tadp/draw_heat.hpp"

#include "tadp/data/depth_summary.hpp"
#include "tadp/io/depth_files.hpp"
#include "tadp/io/image.hpp"

namespace program {

namespace {

/// What stays as it is in a file name.
std::string plain_name(std::string const& word) {
  std::string name;
  for (char const c : word) name += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ? c : '_';
  return name.substr(0, 60);
}

std::string name_of(int label, std::vector<tadp::ClassDescription> const& classes) {
  auto const at = static_cast<std::size_t>(label);
  return at < classes.size() ? classes[at].name : "class " + std::to_string(label);
}

/// Objects of each class, by label.
std::vector<int> counts_of(std::vector<tadp::Detected> const& objects) {
  std::vector<int> counts;
  for (tadp::Detected const& d : objects) {
    counts.resize(std::max(counts.size(), static_cast<std::size_t>(d.label) + 1));
    ++counts[static_cast<std::size_t>(d.label)];
  }
  return counts;
}

}  // namespace

json write_attention(Look const& look, tadp::AttentionMaps const& maps, std::vector<NamedPosition> const& named) {
  json out = json::array();
  for (int k = 0; k < maps.count; ++k) {
    NamedPosition const& one = named[static_cast<std::size_t>(k)];
    char position[16];
    std::snprintf(position, sizeof position, "%02d", one.position);
    fs::path const path = look.file(std::string(".attention.") + position + "-" + plain_name(one.name) + ".png");
    auto const map = [&](int x, int y) { return maps.at(k, x, y); };
    tadp::write_png(path, heat_over(look.picture, map, "attention to \"" + tadp::printable(one.name, 40) + "\""));
    double sum = 0.0;
    for (int y = 0; y < maps.height; ++y)
      for (int x = 0; x < maps.width; ++x) sum += static_cast<double>(map(x, y));
    out.push_back({{"position", one.position}, {"word", one.name}, {"file", path.string()}, {"mean", sum / std::max(1.0, static_cast<double>(maps.width) * maps.height)},
                   {"largest", range_of(maps.width, maps.height, map)[1]}});
  }
  return out;
}

void write_labels(fs::path const& path, tadp::LabelMap const& labels, std::vector<tadp::ClassDescription> const& classes) {
  tadp::Palette palette;
  for (auto const& c : classes) palette.push_back(c.colour);
  tadp::write_labels(path, labels, palette);
}

json shares_json(std::vector<ClassShare> const& shares) {
  json out = json::array();
  for (ClassShare const& s : shares) out.push_back({{"index", s.index}, {"name", s.name}, {"pixels", s.pixels}, {"share", s.share}});
  return out;
}

std::string shares_text(std::vector<ClassShare> const& shares) {
  std::string text;
  for (std::size_t i = 0; i < shares.size() && i < 5; ++i) {
    char share[64];
    std::snprintf(share, sizeof share, " %.0f %%", 100.0 * shares[i].share);
    text.append(text.empty() ? "" : ", ").append(tadp::printable(shares[i].name, 40)).append(share);
  }
  return shares.size() > 5 ? text + ", ..." : text;
}

json write_depth(Look const& look, tadp::DepthMap const& depth, tadp::DepthMap const& counted) {
  fs::path const png = look.file(".depth.png"), npy = look.file(".depth.npy");
  tadp::write_depth_png(png, depth.metres, depth.width, depth.height);
  tadp::write_npy(npy, depth.metres, depth.width, depth.height);
  float least = 0.0F, most = 0.0F;
  for (float const m : counted.metres)
    if (m > 0.0F) least = least > 0.0F ? std::min(least, m) : m, most = std::max(most, m);
  auto const beyond = std::count_if(depth.metres.begin(), depth.metres.end(), [](float m) { return m > 65.535F; });
  return {{"png", png.string()}, {"npy", npy.string()}, {"least", least}, {"median", tadp::median_depth(counted)}, {"most", most},
          {"png_units_per_metre", 1000}, {"pixels_beyond_png", beyond}, {"focal", look.picture.focal > 0.0F ? json(look.picture.focal) : json()}};
}

json boxes_json(std::vector<tadp::Detected> const& objects, std::vector<tadp::ClassDescription> const& classes) {
  json list = json::array(), counts = json::object();
  for (tadp::Detected const& d : objects)
    list.push_back({{"class", name_of(d.label, classes)}, {"label", d.label}, {"score", d.score}, {"box", {d.box.x1, d.box.y1, d.box.x2, d.box.y2}}});
  auto const found = counts_of(objects);
  for (std::size_t c = 0; c < found.size(); ++c)
    if (found[c] > 0) counts[name_of(static_cast<int>(c), classes)] = found[c];
  return {{"objects", list}, {"counts", counts}};
}

std::string boxes_text(std::vector<tadp::Detected> const& objects, std::vector<tadp::ClassDescription> const& classes) {
  auto const counts = counts_of(objects);
  std::string text;
  for (std::size_t c = 0; c < counts.size(); ++c)
    if (counts[c] > 0) text.append(text.empty() ? "" : ", ").append(tadp::printable(name_of(static_cast<int>(c), classes), 40) + ": " + std::to_string(counts[c]));
  return text.empty() ? "nothing found" : text;
}

void add_threshold(CLI::App& sub, double& threshold) {
  sub.add_option("--threshold", threshold, "the lowest score of a box that is told; the network itself keeps those above 0.05")->capture_default_str()->check(number_between(0.0, 1.0))->type_name("SCORE");
}

std::vector<tadp::Detected> above(tadp::DetectionResult const& found, double threshold) {
  std::vector<tadp::Detected> kept;
  for (tadp::Detected const& d : found.objects)
    if (static_cast<double>(d.score) >= threshold) kept.push_back(d);
  return kept;
}

}  // namespace program
