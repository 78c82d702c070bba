// SPDX-License-Identifier: Apache-2.0
// CLIP's vocabulary of byte pairs from the files that people hold: bpe_simple_vocab_16e6.txt.gz, the same unpacked,
// vocab.json with merges.txt, or tokenizer.json. Which it is is told by content; every one of them may be packed with gzip.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/io/bpe_files.hpp"
#include "tadp/io/bpe_tables.hpp"
#include "tadp/io/file.hpp"
#include "tadp/io/gunzip.hpp"
#include "tadp/io/sniff.hpp"
#include "tadp/io/tokenizer_json.hpp"

#include <filesystem>

namespace tadp {

namespace detail {

inline constexpr std::size_t bpe_max_bytes = std::size_t{16} << 20;  ///< of a file, packed and unpacked
inline constexpr int bpe_max_tokens = 1 << 20;
inline constexpr std::size_t bpe_bytes = 256;
inline constexpr std::size_t bpe_fixed = 2 * bpe_bytes + 2;  ///< tokens that are no merge: each byte inside and at the end of a word, begin, end
inline constexpr std::string_view word_end = "</w>";
inline constexpr std::string_view begin_name = "<|startoftext|>";
inline constexpr std::string_view end_name = "<|endoftext|>";

/// The letters that stand for bytes in the files: what prints stands for itself, the others follow from U+0100 on.
struct ByteLetters {
  std::array<char16_t, bpe_bytes> letter{};       ///< of each byte
  std::array<std::uint8_t, bpe_bytes> in_order{};  ///< bytes in the order of their tokens
};
inline constexpr ByteLetters byte_letters = [] {
  ByteLetters out;
  std::size_t order = 0;
  auto const prints = [](std::size_t b) { return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae; };
  for (bool const printing : {true, false}) {
    char16_t next = 0x100;
    for (std::size_t b = 0; b < bpe_bytes; ++b) {
      if (prints(b) != printing) continue;
      out.letter[b] = printing ? static_cast<char16_t>(b) : next++;
      out.in_order[order++] = static_cast<std::uint8_t>(b);
    }
  }
  return out;
}();

/// A byte as files write it, in UTF-8.
inline std::string letter_text(std::size_t byte) {
  unsigned const code = byte_letters.letter[byte];
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

/// The bytes that the letters of a token stand for; nothing where one stands for none.
inline std::optional<BpeToken> token_of(std::string_view name) {
  BpeToken token;
  token.ends_word = name.size() > word_end.size() && name.ends_with(word_end);
  if (token.ends_word) name.remove_suffix(word_end.size());
  for (std::size_t at = 0; at < name.size(); ++at) {
    unsigned code = static_cast<unsigned char>(name[at]);
    if (code >= 0x80) {
      if ((code & 0xe0) != 0xc0 || at + 1 == name.size()) return std::nullopt;
      code = (code & 0x1f) << 6 | (static_cast<unsigned char>(name[++at]) & 0x3f);
    }
    auto const found = std::find(byte_letters.letter.begin(), byte_letters.letter.end(), code);
    if (found == byte_letters.letter.end()) return std::nullopt;
    token.bytes += static_cast<char>(found - byte_letters.letter.begin());
  }
  return token;
}

/// A file of a vocabulary, unpacked.
inline std::string read_bpe_text(std::filesystem::path const& path) {
  auto const bytes = read_file(path, bpe_max_bytes);
  std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  return is_gzip(text) ? gunzip(text, bpe_max_bytes, path.string()) : std::string(text);
}

inline bool is_json(std::string_view text) {
  auto const first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

[[noreturn]] inline void refuse_bpe_text(std::string_view text, std::string const& file) {
  auto const kind = sniff_content(std::as_bytes(std::span(text.data(), text.size())));
  std::string const found = text.empty() ? "an empty file" : kind ? std::string(kind->what) + ": " + std::string(kind->advice) : printable(text.substr(0, 40));
  throw Error(Errc::format, "this is no vocabulary of byte pairs",
              {.file = file, .expected = "vocab.json, tokenizer.json, or a list of merges that begins with its version (bpe_simple_vocab_16e6.txt.gz, merges.txt)", .found = found});
}

/// The names that CLIP gives ids to from a list of merges alone: bytes, bytes at the end of words, merges, begin, end.
inline BpeNames names_of(std::vector<BpeLine> const& lines, std::string const& file) {
  BpeNames names;
  names.reserve(lines.size() + bpe_fixed);
  auto const add = [&](std::string name, std::size_t line) {
    auto const id = static_cast<std::int32_t>(names.size());
    if (!names.try_emplace(std::move(name), id).second)
      throw Error(Errc::key, "two merges make the same token", {.file = file, .key = "line " + std::to_string(line), .found = printable(std::string(lines[line - 2].first) + " " + std::string(lines[line - 2].second))});
  };
  for (std::string_view const suffix : {std::string_view(), word_end})
    for (std::uint8_t const byte : byte_letters.in_order) add(letter_text(byte).append(suffix), 1);
  for (std::size_t i = 0; i < lines.size(); ++i) add(std::string(lines[i].first).append(lines[i].second), i + 2);
  add(std::string(begin_name), lines.size() + 1);
  add(std::string(end_name), lines.size() + 1);
  return names;
}

/// Puts names and merges together; the files are for messages, in which merge 0 is called `merge` and the number `first`.
class BpeBuilder {
 public:
  BpeBuilder(BpeNames const& names, std::string const& names_file, std::string const& merges_file, std::string_view merge = "line", std::size_t first = 2)
      : names_(names), names_file_(names_file), merges_file_(merges_file), merge_(merge), first_(first) {}

  BpeVocabulary build(std::vector<BpeLine> const& lines) {
    out_.begin = id_of(begin_name);
    out_.end = id_of(end_name);
    for (std::size_t byte = 0; byte < bpe_bytes; ++byte) {
      std::string const letter = letter_text(byte);
      out_.inner[byte] = id_of(letter);
      out_.last[byte] = id_of(letter + std::string(word_end));
    }
    add_tokens();
    add_merges(lines);
    return std::move(out_);
  }

 private:
  std::int32_t id_of(std::string_view name) const {
    auto const at = names_.find(std::string(name));
    if (at == names_.end()) throw Error(Errc::key, "a vocabulary lacks a token that every text needs", {.file = names_file_, .key = printable(name)});
    return at->second;
  }
  void add_tokens() {
    out_.tokens.resize(names_.size());
    for (auto const& [name, id] : names_) {
      if (id == out_.begin || id == out_.end) continue;
      auto token = token_of(name);
      if (!token || token->bytes.empty())
        throw Error(Errc::format, "a token of a vocabulary does not stand for bytes", {.file = names_file_, .key = printable(name)});
      out_.tokens[static_cast<std::size_t>(id)] = std::move(*token);
    }
  }
  void add_merges(std::vector<BpeLine> const& lines) {
    std::unordered_map<std::uint64_t, std::size_t> pairs;
    pairs.reserve(lines.size());
    out_.merges.reserve(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      auto const part = [&](std::string const& name) {
        auto const at = names_.find(name);
        if (at == names_.end() || at->second == out_.begin || at->second == out_.end)
          throw Error(Errc::key, "a merge has a token that the vocabulary lacks", {.file = merges_file_, .key = line_text(i), .expected = "a token of the vocabulary", .found = printable(name, 80)});
        return at->second;
      };
      BpeMerge const merge{part(std::string(lines[i].first)), part(std::string(lines[i].second)), part(std::string(lines[i].first).append(lines[i].second))};
      auto const token = [&](std::int32_t id) -> BpeToken const& { return out_.tokens[static_cast<std::size_t>(id)]; };
      // "a<" and "/w>" would join to the mark itself.
      if (token(merge.first).ends_word || token(merge.second).ends_word != token(merge.result).ends_word)
        throw Error(Errc::format, "a merge mistakes where a word ends", {.file = merges_file_, .key = line_text(i), .found = printable(std::string(lines[i].first) + " " + std::string(lines[i].second), 80)});
      auto const [at, fresh] = pairs.emplace(static_cast<std::uint64_t>(merge.first) << 32 | static_cast<std::uint32_t>(merge.second), i);
      if (!fresh)
        throw Error(Errc::key, "a list of merges has a pair twice", {.file = merges_file_, .key = line_text(i), .expected = "each once", .found = "the pair of " + line_text(at->second)});
      out_.merges.push_back(merge);
    }
  }
  std::string line_text(std::size_t merge) const { return std::string(merge_) + " " + std::to_string(merge + first_); }

  BpeNames const& names_;
  std::string const& names_file_;
  std::string const& merges_file_;
  std::string_view merge_;
  std::size_t first_;
  BpeVocabulary out_{};
};

inline void require_merge_count(std::size_t found, std::size_t expected, std::string const& file) {
  if (found != expected)
    throw Error(Errc::format, found < expected ? "a list of merges is too short for the vocabulary" : "a list of merges is too long for the vocabulary",
                {.file = file, .expected = std::to_string(expected) + " merges", .found = std::to_string(found)});
}

/// vocab.json with its list of merges.
inline BpeVocabulary read_vocab_json(std::string const& text, std::filesystem::path const& path, std::filesystem::path const& merges, std::size_t count) {
  std::error_code ignored;
  std::string const file = path.string();
  auto const beside = merges.empty() ? path.parent_path() / "merges.txt" : merges;
  if (merges.empty() && !std::filesystem::exists(beside, ignored))
    throw Error(Errc::argument, "vocab.json needs its list of merges", {.file = file, .expected = "merges.txt, named or beside it", .found = "nothing"});
  auto const names = read_bpe_names(text, count, file);
  std::string const merges_file = beside.string();
  std::string const merges_text = read_bpe_text(beside);
  if (is_json(merges_text) || merges_text.empty()) refuse_bpe_text(merges_text, merges_file);
  auto const lines = read_merge_lines(merges_text, std::nullopt, count - bpe_fixed, merges_file);
  require_merge_count(lines.size(), count - bpe_fixed, merges_file);
  return BpeBuilder(names, file, merges_file).build(lines);
}

}  // namespace detail

/// Reads a vocabulary of `size` tokens. `vocabulary`: a list of merges (its first `size` - 514 count, as in CLIP),
/// tokenizer.json, or vocab.json with `merges`, which is looked for as merges.txt beside it unless named; or a folder with
/// these two or with tokenizer.json.
/// Error(format, key, limit, io) with file, line or token; Error(argument) where the files do not go together.
inline BpeVocabulary read_bpe_vocabulary(std::filesystem::path const& vocabulary, std::filesystem::path const& merges = {}, int size = clip_vit_l14.vocabulary) {
  using namespace detail;
  if (size < static_cast<int>(bpe_fixed) || size > bpe_max_tokens)
    throw Error(Errc::argument, "a vocabulary of byte pairs cannot have this size",
                {.expected = std::to_string(bpe_fixed) + " to " + std::to_string(bpe_max_tokens), .found = std::to_string(size)});
  std::error_code ignored;
  std::string const file = vocabulary.string();
  if (std::filesystem::is_directory(vocabulary, ignored)) {
    auto const found = find_bpe_paths(vocabulary).vocabulary;
    if (found.empty() && !std::filesystem::exists(vocabulary / "vocab.json", ignored))
      throw Error(Errc::io, "the folder holds no vocabulary", {.file = file, .expected = "vocab.json with merges.txt, or tokenizer.json", .found = "none of these"});
    return read_bpe_vocabulary(found.empty() || !merges.empty() ? vocabulary / "vocab.json" : found, merges, size);
  }
  auto const count = static_cast<std::size_t>(size);
  std::string const text = read_bpe_text(vocabulary);
  bool const both = is_json(text) && is_tokenizer_json(text);
  if (is_json(text) && !both) return read_vocab_json(text, vocabulary, merges, count);
  if (!both && !is_merge_list(text)) refuse_bpe_text(text, file);
  if (!merges.empty())
    throw Error(Errc::argument, "this vocabulary has its merges itself and takes no others", {.file = file, .expected = "vocab.json, or no merges", .found = merges.string()});
  if (both) {
    auto const read = read_tokenizer_json(text, count, count - bpe_fixed, file);
    require_merge_count(read.lines.size(), count - bpe_fixed, file);
    return BpeBuilder(read.names, file, file, "merge", 1).build(read.lines);
  }
  auto const lines = read_merge_lines(text, count - bpe_fixed, count - bpe_fixed, file);
  require_merge_count(lines.size(), count - bpe_fixed, file);
  return BpeBuilder(names_of(lines, file), file, file).build(lines);
}

}  // namespace tadp
