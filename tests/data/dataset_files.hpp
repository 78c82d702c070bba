// SPDX-License-Identifier: Apache-2.0
// A tiny data set on disk: what the tests of data/ and runs/ open.
#pragma once

#include "../io/scratch.hpp"
#include "tadp/core/random.hpp"
#include "tadp/io/image.hpp"

#include <fstream>

namespace dataset_files {

inline void write_text(std::filesystem::path const& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

/// Noise, and labels 0 .. classes - 1 in columns with a border of no label.
inline tadp::Picture picture(int width, int height, std::uint64_t key) {
  tadp::Picture p(width, height);
  for (std::size_t i = 0; i < p.rgb.size(); ++i) p.rgb[i] = static_cast<std::uint8_t>(tadp::random_bits(key, i));
  return p;
}
inline tadp::LabelMap labels(int width, int height, int classes) {
  tadp::LabelMap map(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) map.at(x, y) = y == 0 ? tadp::ignore_label : static_cast<std::uint8_t>(x * classes / width);
  return map;
}
inline void add(scratch::Folder const& folder, std::string const& stem, int width = 12, int height = 8) {
  tadp::write_png(folder / ("images/" + stem + ".png"), picture(width, height, stem.size()));
  tadp::write_labels(folder / ("labels/" + stem + ".png"), labels(width, height, 3));
}
/// Pictures b, a and c of three classes; captions for a and b.
inline void make(scratch::Folder const& folder) {
  for (auto const* part : {"images", "labels"}) std::filesystem::create_directory(folder / part);
  for (auto const* stem : {"b", "a", "c"}) add(folder, stem);
  write_text(folder / "captions.json", R"({"a.png": {"captions": ["first"]}, "b.png": {"captions": ["second"]}})");
  write_text(folder / "classes.json", R"({"classes": [{"index": 1, "name": "road", "rgb": [1, 2, 3], "caption_phrase": "a road"},
    {"index": 0, "name": "sky", "rgb": [0, 0, 255]}, {"index": 2, "name": "car", "rgb": [9, 9, 9]}]})");
}

}  // namespace dataset_files
