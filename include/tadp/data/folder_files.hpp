// SPDX-License-Identifier: Apache-2.0
// Files of a data set's folder: listed by stem, noticed when they change, and text lists of them.
// What cannot be used goes to the folder's report.
#pragma once

#include "tadp/data/folder_report.hpp"
#include "tadp/io/captions.hpp"
#include "tadp/io/picture_header.hpp"

#include <map>
#include <optional>
#include <unordered_map>

namespace tadp {

/// Size and time of a file, by which a change is noticed.
struct FileStamp {
  std::uint64_t bytes = 0;
  std::filesystem::file_time_type written{};
  friend bool operator==(FileStamp const&, FileStamp const&) = default;
};

/// That of a regular file; nothing, and why, for anything else.
inline std::optional<FileStamp> stamp_of(std::filesystem::path const& path, std::string& why) {
  std::error_code failed;
  auto const status = std::filesystem::status(path, failed);  // follows links; a loop of them fails here
  if (failed || status.type() != std::filesystem::file_type::regular) {
    why = failed ? failed.message() : "not a regular file";
    return std::nullopt;
  }
  FileStamp const stamp{std::filesystem::file_size(path, failed), failed ? std::filesystem::file_time_type{} : std::filesystem::last_write_time(path, failed)};
  why = failed.message();
  return failed ? std::nullopt : std::optional(stamp);
}
/// Error(io) where the file is not as it was.
inline void require_unchanged(std::filesystem::path const& path, FileStamp const& before) {
  std::string why;
  auto const now = stamp_of(path, why);
  if (!now || *now != before) throw Error(Errc::io, "the file changed after the data set was opened", {.file = path.string(), .found = why});
}

struct ListedFile {
  std::string name{};  ///< with its ending
  FileStamp stamp{};
};

/// The usable files of `folder` / `part` with one of the endings, by stem. Error(io) where the folder cannot be listed.
inline std::map<std::string, ListedFile> list_files(std::filesystem::path const& folder, std::string const& part, std::vector<std::string> const& endings, FolderReport& report) {
  std::error_code failed;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at(folder / part, failed), end; !failed && at != end; at.increment(failed)) names.push_back(at->path().filename().string());
  if (failed) throw Error(Errc::io, "a data set's folder cannot be listed: " + failed.message(), {.file = (folder / part).string()});
  std::sort(names.begin(), names.end());
  std::map<std::string, ListedFile> files;
  std::unordered_map<std::string, std::string> folded;
  for (std::string const& name : names) {
    std::filesystem::path const path(name);
    std::string const file = part + "/" + name;
    if (std::find(endings.begin(), endings.end(), detail::lower_case(path.extension().string())) == endings.end()) {
      report.remark(file, "a file of another kind");
      continue;
    }
    std::string why;
    auto const stamp = stamp_of(folder / part / name, why);
    if (!stamp) {
      report.add(FolderFault::unusable_file, file, why);
      continue;
    }
    auto const [twin, fresh] = folded.emplace(detail::lower_case(path.stem().string()), name);
    if (!fresh)
      report.add(FolderFault::twin_names, file, "and " + twin->second);
    else
      files.emplace(path.stem().string(), ListedFile{name, *stamp});
  }
  return files;
}

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n\v\f";
  auto const first = text.find_first_not_of(blank);
  return first == std::string_view::npos ? std::string_view{} : text.substr(first, text.find_last_not_of(blank) - first + 1);
}
/// Calls use(line number from 1, trimmed line) for the lines of a text that are not blank; a byte order mark is passed over.
template <class Use>
void for_each_line(std::string_view text, Use const& use) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto const end = text.find('\n');
    auto const line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty()) use(number, line);
  }
}
inline constexpr std::uint64_t most_list_bytes = std::uint64_t{64} << 20;
inline constexpr std::size_t most_name_bytes = 4096;

inline std::string_view text_of(std::span<std::byte const> bytes) { return {reinterpret_cast<char const*>(bytes.data()), bytes.size()}; }

}  // namespace detail

/// The caption of every picture, from `given` or from captions.json in the folder where there is one; a picture without one
/// gets an empty text and a remark. Errors as for CaptionFile and its match.
inline std::vector<std::string> captions_of(std::vector<std::string> const& pictures, std::filesystem::path const& folder, std::filesystem::path const& given, CaptionLimits const& limits,
                                            FolderReport& report) {
  std::vector<std::string> captions(pictures.size());
  auto const file = given.empty() ? folder / "captions.json" : given;
  if (std::error_code ignored; given.empty() && !std::filesystem::exists(file, ignored)) return captions;
  CaptionFile const all(file, limits);
  for (std::string const& name : all.match(pictures).missing) report.remark(name, "no caption");
  for (std::size_t i = 0; i < pictures.size(); ++i)
    if (std::string const* const caption = all.find(pictures[i])) captions[i] = *caption;
  return captions;
}

}  // namespace tadp
