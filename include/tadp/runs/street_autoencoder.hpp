// SPDX-License-Identifier: Apache-2.0
// How the street model's autoencoder begins and ends its training: it starts as a blurred picture in colour, and its
// finished latents are brought to mean 0 and deviation 1, channel by channel.
#pragma once

#include "tadp/runs/street_stack.hpp"

namespace tadp {

namespace street_autoencoder_detail {

/// Streets are nearly grey: brightness varies five times as much as red minus blue, fourteen times as much as green
/// against both. Rows scaled so, all three are equally loud.
inline constexpr float opponent_of_rgb[3][3] = {{1.0F / 3, 1.0F / 3, 1.0F / 3}, {5.0F, 0.0F, -5.0F}, {-6.0F, 12.0F, -6.0F}};
/// Its inverse.
inline constexpr float rgb_of_opponent[3][3] = {{1.0F, 0.1F, -1.0F / 36}, {1.0F, 0.0F, 2.0F / 36}, {1.0F, -0.1F, -1.0F / 36}};
/// The last channels of every level carry brightness and the two colours, each with both signs: silu(x) - silu(-x) = x.
inline constexpr index_t carried = 6;

/// A convolution's weight as it lies in memory, (out, taps, in).
struct Kernel {
  float* data;
  index_t out, in, taps;

  float& at(index_t o, index_t tap, index_t i) const { return data[(o * taps + tap) * in + i]; }
  index_t centre() const { return taps / 2; }
  void clear(index_t o) const { std::fill_n(data + o * taps * in, taps * in, 0.0F); }
};

inline float sign(index_t j) { return j % 2 == 0 ? 1.0F : -1.0F; }

/// Each carried channel becomes its own input, at the centre or as the mean over the taps.
inline void carry(Kernel const& k, bool mean) {
  for (index_t j = 1; j <= carried; ++j) {
    k.clear(k.out - j);
    for (index_t tap = 0; tap < k.taps; ++tap)
      if (mean || tap == k.centre()) k.at(k.out - j, tap, k.in - j) = mean ? 1.0F / static_cast<float>(k.taps) : 1.0F;
  }
}
inline void from_picture(Kernel const& k) {
  for (index_t j = 0; j < carried; ++j) {
    k.clear(k.out - carried + j);
    for (index_t tap = 0; tap < k.taps; ++tap)
      for (index_t c = 0; c < k.in; ++c) k.at(k.out - carried + j, tap, c) = sign(j) * opponent_of_rgb[j / 2][c] / static_cast<float>(k.taps);
  }
}
inline void to_moments(Kernel const& k) {
  for (index_t o = 0; o < k.out; ++o)
    if (o < carried / 2 || o >= k.out / 2) k.clear(o);
  for (index_t j = 0; j < carried; ++j) k.at(j / 2, k.centre(), k.in - carried + j) = sign(j);
}
inline void from_latent(Kernel const& k) {
  for (index_t j = 0; j < carried; ++j) {
    k.clear(k.out - carried + j);
    k.at(k.out - carried + j, k.centre(), j / 2) = sign(j);
  }
}
inline void to_picture(Kernel const& k) {
  for (index_t c = 0; c < k.out; ++c)
    for (index_t j = 0; j < carried; ++j)
      for (index_t tap = 0; tap < k.taps; ++tap)
        // The norm before it made the channels' deviation 1 where a picture's is about a half.
        k.at(c, tap, k.in - carried + j) = tap == k.centre() ? 0.5F * sign(j) * rgb_of_opponent[c][j / 2] : 0.0F;
}
inline void identity(Kernel const& k) {
  for (index_t o = 0; o < k.out; ++o) {
    k.clear(o);
    k.at(o, 0, o) = 1.0F;
  }
}

}  // namespace street_autoencoder_detail

/// Residual branches start at zero, and some channels of the rest as a blurred picture in colour: started at random, a
/// run of an hour spends every channel of the latent on brightness and comes back grey. The posterior starts with a
/// deviation of 0.05; at the usual 1 its noise drowns all that is not brightness.
inline void start_in_colour(Weights<Cpu>& weights) {
  namespace detail = street_autoencoder_detail;
  struct Rule {
    std::string_view part;
    void (*start)(detail::Kernel const&);
  };
  static constexpr Rule rules[] = {
      {"conv2.weight", [](detail::Kernel const& k) { for (index_t o = 0; o < k.out; ++o) k.clear(o); }},
      {"encoder.conv_in.weight", detail::from_picture},
      {"downsample.conv.weight", [](detail::Kernel const& k) { detail::carry(k, true); }},
      {"nin_shortcut.weight", [](detail::Kernel const& k) { detail::carry(k, false); }},
      {"encoder.conv_out.weight", detail::to_moments},
      {"quant_conv.weight", detail::identity},  // post_quant_conv too
      {"decoder.conv_in.weight", detail::from_latent},
      {"upsample.conv.weight", [](detail::Kernel const& k) { detail::carry(k, false); }},
      {"decoder.conv_out.weight", detail::to_picture},
  };
  auto const& specs = weights.list().specs();
  for (std::size_t i = 0; i < specs.size(); ++i)
    for (Rule const& rule : rules)
      if (specs[i].name.ends_with(rule.part)) {
        index_t const out = specs[i].shape[0], in = specs[i].shape[1];
        rule.start({weights.data(ParameterId{static_cast<int>(i)}), out, in, specs[i].count / (out * in)});
      }
  float* const bias = weights.data(weights.list().find("first_stage_model.quant_conv.bias"));
  std::fill(bias + street_vae.z_channels, bias + 2 * street_vae.z_channels, -6.0F);
}

/// Mean and deviation of each channel of the encoder's means over some scenes.
struct LatentStatistics {
  std::array<double, street_vae.z_channels> mean{}, deviation{};
};
inline LatentStatistics latent_statistics(Cpu device, StreetAutoencoder const& model, Weights<Cpu> const& weights, StreetScenes& scenes, int pictures = 64) {
  constexpr index_t z = street_vae.z_channels;
  StreetRecipe recipe{.seed = 77, .batch = 4};
  StreetBatches data(recipe, scenes, device);
  Plan<Cpu> plan(device, &weights.list(), weights.flat());
  PlanContext<Cpu> ctx(plan);
  auto const picture = plan.input(data.picture_shape());
  auto const moments = plan.keep(model.encoder(ctx, picture));
  plan.finish();
  LatentStatistics sums;
  double count = 0.0;
  for (int i = 0; i < pictures / recipe.batch; ++i) {
    Batch const& batch = data.draw(static_cast<std::uint64_t>(i));
    std::copy(batch.pictures.begin(), batch.pictures.end(), plan.view(picture).data);
    plan.run(device);
    auto const view = plan.view(moments);
    count += static_cast<double>(view.shape.pixels());
    for (index_t p = 0; p < view.shape.pixels(); ++p)
      for (std::size_t c = 0; c < z; ++c) {
        auto const v = static_cast<double>(view.pixel(p)[c]);
        sums.mean[c] += v, sums.deviation[c] += v * v;
      }
  }
  for (std::size_t c = 0; c < z; ++c) {
    sums.mean[c] /= count;
    sums.deviation[c] = std::sqrt(std::max(1e-12, sums.deviation[c] / count - sums.mean[c] * sums.mean[c]));
  }
  return sums;
}

/// Folds (latent - mean) / deviation into quant_conv and its inverse into post_quant_conv: the same autoencoder, whose
/// latents are as large as the diffusion's noise in every channel.
inline void normalise_latents(Weights<Cpu>& weights, LatentStatistics const& statistics) {
  constexpr std::size_t z = street_vae.z_channels;
  auto const data = [&](char const* name) { return weights.data(weights.list().find(std::string("first_stage_model.") + name)); };
  float *const w = data("quant_conv.weight"), *const b = data("quant_conv.bias"), *const back = data("post_quant_conv.weight"), *const back_bias = data("post_quant_conv.bias");
  for (std::size_t c = 0; c < z; ++c) {
    double const mean = statistics.mean[c], deviation = statistics.deviation[c];
    for (std::size_t i = 0; i < 2 * z; ++i) w[c * 2 * z + i] = static_cast<float>(static_cast<double>(w[c * 2 * z + i]) / deviation);
    b[c] = static_cast<float>((static_cast<double>(b[c]) - mean) / deviation);
    b[z + c] = static_cast<float>(static_cast<double>(b[z + c]) - 2.0 * std::log(deviation));
    for (std::size_t o = 0; o < z; ++o) {
      back_bias[o] = static_cast<float>(static_cast<double>(back_bias[o]) + mean * static_cast<double>(back[o * z + c]));
      back[o * z + c] = static_cast<float>(static_cast<double>(back[o * z + c]) * deviation);
    }
  }
}

}  // namespace tadp
