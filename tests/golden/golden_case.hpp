// SPDX-License-Identifier: Apache-2.0
// One case of the numeric reference: NAME.json beside NAME.safetensors in the folder of goldens, which is not part of
// the repository: TADP_GOLDENS, else "goldens" in TADP_SHARED, else beside the checkout.
#pragma once

#include "tadp/core/shape.hpp"
#include "tadp/io/safetensors.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace golden {

using tadp::index_t;

inline std::filesystem::path folder() {
  if (char const* const own = std::getenv("TADP_GOLDENS")) return own;
  char const* const shared = std::getenv("TADP_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : TADP_SHARED_DIR) / "goldens";
}

class Case {
 public:
  /// Nothing, and a message, where the folder has no such case.
  static std::optional<Case> open(std::string const& name) {
    auto const base = folder() / name;
    if (!std::filesystem::exists(base.string() + ".json")) {
      MESSAGE("skipped: no " << base.string() << ".json");
      return std::nullopt;
    }
    return Case(base.string());
  }

  nlohmann::json const& manifest() const { return manifest_; }
  nlohmann::json const& table(std::string const& name) const { return manifest_.at("tables").at(name); }
  bool has(std::string const& name) const { return manifest_.at("tensors").contains(name); }
  std::vector<index_t> shape(std::string const& name) const { return manifest_.at("tensors").at(name).at("shape"); }
  double absmax(std::string const& name) const { return manifest_.at("tensors").at(name).at("absmax"); }

  std::vector<float> floats(std::string const& name) const {
    auto const& entry = *file_.find(name);
    std::vector<float> values(entry.size_bytes() / sizeof(float));
    file_.read_f32(entry, values.data());
    return values;
  }
  std::vector<std::int32_t> integers(std::string const& name) const {
    auto const bytes = file_.data(*file_.find(name));
    std::vector<std::int32_t> values(bytes.size() / sizeof(std::int32_t));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  /// The reference's shape as ours: (N, C, H, W) is turned, shorter ones are rows of tokens.
  tadp::FeatureShape features(std::string const& name) const {
    auto const s = shape(name);
    switch (s.size()) {
      case 4: return {s[0], s[2], s[3], s[1]};
      case 3: return {s[0], 1, s[1], s[2]};
      case 2: return {s[0], 1, 1, s[1]};
      default: return {1, 1, 1, s.empty() ? 1 : s[0]};
    }
  }
  /// The values in our order, channels last.
  std::vector<float> channels_last(std::string const& name) const {
    auto const plain = floats(name);
    auto const s = features(name);
    if (shape(name).size() != 4) return plain;
    std::vector<float> turned(plain.size());
    for (index_t n = 0; n < s.n(); ++n)
      for (index_t c = 0; c < s.c(); ++c)
        for (index_t p = 0; p < s.positions(); ++p)
          turned[static_cast<std::size_t>((n * s.positions() + p) * s.c() + c)] = plain[static_cast<std::size_t>((n * s.c() + c) * s.positions() + p)];
    return turned;
  }
  /// max|a - b| / absmax, the reference's measure; `actual` in the order of channels_last, or as stored.
  double error(std::string const& name, std::vector<float> const& actual, bool turned = true) const {
    auto const expected = turned ? channels_last(name) : floats(name);
    if (actual.size() != expected.size()) return HUGE_VAL;
    double worst = 0.0;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      double const off = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
      if (!(off <= worst)) worst = off;  // NaN stays
    }
    return worst / std::max(absmax(name), 1e-30);
  }

 private:
  explicit Case(std::string const& base) : manifest_(nlohmann::json::parse(std::ifstream(base + ".json"))), file_(base + ".safetensors") {}

  nlohmann::json manifest_;
  tadp::SafetensorsFile file_;
};

}  // namespace golden
