// SPDX-License-Identifier: Apache-2.0
// A model: backbone, prompt policy and head put together, with every check of the composition made first.
// Holds layers and the list of their parameters, no numbers: those are Weights, shared by any count of sessions.
#pragma once

#include "tadp/diffusion/backbone.hpp"
#include "tadp/heads/segmentation.hpp"

#include <memory>

namespace tadp {

/// Counts that a type may leave dynamic.
struct ModelSizes {
  index_t classes = dynamic;          ///< of the head
  index_t class_embeddings = dynamic; ///< of AveragedEos
};

template <class BackboneType, class PromptType, class HeadType>
class Model {
  // Each struct names itself in the compiler's message; nothing else is looked at before them.
  static_assert(sizeof(typename PromptType::requirements) > 0);

 public:
  using Backbone = BackboneType;
  using Prompt = PromptType;
  using Task = typename HeadType::Task;
  static constexpr int tokens = Prompt::template tokens<typename Backbone::TextEncoder>();
  using features = typename Backbone::template features<reads_maps<Task> ? tokens : 0>;
  static_assert(head_accepts_features<features, typename Task::expected>::met);

  /// Error(argument) where a dynamic count was not given, Error(shape) where one differs from what the type fixes or the
  /// head was made for other channels: the sentences of core/require.hpp.
  explicit Model(ModelSizes sizes = {}) : Model(std::make_shared<ParameterList>(), sizes) {}
  Model(Model const&) = delete;
  Model& operator=(Model const&) = delete;

  std::shared_ptr<ParameterList const> parameters() const { return list_; }
  Backbone const& backbone() const { return backbone_; }
  typename Task::Net const& head() const { return head_; }
  ModelSizes const& sizes() const { return sizes_; }
  /// Tokens of the context with every count known.
  index_t context_length() const { return length_of(sizes_); }

  /// ids (texts x length, on the device; unused without a text) -> context (T, 1, tokens, width), adapted where the policy says so.
  template <class Ctx>
  typename Ctx::Value context(Ctx& ctx, std::int32_t const* ids, index_t texts) const {
    typename Ctx::Value c;
    if constexpr (Prompt::has_text) c = backbone_.text(ctx, ids, texts);
    if constexpr (Prompt::has_classes) {
      auto const classes = ctx.apply(ParameterRowsOp{{class_embeddings_}, sizes_.class_embeddings, Backbone::TextEncoder::config.width},
                                     std::span<typename Ctx::Value const>{})[0];
      c = c ? ctx.apply(JoinTokensOp{}, {c, classes})[0] : classes;
    }
    if (adapter_) c = (*adapter_)(ctx, c);
    return c;
  }

 private:
  Model(std::shared_ptr<ParameterList> list, ModelSizes sizes)
      : list_(list), sizes_(checked(sizes)), backbone_(Scope(*list)), head_(Scope(*list), feature_channels(sizes_), sizes_.classes) {
    if constexpr (Prompt::template has<Adapter>) adapter_.emplace(Scope(*list), Backbone::TextEncoder::config.width);
    if constexpr (Prompt::has_classes)
      class_embeddings_ = Scope(*list).add("class_embeddings", {sizes_.class_embeddings, Backbone::TextEncoder::config.width}, Init::embedding, false);
  }
  static ModelSizes checked(ModelSizes sizes) {
    constexpr int fixed_embeddings = Prompt::has_classes && tokens != dynamic ? tokens - (Prompt::has_text ? Backbone::TextEncoder::config.length : 0) : dynamic;
    auto const settle = [](index_t& given, int fixed, char const* what, std::string_view sentence) {
      if (given == dynamic) given = fixed;
      if (given == dynamic || given <= 0) throw Error(Errc::argument, std::string("the model's type leaves the count of ") + what + " open: give it when the model is made");
      if (!counts_agree(static_cast<int>(given), fixed))
        throw Error(Errc::shape, std::string(sentence), {.key = what, .expected = std::to_string(fixed), .found = std::to_string(given)});
    };
    settle(sizes.classes, Task::classes, "classes", sentence_classes_agree);
    if constexpr (Prompt::has_classes) settle(sizes.class_embeddings, fixed_embeddings, "class embeddings", sentence_head_accepts_features);
    require_channels<typename Task::expected>(feature_channels(sizes));
    return sizes;
  }
  static index_t length_of(ModelSizes const& sizes) {
    return (Prompt::has_text ? Backbone::TextEncoder::config.length : 0) + (Prompt::has_classes ? sizes.class_embeddings : 0);
  }
  static FeatureChannels feature_channels(ModelSizes const& sizes) {
    auto const& unet = Backbone::UNet::config;
    index_t const maps = reads_maps<Task> ? length_of(sizes) : 0;
    return {unet.channels(0), unet.channels(1) + maps, unet.channels(2) + maps, unet.channels(3)};
  }

  std::shared_ptr<ParameterList> list_;
  ModelSizes sizes_;
  Backbone backbone_;
  typename Task::Net head_;
  std::optional<TextAdapter> adapter_;
  ParameterId class_embeddings_{};
};

/// What a task reads of a backbone's features: without the maps where it says so.
template <class Task, class Ctx>
Pyramid<typename Ctx::Value> pyramid_for(Ctx& ctx, UNetFeatures<typename Ctx::Value> const& f) {
  if constexpr (reads_maps<Task>)
    return pyramid_of(ctx, f);
  else
    return f.features;
}

}  // namespace tadp
