// SPDX-License-Identifier: Apache-2.0
// The JSON of a safetensors header, streamed: the grammar is checked while it is read and no tree is built.
// Takes text from strangers, so whatever is not expected at a place is refused at that place.
#pragma once

#include "tadp/core/dtype.hpp"
#include "tadp/core/error.hpp"
#include "tadp/io/tensor_entry.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tadp {

/// A checked header.
struct SafetensorsHeader {
  std::vector<TensorEntry> entries{};    ///< in order of their bytes
  std::vector<std::uint32_t> by_name{};  ///< indices of `entries`, in order of names
  std::map<std::string, std::string> metadata{};
  std::uint64_t data_begin = 0;  ///< offset in the file of the first tensor byte
};

namespace detail {

inline constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// Streams JSON text to `sax` after refusing what the parser would let pass: a byte order mark, and zero bytes,
/// which it takes for the end. `text_begin` is the offset of the text in the file.
template <class Sax>
void parse_json(std::string_view text, std::uint64_t text_begin, std::string const& file, Sax& sax) {
  if (text.starts_with(byte_order_mark))
    throw Error(Errc::format, "the JSON text begins with a byte order mark", {.file = file, .offset = text_begin});
  if (auto const nul = text.find('\0'); nul != std::string_view::npos)
    throw Error(Errc::format, "the JSON text holds a zero byte", {.file = file, .offset = text_begin + nul});
  nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &sax);
}

/// What the two JSON readers share: syntax errors, and scalars that are errors unless a reader says otherwise.
class JsonSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonSax(std::string const& file, std::uint64_t text_begin) : file_(file), text_begin_(text_begin) {}

  bool null() override { return scalar("null"); }
  bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return scalar(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(std::to_string(value)); }
  bool number_float(number_float_t, string_t const& text) override { return scalar(printable(text)); }
  bool string(string_t& value) override { return scalar("\"" + printable(value) + "\""); }
  bool binary(binary_t&) override { return scalar("binary"); }
  bool parse_error(std::size_t position, std::string const&, nlohmann::json::exception const& error) override {
    throw Error(Errc::format, "the JSON text is damaged",
                {.file = file_,
                 .key = printable(key_),
                 .found = printable(error.what(), 300),
                 .offset = text_begin_ + (position > 0 ? position - 1 : 0)});
  }

 protected:
  virtual bool scalar(std::string found) = 0;

  std::string const& file_;
  std::uint64_t text_begin_;
  std::string key_{};  ///< what is being read, for messages
};

/// Reads the header's JSON as a machine with one state for each place of its fixed grammar. Whatever does not belong
/// to the place is refused there and then: nesting costs nothing, and no tree of unknown things is built.
class HeaderSax final : public JsonSax {
 public:
  HeaderSax(SafetensorsLimits const& limits, std::string const& file, SafetensorsHeader& out)
      : JsonSax(file, 8), limits_(limits), out_(out) {}

  bool start_object(std::size_t) override {
    if (place_ == Place::document) return go(Place::top);
    if (place_ == Place::metadata) return go(Place::metadata_member);
    if (place_ == Place::tensor) return go(Place::tensor_member);
    return scalar("an object");
  }
  bool end_object() override {
    if (place_ == Place::tensor_member) finish_tensor();
    return go(place_ == Place::top ? Place::document : Place::top);
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::shape) return go(Place::shape_item);
    if (place_ == Place::offsets) return go(Place::offsets_item);
    return scalar("an array");
  }
  bool end_array() override {
    if (place_ == Place::offsets_item && offsets_ != 2) refuse_offsets(std::to_string(offsets_));
    return go(Place::tensor_member);
  }
  bool key(string_t& name) override {
    if (place_ == Place::top) return start_member(name);
    if (place_ == Place::metadata_member) return start_metadata(name);
    return start_field(name);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return scalar(std::to_string(value));
    if (place_ == Place::shape_item) return add_dim(value);
    if (place_ == Place::offsets_item) return add_offset(value);
    return scalar(std::to_string(value));
  }
  bool string(string_t& text) override {
    if (place_ == Place::metadata_value) {
      out_.metadata[metadata_key_] = std::move(text);
      return go(Place::metadata_member);
    }
    if (place_ != Place::dtype) return JsonSax::string(text);
    auto const dtype = dtype_from_name(text);
    if (!dtype) return JsonSax::string(text);
    entry_.dtype = *dtype;
    return go(Place::tensor_member);
  }

 private:
  enum class Place : std::uint8_t {
    document,
    top,
    metadata,
    metadata_member,
    metadata_value,
    tensor,
    tensor_member,
    dtype,
    shape,
    shape_item,
    offsets,
    offsets_item,
  };
  /// Indexed by Place: what may stand there.
  static constexpr std::array<std::string_view, 12> wanted = {
      "an object",
      "a member",
      "an object of strings",
      "a member",
      "a string",
      "an object with dtype, shape and data_offsets",
      "a member",
      "a dtype such as \"F32\"",
      "an array of dimensions",
      "an integer from 0 to 2^63 - 1",
      "an array of two offsets",
      "an integer from 0 to 2^63 - 1",
  };
  /// The members of a tensor, in the order of their bits in seen_.
  static constexpr std::array<std::pair<std::string_view, Place>, 3> fields = {
      {{"dtype", Place::dtype}, {"shape", Place::shape}, {"data_offsets", Place::offsets}}};

  bool go(Place place) {
    place_ = place;
    return true;
  }
  [[noreturn]] void refuse(Errc code, std::string_view message, std::string expected, std::string found) const {
    throw Error(code, std::string(message),
                {.file = file_, .key = printable(key_), .expected = std::move(expected), .found = std::move(found)});
  }
  bool scalar(std::string found) override {
    refuse(Errc::format, "the header holds a value of the wrong kind",
           std::string(wanted[static_cast<std::size_t>(place_)]), std::move(found));
  }
  [[noreturn]] void refuse_offsets(std::string found) const {
    refuse(Errc::format, "data_offsets must have two numbers", "2", std::move(found));
  }
  void require_room(std::string_view what, std::size_t count, std::size_t most) const {
    if (count >= most)
      refuse(Errc::limit, "the header lists too many " + std::string(what), "at most " + std::to_string(most), "more");
  }

  bool start_member(string_t& name) {
    key_ = name;
    if (name == "__metadata__") {
      if (std::exchange(seen_metadata_, true)) refuse(Errc::key, "__metadata__ is given twice", "", "");
      return go(Place::metadata);
    }
    require_name(name, limits_, file_);
    require_room("tensors", out_.entries.size(), limits_.max_tensors);
    entry_ = TensorEntry{.name = std::move(name)};
    seen_ = 0;
    offsets_ = 0;
    return go(Place::tensor);
  }
  bool start_metadata(string_t& name) {
    key_ = "__metadata__." + printable(name);
    require_room("metadata", out_.metadata.size(), limits_.max_metadata);
    if (out_.metadata.contains(name)) refuse(Errc::key, "a metadata key is given twice", "", "");
    metadata_key_ = std::move(name);
    return go(Place::metadata_value);
  }
  bool start_field(string_t const& name) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (name != fields[i].first) continue;
      if ((seen_ & 1u << i) != 0) refuse(Errc::key, "a tensor has the same member twice", "", name);
      seen_ |= 1u << i;
      return go(fields[i].second);
    }
    refuse(Errc::key, "a tensor has an unknown member", "dtype, shape, data_offsets", printable(name));
  }
  void finish_tensor() {
    for (std::size_t i = 0; i < fields.size(); ++i)
      if ((seen_ & 1u << i) == 0) refuse(Errc::key, "a tensor lacks a member", std::string(fields[i].first), "nothing");
    out_.entries.push_back(std::move(entry_));
  }
  bool add_dim(std::uint64_t value) {
    if (entry_.shape.size() >= limits_.max_dims)
      refuse(Errc::limit, "a tensor has too many dimensions", "at most " + std::to_string(limits_.max_dims), "more");
    entry_.shape.push_back(value);
    return true;
  }
  bool add_offset(std::uint64_t value) {
    if (offsets_ == 2) refuse_offsets("more");
    (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    return true;
  }

  SafetensorsLimits const& limits_;
  SafetensorsHeader& out_;
  TensorEntry entry_{};
  std::string metadata_key_{};
  Place place_ = Place::document;
  unsigned seen_ = 0;  ///< bit i: fields[i] of entry_ was given
  int offsets_ = 0;
  bool seen_metadata_ = false;
};

}  // namespace detail

}  // namespace tadp
