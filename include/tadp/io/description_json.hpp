// SPDX-License-Identifier: Apache-2.0
// The JSON behind a model's description: configurations field by field, and a reader that names what is wrong.
// Values come from files of unknown origin: every number has bounds, every kind is checked.
#pragma once

#include "tadp/core/config.hpp"
#include "tadp/core/error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tadp::description_detail {

using nlohmann::json;

/// One object or array of the metadata with the path that leads to it.
class Reader {
 public:
  static constexpr std::size_t max_text = 1'000'000;
  static constexpr int max_depth = 8;

  /// The JSON text of a metadata key.
  static Reader open(std::map<std::string, std::string> const& metadata, char const* key, std::string const& file) {
    auto const at = metadata.find(key);
    if (at == metadata.end()) throw Error(Errc::format, "the model's description lacks an entry", {.file = file, .key = key});
    if (at->second.size() > max_text) throw Error(Errc::limit, "an entry of the model's description is too long", {.file = file, .key = key});
    try {
      // Deep nesting would exhaust the stack where values are copied and printed.
      auto const shallow = [&](int depth, json::parse_event_t, json&) {
        if (depth <= max_depth) return true;
        throw Error(Errc::format, "an entry of the model's description nests too deep", {.file = file, .key = key, .expected = std::to_string(max_depth)});
      };
      return Reader(json::parse(at->second, shallow), key, file);
    } catch (json::exception const&) {
      throw Error(Errc::format, "an entry of the model's description is no JSON", {.file = file, .key = key, .found = at->second.substr(0, 60)});
    }
  }

  Reader child(char const* name) const { return Reader(member(name), path_ + "." + name, file_); }

  /// Visits the elements of an array.
  template <class Visit>
  void each(Visit const& visit) const {
    if (!value_.is_array()) fail("an array", value_);
    for (auto const& one : value_) visit(Reader(one, path_, file_));
  }
  /// Error(limit) where an array has more elements.
  void require_at_most(std::size_t most, char const* what) const {
    if (value_.is_array() && value_.size() > most)
      throw Error(Errc::limit, std::string("the model's description has too many ") + what,
                  {.file = file_, .key = path_, .expected = "at most " + std::to_string(most), .found = std::to_string(value_.size())});
  }
  bool has(char const* name) const { return value_.is_object() && value_.contains(name); }
  void read(char const* name, std::string& out) const { out = text(member(name)); }
  void read(char const* name, std::string& out, std::initializer_list<std::string_view> allowed) const {
    read(name, out);
    if (std::find(allowed.begin(), allowed.end(), out) != allowed.end()) return;
    std::string expected;
    for (auto const one : allowed) expected.append(expected.empty() ? "" : " or ").append(one);
    throw Error(Errc::format, "the model's description is damaged", {.file = file_, .key = path_ + "." + name, .expected = expected, .found = out});
  }
  void read(char const* name, std::vector<std::string>& out) const { child(name).read(out); }
  /// A number within bounds.
  template <class Number>
    requires std::is_arithmetic_v<Number>
  void read(char const* name, Number& out, double low, double high) const {
    out = number<Number>(member(name), low, high);
  }
  /// Exactly as many numbers as the array holds.
  template <class Number, std::size_t Count>
  void read(char const* name, std::array<Number, Count>& out, double low, double high) const {
    json const& list = member(name);
    if (!list.is_array() || list.size() != Count) fail(std::to_string(Count) + " numbers", list);
    for (std::size_t i = 0; i < Count; ++i) out[i] = number<Number>(list[i], low, high);
  }
  void read(std::vector<std::string>& out) const {
    out.clear();
    each([&](Reader const& one) { out.push_back(one.text(one.value_)); });
  }
  void read(std::map<std::string, std::string>& out) const {
    if (!value_.is_object()) fail("an object", value_);
    for (auto const& [key, value] : value_.items()) out[key] = text(value);
  }

 private:
  Reader(json value, std::string path, std::string file) : value_(std::move(value)), path_(std::move(path)), file_(std::move(file)) {}

  [[noreturn]] void fail(std::string expected, json const& found) const {
    throw Error(Errc::format, "the model's description is damaged",
                {.file = file_, .key = path_, .expected = std::move(expected), .found = found.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60)});
  }
  json const& member(char const* name) const {
    if (!value_.is_object()) fail("an object", value_);
    auto const at = value_.find(name);
    if (at == value_.end()) fail(std::string("a member ") + name, value_);
    return *at;
  }
  std::string text(json const& value) const {
    if (!value.is_string()) fail("a text", value);
    return value.get<std::string>();
  }
  template <class Number>
  Number number(json const& value, double low, double high) const {
    if constexpr (std::is_same_v<Number, bool>) {
      if (!value.is_boolean()) fail("true or false", value);
      return value.get<bool>();
    } else {
      bool const right_kind = std::is_integral_v<Number> ? value.is_number_integer() : value.is_number();
      auto const found = right_kind ? value.get<double>() : low - 1;
      if (!(found >= low && found <= high)) {
        auto const bounds = [](double bound) { return json(bound).dump(); };
        fail((std::is_integral_v<Number> ? "a whole number from " : "a number from ") + bounds(low) + " to " + bounds(high), value);
      }
      return static_cast<Number>(found);
    }
  }

  json value_;
  std::string path_, file_;
};

/// Calls use(name, field) for every number of a configuration.
template <class Config, class Use>
  requires std::is_same_v<std::remove_const_t<Config>, UNetConfig>
void for_fields(Config& c, Use const& use) {
  use("in_channels", c.in_channels), use("out_channels", c.out_channels), use("model_channels", c.model_channels);
  use("channel_mult", c.channel_mult), use("num_res_blocks", c.num_res_blocks), use("attention", c.attention);
  use("num_heads", c.num_heads), use("context_dim", c.context_dim), use("norm_groups", c.norm_groups);
}
template <class Config, class Use>
  requires std::is_same_v<std::remove_const_t<Config>, VaeConfig>
void for_fields(Config& c, Use const& use) {
  use("in_channels", c.in_channels), use("base_channels", c.base_channels), use("channel_mult", c.channel_mult), use("levels", c.levels);
  use("num_res_blocks", c.num_res_blocks), use("z_channels", c.z_channels), use("norm_groups", c.norm_groups), use("mid_attention", c.mid_attention);
  use("latent_scale", c.latent_scale);
}
template <class Config, class Use>
  requires std::is_same_v<std::remove_const_t<Config>, TextEncoderConfig>
void for_fields(Config& c, Use const& use) {
  use("vocabulary", c.vocabulary), use("width", c.width), use("layers", c.layers), use("heads", c.heads), use("mlp", c.mlp);
  use("length", c.length), use("begin_token", c.begin_token), use("end_token", c.end_token);
}

inline char const* name_of(UNetConfig const& c) { return c == sd15_unet ? "sd15" : c == tiny_unet ? "tiny" : c == street_unet ? "street" : "custom"; }
inline char const* name_of(VaeConfig const& c) { return c == sd15_vae ? "sd15" : c == tiny_vae ? "tiny" : c == street_vae ? "street" : "custom"; }
inline char const* name_of(TextEncoderConfig const& c) {
  return c == clip_vit_l14 ? "clip_vit_l14" : c == tiny_text ? "tiny" : c == street_text ? "street" : "custom";
}

template <class Config>
json to_json(Config const& config) {
  json out = {{"name", name_of(config)}};
  for_fields(config, [&](char const* name, auto const& value) { out[name] = value; });
  return out;
}
template <class Config>
void from_json(Reader const& reader, Config& config) {
  for_fields(config, [&](char const* name, auto& value) {
    bool const since_1_1 = std::string_view(name) == "mid_attention";
    if (!since_1_1 || reader.has(name)) reader.read(name, value, 0, 1e7);
  });
}

/// Error(argument) where a text is not UTF-8.
inline std::string dump(std::string const& key, json const& value) try {
  return value.dump();
} catch (json::exception const&) {
  throw Error(Errc::argument, "a text of the model's description is not UTF-8", {.key = key});
}

/// "major.minor": refuses what cannot be read, and newer major versions.
inline void require_version(std::map<std::string, std::string> const& metadata, std::string const& file, int newest) {
  auto const at = metadata.find("tadp.version");
  if (at == metadata.end())
    throw Error(Errc::format, "the file does not describe a model of this library", {.file = file, .key = "tadp.version", .expected = "a version", .found = "none"});
  std::string const& text = at->second;
  int major = 0, minor = 0;
  auto const end = text.data() + text.size();
  auto const dot = std::from_chars(text.data(), end, major);
  bool good = dot.ec == std::errc{} && dot.ptr != end && *dot.ptr == '.' && major >= 1;
  if (good) {
    auto const rest = std::from_chars(dot.ptr + 1, end, minor);
    good = rest.ec == std::errc{} && rest.ptr == end && minor >= 0;
  }
  if (!good)
    throw Error(Errc::format, "the version of the model's description is unreadable", {.file = file, .key = "tadp.version", .expected = "major.minor", .found = text.substr(0, 60)});
  if (major > newest)
    throw Error(Errc::unsupported, "the model file was written by a newer version of this library",
                {.file = file, .key = "tadp.version", .expected = "at most " + std::to_string(newest) + ".x", .found = text});
}

inline std::string joined(std::vector<std::string> const& names) {
  std::string all;
  for (auto const& name : names) all += (all.empty() ? "" : " + ") + name;
  return all.empty() ? "none" : all;
}

/// The parts of the prompt decide the channels of the head: the same set, but for those that have no tokens.
inline void require_parts(std::vector<std::string> described, std::vector<std::string> program, std::string const& file) {
  auto const expected = joined(program), found = joined(described);
  for (auto* parts : {&described, &program}) {
    for (char const* const part : {"modifier", "learned_token", "personalised"}) std::erase(*parts, part);
    std::sort(parts->begin(), parts->end());
  }
  if (described != program)
    throw Error(Errc::shape, "the model file was made for another prompt policy than this program", {.file = file, .key = "prompt", .expected = expected, .found = found});
}

}  // namespace tadp::description_detail
