// SPDX-License-Identifier: Apache-2.0
// What the UNet reads beside the latent, ahead of every picture: t = 1 folded once, keys and values of texts once a text.
// Passes bind these values; encoding another text changes what they read.
#pragma once

#include "tadp/diffusion/backbone.hpp"
#include "tadp/exec/control.hpp"
#include "tadp/exec/inference.hpp"
#include "tadp/text/prompt_tokens.hpp"

namespace tadp {

template <class Backbone, class Device>
class Conditioning {
 public:
  using Value = PlannedValue;
  static constexpr TextEncoderConfig config = Backbone::TextEncoder::config;

  /// context(ctx, ids, texts): ids (texts x length, on the device) -> what the UNet attends to, (T, 1, tokens, width).
  template <class Context>
  Conditioning(Device device, WeightsView<Device> const& weights, Backbone const& backbone, int texts, Context const& context)
      : device_(std::move(device)), time_plan_(device_, weights), text_plan_(device_, weights),
        ids_(device_, Shape<1>{{index_t{texts} * config.length}}), vocabulary_(backbone.text.with_learned()), count_(texts) {
    fold_time(backbone);
    PlanContext<Device> ctx(text_plan_);
    texts_ = backbone.unet.keys_values(ctx, context(ctx, ids_.data(), index_t{texts}));
    for (auto const& kv : texts_) text_plan_.keep(kv.keys), text_plan_.keep(kv.values);
    text_plan_.finish();
  }
  Conditioning(Conditioning const&) = delete;
  Conditioning& operator=(Conditioning const&) = delete;

  int texts() const { return count_; }
  /// The same ids for every text. Error(shape) where they are not as many as the text encoder reads.
  void encode(std::span<std::int32_t const> ids, Control const& control) {
    for (int t = 0; t < count_; ++t) upload(t, ids);
    run(control);
  }
  /// Texts one after the other, each padded to the length; the rest is empty. Error(shape) where there are too many.
  void encode_raw(std::span<std::int32_t const> ids, Control const& control) {
    auto const length = static_cast<std::size_t>(config.length);
    if (ids.size() % length != 0 || ids.size() / length > static_cast<std::size_t>(count_))
      throw Error(Errc::shape, "a raw batch has other texts than the session was made for",
                  {.expected = "at most " + std::to_string(count_) + " of " + std::to_string(length) + " ids", .found = std::to_string(ids.size())});
    for (int t = 0; t < count_; ++t) {
      auto const at = static_cast<std::size_t>(t) * length;
      upload(t, pad_tokens(at < ids.size() ? ids.subspan(at, length) : std::span<std::int32_t const>{}, vocabulary_));
    }
    run(control);
  }
  /// Binds time and texts to the plan of a pass; `text_of`: on the device, the text of each picture.
  UNetConditioning<Value> bind(Plan<Device>& plan, std::int32_t const* text_of) const {
    UNetConditioning<Value> with;
    for (Value const& v : time_) with.time.push_back(plan.bound(ConstFloats<Device>(time_plan_.float_view(v))));
    for (auto const& kv : texts_) with.texts.push_back({plan.bound(text_plan_.view(kv.keys)), plan.bound(text_plan_.view(kv.values))});
    with.text = text_of;
    return with;
  }

 private:
  void fold_time(Backbone const& backbone) {
    PlanContext<Device> ctx(time_plan_);
    auto const embedding = timestep_embedding(1.0F, Backbone::UNet::config.model_channels);
    Value const in = time_plan_.input({1, 1, 1, static_cast<index_t>(embedding.size())});
    time_ = backbone.unet.time_projections(ctx, in);
    for (Value& v : time_) v = time_plan_.keep(time_plan_.in_float(v));
    time_plan_.finish();
    device_.copy_from_host(time_plan_.float_view(in).data, embedding.data(), embedding.size() * sizeof(float));
    time_plan_.run(device_);
  }
  void upload(int text, std::span<std::int32_t const> ids) {
    if (ids.size() != static_cast<std::size_t>(config.length))
      throw Error(Errc::shape, "a tokenizer made a text of another length", {.expected = std::to_string(config.length), .found = std::to_string(ids.size())});
    device_.copy_from_host(ids_.data() + index_t{text} * config.length, ids.data(), ids.size_bytes());
  }
  void run(Control const& control) {
    text_plan_.run(device_, [&](std::size_t, std::size_t) { control.check(); });
  }

  Device device_;
  Plan<Device> time_plan_, text_plan_;
  std::vector<Value> time_;
  std::vector<KeysValues<Value>> texts_;
  Tensor<std::int32_t, 1, Device> ids_;
  TextEncoderConfig vocabulary_;  // with the learned tokens that this encoder has
  int count_;
};

}  // namespace tadp
