// SPDX-License-Identifier: Apache-2.0
// What text conditions the UNet: the parts of a prompt, composed at compile time, their strings given at run time.
// The parts decide how many tokens the context has, and so how many map channels join levels 1 and 2 of the pyramid.
#pragma once

#include "tadp/core/channels.hpp"
#include "tadp/core/require.hpp"
#include "tadp/text/clip.hpp"
#include "tadp/text/modifier.hpp"

#include <string>
#include <type_traits>
#include <vector>

namespace tadp {

// Texts (spec 3.1, `blip`): each has as many tokens as the text encoder is long. They differ in who makes the words, so a
// model says which of them it was trained with; runs/prompt_rule.hpp makes them.

/// The caption of the picture.
struct Caption {};
/// One sentence that lists the names of all classes, the same for every picture (spec 3.2, all_class_names).
struct ClassNames {};
/// The names of the classes that the labels of the picture hold (spec 3.2, class_names): it tells the answer.
struct Oracle {};
/// The nouns of the caption, each once (spec 3.2, filter_nouns).
struct Nouns {};
/// The empty text, padding and all: what a model without any description reads.
struct Null {};
/// One averaged end-of-text embedding a class (spec 3.3): N tokens, from the parameter class_embeddings.
template <int N>
struct AveragedEosOf {};
using AveragedEos = AveragedEosOf<dynamic>;
/// Words about the domain around the text ("a dark night photo of a {caption}", spec 3.4): no tokens of its own.
struct Modifier {};
/// Tokens of Textual Inversion that the text may name (spec 3.5): rows behind those of the vocabulary, no tokens of its own.
struct LearnedToken {};
/// A model personalised by DreamBooth, whose identifier the text must name (spec 3.6): no tokens of its own.
struct Personalised {};
/// The text adapter of VPD and TADP over the whole context: no tokens of its own.
struct Adapter {};

namespace prompt_detail {
/// Texts that are made of words from outside.
template <class Part>
inline constexpr bool is_words = std::is_same_v<Part, Caption> || std::is_same_v<Part, ClassNames> || std::is_same_v<Part, Oracle> || std::is_same_v<Part, Nouns>;
template <class Part>
inline constexpr bool is_text = is_words<Part> || std::is_same_v<Part, Null>;

template <class Part, class TextEncoder>
inline constexpr int tokens = is_text<Part> ? TextEncoder::config.length : 0;
template <int N, class TextEncoder>
inline constexpr int tokens<AveragedEosOf<N>, TextEncoder> = N;

template <class Part>
inline constexpr bool is_classes = false;
template <int N>
inline constexpr bool is_classes<AveragedEosOf<N>> = true;

/// What a model file calls a part.
template <class Part>
inline constexpr char const* name_of = "averaged_eos";
template <>
inline constexpr char const* name_of<Caption> = "caption";
template <>
inline constexpr char const* name_of<ClassNames> = "class_names";
template <>
inline constexpr char const* name_of<Oracle> = "oracle";
template <>
inline constexpr char const* name_of<Nouns> = "nouns";
template <>
inline constexpr char const* name_of<Null> = "null";
template <>
inline constexpr char const* name_of<Modifier> = "modifier";
template <>
inline constexpr char const* name_of<LearnedToken> = "learned_token";
template <>
inline constexpr char const* name_of<Personalised> = "personalised";
template <>
inline constexpr char const* name_of<Adapter> = "adapter";

template <class First, class... Rest>
constexpr int unique() {
  if constexpr (sizeof...(Rest) == 0)
    return 1;
  else
    return (std::is_same_v<First, Rest> || ...) ? unique<Rest...>() : 1 + unique<Rest...>();
}
}  // namespace prompt_detail

/// Whether a model file's parts have a text of words: a caption, or what is made for one.
inline bool reads_words(std::vector<std::string> const& parts) {
  constexpr std::string_view words[] = {prompt_detail::name_of<Caption>, prompt_detail::name_of<ClassNames>, prompt_detail::name_of<Oracle>, prompt_detail::name_of<Nouns>};
  return std::any_of(parts.begin(), parts.end(), [&](std::string const& part) { return std::find(std::begin(words), std::end(words), part) != std::end(words); });
}

/// A list of parts. Order of the context: the text first, then AveragedEos (spec 2.3).
template <class... Parts>
struct PromptPolicy {
  template <class Part>
  static constexpr bool has = (std::is_same_v<Part, Parts> || ...);
  static constexpr bool has_classes = (prompt_detail::is_classes<Parts> || ...);
  static constexpr bool has_words = (prompt_detail::is_words<Parts> || ...);
  static constexpr bool has_text = has_words || has<Null>;

  /// The parts as a model file names them, in this order.
  static std::vector<std::string> names() { return {prompt_detail::name_of<Parts>...}; }
  /// Tokens of the context, and map channels of levels 1 and 2; dynamic where a part's count is.
  template <class TextEncoder>
  static constexpr int tokens() {
    int total = 0;
    ((total = add_counts(total, prompt_detail::tokens<Parts, TextEncoder>)), ...);
    return total;
  }
  /// One that stands twice counts once: that is another requirement's matter.
  static constexpr int different_texts = int{has<Caption>} + int{has<ClassNames>} + int{has<Oracle>} + int{has<Nouns>} + int{has<Null>};
  /// Complete only where the parts fit together: naming it is the check.
  struct requirements : modifier_has_a_text_to_modify<has_words, has<Modifier>>,
                        learned_token_has_a_text_to_stand_in<has_words, has<LearnedToken>>,
                        personalised_has_a_text_to_name_it<has_words, has<Personalised>>,
                        prompt_has_a_text<(has_text || has_classes)>,
                        prompt_has_one_text<different_texts>,
                        prompt_parts_are_unique<prompt_detail::unique<Parts...>(), sizeof...(Parts)> {};
};

/// A matrix of parameters (rows, width) as a sequence of tokens, (1, 1, rows, width).
struct ParameterRowsOp {
  std::array<ParameterId, 1> matrix;
  index_t rows, width;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {FeatureShape{1, 1, rows, width}}; }
  std::span<ParameterId const> parameters() const { return matrix; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    copy(device, ConstFeatures<Device>{a.element_weight(matrix[0]), a.out[0].shape}, a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (float* const d = g.d_weight(matrix[0])) accumulate(device, 1.0F, g.d_out[0], Floats<Device>{d, g.out[0].shape});
  }
};

/// Token sequences side by side along the token axis; a sequence of one text serves all.
struct JoinTokensOp {
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const> in) const {
    return {FeatureShape{std::max(in[0].n(), in[1].n()), 1, in[0].positions() + in[1].positions(), in[0].c()}};
  }
  std::span<ParameterId const> parameters() const { return {}; }

  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    for_parts(a.in[0].shape, a.in[1].shape, a.out[0].shape, [&](std::size_t i, index_t from, index_t to, FeatureShape const& part) {
      copy(device, ConstFeatures<Device>{a.in[i].pixel(from), part, a.in[i].pixel_stride}, Features<Device>{a.out[0].pixel(to), part, a.out[0].pixel_stride});
    });
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    for_parts(g.in[0].shape, g.in[1].shape, g.out[0].shape, [&](std::size_t i, index_t from, index_t to, FeatureShape const& part) {
      if (g.d_in[i])
        accumulate(device, 1.0F, ConstFeatures<Device>{g.d_out[0].pixel(to), part, g.d_out[0].pixel_stride},
                   Features<Device>{g.d_in[i].pixel(from), part, g.d_in[i].pixel_stride});
    });
  }

 private:
  template <class Use>
  static void for_parts(FeatureShape const& a, FeatureShape const& b, FeatureShape const& out, Use const& use) {
    for (index_t t = 0; t < out.n(); ++t) {
      index_t at = t * out.positions();
      std::size_t i = 0;
      for (FeatureShape const& s : {a, b}) {
        use(i++, (s.n() == 1 ? 0 : t) * s.positions(), at, FeatureShape{1, 1, s.positions(), s.c()});
        at += s.positions();
      }
    }
  }
};

}  // namespace tadp
