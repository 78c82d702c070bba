// SPDX-License-Identifier: Apache-2.0
// The planned way from a fixed count of normalised windows to the pyramids that heads read: one pass, any count of heads.
// Heads bind its pyramids to plans of their own (heads/head_pass.hpp).
#pragma once

#include "tadp/core/preprocessing.hpp"
#include "tadp/diffusion/conditioning.hpp"

namespace tadp {

/// What a pass is planned for.
struct BackbonePassOptions {
  index_t windows = 1;
  std::array<int, 2> window{512, 512};  ///< height and width of what is seen; brought up to the network's granularity
  LatentPolicy latent{};
  bool self_maps = false;
  bool with_maps = true;     ///< a head reads features with attention maps
  bool without_maps = false; ///< a head reads features alone
};

template <class Backbone, class Device>
class BackbonePass {
 public:
  using Value = PlannedValue;

  BackbonePass(Device const& device, WeightsView<Device> const& weights, Backbone const& backbone, Conditioning<Backbone, Device> const& conditioning, BackbonePassOptions const& o)
      : plan_(device, weights), text_of_(device, Shape<1>{{o.windows}}), count_(o.windows), texts_(conditioning.texts()) {
    PlanContext<Device> ctx(plan_);
    auto const network = [](index_t side) { return (side + Backbone::granularity - 1) / Backbone::granularity * Backbone::granularity; };
    picture_ = plan_.input({o.windows, network(o.window[0]), network(o.window[1]), 3});
    Value const moments = backbone.vae(ctx, picture_);
    if (o.latent.sample) noise_ = plan_.input(moments.shape.with_channels(moments.shape.c() / 2));
    latent_ = plan_.keep(latent_of(ctx, o.latent, moments, noise_));
    maps_ = backbone.unet(ctx, latent_, conditioning.bind(plan_, text_of_.data()), o.self_maps);
    UNetFeatures<Value> read = maps_;
    read.self_maps = {};
    if (o.with_maps) pyramid_ = pyramid_of(ctx, read);
    if (o.without_maps) features_ = maps_.features;
    for (auto const* values : {&pyramid_, &features_, &maps_.cross_maps, &maps_.self_maps})
      for (Value const& v : *values)
        if (v) plan_.keep(v);
    plan_.finish();
    Device own = device;
    read_text_zero(own);
  }
  BackbonePass(BackbonePass const&) = delete;
  BackbonePass& operator=(BackbonePass const&) = delete;

  Plan<Device> const& plan() const { return plan_; }
  index_t windows() const { return count_; }
  Value picture() const { return picture_; }
  Value noise() const { return noise_; }  ///< none where the latent is the mode
  Value latent() const { return latent_; }
  /// (windows, h, w, C), fine to coarse, with the averaged cross-attention maps on levels 1 and 2, or without.
  Pyramid<Value> const& pyramid(bool with_maps) const { return with_maps ? pyramid_ : features_; }
  Pyramid<Value> const& cross_maps() const { return maps_.cross_maps; }
  Pyramid<Value> const& self_maps() const { return maps_.self_maps; }
  ConstFeatures<Device> view(Value v) const { return v ? ConstFeatures<Device>(plan_.view(v)) : ConstFeatures<Device>{}; }

  /// Every window reads text 0.
  void read_text_zero(Device& device) {
    if (all_read_zero_) return;
    std::vector<std::int32_t> const zero(static_cast<std::size_t>(count_), 0);
    device.copy_from_host(text_of_.data(), zero.data(), zero.size() * sizeof(std::int32_t));
    all_read_zero_ = true;
  }
  /// Each window reads a text of its own; empty: text 0. Error(argument).
  void read_texts(Device& device, std::span<std::int32_t const> text_of_picture) {
    if (text_of_picture.empty()) return read_text_zero(device);
    if (text_of_picture.size() != static_cast<std::size_t>(count_))
      throw Error(Errc::argument, "one text a picture is needed", {.expected = std::to_string(count_), .found = std::to_string(text_of_picture.size())});
    for (std::int32_t const t : text_of_picture)
      if (t < 0 || t >= texts_) throw Error(Errc::argument, "a picture reads a text that there is not", {.expected = "below " + std::to_string(texts_), .found = std::to_string(t)});
    device.copy_from_host(text_of_.data(), text_of_picture.data(), text_of_picture.size_bytes());
    all_read_zero_ = false;
  }
  /// Fills an input of the whole batch; `what` is named where the count is another.
  void fill(Device& device, Value v, std::span<float const> from, char const* what) const {
    if (from.size() != static_cast<std::size_t>(v.shape.count()))
      throw Error(Errc::shape, std::string("a raw batch has other ") + what + " than the session was made for",
                  {.expected = to_string(v.shape), .found = std::to_string(from.size()) + " values"});
    device.copy_from_host(plan_.float_view(v).data, from.data(), from.size_bytes());
  }

 private:
  Plan<Device> plan_;
  Tensor<std::int32_t, 1, Device> text_of_;
  index_t count_;
  int texts_;
  Value picture_, noise_, latent_;
  UNetFeatures<Value> maps_;
  Pyramid<Value> pyramid_, features_;
  bool all_read_zero_ = false;
};

/// One of a batch, (1, h, w, C).
template <class T, class Device>
View<T, 4, Device> one_of_batch(View<T, 4, Device> whole, index_t i) {
  FeatureShape shape = whole.shape;
  shape[0] = 1;
  return {whole.pixel(i * shape.positions()), shape, whole.pixel_stride};
}

}  // namespace tadp
