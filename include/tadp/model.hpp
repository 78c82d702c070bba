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
  index_t classes = dynamic;                ///< of the first head
  index_t class_embeddings = dynamic;       ///< of AveragedEos
  std::vector<index_t> further_classes{};   ///< of the second head, the third ..; missing ones are dynamic
  index_t learned_tokens = 0;               ///< rows of LearnedToken: a token of several vectors has as many

  index_t classes_of(std::size_t head) const { return head == 0 ? classes : head <= further_classes.size() ? further_classes[head - 1] : dynamic; }
};

namespace model_detail {
/// Each task once, each made for the channels that it gets: the requirements name themselves.
template <class Model, class List>
struct heads_fit;
template <class Model, class... Tasks>
struct heads_fit<Model, TaskList<Tasks...>> {
  static constexpr int unique = (0 + ... + (TaskList<Tasks...>::template times<Tasks> == 1 ? 1 : 0));
  using requirements = std::tuple<heads_are_unique<unique, static_cast<int>(sizeof...(Tasks))>, head_accepts_features<typename Model::template features_of<Tasks>, typename Tasks::expected>...>;
};
}  // namespace model_detail

/// HeadType: Head<Task>, or Heads<Head<A>, Head<B>, ..> that read one pass of the backbone.
template <class BackboneType, class PromptType, class HeadType>
class Model {
  // Each struct names itself in the compiler's message; nothing else is looked at before them.
  static_assert(sizeof(typename PromptType::requirements) > 0);

 public:
  using Backbone = BackboneType;
  using Prompt = PromptType;
  using Tasks = tasks_of<HeadType>;
  using Task = typename Tasks::First;
  static constexpr int tokens = Prompt::template tokens<typename Backbone::TextEncoder>();
  /// What a task's head reads.
  template <class T>
  using features_of = typename Backbone::template features<reads_maps<T> ? tokens : 0>;
  using features = features_of<Task>;
  static_assert(sizeof(typename model_detail::heads_fit<Model, Tasks>::requirements) > 0);

  /// Error(argument) where a dynamic count was not given, Error(shape) where one differs from what the type fixes or the
  /// head was made for other channels: the sentences of core/require.hpp.
  explicit Model(ModelSizes sizes = {}) : Model(std::make_shared<ParameterList>(), sizes) {}
  Model(Model const&) = delete;
  Model& operator=(Model const&) = delete;

  std::shared_ptr<ParameterList const> parameters() const { return list_; }
  Backbone const& backbone() const { return backbone_; }
  /// The net of a task, by default the first one's.
  template <class T = Task>
  typename T::Net const& head() const {
    return std::get<Tasks::template position<T>>(heads_);
  }
  /// Classes of a head, by its place.
  template <std::size_t Place = 0>
  index_t classes() const {
    return sizes_.classes_of(Place);
  }
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
      : list_(list), sizes_(checked(sizes)), backbone_(Scope(*list), sizes_.learned_tokens), heads_(make_heads(Scope(*list), sizes_, Tasks{})) {
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
    constexpr index_t most_learned = Prompt::template has<LearnedToken> ? 65536 : 0;
    if (sizes.learned_tokens < 0 || sizes.learned_tokens > most_learned)
      throw Error(Errc::argument, most_learned == 0 ? "this model's prompt has no learned tokens" : "there are too many learned tokens",
                  {.key = "learned tokens", .expected = "at most " + std::to_string(most_learned), .found = std::to_string(sizes.learned_tokens)});
    sizes.further_classes.resize(Tasks::count - 1, dynamic);
    std::size_t place = 0;
    for (int const fixed : class_counts(Tasks{})) {
      settle(place == 0 ? sizes.classes : sizes.further_classes[place - 1], fixed, "classes", sentence_classes_agree);
      ++place;
    }
    if constexpr (Prompt::has_classes) settle(sizes.class_embeddings, fixed_embeddings, "class embeddings", sentence_head_accepts_features);
    require_heads(sizes, Tasks{});
    return sizes;
  }
  template <class... T>
  static constexpr std::array<int, sizeof...(T)> class_counts(TaskList<T...>) {
    return {T::classes...};
  }
  template <class... T>
  static void require_heads(ModelSizes const& sizes, TaskList<T...>) {
    (require_channels<typename T::expected>(feature_channels<T>(sizes)), ...);
  }
  template <class... T>
  static std::tuple<typename T::Net...> make_heads(Scope const& s, ModelSizes const& sizes, TaskList<T...>) {
    // In braces: parameters are listed in the order of the heads.
    return std::tuple<typename T::Net...>{typename T::Net(s, feature_channels<T>(sizes), sizes.classes_of(Tasks::template position<T>))...};
  }
  static index_t length_of(ModelSizes const& sizes) {
    return (Prompt::has_text ? Backbone::TextEncoder::config.length : 0) + (Prompt::has_classes ? sizes.class_embeddings : 0);
  }
  template <class T>
  static FeatureChannels feature_channels(ModelSizes const& sizes) {
    auto const& unet = Backbone::UNet::config;
    index_t const maps = reads_maps<T> ? length_of(sizes) : 0;
    return {unet.channels(0), unet.channels(1) + maps, unet.channels(2) + maps, unet.channels(3)};
  }

  std::shared_ptr<ParameterList> list_;
  ModelSizes sizes_;
  Backbone backbone_;
  decltype(make_heads(std::declval<Scope>(), std::declval<ModelSizes>(), Tasks{})) heads_;
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
