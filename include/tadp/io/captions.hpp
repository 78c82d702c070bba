// SPDX-License-Identifier: Apache-2.0
// Caption files in TADP's form, {"picture": {"captions": [...], "class_label": n}}: read, asked by picture, and written.
// Data sets name pictures in several ways (spec 3.2), so a picture is looked up by path, file name and stem.
#pragma once

#include "tadp/io/captions_json.hpp"
#include "tadp/io/file.hpp"

#include <algorithm>
#include <span>

namespace tadp {

namespace detail {

/// A name without the extension of a picture; ids with other dots stay whole.
inline std::string without_extension(std::string const& name) {
  constexpr std::string_view known[] = {"png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "ppm"};
  auto const dot = name.rfind('.');
  if (dot == std::string::npos) return name;
  std::string ending = name.substr(dot + 1);
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(std::begin(known), std::end(known), ending) != std::end(known) ? name.substr(0, dot) : name;
}
inline std::string last_component(std::string const& name) { return name.substr(name.rfind('/') + 1); }

/// Whether `tail` is the end of `path`, whole components only.
inline bool is_tail(std::string_view path, std::string_view tail) {
  return path.ends_with(tail) && (path.size() == tail.size() || path[path.size() - tail.size() - 1] == '/');
}
inline std::string lower_case(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

inline std::string_view json_text(std::span<std::byte const> bytes, std::string const& file) {
  auto const at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned>(bytes[i]) : 1U; };
  bool const marked = (at(0) == 0xff && at(1) == 0xfe) || (at(0) == 0xfe && at(1) == 0xff);
  if (bytes.size() >= 2 && (marked || at(0) == 0 || at(1) == 0))
    throw Error(Errc::format, "the JSON text is not UTF-8", {.file = file, .expected = "UTF-8", .found = "UTF-16 or UTF-32", .offset = 0});
  std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  return text.substr(text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0);  // editors on Windows put one in front
}

}  // namespace detail

/// How a caption file and a list of pictures fit each other.
struct CaptionMatch {
  std::size_t found = 0;
  std::vector<std::string> missing{};  ///< pictures without a caption; "name (the file has NAME)" where only the case differs
  std::size_t unused = 0;              ///< entries that no picture asked for
};

class CaptionFile {
 public:
  /// Reads a file; Error(io, format, key, limit or memory) with file and picture.
  explicit CaptionFile(std::filesystem::path path, CaptionLimits const& limits = {}) : path_(std::move(path)) {
    try {
      read(limits);
    } catch (std::bad_alloc const&) {
      throw Error(Errc::memory, "not enough memory for the captions", {.file = path_.string()});
    }
  }

  std::vector<CaptionEntry> const& entries() const { return entries_; }
  std::filesystem::path const& path() const { return path_; }

  /// The first caption of a picture, or null where there is none; Error(key) where several entries fit equally well.
  std::string const* find(std::filesystem::path const& picture) const {
    CaptionEntry const* const entry = find_entry(picture);
    return entry == nullptr ? nullptr : &entry->captions.front();
  }
  /// The same, the whole entry. An entry fits a picture whose path ends with its name, or whose name ends with the path,
  /// with the extension first and without it then; the longest name that is the end of the path wins.
  CaptionEntry const* find_entry(std::filesystem::path const& picture) const {
    auto const name = detail::normalised_name(picture.string());
    auto const keep = [](std::string const& key) { return key; };
    if (auto const* const entry = look_up(by_name_, detail::last_component(name), name, name, keep)) return entry;
    auto const stem = detail::without_extension(name);
    return look_up(by_stem_, detail::last_component(stem), stem, name, detail::without_extension);
  }
  /// Looks up many pictures. Error(key) where not a single one has a caption: this is another data set's file.
  CaptionMatch match(std::span<std::string const> pictures) const {
    CaptionMatch match;
    std::vector<char> used(entries_.size());
    for (std::string const& picture : pictures) {
      CaptionEntry const* const entry = find_entry(picture);
      if (entry == nullptr) {
        match.missing.push_back(picture + hint(picture));
        continue;
      }
      ++match.found;
      used[static_cast<std::size_t>(entry - entries_.data())] = 1;
    }
    match.unused = static_cast<std::size_t>(std::count(used.begin(), used.end(), char{0}));
    if (match.found == 0 && !pictures.empty())
      throw Error(Errc::key, "the caption file has no caption for any of the pictures: is it another data set's?",
                  {.file = path_.string(), .expected = pictures.front() + hint(pictures.front()), .found = entries_.empty() ? "no entries" : entries_.front().key});
    return match;
  }

 private:
  using Index = std::unordered_map<std::string, std::vector<std::size_t>>;

  void read(CaptionLimits const& limits) {
    auto const file = path_.string();
    auto const bytes = read_file(path_, limits.max_file_bytes);
    detail::CaptionSax sax(limits, file, entries_);
    auto const text = detail::json_text(bytes, file);
    detail::parse_json(text, bytes.size() - text.size(), file, sax);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      auto const name = detail::last_component(detail::normalised_name(entries_[i].key));
      auto const stem = detail::without_extension(name);
      by_name_[name].push_back(i);
      by_stem_[stem].push_back(i);
      by_folded_stem_.emplace(detail::lower_case(stem), i);
    }
  }

  template <class Form>
  CaptionEntry const* look_up(Index const& index, std::string const& last, std::string const& wanted, std::string const& picture, Form const& form) const {
    auto const at = index.find(last);
    if (at == index.end()) return nullptr;
    CaptionEntry const* best = nullptr;
    std::size_t length = 0;
    std::string rival;
    for (std::size_t const i : at->second) {
      std::string const key = form(detail::normalised_name(entries_[i].key));
      // An entry with more folders than the picture's path fits less well than any whose folders are all confirmed.
      std::size_t const fits = detail::is_tail(wanted, key) ? key.size() + 1 : detail::is_tail(key, wanted) ? 1 : 0;
      if (fits == 0 || fits < length) continue;
      rival = fits == length ? entries_[i].key : "";
      if (fits > length) best = &entries_[i];
      length = fits;
    }
    if (!rival.empty())
      throw Error(Errc::key, "a picture fits several entries of the caption file", {.file = path_.string(), .key = picture, .expected = "one entry", .found = best->key + ", " + rival});
    return best;
  }
  std::string hint(std::string const& picture) const {
    auto const wanted = detail::lower_case(detail::without_extension(detail::last_component(detail::normalised_name(picture))));
    auto const at = by_folded_stem_.find(wanted);
    return at == by_folded_stem_.end() ? "" : " (the file has " + entries_[at->second].key + ")";
  }

  std::filesystem::path path_;
  std::vector<CaptionEntry> entries_;
  Index by_name_, by_stem_;
  std::unordered_map<std::string, std::size_t> by_folded_stem_;  // for hints alone
};

namespace detail {

/// `"picture": {"captions": [...]}`; Error(argument) for a text that is not UTF-8 or an entry without name or captions.
inline std::string caption_member(CaptionEntry const& entry, std::string const& file) {
  auto const refuse = [&](char const* message) { throw Error(Errc::argument, message, {.file = file, .key = entry.key}); };
  if (entry.key.empty() || entry.captions.empty()) refuse("a picture of a caption file needs a name and a caption");
  nlohmann::json value{{"captions", entry.captions}};
  if (entry.class_label) value["class_label"] = *entry.class_label;
  if (!entry.content.empty()) value["tadp.content"] = entry.content;
  std::string text;
  try {
    text = nlohmann::json(entry.key).dump() + ": " + value.dump();
  } catch (nlohmann::json::exception const&) {
    refuse("a caption to be stored is not UTF-8");
  }
  return text;
}

}  // namespace detail

/// Writes a caption file, whole or not at all; Error(argument) for a text that is not UTF-8, an entry without captions or
/// a picture that is named twice, Error(io).
inline void write_captions(std::filesystem::path const& path, std::span<CaptionEntry const> entries) {
  auto const file = path.string();
  std::unordered_map<std::string, bool> seen;
  std::string text = "{";
  for (CaptionEntry const& entry : entries) {
    std::string const member = detail::caption_member(entry, file);
    if (!seen.emplace(detail::normalised_name(entry.key), true).second)
      throw Error(Errc::argument, "a picture of a caption file is named twice", {.file = file, .key = entry.key});
    text += (text.size() > 1 ? ",\n " : "\n ") + member;
  }
  text += "\n}\n";
  write_file_atomic(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace tadp
