// SPDX-License-Identifier: Apache-2.0
// Weights and inputs from a rule instead of a file: SplitMix64 keyed by the tensor's name, as the numeric reference has it.
// Goldens are made with these weights, so that any program can make them again.
#pragma once

#include "tadp/core/random.hpp"
#include "tadp/device/threads.hpp"
#include "tadp/exec/parameters.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
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
  double unit(index_t i) const {
    // 24 bits: they fit the narrow conversion, which every instruction set has as a vector.
    return static_cast<double>(static_cast<std::int32_t>(random_bits(seed_, static_cast<std::uint64_t>(i)) >> 40)) / 16777216.0 - 0.5;
  }
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

namespace hash_detail {

/// value = base + scale * unit, in double, rounded once.
struct Affine {
  double base = 0.0, scale = 0.2;
};
inline Affine affine_of(ParameterSpec const& spec) {
  std::string_view const key = spec.name;
  if (spec.shape.size() >= 2) {
    double const fan_in = key.ends_with("embedding.weight") ? 1.0 : static_cast<double>(spec.count / spec.shape[0]);
    return {0.0, (std::sqrt(12.0) * gain(key)) / std::sqrt(fan_in)};
  }
  return {key.ends_with(".weight") || key.ends_with("running_var") ? 1.0 : 0.0, 0.2};
}

/// Elements first, first + stride ... of a stream; a loop that compilers turn into vectors.
inline void fill_strided(HashStream const& stream, Affine const& affine, index_t first, index_t stride, index_t count, float* out) {
  for (index_t i = 0; i < count; ++i) out[i] = static_cast<float>(affine.base + affine.scale * stream.unit(first + i * stride));
}

/// Row `r` of the outermost axis in the order of memory: a convolution is channels-last there.
inline void fill_row(ParameterSpec const& spec, HashStream const& stream, Affine const& affine, index_t r, float* out) {
  index_t const row = spec.count / spec.shape[0];
  bool const reordered = spec.shape.size() == 4 && spec.shape[2] * spec.shape[3] > 1;
  index_t const positions = reordered ? spec.shape[2] * spec.shape[3] : 1, in = row / positions;
  for (index_t p = 0; p < positions; ++p) fill_strided(stream, affine, r * row + p, positions, in, out + p * in);
}

}  // namespace hash_detail

/// The rule's values of one parameter, in checkpoint order.
inline void hash_values(ParameterSpec const& spec, std::uint64_t seed, float* out) {
  hash_detail::fill_strided(HashStream(spec.name, seed), hash_detail::affine_of(spec), 0, 1, spec.count, out);
}

/// Fills every parameter of a list by the rule, on the threads of a pool: the real model has 1e9 of them. A device's memory
/// is written by one thread at a time.
template <class Device>
void fill_by_hash(Weights<Device>& weights, std::uint64_t seed, ThreadPool& threads) {
  constexpr index_t block = 1 << 18;
  std::mutex copies;
  for (std::size_t i = 0; i < weights.list().specs().size(); ++i) {
    ParameterSpec const& spec = weights.list().specs()[i];
    HashStream const stream(spec.name, seed);
    auto const affine = hash_detail::affine_of(spec);
    float* const memory = weights.data(ParameterId{static_cast<int>(i)});
    index_t const row = spec.count / spec.shape[0], rows = std::max<index_t>(1, block / row);
    threads.run((spec.shape[0] + rows - 1) / rows, [&](index_t task, int worker) {
      index_t const first = task * rows, count = std::min(rows, spec.shape[0] - first);
      float* const buffer = threads.scratch(worker, rows * row);
      for (index_t r = 0; r < count; ++r) hash_detail::fill_row(spec, stream, affine, first + r, buffer + r * row);
      std::lock_guard const alone(copies);
      weights.device().copy_from_host(memory + first * row, buffer, static_cast<std::size_t>(count * row) * sizeof(float));
    });
  }
}
template <class Device>
void fill_by_hash(Weights<Device>& weights, std::uint64_t seed) {
  ThreadPool alone(1);
  fill_by_hash(weights, seed, alone);
}

}  // namespace tadp
