// SPDX-License-Identifier: Apache-2.0
// A model at work under a policy: here inference, pictures and prompts to labels, logits, confidence and maps of words.
// All passes are planned when a session is made; a second picture of the same size allocates nothing.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/exec/picture_windows.hpp"
#include "tadp/exec/policy.hpp"
#include "tadp/heads/depth_result.hpp"
#include "tadp/heads/run_options.hpp"
#include "tadp/heads/segmentation_result.hpp"
#include "tadp/io/resize.hpp"
#include "tadp/model.hpp"
#include "tadp/text/prompt_tokens.hpp"

#include <concepts>
#include <optional>

namespace tadp {

/// Policy: Inference<Device, ...> or Training<Device, ...>.
template <class Model, class Policy>
class Session;

template <class ModelType, class DeviceType, class... Policies>
class Session<ModelType, Inference<DeviceType, Policies...>> {
 public:
  using Model = ModelType;
  using Device = DeviceType;
  using Options = SessionOptions;
  using Backbone = typename Model::Backbone;
  static constexpr TextEncoderConfig text_config = Backbone::TextEncoder::config;

  /// Plans every pass and folds what is constant at t = 1. Error(argument) where an option does not fit the model,
  /// Error(memory).
  Session(std::shared_ptr<Model const> model, std::shared_ptr<Weights<Device> const> weights, Options options = {})
      : model_(std::move(model)), weights_(std::move(weights)), options_(checked(std::move(options))), device_(device_of(options_)),
        time_plan_(device_, &weights_->list(), weights_->flat()), text_plan_(device_, &weights_->list(), weights_->flat()),
        ids_(device_, Shape<1>{{index_t{options_.texts} * text_config.length}}) {
    fold_time();
    plan_text();
    full_ = std::make_unique<Pass>(*this, options_.batch);
    if (options_.batch > 1) single_ = std::make_unique<Pass>(*this, 1);
  }
  Session(Session const&) = delete;
  Session& operator=(Session const&) = delete;

  Options const& options() const { return options_; }
  Model const& model() const { return *model_; }
  index_t classes() const { return model_->sizes().classes; }
  /// The tokens of the last prompt: their words, and the words that have none.
  Tokens const& tokens() const { return tokens_; }

  /// `picture`: a PictureView, or a NormalisedView.
  template <class PictureType>
  LabelMap operator()(PictureType const& picture, Prompt const& prompt = {}, Control const& control = {}) {
    return run(picture, prompt, {}, control).labels;
  }
  /// Labels into the caller's (height, width) bytes.
  void infer(PictureView picture, Prompt const& prompt, std::span<std::uint8_t> labels, Control const& control = {}) {
    windows_.set(device_, fitted(picture), options_.normalisation);
    auto const pixels = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height);
    if (labels.size() != pixels)
      throw Error(Errc::argument, "the buffer for labels has another size than the picture",
                  {.expected = std::to_string(pixels) + " bytes", .found = std::to_string(labels.size())});
    join(prompt, {}, control);
    unfit(picture.height, picture.width);
    settle(labels, {});
  }
  /// Metres of a picture, at its own size; of a head whose result is depth.
  template <class PictureType, class Task = typename Model::Task>
    requires std::same_as<typename Task::Result, DepthMap>
  DepthMap depth(PictureType const& picture, Prompt const& prompt = {}, Control const& control = {}) {
    windows_.set(device_, fitted(picture), options_.normalisation);
    join(prompt, {}, control);
    unfit(picture.height, picture.width);
    DepthMap map(picture.width, picture.height);
    device_.copy_to_host(map.metres.data(), sum_.data, map.metres.size() * sizeof(float));
    return map;
  }
  /// Labels and what else is wanted. Error(argument) for a map of a token that the context does not have.
  SegmentationResult run(PictureView picture, Prompt const& prompt, Wanted const& wanted = {}, Control const& control = {}) {
    return run_any(picture, prompt, wanted, control);
  }
  SegmentationResult run(NormalisedView picture, Prompt const& prompt, Wanted const& wanted = {}, Control const& control = {}) {
    return run_any(picture, prompt, wanted, control);
  }
  /// Encodes a prompt ahead of the pictures; does nothing where it is the last one's.
  void set_prompt(Prompt const& prompt, Control const& control = {}) {
    if (text_ready_ && same_prompt(prompt)) return;
    Tokens next = tokens_of<typename Model::Prompt>(prompt, options_.tokenizer, text_config);
    bool const known = text_ready_ && next.ids == tokens_.ids;
    tokens_ = std::move(next);
    prompt_ = prompt;
    if (known) return;
    for (int t = 0; t < options_.texts; ++t) upload_ids(t, tokens_.ids);
    encode(control);
    text_ready_ = true;
  }

  /// One batch as it is, for those who want features: read it with the functions below until the next call.
  void run_raw(RawBatch const& raw, Control const& control = {}) {
    set_raw_text(raw.ids, control);
    full_->load(*this, raw);
    full_->plan.run(device_, [&](std::size_t done, std::size_t total) { control.step(done, total); });
  }
  /// (batch, h, w, C), fine to coarse, maps included.
  ConstFeatures<Device> pyramid(int level) const { return view(full_->pyramid[static_cast<std::size_t>(level)]); }
  /// (batch, h, w, tokens) of levels 1 and 2; empty where the network has no attention.
  ConstFeatures<Device> cross_map(int level) const { return view(full_->maps.cross_maps[static_cast<std::size_t>(level)]); }
  /// (batch, h, w, h * w), where the options ask for it.
  ConstFeatures<Device> self_map(int level) const { return view(full_->maps.self_maps[static_cast<std::size_t>(level)]); }
  ConstFeatures<Device> latent() const { return view(full_->latent); }
  /// (batch, h, w, classes) at the finest level.
  ConstFeatures<Device> logits() const { return view(full_->logits); }

 private:
  using Value = PlannedValue;

  /// The way from normalised windows to logits for a fixed count of windows.
  struct Pass {
    Pass(Session& s, index_t windows)
        : plan(s.device_, &s.weights_->list(), s.weights_->flat()), text_of(s.device_, Shape<1>{{windows}}), count(windows) {
      PlanContext<Device> ctx(plan);
      auto const network = [](index_t side) { return (side + Backbone::granularity - 1) / Backbone::granularity * Backbone::granularity; };
      picture = plan.input({windows, network(s.options_.window[0]), network(s.options_.window[1]), 3});
      Value const moments = s.model_->backbone().vae(ctx, picture);
      if (s.options_.latent.sample) noise = plan.input(moments.shape.with_channels(moments.shape.c() / 2));
      latent = plan.keep(latent_of(ctx, s.options_.latent, moments, noise));
      UNetConditioning<Value> with;
      for (Value const& v : s.time_) with.time.push_back(plan.bound(s.time_plan_.view(v)));
      for (auto const& kv : s.texts_) with.texts.push_back({plan.bound(s.text_plan_.view(kv.keys)), plan.bound(s.text_plan_.view(kv.values))});
      with.text = text_of.data();
      maps = s.model_->backbone().unet(ctx, latent, with, s.options_.self_maps);
      UNetFeatures<Value> read = maps;
      read.self_maps = {};
      pyramid = pyramid_for<typename Model::Task>(ctx, read);
      for (auto const* values : {&pyramid, &maps.cross_maps, &maps.self_maps})
        for (Value const& v : *values)
          if (v) plan.keep(v);
      constexpr index_t cell = Backbone::granularity / 2;  // pixels of level 2
      logits = plan.keep(call_head(s.model_->head(), ctx, pyramid, {s.options_.window[0] / cell, s.options_.window[1] / cell}));
      plan.finish();
      read_text_zero(s.device_);
    }

    void read_text_zero(Device& device) {
      std::vector<std::int32_t> const zero(static_cast<std::size_t>(count), 0);
      device.copy_from_host(text_of.data(), zero.data(), zero.size() * sizeof(std::int32_t));
      all_read_zero = true;
    }
    void load(Session& s, RawBatch const& raw) {
      fill(s, picture, raw.pictures, "pictures");
      if (noise) fill(s, noise, raw.noise, "noise");
      if (raw.text_of_picture.empty()) return read_text_zero(s.device_);
      if (raw.text_of_picture.size() != static_cast<std::size_t>(count))
        throw Error(Errc::argument, "one text a picture is needed", {.expected = std::to_string(count), .found = std::to_string(raw.text_of_picture.size())});
      for (std::int32_t const t : raw.text_of_picture)
        if (t < 0 || t >= s.options_.texts)
          throw Error(Errc::argument, "a picture reads a text that there is not", {.expected = "below " + std::to_string(s.options_.texts), .found = std::to_string(t)});
      s.device_.copy_from_host(text_of.data(), raw.text_of_picture.data(), raw.text_of_picture.size_bytes());
      all_read_zero = false;
    }
    void fill(Session& s, Value v, std::span<float const> from, char const* what) const {
      if (from.size() != static_cast<std::size_t>(v.shape.count()))
        throw Error(Errc::shape, std::string("a raw batch has other ") + what + " than the session was made for",
                    {.expected = to_string(v.shape), .found = std::to_string(from.size()) + " values"});
      s.device_.copy_from_host(plan.view(v).data, from.data(), from.size_bytes());
    }
    /// The place of one window in the batch.
    Features<Device> slot(Value v, index_t i) const {
      auto const whole = plan.view(v);
      FeatureShape shape = v.shape;
      shape[0] = 1;
      return {whole.pixel(i * shape.positions()), shape, whole.pixel_stride};
    }

    Plan<Device> plan;
    Tensor<std::int32_t, 1, Device> text_of;
    index_t count;
    Value picture, noise, latent, logits;
    UNetFeatures<Value> maps;
    Pyramid<Value> pyramid;
    bool all_read_zero = false;
  };

  Options checked(Options o) const {
    auto const fail = [](char const* key, std::string expected, index_t found) {
      throw Error(Errc::argument, "an option of the session does not fit the model", {.key = key, .expected = std::move(expected), .found = std::to_string(found)});
    };
    if (model_ == nullptr || weights_ == nullptr) throw Error(Errc::argument, "a session needs a model and weights");
    if (&weights_->list() != model_->parameters().get()) throw Error(Errc::argument, "the weights were made for another model");
    constexpr int unit = drops_padding<typename Model::Task::Net, PlanContext<Device>> ? Backbone::granularity / 2 : Backbone::granularity;
    for (int const side : o.window)
      if (side <= 0 || side % unit != 0) fail("window", "a multiple of " + std::to_string(unit), side);
    if (o.shifts < 0 || o.shifts == 1) fail("shifts", "0, or at least 2", o.shifts);
    if (o.stride < 0 || o.stride > std::min(o.window[0], o.window[1])) fail("stride", "at most the window's side", o.stride);
    if ((o.fit[0] != 0 || o.fit[1] != 0) && (o.fit[1] < 1 || o.fit[0] < o.fit[1])) fail("fit", "the long side, then the short one", o.fit[1]);
    if (o.batch < 1) fail("batch", "at least 1", o.batch);
    if (o.texts < 1) fail("texts", "at least 1", o.texts);
    if (o.threads < 1) fail("threads", "at least 1", o.threads);
    if (model_->sizes().classes >= ignore_label) fail("classes", "at most 254, as labels are bytes", model_->sizes().classes);
    return o;
  }
  static Device device_of(Options const& o) {
    if constexpr (std::constructible_from<Device, int>)
      return Device(o.threads);
    else
      return Device{};
  }

  void fold_time() {
    PlanContext<Device> ctx(time_plan_);
    auto const embedding = timestep_embedding(1.0F, Backbone::UNet::config.model_channels);
    Value const in = time_plan_.input({1, 1, 1, static_cast<index_t>(embedding.size())});
    time_ = model_->backbone().unet.time_projections(ctx, in);
    for (Value const& v : time_) time_plan_.keep(v);
    time_plan_.finish();
    device_.copy_from_host(time_plan_.view(in).data, embedding.data(), embedding.size() * sizeof(float));
    time_plan_.run(device_);
  }
  void plan_text() {
    PlanContext<Device> ctx(text_plan_);
    texts_ = model_->backbone().unet.keys_values(ctx, model_->context(ctx, ids_.data(), options_.texts));
    for (auto const& kv : texts_) text_plan_.keep(kv.keys), text_plan_.keep(kv.values);
    text_plan_.finish();
  }

  bool same_prompt(Prompt const& p) const { return p.caption == prompt_.caption && p.modifier == prompt_.modifier && p.ids == prompt_.ids; }
  void upload_ids(int text, std::span<std::int32_t const> ids) {
    if (ids.size() != static_cast<std::size_t>(text_config.length))
      throw Error(Errc::shape, "a tokenizer made a text of another length", {.expected = std::to_string(text_config.length), .found = std::to_string(ids.size())});
    device_.copy_from_host(ids_.data() + index_t{text} * text_config.length, ids.data(), ids.size_bytes());
  }
  void encode(Control const& control) {
    text_ready_ = false;
    text_plan_.run(device_, [&](std::size_t, std::size_t) { control.check(); });
  }
  void set_raw_text(std::span<std::int32_t const> ids, Control const& control) {
    text_ready_ = false;
    auto const length = static_cast<std::size_t>(text_config.length);
    if (ids.size() % length != 0 || ids.size() / length > static_cast<std::size_t>(options_.texts))
      throw Error(Errc::shape, "a raw batch has other texts than the session was made for",
                  {.expected = "at most " + std::to_string(options_.texts) + " of " + std::to_string(length) + " ids", .found = std::to_string(ids.size())});
    auto const blank = pad_tokens({}, text_config);
    for (int t = 0; t < options_.texts; ++t) {
      auto const at = static_cast<std::size_t>(t) * length;
      if (at < ids.size())
        upload_ids(t, pad_tokens(ids.subspan(at, length), text_config));
      else
        upload_ids(t, blank);
    }
    encode(control);
  }

  template <class View>
  SegmentationResult run_any(View picture, Prompt const& prompt, Wanted const& wanted, Control const& control) {
    windows_.set(device_, fitted(picture), options_.normalisation);
    join(prompt, wanted.maps, control);
    unfit(picture.height, picture.width);
    SegmentationResult result;
    result.labels = LabelMap(picture.width, picture.height);
    if (wanted.confidence) result.confidence.resize(result.labels.labels.size());
    settle(result.labels.labels, result.confidence);
    if (wanted.logits) result.logits = to_host(sum_);
    if (!wanted.maps.empty()) result.maps = {picture.width, picture.height, static_cast<int>(wanted.maps.size()), to_host(map_sum_)};
    return result;
  }
  PictureView fitted(PictureView picture) { return options_.fit[0] == 0 ? picture : fit_(picture, options_.fit[0], options_.fit[1]); }
  static NormalisedView fitted(NormalisedView picture) { return picture; }  // its scale is its maker's choice
  /// What was joined over a fitted picture, at the size of the picture itself.
  void unfit(index_t height, index_t width) {
    auto const enlarge = [&](Features<Device>& from, GrowingBuffer<float, Device>& memory) {
      if (!from || (from.shape[1] == height && from.shape[2] == width)) return;
      FeatureShape const shape{1, height, width, from.shape.channels()};
      Features<Device> const to{memory.at_least(device_, shape.count()), shape};
      resize_bilinear(device_, Corners::half_pixel, ConstFeatures<Device>(from), to);
      from = to;
    };
    enlarge(sum_, full_sum_memory_);
    enlarge(map_sum_, full_map_memory_);
  }
  /// Joins logits, and maps where there are groups of tokens, over the windows of the picture that was set.
  void join(Prompt const& prompt, std::span<std::vector<int> const> groups, Control const& control) {
    require_groups(groups);
    control.check();
    set_prompt(prompt, control);
    auto const [h, w] = options_.window;
    sum_ = windows_.zero_sum(device_, sum_memory_, classes());
    auto const stride = [&](index_t size, int side) {
      return options_.shifts > 0 ? shift_stride(size, side, options_.shifts) : options_.stride > 0 ? index_t{options_.stride} : default_stride(side);
    };
    windows_.lay_out(device_, {h, w}, {stride(sum_.shape[1], h), stride(sum_.shape[2], w)});
    map_sum_ = {};
    if (!groups.empty()) map_sum_ = windows_.zero_sum(device_, map_memory_, static_cast<index_t>(groups.size()));
    index_t const all = windows_.grid().count() * looks();
    for (index_t first = 0; first < all;) {
      Pass& pass = single_ && all - first < full_->count ? *single_ : *full_;
      if (!pass.all_read_zero) pass.read_text_zero(device_);
      for (index_t i = 0; i < pass.count; ++i) load_window(pass, i, first + i);
      pass.plan.run(device_, [&](std::size_t done, std::size_t operations) {
        auto const total = static_cast<std::size_t>(all) * operations;
        control.step(static_cast<std::size_t>(first) * operations + done * static_cast<std::size_t>(pass.count), total);
      });
      for (index_t i = 0; i < pass.count; ++i) {
        add_look(first + i, 1.0F, pass.slot(pass.logits, i), sum_);
        if (!groups.empty()) add_maps(pass, i, first + i, groups);
      }
      first += pass.count;
    }
    windows_.divide(device_, sum_);
    if (!groups.empty()) windows_.divide(device_, map_sum_);
  }
  /// Looks at a window: as it is, and mirrored where the options say so.
  index_t looks() const { return options_.flip ? 2 : 1; }
  bool mirrored(index_t look) const { return look % looks() == 1; }
  Features<Device> room(GrowingBuffer<float, Device>& memory, FeatureShape const& shape) { return {memory.at_least(device_, shape.count()), shape}; }
  /// Adds what a look gave, turned back where it was mirrored.
  void add_look(index_t look, float factor, ConstFeatures<Device> x, Features<Device> sum) {
    if (mirrored(look)) {
      auto const turned = room(turned_memory_, x.shape);
      mirror(device_, x, turned);
      x = turned;
    }
    windows_.add(device_, look / looks(), factor / static_cast<float>(looks()), x, sum);
  }
  void load_window(Pass& pass, index_t slot, index_t look) {
    index_t const window = look / looks();
    auto const input = pass.slot(pass.picture, slot);
    FeatureShape const seen{1, options_.window[0], options_.window[1], 3};
    bool const whole = input.shape == seen;  // nothing is padded
    auto cut = whole && !mirrored(look) ? input : room(cut_memory_, seen);
    windows_.window(device_, window, cut);
    if (mirrored(look)) {
      auto const turned = whole ? input : room(turned_memory_, seen);
      mirror(device_, ConstFeatures<Device>(cut), turned);
      cut = turned;
    }
    if (!whole) reframe(device_, ConstFeatures<Device>(cut), input);
    if (!pass.noise) return;
    auto const to = pass.slot(pass.noise, slot);
    noise_.resize(static_cast<std::size_t>(to.shape.count()));
    // Of the window, not of its place in the batch: a batch of eight draws what eight batches of one draw.
    std::uint64_t const key = random_key(options_.seed, windows_.grid().top(window), windows_.grid().left(window));
    for (std::size_t i = 0; i < noise_.size(); ++i) noise_[i] = random_normal(key, i);
    device_.copy_from_host(to.data, noise_.data(), noise_.size() * sizeof(float));
  }
  /// The mean over a group's tokens at each level that has maps, joined like logits.
  void add_maps(Pass& pass, index_t slot, index_t look, std::span<std::vector<int> const> groups) {
    int levels = 0;
    for (Value const& map : pass.maps.cross_maps) levels += map ? 1 : 0;
    for (Value const& map : pass.maps.cross_maps) {
      if (!map) continue;
      ConstFeatures<Device> const tokens = pass.slot(map, slot);
      FeatureShape const shape = FeatureShape(tokens.shape).with_channels(static_cast<index_t>(groups.size()));
      Features<Device> const grouped{group_memory_.at_least(device_, shape.count()), shape};
      for (std::size_t g = 0; g < groups.size(); ++g) {
        auto const count = static_cast<index_t>(groups[g].size());
        std::int32_t* const channels = channel_memory_.at_least(device_, count);
        device_.copy_from_host(channels, groups[g].data(), groups[g].size() * sizeof(std::int32_t));
        mean_of_channels(device_, tokens, channels, count, grouped.channels(static_cast<index_t>(g), 1));
      }
      add_look(look, 1.0F / static_cast<float>(levels), grouped, map_sum_);
    }
  }
  void require_groups(std::span<std::vector<int> const> groups) const {
    for (auto const& group : groups) {
      if (group.empty()) throw Error(Errc::argument, "a map of no token was asked for");
      for (int const token : group)
        if (token < 0 || token >= model_->context_length())
          throw Error(Errc::argument, "a map of a token that the context does not have was asked for",
                      {.expected = "below " + std::to_string(model_->context_length()), .found = std::to_string(token)});
    }
    bool any = false;
    for (Value const& map : full_->maps.cross_maps) any = any || static_cast<bool>(map);
    if (!groups.empty() && !any) throw Error(Errc::argument, "this network has no attention maps at the levels that are averaged");
  }

  /// Sums to labels, and to confidence where there is room for it.
  void settle(std::span<std::uint8_t> labels, std::span<float> confidence) {
    index_t const pixels = sum_.shape.pixels();
    std::uint8_t* const decided = label_memory_.at_least(device_, pixels);
    float* const sure = confidence.empty() ? nullptr : confidence_memory_.at_least(device_, pixels);
    decide(device_, ConstFeatures<Device>(sum_), decided, sure);
    device_.copy_to_host(labels.data(), decided, labels.size());
    if (sure != nullptr) device_.copy_to_host(confidence.data(), sure, confidence.size_bytes());
  }
  std::vector<float> to_host(Features<Device> v) const {
    std::vector<float> host(static_cast<std::size_t>(v.shape.count()));
    device_.copy_to_host(host.data(), v.data, host.size() * sizeof(float));
    return host;
  }
  ConstFeatures<Device> view(Value v) const { return v ? ConstFeatures<Device>(full_->plan.view(v)) : ConstFeatures<Device>{}; }

  std::shared_ptr<Model const> model_;
  std::shared_ptr<Weights<Device> const> weights_;
  Options options_;
  Device device_;
  Plan<Device> time_plan_, text_plan_;
  std::vector<Value> time_;
  std::vector<KeysValues<Value>> texts_;
  Tensor<std::int32_t, 1, Device> ids_;
  Prompt prompt_;
  Tokens tokens_;
  bool text_ready_ = false;
  std::unique_ptr<Pass> full_, single_;
  PictureWindows<Device> windows_;
  Features<Device> sum_{}, map_sum_{};
  std::vector<float> noise_;
  FitPicture fit_;
  GrowingBuffer<float, Device> sum_memory_, map_memory_, full_sum_memory_, full_map_memory_, group_memory_, confidence_memory_, cut_memory_, turned_memory_;
  GrowingBuffer<std::uint8_t, Device> label_memory_;
  GrowingBuffer<std::int32_t, Device> channel_memory_;
};

}  // namespace tadp
