// SPDX-License-Identifier: Apache-2.0
// A picture through an autoencoder and back, to look at what its latents keep.
// Plans the two passes for the size of the picture and runs them once.
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/diffusion/vae.hpp"
#include "tadp/exec/inference.hpp"

namespace tadp {

/// Encodes the picture, takes the latent's mode, decodes it. Error(argument) where a side is no multiple of the
/// autoencoder's stride.
template <VaeConfig Config, class Device>
Picture reconstruct(Device device, VaeEncoderOf<Config> const& encoder, VaeDecoderOf<Config> const& decoder, Weights<Device> const& weights, PictureView picture,
                    Normalisation const& normalisation = {}) {
  for (int const side : {picture.width, picture.height})
    if (side < Config.stride() || side % Config.stride() != 0)
      throw Error(Errc::argument, "the picture does not fit the autoencoder", {.expected = "sides that are multiples of " + std::to_string(Config.stride()), .found = std::to_string(side)});
  Plan<Device> plan(device, &weights.list(), weights.flat());
  PlanContext<Device> ctx(plan);
  auto const in = plan.input({1, picture.height, picture.width, Config.in_channels});
  auto const out = plan.keep(decoder(ctx, latent_of(ctx, LatentPolicy{.scale = 1.0F}, encoder(ctx, in))));
  plan.finish();
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(in.shape.count()));
  int const red = picture.order == PixelOrder::rgb ? 0 : 2;
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x)
      for (int c = 0; c < 3; ++c) {
        auto const k = static_cast<std::size_t>(c);
        values.push_back((static_cast<float>(picture.row(y)[3 * x + (c == 0 ? red : c == 1 ? 1 : 2 - red)]) - normalisation.mean[k]) / normalisation.deviation[k]);
      }
  device.copy_from_host(plan.view(in).data, values.data(), values.size() * sizeof(float));
  plan.run(device);
  device.copy_to_host(values.data(), plan.view(out).data, values.size() * sizeof(float));
  return picture_of(values, picture.width, picture.height, normalisation);
}

}  // namespace tadp
