// SPDX-License-Identifier: Apache-2.0
// The backbone of a model as a maker of features: a batch of windows, each with a text of its own, to what heads read.
// It runs as in inference, planned and without a tape, and never learns.
#pragma once

#include "tadp/diffusion/backbone_pass.hpp"
#include "tadp/model.hpp"

namespace tadp {

struct FrozenBackboneOptions {
  int batch = 1;
  std::array<int, 2> image{512, 512};  ///< height and width of every picture; multiples of Backbone::granularity
  LatentPolicy latent{};
  std::uint64_t seed = 0;  ///< of latents that are samples
};

/// `List`: the tasks that read the features.
template <class Model, class Device, class List = typename Model::Tasks>
class FrozenBackbone {
 public:
  using Backbone = typename Model::Backbone;

  /// Error(argument) where a size does not fit the network, Error(memory).
  FrozenBackbone(Device device, std::shared_ptr<Model const> model, std::shared_ptr<Weights<Device> const> weights, FrozenBackboneOptions options)
      : device_(std::move(device)), model_(std::move(model)), weights_(std::move(weights)), options_(checked(std::move(options))),
        conditioning_(device_, *weights_, model_->backbone(), Model::Prompt::has_text ? options_.batch : 1, [this](auto& ctx, std::int32_t const* ids, index_t texts) { return model_->context(ctx, ids, texts); }),
        pass_(device_, *weights_, model_->backbone(), conditioning_,
              {.windows = options_.batch, .window = options_.image, .latent = options_.latent, .with_maps = List::any_reads_maps, .without_maps = List::any_reads_no_maps}) {
    if constexpr (!Model::Prompt::has_text) conditioning_.encode_raw({}, {});
    for (std::int32_t i = 0; i < options_.batch; ++i) texts_.push_back(Model::Prompt::has_text ? i : 0);
  }

  /// pictures (batch, height, width, 3), ids (batch, length); `key`: of the noise of latents that are samples. Error(shape).
  void run(std::span<float const> pictures, std::span<std::int32_t const> ids, std::uint64_t key) {
    if constexpr (Model::Prompt::has_text) conditioning_.encode_raw(ids, {});
    pass_.fill(device_, pass_.picture(), pictures, "pictures");
    if (pass_.noise()) {
      noise_.resize(static_cast<std::size_t>(pass_.noise().shape.count()));
      for (std::size_t i = 0; i < noise_.size(); ++i) noise_[i] = random_normal(random_key(options_.seed, key), i);
      pass_.fill(device_, pass_.noise(), noise_, "noise");
    }
    pass_.read_texts(device_, texts_);
    pass_.plan().run(device_);
  }
  /// What a head reads of the last run as constants of a context; valid until the next run.
  template <class Task, class Ctx>
  Pyramid<typename Ctx::Value> pyramid(Ctx& ctx) const {
    Pyramid<typename Ctx::Value> inputs;
    for (std::size_t l = 0; l < inputs.size(); ++l) inputs[l] = ctx.input(pass_.view(pass_.pyramid(reads_maps<Task>)[l]));
    return inputs;
  }

 private:
  static FrozenBackboneOptions checked(FrozenBackboneOptions o) {
    for (int const side : o.image)
      if (side <= 0 || side % Backbone::granularity != 0)
        throw Error(Errc::argument, "the picture size does not fit the network", {.key = "image", .expected = "a multiple of " + std::to_string(Backbone::granularity), .found = std::to_string(side)});
    if (o.batch < 1) throw Error(Errc::argument, "a batch needs a picture", {.key = "batch", .expected = "at least 1", .found = std::to_string(o.batch)});
    return o;
  }

  Device device_;
  std::shared_ptr<Model const> model_;
  std::shared_ptr<Weights<Device> const> weights_;
  FrozenBackboneOptions options_;
  Conditioning<Backbone, Device> conditioning_;
  BackbonePass<Backbone, Device> pass_;
  std::vector<std::int32_t> texts_;
  std::vector<float> noise_;
};

}  // namespace tadp
