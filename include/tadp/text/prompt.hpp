// SPDX-License-Identifier: Apache-2.0
// What text conditions the UNet: the parts of a prompt, composed at compile time, their strings given at run time.
// The parts decide how many tokens the context has, and so how many map channels join levels 1 and 2 of the pyramid.
#pragma once

#include "tadp/core/channels.hpp"
#include "tadp/core/require.hpp"
#include "tadp/text/clip.hpp"

#include <string>
#include <type_traits>
#include <vector>

namespace tadp {

/// The caption of the picture: as many tokens as the text encoder is long.
struct Caption {};
/// The empty text, padding and all: what a model without any description reads.
struct Null {};
/// One averaged end-of-text embedding a class (spec 3.3): N tokens, from the parameter class_embeddings.
template <int N>
struct AveragedEosOf {};
using AveragedEos = AveragedEosOf<dynamic>;
/// Words about the domain around the caption ("a dark night photo of a {caption}"): no tokens of its own.
struct Modifier {};
/// The text adapter of VPD and TADP over the whole context: no tokens of its own.
struct Adapter {};

namespace prompt_detail {
template <class Part, class TextEncoder>
inline constexpr int tokens = 0;
template <class TextEncoder>
inline constexpr int tokens<Caption, TextEncoder> = TextEncoder::config.length;
template <class TextEncoder>
inline constexpr int tokens<Null, TextEncoder> = TextEncoder::config.length;
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
inline constexpr char const* name_of<Null> = "null";
template <>
inline constexpr char const* name_of<Modifier> = "modifier";
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

/// A list of parts. Order of the context: Caption or Null first, then AveragedEos (spec 2.3).
template <class... Parts>
struct PromptPolicy {
  template <class Part>
  static constexpr bool has = (std::is_same_v<Part, Parts> || ...);
  static constexpr bool has_classes = (prompt_detail::is_classes<Parts> || ...);
  static constexpr bool has_text = has<Caption> || has<Null>;

  /// The parts as a model file names them, in this order.
  static std::vector<std::string> names() { return {prompt_detail::name_of<Parts>...}; }
  /// Tokens of the context, and map channels of levels 1 and 2; dynamic where a part's count is.
  template <class TextEncoder>
  static constexpr int tokens() {
    int total = 0;
    ((total = add_counts(total, prompt_detail::tokens<Parts, TextEncoder>)), ...);
    return total;
  }
  /// Complete only where the parts fit together: naming it is the check.
  struct requirements : modifier_has_a_text_to_modify<has<Caption>, has<Modifier>>,
                        prompt_has_a_text<(has_text || has_classes)>,
                        prompt_parts_are_unique<prompt_detail::unique<Parts...>(), sizeof...(Parts)> {};
};

/// Words around a caption; "{}" stands for it.
inline std::string modified(std::string const& modifier, std::string const& caption) {
  if (modifier.empty()) return caption;
  auto const hole = modifier.find("{}");
  if (hole == std::string::npos) return modifier + " " + caption;
  return modifier.substr(0, hole) + caption + modifier.substr(hole + 2);
}

/// A matrix of parameters (rows, width) as a sequence of tokens, (1, 1, rows, width).
struct ParameterRowsOp {
  std::array<ParameterId, 1> matrix;
  index_t rows, width;
  static constexpr int outputs = 1;
  std::array<FeatureShape, 1> out_shapes(std::span<FeatureShape const>) const { return {FeatureShape{1, 1, rows, width}}; }
  std::span<ParameterId const> parameters() const { return matrix; }
  template <class Device>
  void forward(Device& device, Operands<Device> const& a) const {
    copy(device, ConstFeatures<Device>{a.weight(matrix[0]), a.out[0].shape}, a.out[0]);
  }
  template <class Device>
  void backward(Device& device, Gradients<Device> const& g) const {
    if (float* const d = g.d_weight(matrix[0])) accumulate(device, 1.0F, g.d_out[0], Features<Device>{d, g.out[0].shape});
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
