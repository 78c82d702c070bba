// SPDX-License-Identifier: Apache-2.0
// The JSON of a caption file, streamed: {"picture": {"captions": ["...", ...], "class_label": 3}, ...}.
// Takes text from strangers: whatever does not belong to its place is refused there, and nothing recurses.
#pragma once

#include "tadp/io/safetensors_json.hpp"

#include <optional>
#include <unordered_map>

namespace tadp {

/// What a caption file may ask of us; larger is refused with Error(limit).
struct CaptionLimits {
  std::uint64_t max_file_bytes = std::uint64_t{64} << 20;
  std::size_t max_entries = 2'000'000;
  std::size_t max_captions = 1'024;   ///< of one picture
  std::size_t max_text = 16'384;      ///< bytes of a caption
  std::size_t max_name = 4'096;       ///< bytes of a picture's name
  std::size_t max_json_depth = 16;    ///< of members that are not ours
};

/// One picture of a caption file.
struct CaptionEntry {
  std::string key{};                    ///< the picture, as the file names it
  std::vector<std::string> captions{};  ///< at least one
  std::optional<std::int64_t> class_label{};
  std::string content{};  ///< fingerprint of the picture's file, the member "tadp.content"; empty: not known
};

namespace detail {

/// The form in which names of pictures are compared: "a\b.png", "/a/b.png" and "./a/b.png" are "a/b.png".
inline std::string normalised_name(std::string name) {
  for (char& c : name)
    if (c == '\\') c = '/';
  while (name.starts_with("./") || name.starts_with('/')) name.erase(0, name.starts_with('/') ? 1 : 2);
  return name;
}

/// Whether a caption holds control characters other than blanks, which terminals would obey.
inline bool has_controls(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const byte = static_cast<unsigned char>(text[i]);
    auto const next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    bool const blank = byte == '\t' || byte == '\n' || byte == '\r';
    bool const c1 = byte == 0xc2 && next >= 0x80 && next <= 0x9f;
    if ((byte < 0x20 && !blank) || byte == 0x7f || c1) return true;
  }
  return false;
}

/// Reads a caption file as a machine with one state for each place. Members other than ours are passed over.
class CaptionSax final : public JsonSax {
 public:
  CaptionSax(CaptionLimits const& limits, std::string const& file, std::vector<CaptionEntry>& out)
      : JsonSax(file, 0), limits_(limits), out_(out) {}

  bool start_object(std::size_t) override {
    if (place_ == Place::foreign) return deeper();
    if (place_ == Place::document) return go(Place::top);
    if (place_ == Place::entry) return go(Place::member);
    return scalar("an object");
  }
  bool end_object() override {
    if (place_ == Place::foreign) return shallower();
    if (place_ == Place::top) return go(Place::document);
    if (entry_.captions.empty()) refuse(Errc::format, "a picture has no captions", "\"captions\": [\"...\"]", "nothing");
    out_.push_back(std::move(entry_));
    return go(Place::top);
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::foreign) return deeper();
    if (place_ == Place::captions) return go(Place::caption);
    return scalar("an array");
  }
  bool end_array() override {
    if (place_ == Place::foreign) return shallower();
    if (entry_.captions.empty()) refuse(Errc::format, "a picture has an empty list of captions", "at least one", "none");
    return go(Place::member);
  }
  bool key(string_t& name) override {
    if (place_ == Place::foreign) return true;
    if (place_ == Place::top) return start_entry(name);
    if (name == "captions") {
      if (!entry_.captions.empty()) refuse(Errc::key, "a picture has two lists of captions", "", "");
      return go(Place::captions);
    }
    return go(name == "class_label" ? Place::class_label : name == "tadp.content" ? Place::content : Place::foreign);
  }
  bool number_integer(number_integer_t value) override {
    if (place_ != Place::class_label) return scalar(std::to_string(value));
    entry_.class_label = value;
    return go(Place::member);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) return scalar(std::to_string(value));
    return number_integer(static_cast<number_integer_t>(value));
  }
  bool string(string_t& text) override {
    if (place_ == Place::content) {
      if (text.size() <= 64) entry_.content = std::move(text);
      return go(Place::member);
    }
    if (place_ != Place::caption) return JsonSax::string(text);
    if (text.size() > limits_.max_text)
      refuse(Errc::limit, "a caption is longer than allowed", "at most " + std::to_string(limits_.max_text) + " bytes", std::to_string(text.size()) + " bytes");
    if (has_controls(text)) refuse(Errc::format, "a caption holds control characters", "", printable(text));
    if (entry_.captions.size() >= limits_.max_captions)
      refuse(Errc::limit, "a picture has more captions than allowed", "at most " + std::to_string(limits_.max_captions), "more");
    entry_.captions.push_back(std::move(text));
    return true;
  }

 private:
  enum class Place : std::uint8_t { document, top, entry, member, captions, caption, class_label, content, foreign };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool deeper() {
    if (++depth_ > limits_.max_json_depth)
      refuse(Errc::limit, "the JSON text is nested too deep", "at most " + std::to_string(limits_.max_json_depth), "more");
    return true;
  }
  bool shallower() { return --depth_ > 0 ? true : go(Place::member); }
  bool scalar(std::string found) override {
    if (place_ == Place::foreign) return depth_ > 0 ? true : go(Place::member);
    constexpr char const* expected[] = {"an object of pictures", "a picture", "an object with captions", "a member", "a list of captions", "a caption in quotes", "a whole number", "a fingerprint in quotes", ""};
    refuse(Errc::format, "this is not a caption file", expected[static_cast<std::size_t>(place_)], std::move(found));
  }
  [[noreturn]] void refuse(Errc code, std::string message, std::string expected, std::string found) const {
    throw Error(code, std::move(message), {.file = file_, .key = printable(key_), .expected = std::move(expected), .found = std::move(found)});
  }
  bool start_entry(string_t& name) {
    key_ = name;
    if (auto const fault = fault_of_name(name, limits_.max_name); !fault.empty()) refuse(Errc::format, "a picture of a caption file has " + std::string(fault), "", "");
    if (out_.size() >= limits_.max_entries) refuse(Errc::limit, "there are more pictures than allowed", "at most " + std::to_string(limits_.max_entries), "more");
    auto const [at, fresh] = seen_.emplace(normalised_name(name), out_.size());
    if (!fresh) refuse(Errc::key, "a caption file names a picture twice", "", printable(out_[at->second].key));
    entry_ = CaptionEntry{.key = std::move(name)};
    return go(Place::entry);
  }

  CaptionLimits const& limits_;
  std::vector<CaptionEntry>& out_;
  std::unordered_map<std::string, std::size_t> seen_{};
  CaptionEntry entry_{};
  Place place_ = Place::document;
  std::size_t depth_ = 0;
};

}  // namespace detail

}  // namespace tadp
