// SPDX-License-Identifier: Apache-2.0
// A model at work under a policy: here inference, pictures and prompts to what each head answers, and maps of words.
// All passes are planned at its start: a second picture of the same size allocates one block for each value it is answered with.
#pragma once

#include "tadp/diffusion/backbone_pass.hpp"
#include "tadp/exec/policy.hpp"
#include "tadp/exec/session_device.hpp"
#include "tadp/heads/head_pass.hpp"
#include "tadp/heads/map_answers.hpp"
#include "tadp/heads/run_options.hpp"
#include "tadp/heads/window_input.hpp"
#include "tadp/heads/window_join.hpp"
#include "tadp/heads/word_maps.hpp"
#include "tadp/io/resize.hpp"
#include "tadp/model.hpp"

namespace tadp {

/// Policy: Inference<Device, ...> or Training<Device, ...>.
template <class Model, class Policy>
class Session;

template <class ModelType, class DeviceType, class... Policies>
class Session<ModelType, Inference<DeviceType, Policies...>> {
 public:
  using Model = ModelType;
  using Device = typename Inference<DeviceType, Policies...>::Device;
  using Options = SessionOptions;
  using Backbone = typename Model::Backbone;
  using Tasks = typename Model::Tasks;
  static constexpr TextEncoderConfig text_config = Backbone::TextEncoder::config;
  /// Whether a head of the model answers with a Result.
  template <class Result>
  static constexpr bool answers = Tasks::template with_result<Result> < Tasks::count;

  /// Plans every pass and folds what is constant at t = 1. Error(argument) where an option does not fit the model,
  /// Error(memory).
  Session(std::shared_ptr<Model const> model, std::shared_ptr<Weights<DeviceType> const> weights, Options options = {})
      : model_(std::move(model)), weights_(std::move(weights)), options_(checked(std::move(options))), device_(session_device(weights_->device(), options_.threads)),
        elements_(device_, *weights_), conditioning_(device_, elements_.view(), model_->backbone(), options_.texts, [this](auto& ctx, std::int32_t const* ids, index_t texts) { return model_->context(ctx, ids, texts); }),
        full_(std::make_unique<Pass>(*this, options_.batch)) {
    if (options_.batch > 1) single_ = std::make_unique<Pass>(*this, 1);
  }
  Session(Session const&) = delete;
  Session& operator=(Session const&) = delete;

  Options const& options() const { return options_; }
  Model const& model() const { return *model_; }
  index_t classes() const { return model_->sizes().classes; }
  /// The tokens of the last prompt: their words, and the words that have none.
  Tokens const& tokens() const { return tokens_; }

  /// Labels. `picture`, here and below: a PictureView, or a NormalisedView. Where several heads answer alike, the first
  /// of them is meant; `perceive` names a task.
  template <class PictureType>
    requires answers<SegmentationResult>
  LabelMap operator()(PictureType const& picture, Prompt const& prompt = {}, Control const& control = {}) {
    return run(picture, prompt, {}, control).labels;
  }
  /// Labels into the caller's (height, width) bytes.
  void infer(PictureView picture, Prompt const& prompt, std::span<std::uint8_t> labels, Control const& control = {})
    requires answers<SegmentationResult>
  {
    set_picture(picture);
    auto const pixels = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height);
    if (labels.size() != pixels)
      throw Error(Errc::argument, "the buffer for labels has another size than the picture",
                  {.expected = std::to_string(pixels) + " bytes", .found = std::to_string(labels.size())});
    look(prompt, only<at<SegmentationResult>>(), {}, control);
    answers_.decide_into(device_, joined<at<SegmentationResult>>(), labels, {});
  }
  /// Labels and what else is wanted. Error(argument) for a map of a token that the context does not have.
  SegmentationResult run(PictureView picture, Prompt const& prompt, Wanted const& wanted = {}, Control const& control = {})
    requires answers<SegmentationResult>
  {
    return single<at<SegmentationResult>>(picture, prompt, wanted, control);
  }
  SegmentationResult run(NormalisedView picture, Prompt const& prompt, Wanted const& wanted = {}, Control const& control = {})
    requires answers<SegmentationResult>
  {
    return single<at<SegmentationResult>>(picture, prompt, wanted, control);
  }
  /// Metres, at the picture's own size; for the camera of PictureView::focal, else for that of the options or of the head's configuration.
  template <class PictureType>
    requires answers<DepthMap>
  DepthMap depth(PictureType const& picture, Prompt const& prompt = {}, Control const& control = {}) {
    return single<at<DepthMap>>(picture, prompt, {}, control);
  }
  /// Boxes in pixels of the picture.
  template <class PictureType>
    requires answers<DetectionResult>
  DetectionResult detect(PictureType const& picture, Prompt const& prompt = {}, Control const& control = {}) {
    return single<at<DetectionResult>>(picture, prompt, {}, control);
  }
  /// The numbers of a head whose Result is DenseMap.
  template <class PictureType>
    requires answers<DenseMap>
  DenseMap numbers(PictureType const& picture, Prompt const& prompt = {}, Control const& control = {}) {
    return single<at<DenseMap>>(picture, prompt, {}, control);
  }
  /// What all heads answer to one pass of the backbone, or those of `Some` (tasks of the model), in a tuple; `wanted` adds to labels.
  template <class... Some, class PictureType>
  auto perceive(PictureType const& picture, Prompt const& prompt, Wanted const& wanted = {}, Control const& control = {}) {
    if constexpr (sizeof...(Some) == 0)
      return perceive_all(picture, prompt, wanted, control, Tasks{});
    else
      return perceive_all(picture, prompt, wanted, control, TaskList<Some...>{});
  }
  /// The maps of words that the last `perceive` was asked for.
  AttentionMaps const& maps() const { return maps_; }

  /// Encodes a prompt ahead of the pictures; does nothing where it is the last one's.
  void set_prompt(Prompt const& prompt, Control const& control = {}) {
    if (text_ready_ && prompt == prompt_) return;
    Tokens next = tokens_of<typename Model::Prompt>(prompt, options_.tokenizer, model_->backbone().text.with_learned());
    bool const known = text_ready_ && next.ids == tokens_.ids;
    tokens_ = std::move(next);
    prompt_ = prompt;
    if (known) return;
    text_ready_ = false;
    conditioning_.encode(tokens_.ids, control);
    text_ready_ = true;
  }

  /// One batch as it is, for those who want features: read it with the functions below until the next call.
  void run_raw(RawBatch const& raw, Control const& control = {}) {
    text_ready_ = false;
    conditioning_.encode_raw(raw.ids, control);
    full_->backbone.fill(device_, full_->backbone.picture(), raw.pictures, "pictures");
    if (full_->backbone.noise()) full_->backbone.fill(device_, full_->backbone.noise(), raw.noise, "noise");
    full_->backbone.read_texts(device_, raw.text_of_picture);
    run_pass(*full_, all_heads(), [&](std::size_t done, std::size_t total) { control.step(done, total); });
  }
  /// (batch, h, w, C), fine to coarse, as the first head reads it.
  ConstFeatures<Device> pyramid(int level) const { return full_->backbone.view(full_->backbone.pyramid(reads_maps<typename Tasks::First>)[static_cast<std::size_t>(level)]); }
  /// (batch, h, w, tokens) of levels 1 and 2; empty where the network has no attention.
  ConstFeatures<Device> cross_map(int level) const { return full_->backbone.view(full_->backbone.cross_maps()[static_cast<std::size_t>(level)]); }
  /// (batch, h, w, h * w), where the options ask for it.
  ConstFeatures<Device> self_map(int level) const { return full_->backbone.view(full_->backbone.self_maps()[static_cast<std::size_t>(level)]); }
  ConstFeatures<Device> latent() const { return full_->backbone.view(full_->backbone.latent()); }
  /// What the first head says of the batch: (batch, h, w, classes) of segmentation.
  ConstFloats<Device> logits() const { return std::get<0>(full_->heads).answer(); }

 private:
  using Value = PlannedValue;
  template <class Result>
  static constexpr std::size_t at = Tasks::template with_result<Result>;
  template <std::size_t I>
  using Task = typename Tasks::template At<I>;
  using Mask = std::array<bool, Tasks::count>;
  static constexpr Mask all_heads() {
    Mask mask{};
    mask.fill(true);
    return mask;
  }
  template <std::size_t... I>
  static constexpr Mask only() {
    Mask mask{};
    ((mask[I] = true), ...);
    return mask;
  }
  template <class Function>
  static void for_heads(Function const& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (f(std::integral_constant<std::size_t, I>{}), ...); }(std::make_index_sequence<Tasks::count>{});
  }

  /// The backbone for a fixed count of windows, and every head on it.
  struct Pass {
    Pass(Session& s, index_t windows)
        : backbone(s.device_, s.elements_.view(), s.model_->backbone(), s.conditioning_,
                   {.windows = windows, .window = s.options_.window, .latent = s.options_.latent, .self_maps = s.options_.self_maps,
                    .with_maps = Tasks::any_reads_maps, .without_maps = Tasks::any_reads_no_maps}),
          heads(make(s, backbone, Tasks{})) {}

    template <class... T>
    static auto make(Session& s, BackbonePass<Backbone, Device> const& b, TaskList<T...>) {
      constexpr index_t cell = Backbone::granularity / 2;  // pixels of level 2
      std::array<index_t, 2> const cells{s.options_.window[0] / cell, s.options_.window[1] / cell};
      return std::tuple<HeadPass<T, Device>...>(HeadPass<T, Device>(s.device_, s.elements_.view(), s.model_->template head<T>(), b.plan(), b.pyramid(reads_maps<T>), cells)...);
    }

    BackbonePass<Backbone, Device> backbone;
    decltype(make(std::declval<Session&>(), std::declval<BackbonePass<Backbone, Device> const&>(), Tasks{})) heads;
  };

  Options checked(Options o) const {
    if (model_ == nullptr || weights_ == nullptr) throw Error(Errc::argument, "a session needs a model and weights");
    if (&weights_->list() != model_->parameters().get()) throw Error(Errc::argument, "the weights were made for another model");
    // Only a model of heads that drop padding may see half of the coarsest cell.
    constexpr int unit = Tasks::template all_drop_padding<PlanContext<Device>> ? Backbone::granularity / 2 : Backbone::granularity;
    require_options(o, unit);
    for_heads([&](auto i) {
      if (index_t const n = model_->template classes<i>(); std::is_same_v<result_of<Task<i>>, SegmentationResult> && n >= ignore_label)
        throw Error(Errc::argument, "labels are bytes: the model has too many classes", {.key = "classes", .expected = "at most 254", .found = std::to_string(n)});
    });
    return o;
  }

  /// Takes a picture to the size that it is looked at.
  void set_picture(PictureView picture) {
    height_ = picture.height, width_ = picture.width;
    if (options_.stretch) picture = fit_.to(picture, options_.window[1], options_.window[0]);
    if (options_.fit[0] != 0) picture = fit_(picture, options_.fit[0], options_.fit[1]);
    focal_ = picture.focal;
    windows_.set(device_, picture, options_.normalisation);
  }
  void set_picture(NormalisedView picture) {  // its scale is its maker's choice
    height_ = picture.height, width_ = picture.width, focal_ = 0.0F;
    windows_.set(device_, picture, options_.normalisation);
  }
  template <class PictureType>
  void take_picture(PictureType const& picture) {
    if constexpr (std::is_convertible_v<PictureType const&, PictureView>)
      set_picture(PictureView(picture));
    else
      set_picture(NormalisedView(picture));
  }
  template <std::size_t I, class PictureType>
  auto single(PictureType const& picture, Prompt const& prompt, Wanted const& wanted, Control const& control) {
    take_picture(picture);
    look(prompt, only<I>(), wanted.maps, control);
    return answer<I>(wanted);
  }
  template <class PictureType, class... Some>
  std::tuple<result_of<Some>...> perceive_all(PictureType const& picture, Prompt const& prompt, Wanted const& wanted, Control const& control, TaskList<Some...>) {
    static_assert(((Tasks::template times<Some> == 1) && ...), "tadp: a task was asked for that is no head of this model: name one of its Heads");
    take_picture(picture);
    look(prompt, only<Tasks::template position<Some>...>(), wanted.maps, control);
    return std::tuple<result_of<Some>...>{answer<Tasks::template position<Some>>(wanted)...};
  }

  /// What head I says of the picture that was looked at.
  template <std::size_t I>
  auto answer(Wanted const& wanted) {
    if constexpr (finds_boxes<Task<I>>)
      return std::get<I>(joins_).finish(device_, windows_.grid().vertical.size, windows_.grid().horizontal.size, static_cast<int>(height_), static_cast<int>(width_));
    else
      return answer_of<Task<I>>(std::type_identity<result_of<Task<I>>>{}, joined<I>(), wanted);
  }
  template <class T>
  SegmentationResult answer_of(std::type_identity<SegmentationResult>, Floats<Device> joined, Wanted const& wanted) {
    SegmentationResult r = answers_.labels(device_, joined, wanted);
    if constexpr (Tasks::count == 1)
      r.maps = std::move(maps_);
    else
      r.maps = maps_;
    return r;
  }
  template <class T>
  DepthMap answer_of(std::type_identity<DepthMap>, Floats<Device> joined, Wanted const&) {
    float ratio = 1.0F;
    if constexpr (requires { T::config.focal; }) ratio = focal_ratio(options_.focal.value_or(T::config.focal), focal_);
    return answers_.metres(device_, joined, ratio);
  }
  template <class T>
  DenseMap answer_of(std::type_identity<DenseMap>, Floats<Device> joined, Wanted const&) {
    return answers_.numbers(device_, joined);
  }
  /// Head I's maps of all windows as one of the picture's own size.
  template <std::size_t I>
  Floats<Device> joined() {
    return std::get<I>(joins_).finish(device_, windows_, height_, width_);
  }

  /// Looks at every window of the picture that was set: joins what the chosen heads say, and maps of groups of tokens.
  void look(Prompt const& prompt, Mask const& heads, std::span<std::vector<int> const> groups, Control const& control) {
    require_groups(groups, model_->context_length(), has_maps());
    control.check();
    set_prompt(prompt, control);
    lay_out();
    for_heads([&](auto i) {
      if (!heads[i]) return;
      FeatureShape const said(std::get<i>(full_->heads).answer().shape);
      if constexpr (finds_boxes<Task<i>>)
        std::get<i>(joins_).begin(windows_.grid().count(), said.w());
      else
        std::get<i>(joins_).begin(device_, windows_, said.channels());
    });
    if (!groups.empty()) word_maps_.begin(device_, windows_, groups);
    index_t const all = windows_.grid().count() * looks();
    for (index_t first = 0; first < all;) {
      Pass& pass = single_ && all - first < full_->backbone.windows() ? *single_ : *full_;
      index_t const count = pass.backbone.windows();
      pass.backbone.read_text_zero(device_);
      for (index_t i = 0; i < count; ++i) load_window(pass.backbone, i, look_at(first + i));
      run_pass(pass, heads, [&](std::size_t done, std::size_t operations) {
        control.step(static_cast<std::size_t>(first) * operations + done * static_cast<std::size_t>(count), static_cast<std::size_t>(all) * operations);
      });
      for (index_t i = 0; i < count; ++i) {
        for_heads([&](auto head) {
          if (heads[head]) add(std::get<head>(joins_), std::get<head>(pass.heads), i, look_at(first + i));
        });
        if (!groups.empty()) add_maps(pass.backbone, i, look_at(first + i), groups);
      }
      first += count;
    }
    maps_ = {};
    if (!groups.empty()) maps_ = {static_cast<int>(width_), static_cast<int>(height_), static_cast<int>(groups.size()), values_on_host(device_, word_maps_.finish(device_, windows_, height_, width_))};
  }
  void lay_out() {
    auto const [h, w] = options_.window;
    auto const stride = [&](index_t size, int side) {
      return options_.shifts > 0 ? shift_stride(size, side, options_.shifts) : options_.stride > 0 ? index_t{options_.stride} : default_stride(side);
    };
    windows_.lay_out(device_, {h, w}, {stride(windows_.height(), h), stride(windows_.width(), w)});
  }
  /// Looks at a window: as it is, and mirrored where the options say so.
  index_t looks() const { return options_.flip ? 2 : 1; }
  Look look_at(index_t i) const { return {i / looks(), i % looks() == 1, 1.0F / static_cast<float>(looks())}; }

  /// Runs backbone and chosen heads; progress over the operations of all of them.
  template <class Progress>
  void run_pass(Pass& pass, Mask const& heads, Progress const& progress) {
    std::size_t total = pass.backbone.plan().operations(), before = 0;
    for_heads([&](auto i) { total += heads[i] ? std::get<i>(pass.heads).plan().operations() : 0; });
    auto const run = [&](Plan<Device> const& plan) {
      plan.run(device_, [&](std::size_t done, std::size_t) { progress(before + done, total); });
      before += plan.operations();
    };
    run(pass.backbone.plan());
    for_heads([&](auto i) {
      if (heads[i]) run(std::get<i>(pass.heads).plan());
    });
  }
  template <class Task>
  void add(MapJoin<Device>& joined, HeadPass<Task, Device> const& pass, index_t i, Look const& look) {
    joined.add(device_, windows_, look, one_of_batch(pass.answer(), i));
  }
  template <class Task>
  void add(BoxJoin<Device>& joined, HeadPass<Task, Device> const& pass, index_t i, Look const& look) {
    joined.add(device_, windows_, look, one_of_batch(pass.answer(), i), one_of_batch(pass.counts(), i));
  }

  void load_window(BackbonePass<Backbone, Device>& pass, index_t slot, Look const& look) {
    input_.picture(device_, windows_, look, options_.window, one_of_batch(pass.plan().float_view(pass.picture()), slot));
    if (pass.noise()) input_.noise(device_, windows_, look, options_.seed, one_of_batch(pass.plan().float_view(pass.noise()), slot));
  }
  void add_maps(BackbonePass<Backbone, Device>& pass, index_t slot, Look const& look, std::span<std::vector<int> const> groups) {
    std::array<ConstFeatures<Device>, 4> levels;
    std::size_t count = 0;
    for (Value const& map : pass.cross_maps())
      if (map) levels[count++] = one_of_batch(pass.plan().view(map), slot);
    word_maps_.add(device_, windows_, look, std::span(levels).first(count), groups);
  }
  bool has_maps() const {
    auto const& maps = full_->backbone.cross_maps();
    return std::any_of(maps.begin(), maps.end(), [](Value const& map) { return static_cast<bool>(map); });
  }

  template <class... T>
  static std::tuple<std::conditional_t<finds_boxes<T>, BoxJoin<Device>, MapJoin<Device>>...> joins_of(TaskList<T...>);

  std::shared_ptr<Model const> model_;
  std::shared_ptr<Weights<DeviceType> const> weights_;
  Options options_;
  Device device_;
  ElementWeights<Device> elements_;
  Conditioning<Backbone, Device> conditioning_;
  Prompt prompt_;
  Tokens tokens_;
  bool text_ready_ = false;
  std::unique_ptr<Pass> full_, single_;
  PictureWindows<Device> windows_;
  index_t height_ = 0, width_ = 0;  // of the picture itself
  float focal_ = 0.0F;              // of the picture as it is looked at
  decltype(joins_of(Tasks{})) joins_;
  WindowInput<Device> input_;
  WordMaps<Device> word_maps_;
  AttentionMaps maps_;
  FitPicture fit_;
  MapAnswers<Device> answers_;
};

}  // namespace tadp
