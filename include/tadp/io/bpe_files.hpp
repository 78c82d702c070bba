// SPDX-License-Identifier: Apache-2.0
// The two texts that a vocabulary of byte pairs is kept in: a list of merges, and vocab.json; and where they lie.
// Each becomes a plain list here; what they mean together is bpe_vocabulary.hpp's.
#pragma once

#include "tadp/io/safetensors_json.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <unordered_map>

namespace tadp {

/// The files of one vocabulary; `merges` is empty where `vocabulary` holds them too.
struct BpePaths {
  std::filesystem::path vocabulary{}, merges{};
};

/// What a folder has of a vocabulary: vocab.json with merges.txt, else tokenizer.json; empty paths where it has neither.
inline BpePaths find_bpe_paths(std::filesystem::path const& folder) {
  std::error_code absent;
  auto const has = [&](char const* name) { return std::filesystem::is_regular_file(folder / name, absent); };
  if (has("vocab.json") && has("merges.txt")) return {folder / "vocab.json", folder / "merges.txt"};
  if (has("tokenizer.json")) return {folder / "tokenizer.json", {}};
  return {};
}

namespace detail {

/// Tokens as files write them, bytes in place of which readable letters stand; "</w>" ends a word.
using BpeNames = std::unordered_map<std::string, std::int32_t>;

/// A line of a list of merges.
struct BpeLine {
  std::string_view first{}, second{};
};

inline constexpr std::string_view version_mark = "#version:";

/// Whether a text begins as lists of merges do: with a line that names its version.
inline bool is_merge_list(std::string_view text) { return text.substr(0, std::min<std::size_t>(text.find('\n'), 200)).find(version_mark) != std::string_view::npos; }

/// The first `count` merges after the version line (all, where that is not given). The lines are parts of `text`.
/// Error(format) with the number of the line; Error(limit) where there are more than `most`.
inline std::vector<BpeLine> read_merge_lines(std::string_view text, std::optional<std::size_t> count, std::size_t most, std::string const& file) {
  if (text.starts_with(byte_order_mark)) throw Error(Errc::format, "a list of merges begins with a byte order mark: store it without", {.file = file, .key = "line 1"});
  if (!is_merge_list(text))
    throw Error(Errc::format, "a list of merges has no version line", {.file = file, .key = "line 1", .expected = "#version: 0.2", .found = printable(text.substr(0, text.find('\n')), 80)});
  std::vector<BpeLine> lines;
  std::size_t number = 1;
  for (std::size_t at = std::min(text.find('\n'), text.size() - 1) + 1; at < text.size() && (!count || lines.size() < *count);) {
    std::size_t const end = std::min(text.find('\n', at), text.size());
    std::string_view const line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    auto const space = line.find(' ');
    if (space == std::string_view::npos || space == 0 || space + 1 == line.size() || line.find_first_of(" \r\t", space + 1) != std::string_view::npos || line.find_first_of("\r\t") < space)
      throw Error(Errc::format, line.ends_with('\r') ? "a list of merges has Windows' line ends: store it with plain ones" : "a line of a list of merges is no pair",
                  {.file = file, .key = "line " + std::to_string(number), .expected = "two tokens with a space between", .found = line.empty() ? "a blank line" : printable(line, 80)});
    if (lines.size() >= most)
      throw Error(Errc::limit, "there are more merges than the vocabulary has tokens for", {.file = file, .expected = std::to_string(most), .found = "more"});
    lines.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  return lines;
}

/// Reads {"token": id, ...}: every token once, every id from 0 to `size` - 1 once.
class BpeSax final : public JsonSax {
 public:
  BpeSax(std::size_t size, std::string const& file, BpeNames& out) : JsonSax(file, 0), taken_(size), out_(out) {}

  bool start_object(std::size_t) override { return inside_ ? scalar("an object") : (inside_ = true); }
  bool end_object() override {
    auto const gap = std::find(taken_.begin(), taken_.end(), false);
    if (gap == taken_.end()) return true;
    throw Error(Errc::format, "a vocabulary lacks tokens",
                {.file = file_, .key = "id " + std::to_string(gap - taken_.begin()), .expected = std::to_string(taken_.size()) + " tokens", .found = std::to_string(out_.size())});
  }
  bool start_array(std::size_t) override { return scalar("an array"); }
  bool end_array() override { return true; }
  bool key(string_t& name) override {
    key_ = name;
    if (out_.size() >= taken_.size()) refuse(Errc::format, "a vocabulary has more tokens than expected", std::to_string(taken_.size()), "more");
    auto const [at, fresh] = out_.try_emplace(std::move(name), 0);
    if (!fresh) refuse(Errc::key, "a vocabulary names a token twice", "", "");
    value_ = &at->second;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!inside_ || value >= taken_.size()) return scalar(std::to_string(value));
    auto const id = static_cast<std::size_t>(value);
    if (taken_[id]) refuse(Errc::key, "two tokens of a vocabulary have the same id", "", std::to_string(id));
    taken_[id] = true;
    *value_ = static_cast<std::int32_t>(id);
    return true;
  }

  bool scalar(std::string found) override {
    if (!inside_) refuse(Errc::format, "this is not a vocabulary", "an object of tokens and ids", std::move(found));
    refuse(Errc::format, "a token of a vocabulary has no proper id", "a whole number from 0 to " + std::to_string(taken_.size() - 1), std::move(found));
  }

 private:
  [[noreturn]] void refuse(Errc code, std::string_view message, std::string expected, std::string found) const {
    throw Error(code, std::string(message), {.file = file_, .key = printable(key_), .expected = std::move(expected), .found = std::move(found)});
  }

  std::vector<bool> taken_;  ///< by id
  BpeNames& out_;
  std::int32_t* value_ = nullptr;  ///< of the token that was named last
  bool inside_ = false;
};

/// The tokens of a vocab.json of `size` tokens; Error(format) or Error(key) with the token.
inline BpeNames read_bpe_names(std::string_view text, std::size_t size, std::string const& file) {
  BpeNames names;
  BpeSax sax(size, file, names);
  parse_json(text, 0, file, sax);
  return names;
}

}  // namespace detail

}  // namespace tadp
