// SPDX-License-Identifier: Apache-2.0
// Weights and inputs from a rule instead of a file: SplitMix64 keyed by the tensor's name, as the numeric reference has it.
// Goldens are made with these weights, so that any program can make them again.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/exec/parameters.hpp"

#include <cmath>
#include <span>
#include <string_view>

namespace tadp {

namespace hash_detail {
constexpr std::uint64_t fnv1a(std::string_view key) {
  std::uint64_t h = 0xCBF29CE484222325U;
  for (char c : key) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return h;
}
inline double gain(std::string_view key) {
  struct Ending {
    double gain;
    std::string_view text;
  };
  static constexpr Ending endings[] = {
      {1.5, ".to_q.weight"},    {1.5, ".to_k.weight"},   {1.5, ".q_proj.weight"},       {1.5, ".k_proj.weight"},
      {1.5, ".attn_1.q.weight"}, {1.5, ".attn_1.k.weight"}, {0.5, ".out_layers.3.weight"}, {0.5, ".proj_out.weight"},
      {0.5, ".to_out.0.weight"}, {0.5, ".ff.net.2.weight"}, {0.5, ".conv2.weight"},        {0.5, ".out_proj.weight"},
      {0.5, ".mlp.fc2.weight"},  {0.5, "embedding.weight"}};
  for (Ending const& e : endings)
    if (key.ends_with(e.text)) return e.gain;
  return 1.0;
}
}  // namespace hash_detail

/// The uniform numbers of a key: unit(i) in [-0.5, 0.5), exact in float.
class HashStream {
 public:
  HashStream(std::string_view key, std::uint64_t global_seed) : seed_(hash_detail::fnv1a(key) ^ (global_seed * golden_gamma)) {}
  double unit(index_t i) const { return static_cast<double>(random_bits(seed_, static_cast<std::uint64_t>(i)) >> 40) / 16777216.0 - 0.5; }
  float uniform(index_t i, double low, double high) const { return static_cast<float>(low + (high - low) * (unit(i) + 0.5)); }

 private:
  std::uint64_t seed_;
};

/// Integers 0 .. count - 1 with a share of 255, as the reference's labels.
inline std::vector<std::uint8_t> hash_labels(std::string_view key, index_t n, int count, std::uint64_t seed, double ignored) {
  HashStream const value(key, seed), ignore(std::string(key) + ".ignore", seed);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(n));
  for (index_t i = 0; i < n; ++i)
    labels[static_cast<std::size_t>(i)] = ignore.unit(i) + 0.5 < ignored ? std::uint8_t{255} : static_cast<std::uint8_t>((value.unit(i) + 0.5) * count);
  return labels;
}

/// The rule's values of one parameter, in checkpoint order.
inline void hash_values(ParameterSpec const& spec, std::uint64_t seed, float* out) {
  std::string_view const key = spec.name;
  HashStream const stream(key, seed);
  double base = 0.0, scale = 0.2;
  if (spec.shape.size() >= 2) {
    double const fan_in = key.ends_with("embedding.weight") ? 1.0 : static_cast<double>(spec.count / spec.shape[0]);
    scale = (std::sqrt(12.0) * hash_detail::gain(key)) / std::sqrt(fan_in);
  } else if (key.ends_with(".weight") || key.ends_with("running_var")) {
    base = 1.0;
  }
  for (index_t i = 0; i < spec.count; ++i) out[i] = static_cast<float>(base + scale * stream.unit(i));
}

/// Fills every parameter of a list by the rule.
template <class Device>
void fill_by_hash(Weights<Device>& weights, std::uint64_t seed) {
  std::vector<float> checkpoint, memory;
  for (std::size_t i = 0; i < weights.list().specs().size(); ++i) {
    ParameterSpec const& spec = weights.list().specs()[i];
    checkpoint.resize(static_cast<std::size_t>(spec.count));
    memory.resize(checkpoint.size());
    hash_values(spec, seed, checkpoint.data());
    to_channels_last(spec, checkpoint.data(), memory.data());
    weights.device().copy_from_host(weights.data(ParameterId{static_cast<int>(i)}), memory.data(), memory.size() * sizeof(float));
  }
}

}  // namespace tadp
