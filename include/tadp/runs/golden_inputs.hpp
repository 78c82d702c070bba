// SPDX-License-Identifier: Apache-2.0
// What a golden's pass starts from: the reference's two presets as models, weights and inputs by the hash rule, token ids.
// Nothing of it is stored in a golden: the manifest's seed, sizes and keys say it all.
#pragma once

#include "tadp/device/cpu.hpp"
#include "tadp/io/hash_rule.hpp"
#include "tadp/model.hpp"
#include "tadp/runs/golden_files.hpp"

#include <thread>

namespace tadp {

/// The reference's `tiny` and `sd15`, with the adapter beside them and a head whose classes a manifest gives.
template <class UNetType, class TextEncoderType, int Width>
struct GoldenStackOf {
  static constexpr index_t head_width = Width;
  static constexpr TextEncoderConfig text = TextEncoderType::config;
  static constexpr UNetConfig unet = UNetType::config;
  using Model = tadp::Model<Backbone<UNetType, TextEncoderType>, PromptPolicy<Caption, Adapter>, Head<SegmentationOf<dynamic, Width>>>;
};
using GoldenTiny = GoldenStackOf<UNetOf<tiny_unet>, TextEncoderOf<tiny_text>, 32>;
using GoldenFull = GoldenStackOf<UNet, TextEncoder, 256>;

/// Threads where a caller leaves their count open.
inline int golden_threads(int asked) { return asked > 0 ? asked : static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

/// A view of a device whose memory the host reads, and that is done with each call when it returns.
template <class T, int Rank, class Device>
View<T, Rank, Cpu> host_view(View<T, Rank, Device> const& v) {
  return {v.data, v.shape, v.pixel_stride};
}

/// Weights by the hash rule, on the threads of the device where it has some.
template <class Device>
void fill_golden_weights(Device& device, Weights<Device>& weights, std::uint64_t seed) {
  if constexpr (requires { device.threads(); })
    fill_by_hash(weights, seed, device.threads());
  else
    fill_by_hash(weights, seed);
}

/// Fills features (N, H, W, C) with the input that the rule defines over (N, C, H, W).
inline void fill_input(HashInput const& input, std::uint64_t seed, Features<Cpu> v) {
  HashStream const stream(input.key, seed);
  index_t const c = v.shape.channels(), positions = v.shape[1] * v.shape[2];
  for (index_t p = 0; p < v.shape.pixels(); ++p)
    for (index_t i = 0; i < c; ++i) v.pixel(p)[i] = stream.uniform((p / positions * c + i) * positions + p % positions, input.low, input.high);
}

/// Uniform with mean 0 and variance 1: the reference's noise.
inline HashInput hash_noise(std::string key) { return {std::move(key), -std::sqrt(3.0), std::sqrt(3.0)}; }

/// The embedding of one timestep a picture: (N, 1, 1, model_channels).
inline void fill_timesteps(std::span<float const> t, Features<Cpu> v) {
  for (index_t n = 0; n < v.shape[0]; ++n) {
    auto const e = timestep_embedding(t[static_cast<std::size_t>(n)], static_cast<int>(v.shape.channels()));
    std::copy(e.begin(), e.end(), v.pixel(n));
  }
}

/// Token ids of a manifest's list, one row a text. Error(shape) where a row has another length, Error(argument) for an
/// id outside of the vocabulary.
inline std::vector<std::int32_t> golden_tokens(nlohmann::json const& rows, TextEncoderConfig const& text) {
  std::vector<std::int32_t> ids;
  for (auto const& row : rows) {
    if (static_cast<int>(row.size()) != text.length)
      throw Error(Errc::shape, "a text has another count of tokens", {.key = "token_ids", .expected = std::to_string(text.length), .found = std::to_string(row.size())});
    for (auto const& id : row) {
      ids.push_back(id.get<std::int32_t>());
      if (ids.back() < 0 || ids.back() >= text.vocabulary)
        throw Error(Errc::argument, "a token is not in the vocabulary", {.key = "token_ids", .expected = "0 to " + std::to_string(text.vocabulary - 1), .found = std::to_string(ids.back())});
    }
  }
  return ids;
}

/// (N, 3, H, W) of a manifest as the shape of features; Error(shape) where the network does not take such a picture.
inline FeatureShape golden_picture_shape(nlohmann::json const& image, int granularity) {
  auto const s = image.get<std::array<index_t, 4>>();
  FeatureShape const shape{s[0], s[2], s[3], s[1]};
  if (shape.n() < 1 || shape.c() != 3 || shape.h() < 1 || shape.w() < 1 || shape.h() % granularity != 0 || shape.w() % granularity != 0)
    throw Error(Errc::shape, "the network does not take a picture of this size", {.key = "image", .expected = "sides that are multiples of " + std::to_string(granularity), .found = to_string(shape)});
  return shape;
}

/// Classes of the segmentation head: meta.heads.seg, or what a tensor or table shows; 19 where nothing does.
template <class Stack>
ModelSizes golden_sizes(Golden const& golden) {
  index_t classes = 19;
  if (golden.meta().contains("heads")) {
    auto const& seg = golden.meta().at("heads").at("seg");
    classes = seg.at("classes").get<index_t>();
    for (char const* width : {"neck", "ch"})
      if (seg.at(width).get<index_t>() != Stack::head_width)
        throw Error(Errc::unsupported, "the segmentation head has another width", {.file = golden.path().string(), .key = width, .expected = std::to_string(Stack::head_width), .found = seg.at(width).dump()});
  } else if (GoldenTensor const* const logits = golden.find("slide.logits"); logits != nullptr && logits->shape.size() == 4) {
    classes = logits->shape[1];
  } else if (golden.tables().contains("seg_eval.grads")) {
    for (auto const& row : golden.table("seg_eval.grads"))
      if (row.at("key") == "decode_head.conv_seg.bias") classes = row.at("shape").at(0).template get<index_t>();
  }
  return {.classes = classes};
}

}  // namespace tadp
