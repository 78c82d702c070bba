// SPDX-License-Identifier: Apache-2.0
// Pictures out of noise: DDIM with guidance over a backbone and its decoder, to look at what a diffusion model learned.
// The same numbers as diffusers' DDIMScheduler (eta 0, leading timesteps with an offset of one, the last alpha kept).
#pragma once

#include "tadp/core/picture.hpp"
#include "tadp/device/values_on_host.hpp"
#include "tadp/diffusion/backbone.hpp"
#include "tadp/exec/control.hpp"
#include "tadp/exec/session_device.hpp"
#include "tadp/text/tokens.hpp"
#include "tadp/train/noise_schedule.hpp"

#include <algorithm>

namespace tadp {

struct SamplerOptions {
  int width = 512, height = 512;  ///< of the pictures; multiples of Backbone::granularity
  int batch = 1;                  ///< pictures, one a text
  int steps = 50;                 ///< 1 to 1000
  float guidance = 7.5F;          ///< 1: none, the empty text is not computed
  float latent_scale = 0.18215F;
  Normalisation normalisation{};
  int threads = 1;
};

/// Backbone and decoder must outlive it.
template <class Backbone, class Decoder, class Device>
class Sampler {
 public:
  using Texts = std::vector<std::vector<std::int32_t>>;
  static constexpr TextEncoderConfig text_config = Backbone::TextEncoder::config;
  static constexpr VaeConfig vae_config = Backbone::VaeEncoder::config;

  /// Plans every pass. Error(argument) where an option does not fit.
  Sampler(Backbone const& backbone, Decoder const& decoder, std::shared_ptr<Weights<Device> const> weights, SamplerOptions options)
      : weights_(std::move(weights)), options_(checked(options)), device_(session_device(weights_->device(), options.threads)), guided_(options.guidance != 1.0F), alphas_(alphas_cumprod()),
        time_plan_(device_, &weights_->list(), weights_->flat()), text_plan_(device_, &weights_->list(), weights_->flat()), unet_plan_(device_, &weights_->list(), weights_->flat()),
        decoder_plan_(device_, &weights_->list(), weights_->flat()), ids_(device_, Shape<1>{{texts() * text_config.length}}), text_of_(device_, Shape<1>{{pictures()}}) {
    plan(backbone, decoder);
  }
  Sampler(Sampler const&) = delete;
  Sampler& operator=(Sampler const&) = delete;

  /// Of one batch: (batch, h, w, z).
  FeatureShape latent_shape() const {
    return {options_.batch, options_.height / vae_config.stride(), options_.width / vae_config.stride(), vae_config.z_channels};
  }
  /// One picture a text of token ids. progress: steps done of all.
  std::vector<Picture> operator()(Texts const& texts, std::uint64_t seed, Control const& control = {}) {
    std::vector<float> start(static_cast<std::size_t>(latent_shape().count()));
    auto const each = start.size() / static_cast<std::size_t>(options_.batch);
    // Keyed by picture: the same picture comes of a text whatever stands beside it.
    for (std::size_t i = 0; i < start.size(); ++i) start[i] = random_normal(random_key(seed, i / each), i % each);
    return to_pictures(decode(denoise(texts, start, control)));
  }
  /// The same of captions.
  std::vector<Picture> operator()(std::vector<std::string> const& captions, Tokenizer const& tokenizer, std::uint64_t seed, Control const& control = {}) {
    Texts texts;
    for (std::string const& caption : captions) texts.push_back(tokenizer(caption).ids);
    return (*this)(texts, seed, control);
  }
  /// From standard normal noise of latent_shape() to a latent; Error(shape) for another count of texts or numbers.
  std::vector<float> denoise(Texts const& texts, std::span<float const> start, Control const& control = {}) {
    if (texts.size() != static_cast<std::size_t>(options_.batch))
      throw Error(Errc::shape, "there is not one text a picture", {.expected = std::to_string(options_.batch), .found = std::to_string(texts.size())});
    std::vector<float> z(start.begin(), start.end());
    if (z.size() != static_cast<std::size_t>(latent_shape().count()))
      throw Error(Errc::shape, "the noise has another size than the latent", {.expected = to_string(latent_shape()), .found = std::to_string(z.size()) + " numbers"});
    encode(texts, control);
    auto const times = ddim_timesteps(options_.steps);
    int const gap = static_cast<int>(alphas_.size()) / options_.steps;
    for (std::size_t i = 0; i < times.size(); ++i) {
      auto const eps = predict(z, times[i], control);
      int const before = times[i] - gap;
      // diffusers' set_alpha_to_one = false: past the first step stands the first alpha.
      ddim_step(alphas_[static_cast<std::size_t>(times[i])], alphas_[static_cast<std::size_t>(std::max(before, 0))], z, eps);
      control.step(i + 1, times.size());
    }
    return z;
  }
  /// A scaled latent to (batch, height, width, 3), normalised.
  std::vector<float> decode(std::span<float const> z) {
    std::vector<float> plain(z.begin(), z.end());
    for (float& v : plain) v /= options_.latent_scale;
    device_.copy_from_host(decoder_plan_.view(decoder_in_).data, plain.data(), plain.size() * sizeof(float));
    decoder_plan_.run(device_);
    return values_on_host(device_, decoder_plan_.view(decoder_out_));
  }
  std::vector<Picture> to_pictures(std::span<float const> values) const {
    std::vector<Picture> all;
    auto const one = values.size() / static_cast<std::size_t>(options_.batch);
    for (int i = 0; i < options_.batch; ++i)
      all.push_back(picture_of(values.subspan(static_cast<std::size_t>(i) * one, one), options_.width, options_.height, options_.normalisation));
    return all;
  }

 private:
  using Value = PlannedValue;

  static SamplerOptions checked(SamplerOptions const& o) {
    auto const require = [](bool fine, char const* key, std::string expected, int found) {
      if (!fine) throw Error(Errc::argument, "an option of the sampler does not fit the model", {.key = key, .expected = std::move(expected), .found = std::to_string(found)});
    };
    for (int const side : {o.width, o.height})
      require(side > 0 && side % Backbone::granularity == 0, "size", "a multiple of " + std::to_string(Backbone::granularity), side);
    require(o.batch >= 1, "batch", "at least 1", o.batch);
    require(o.threads >= 1, "threads", "at least 1", o.threads);
    require(o.steps >= 1 && o.steps <= 999, "steps", "1 to 999", o.steps);
    return o;
  }
  index_t texts() const { return options_.batch + (guided_ ? 1 : 0); }
  index_t pictures() const { return index_t{options_.batch} * (guided_ ? 2 : 1); }

  void plan(Backbone const& backbone, Decoder const& decoder) {
    PlanContext<Device> time(time_plan_), text(text_plan_), unet(unet_plan_), decoding(decoder_plan_);
    UNetConditioning<Value> with;
    embedding_ = time_plan_.input({1, 1, 1, Backbone::UNet::config.model_channels});
    auto const projections = backbone.unet.time_projections(time, embedding_);
    for (Value const& v : projections) time_plan_.keep(v);
    time_plan_.finish();
    for (Value const& v : projections) with.time.push_back(unet_plan_.bound(time_plan_.view(v)));
    auto const keys_values = backbone.unet.keys_values(text, backbone.text(text, ids_.data(), texts()));
    for (auto const& kv : keys_values) text_plan_.keep(kv.keys), text_plan_.keep(kv.values);
    text_plan_.finish();
    for (auto const& kv : keys_values) with.texts.push_back({unet_plan_.bound(text_plan_.view(kv.keys)), unet_plan_.bound(text_plan_.view(kv.values))});
    with.text = text_of_.data();
    FeatureShape shape = latent_shape();
    decoder_in_ = decoder_plan_.input(shape);
    decoder_out_ = decoder_plan_.keep(decoder(decoding, decoder_in_));
    decoder_plan_.finish();
    shape[0] = pictures();
    latent_ = unet_plan_.input(shape);
    noise_ = unet_plan_.keep(backbone.unet.noise(unet, backbone.unet(unet, latent_, with)));
    unet_plan_.finish();
    std::vector<std::int32_t> text_of;
    for (index_t i = 0; i < pictures(); ++i) text_of.push_back(static_cast<std::int32_t>(std::min<index_t>(i, options_.batch)));  // the last text is the empty one
    device_.copy_from_host(text_of_.data(), text_of.data(), text_of.size() * sizeof(std::int32_t));
  }
  void encode(Texts const& texts, Control const& control) {
    std::vector<std::int32_t> ids;
    for (auto const& text : texts) {
      auto const padded = pad_tokens(text, text_config);
      ids.insert(ids.end(), padded.begin(), padded.end());
    }
    auto const blank = pad_tokens({}, text_config);
    if (guided_) ids.insert(ids.end(), blank.begin(), blank.end());
    device_.copy_from_host(ids_.data(), ids.data(), ids.size() * sizeof(std::int32_t));
    text_plan_.run(device_, [&](std::size_t, std::size_t) { control.check(); });
  }
  /// The guided prediction of the noise in z at a time.
  std::vector<float> predict(std::span<float const> z, int t, Control const& control) {
    auto const embedding = timestep_embedding(static_cast<float>(t), Backbone::UNet::config.model_channels);
    device_.copy_from_host(time_plan_.view(embedding_).data, embedding.data(), embedding.size() * sizeof(float));
    time_plan_.run(device_);
    float* const to = unet_plan_.view(latent_).data;
    device_.copy_from_host(to, z.data(), z.size_bytes());
    if (guided_) device_.copy_from_host(to + z.size(), z.data(), z.size_bytes());
    unet_plan_.run(device_, [&](std::size_t, std::size_t) { control.check(); });
    auto eps = values_on_host(device_, unet_plan_.view(noise_));
    if (guided_) guide(options_.guidance, std::span(eps).first(z.size()), std::span<float const>(eps).subspan(z.size()));
    eps.resize(z.size());
    return eps;
  }

  std::shared_ptr<Weights<Device> const> weights_;
  SamplerOptions options_;
  Device device_;
  bool guided_;
  std::vector<double> alphas_;
  Plan<Device> time_plan_, text_plan_, unet_plan_, decoder_plan_;
  Tensor<std::int32_t, 1, Device> ids_, text_of_;
  Value embedding_, latent_, noise_, decoder_in_, decoder_out_;
};

}  // namespace tadp
