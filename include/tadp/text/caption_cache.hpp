// SPDX-License-Identifier: Apache-2.0
// Captions kept in a file of TADP's form, found again by a picture's content or name: the captioner that costs nothing.
// New ones go to a journal beside it, one line each, so that a run that is killed loses nothing and nothing is rewritten.
#pragma once

#include "tadp/io/captions.hpp"
#include "tadp/text/captioner.hpp"

namespace tadp {

/// `FILE.partial` holds one caption file of one picture a line. Rewriting the whole file for each of 20,000 captions
/// would write some 30 GB; a line is appended in constant time and is durable at once. finish() joins both.
class CaptionCache {
 public:
  enum class Use : std::uint8_t { read, write };

  /// Reads the file and its journal, where they exist; `write` also locks the journal. Error(io, format, key, limit).
  explicit CaptionCache(std::filesystem::path path, Use use = Use::read, CaptionLimits const& limits = {})
      : path_(std::move(path)), journal_path_(path_.string() + ".partial"), limits_(limits) {
    if (use == Use::write) journal_.emplace(journal_path_);
    std::error_code absent;
    if (std::filesystem::exists(path_, absent)) {
      file_.emplace(path_, limits_);
      for (CaptionEntry const& entry : file_->entries()) put(entry);
    }
    if (std::filesystem::exists(journal_path_, absent)) read_journal();
  }

  /// The captions of a picture, by its key, its name as CaptionFile::find takes it, or its content; an entry of the
  /// name that was made for another content does not count. One thread at a time. Error(key) where several entries fit the name equally well.
  std::vector<std::string> operator()(PictureFile const& picture, Control const& = {}) const {
    CaptionEntry const* const entry = find(picture);
    return entry == nullptr ? std::vector<std::string>{} : entry->captions;
  }

  /// Keeps captions in the journal; Error(argument) where they are none or a caption file cannot hold them, Error(io).
  void insert(PictureFile const& picture, std::vector<std::string> captions) {
    if (!journal_) throw Error(Errc::argument, "this caption file was opened for reading", {.file = path_.string()});
    CaptionEntry entry{.key = picture.key, .captions = std::move(captions), .content = picture.content};
    require_readable(entry);
    journal_->append("{" + detail::caption_member(entry, path_.string()) + "}\n");
    put(std::move(entry));
    changed_ = true;
  }

  /// Writes all into the file, whole or not at all, and takes the journal away.
  void finish() {
    if (!journal_) return;
    if (changed_) write_captions(path_, entries_);
    journal_->remove();
    journal_.reset();
  }

  std::vector<CaptionEntry> const& entries() const { return entries_; }
  std::filesystem::path const& path() const { return path_; }
  std::filesystem::path const& journal() const { return journal_path_; }

  /// Whether the picture has an entry of its own name; else it may still have one of the same content.
  bool has_name(PictureFile const& picture) const { return named(picture) != nullptr; }

 private:
  static bool fits(CaptionEntry const& entry, PictureFile const& picture) { return entry.content.empty() || entry.content == picture.content; }

  CaptionEntry const* named(PictureFile const& picture) const {
    if (auto const at = by_key_.find(detail::normalised_name(picture.key)); at != by_key_.end()) return fits(entries_[at->second], picture) ? &entries_[at->second] : nullptr;
    CaptionEntry const* const found = file_ ? file_->find_entry(picture.path) : nullptr;
    return found != nullptr && fits(*found, picture) ? found : nullptr;
  }
  CaptionEntry const* find(PictureFile const& picture) const {
    if (CaptionEntry const* const entry = named(picture)) return entry;
    auto const at = by_content_.find(picture.content);
    return at != by_content_.end() && entries_[at->second].content == picture.content ? &entries_[at->second] : nullptr;
  }
  /// Whatever the reader of caption files refuses must not get into the journal.
  void require_readable(CaptionEntry const& entry) const {
    auto const refuse = [&](std::string const& message) { throw Error(Errc::argument, message, {.file = path_.string(), .key = entry.key}); };
    if (auto const fault = detail::fault_of_name(entry.key, limits_.max_name); !fault.empty()) refuse("a picture cannot stand in a caption file, for it has " + std::string(fault));
    for (std::string const& caption : entry.captions)
      if (caption.size() > limits_.max_text || detail::has_controls(caption)) refuse("a caption to be stored is too long or holds control characters");
    if (entry.captions.size() > limits_.max_captions) refuse("a picture has more captions than allowed");
  }
  void put(CaptionEntry entry) {
    auto const [at, added] = by_key_.emplace(detail::normalised_name(entry.key), entries_.size());
    if (!entry.content.empty()) by_content_[entry.content] = at->second;
    if (added)
      entries_.push_back(std::move(entry));
    else
      entries_[at->second] = std::move(entry);
  }
  void read_journal() {
    auto const file = journal_path_.string();
    auto const bytes = read_file(journal_path_, limits_.max_file_bytes);
    std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    std::size_t at = 0;
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', at)) {
      std::vector<CaptionEntry> line;
      detail::CaptionSax sax(limits_, file, line);
      detail::parse_json(text.substr(at, end - at), at, file, sax);
      for (CaptionEntry& entry : line) put(std::move(entry));
      at = end + 1;
    }
    // What follows the last line end was being written when the program was killed: it is asked for again.
    changed_ = at > 0;
    if (journal_ && at < text.size()) journal_->truncate(at);
  }

  std::filesystem::path path_, journal_path_;
  CaptionLimits limits_;
  std::optional<CaptionFile> file_{};
  std::vector<CaptionEntry> entries_{};
  std::unordered_map<std::string, std::size_t> by_key_{}, by_content_{};
  std::optional<AppendFile> journal_{};
  bool changed_ = false;  // against the file
};

static_assert(Captioner<CaptionCache>);

}  // namespace tadp
