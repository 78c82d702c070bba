// SPDX-License-Identifier: Apache-2.0
// config.json beside the weights of diffusers and transformers, held against the networks that a model is taken for: heads,
// epsilons, groups and activations, which shapes do not tell. The tables are in io/layouts/config_keys.hpp.
#pragma once

#include "tadp/io/file.hpp"
#include "tadp/io/layouts/config_keys.hpp"
#include "tadp/io/model_source.hpp"

#include <cmath>

namespace tadp {

/// The networks of a model; nothing where it has no such part, or one of unknown shapes.
struct ModelConfigs {
  std::optional<UNetConfig> unet{};
  std::optional<VaeConfig> vae{};
  std::optional<TextEncoderConfig> text{};
};

/// A key of a config.json by which the weights beside it are of another network than this library would compute.
struct ConfigDeparture {
  std::filesystem::path file{};
  std::string key{}, expected{}, found{};
};

namespace config_files_detail {

using nlohmann::json;
namespace fs = std::filesystem;

inline std::string text_of(json const& value) { return printable(value.dump(-1, ' ', true, json::error_handler_t::replace), 120); }

/// An object of JSON. Error(format, limit) where it is none, damaged, too long or nests too deep.
inline json read_config(fs::path const& path) {
  constexpr std::uint64_t max_bytes = 1'000'000;
  constexpr int max_depth = 16;
  auto const file = path.string();
  auto const bytes = read_file(path, max_bytes);
  std::string_view text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  if (text.starts_with(detail::byte_order_mark)) text.remove_prefix(detail::byte_order_mark.size());
  // Deep nesting would exhaust the stack where values are printed.
  auto const shallow = [&](int depth, json::parse_event_t, json&) {
    if (depth <= max_depth) return true;
    throw Error(Errc::format, "a configuration nests too deep", {.file = file, .expected = "at most " + std::to_string(max_depth) + " levels", .found = "more"});
  };
  try {
    auto value = json::parse(text, shallow);
    if (!value.is_object()) throw Error(Errc::format, "this is no configuration of a network", {.file = file, .expected = "an object of JSON", .found = text_of(value)});
    return value;
  } catch (json::exception const& error) {
    throw Error(Errc::format, "a configuration is no JSON", {.file = file, .expected = "an object of JSON", .found = printable(error.what(), 200)});
  }
}

/// Both towers of CLIP have their own objects in one file; an older key beside the newer has the last word.
inline json text_tower(json const& config, std::string const& file) {
  json tower = config;
  for (char const* const name : {"text_config", "text_config_dict"}) {
    auto const at = config.find(name);
    if (at == config.end() || at->is_null()) continue;
    if (!at->is_object()) throw Error(Errc::format, "this is no configuration of a network", {.file = file, .key = name, .expected = "an object of JSON", .found = text_of(*at)});
    tower.update(*at);
  }
  return tower;
}

inline bool same(json const& a, json const& b) {
  if (!a.is_number() || !b.is_number()) return a == b;
  double const x = a.get<double>(), y = b.get<double>();
  return std::abs(x - y) <= 1e-6 * std::max(std::abs(x), std::abs(y));
}
inline bool is_allowed(ConfigKey const& key, json const& value) {
  auto const fits = [&](json const& one) { return std::any_of(key.allowed.begin(), key.allowed.end(), [&](json const& allowed) { return same(allowed, one); }); };
  return fits(value) || (value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), fits));
}

template <class Config>
void compare(json const& config, std::optional<Config> const& network, fs::path const& file, std::vector<ConfigDeparture>& out) {
  if (!network) return;
  for (ConfigKey const& key : config_keys(*network)) {
    auto const at = config.find(key.name);
    if (at != config.end() && !is_allowed(key, *at)) out.push_back({file, std::string(key.name), text_of(key.allowed.front()), text_of(*at)});
  }
}

}  // namespace config_files_detail

/// Every key of the files beside the weights that contradicts the networks; files and keys that are not there contradict
/// nothing. Error(io, format, limit) where a file cannot be read.
inline std::vector<ConfigDeparture> config_departures(ModelSource const& model, ModelConfigs const& networks) {
  using namespace config_files_detail;
  std::vector<ConfigDeparture> found;
  fs::path last;
  for (std::size_t i = 0; i < model.files().size(); ++i) {
    std::string_view const layout = model.layouts()[i] ? model.layouts()[i].layout->name : std::string_view();
    bool const unet = layout == "diffusers-unet", vae = layout == "diffusers-vae", text = layout == "clip";
    auto const path = model.files()[i].path().parent_path() / "config.json";
    if ((!unet && !vae && !text) || path == last || !model_files_detail::is_file(path)) continue;
    last = path;  // shards of one part follow one another
    auto const config = read_config(path);
    if (unet) compare(config, networks.unet, path, found);
    if (vae) compare(config, networks.vae, path, found);
    if (text) compare(text_tower(config, path.string()), networks.text, path, found);
  }
  return found;
}

/// Error(unsupported) with the first of them.
inline void require_own_configs(ModelSource const& model, ModelConfigs const& networks) {
  auto const departures = config_departures(model, networks);
  if (departures.empty()) return;
  ConfigDeparture const& first = departures.front();
  std::string const more = departures.size() == 1 ? "" : " (and " + std::to_string(departures.size() - 1) + " more such keys)";
  throw Error(Errc::unsupported, "the weights are of another network than this library computes, though of the same shapes" + more,
              {.file = first.file.string(), .key = first.key, .expected = first.expected, .found = first.found});
}

}  // namespace tadp
