// SPDX-License-Identifier: Apache-2.0
// Lists of pictures and their depth, "picture depth [focal]" a line, as VPD's lists of NYUv2 have them; columns stand between
// blanks, or tabs where a name holds blanks. A line "# depth_scale 1000" says the units a metre.
#pragma once

#include "tadp/data/folder_files.hpp"

#include <charconv>
#include <cmath>

namespace tadp {

struct DepthRow {
  std::string picture{}, depth{};  ///< paths in the data set's folder
  std::string key{};               ///< the picture as the list has it: the name of its caption
  float focal = 0.0F;              ///< pixels; 0: not said
};
struct DepthList {
  std::vector<DepthRow> rows{};
  std::optional<double> units_per_metre{};
};

namespace detail {

/// The columns of a line, of which there are `most` or one more at the most.
inline std::vector<std::string_view> columns_of(std::string_view line, std::size_t most) {
  std::string_view const between = line.find('\t') != std::string_view::npos ? "\t" : " ";
  std::vector<std::string_view> columns;
  while (!line.empty() && columns.size() <= most) {
    auto const end = line.find_first_of(between);
    if (auto const column = trimmed(line.substr(0, end)); !column.empty()) columns.push_back(column);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  return columns;
}
/// A path inside of the folder: a slash in front means the folder, as the original has it; empty for one that leads out of it.
inline std::string inner_path(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  if (text.empty() || text.size() > most_name_bytes || text.find('\0') != std::string_view::npos) return {};
  for (auto const& part : std::filesystem::path(text))
    if (part == "..") return {};
  return std::string(text);
}
inline bool read_positive(std::string_view text, double& value) {
  auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} && end == text.data() + text.size() && std::isfinite(value) && value > 0.0;
}
/// What is wrong with a line, or null.
inline char const* read_depth_row(std::string_view line, DepthRow& row) {
  auto const columns = columns_of(line, 3);
  if (columns.size() < 2) return "a column is missing";
  if (columns.size() > 3) return "there are more than three columns";
  row = {inner_path(columns[0]), inner_path(columns[1]), std::string(columns[0]), 0.0F};
  if (row.picture.empty() || row.depth.empty()) return "the path leads out of the folder";
  double focal = 0.0;
  if (columns.size() == 3 && !(read_positive(columns[2], focal) && focal < 1e9)) return "the focal length is no number above 0";
  row.focal = static_cast<float>(focal);
  return nullptr;
}

}  // namespace detail

/// Reads a list; faulty lines go to the report under `name`. Error(io, limit); Error(format) for a scale that is no number.
inline DepthList read_depth_list(std::filesystem::path const& path, std::string const& name, FolderReport& report) {
  auto const bytes = read_file(path, detail::most_list_bytes);
  DepthList list;
  std::unordered_map<std::string, std::size_t> lines;
  detail::for_each_line(detail::text_of(bytes), [&](std::size_t number, std::string_view line) {
    auto const where = "line " + std::to_string(number) + ": ";
    if (line.starts_with('#')) {
      line = detail::trimmed(line.substr(1));
      if (!line.starts_with("depth_scale")) return;
      line.remove_prefix(11);
      double value = 0.0;
      if (!detail::read_positive(line.substr(std::min(line.find_first_not_of(" \t:="), line.size())), value) || (list.units_per_metre && *list.units_per_metre != value))
        throw Error(Errc::format, "the scale of a depth list is one number above 0", {.file = path.string(), .key = where + "depth_scale", .found = printable(line, 60)});
      list.units_per_metre = value;
      return;
    }
    DepthRow row;
    if (char const* const why = detail::read_depth_row(line, row))
      report.add(FolderFault::list_line, name, where + why);
    else if (auto const [first, fresh] = lines.emplace(row.picture, number); !fresh)
      report.add(FolderFault::listed_twice, name, where + row.picture + ", as in line " + std::to_string(first->second));
    else
      list.rows.push_back(std::move(row));
  });
  return list;
}

}  // namespace tadp
