// SPDX-License-Identifier: Apache-2.0
// The classes of a data set from its classes.json: {"classes": [{"index": 0, "name": "sky", "rgb": [128, 128, 128]}, ...]}.
// Names, colours, and where there are any the phrases by which captions name them.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/io/description.hpp"
#include "tadp/io/file.hpp"

#include <filesystem>

namespace tadp {

/// The classes by index; `phrases` is as long, empty texts where the file gives none.
struct ClassList {
  std::vector<ClassDescription> classes{};
  std::vector<std::string> phrases{};
};

namespace detail {

inline nlohmann::json parse_small_json(std::filesystem::path const& path) {
  auto const bytes = read_file(path, std::uint64_t{1} << 20);
  auto const* const text = reinterpret_cast<char const*>(bytes.data());
  auto const shallow = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > 16) throw Error(Errc::limit, "the JSON text is nested too deep", {.file = path.string(), .expected = "at most 16"});
    return true;
  };
  try {
    return nlohmann::json::parse(text, text + bytes.size(), shallow);
  } catch (nlohmann::json::exception const& e) {
    throw Error(Errc::format, "the JSON text is damaged", {.file = path.string(), .found = printable(e.what(), 300)});
  }
}

}  // namespace detail

/// Reads classes.json; Error(io, format, limit): indices are 0 .. n-1, each once, and there are 254 classes at most.
inline ClassList read_classes(std::filesystem::path const& path) {
  auto const root = detail::parse_small_json(path);
  auto const refuse = [&](std::string key, std::string expected, std::string found) -> void {
    throw Error(Errc::format, "this is no list of classes", {.file = path.string(), .key = std::move(key), .expected = std::move(expected), .found = std::move(found)});
  };
  if (!root.is_object() || !root.contains("classes") || !root["classes"].is_array()) refuse("classes", "a list", root.type_name());
  auto const& rows = root["classes"];
  if (rows.empty() || rows.size() >= ignore_label) refuse("classes", "1 to 254 classes", std::to_string(rows.size()));
  ClassList list{std::vector<ClassDescription>(rows.size()), std::vector<std::string>(rows.size())};
  try {
    for (auto const& row : rows) {
      auto const index = row.at("index").get<std::int64_t>();
      auto const key = "classes[" + std::to_string(index) + "]";
      if (index < 0 || index >= static_cast<std::int64_t>(rows.size())) refuse(key, "0 to " + std::to_string(rows.size() - 1), std::to_string(index));
      ClassDescription& c = list.classes[static_cast<std::size_t>(index)];
      if (!c.name.empty()) refuse(key, "each index once", "twice");
      c.name = row.at("name").get<std::string>();
      if (c.name.empty()) refuse(key + ".name", "a name", "nothing");
      auto const rgb = row.at("rgb").get<std::vector<std::int64_t>>();
      if (rgb.size() != 3) refuse(key + ".rgb", "three numbers", std::to_string(rgb.size()));
      for (std::size_t i = 0; i < 3; ++i) {
        if (rgb[i] < 0 || rgb[i] > 255) refuse(key + ".rgb", "0 to 255", std::to_string(rgb[i]));
        c.colour[i] = static_cast<std::uint8_t>(rgb[i]);
      }
      if (row.contains("caption_phrase")) list.phrases[static_cast<std::size_t>(index)] = row.at("caption_phrase").get<std::string>();
    }
  } catch (nlohmann::json::exception const& e) {
    refuse("classes", "index, name and rgb of each", printable(e.what(), 200));
  }
  return list;
}

}  // namespace tadp
