// SPDX-License-Identifier: Apache-2.0
// The compile-time requirements of a model, one named struct each: the compiler prints the compared numbers as template
// arguments and then one sentence that says what to change. docs/errors.md explains each under the struct's name.
#pragma once

#include "tadp/core/channels.hpp"
#include "tadp/core/error.hpp"

#include <string>
#include <string_view>
#include <type_traits>

namespace tadp {

/// The sentences, shared with the checks at load (where counts are dynamic).
inline constexpr std::string_view sentence_head_accepts_features =
    "the head was made for other feature channels than this backbone and prompt produce: change the head, or the parts of the PromptPolicy "
    "(a Caption adds the text length to levels 1 and 2, AveragedEos one channel a class)";
inline constexpr std::string_view sentence_classes_agree =
    "the type of the head fixes another count of classes than was given: change SegmentationOf<N>, or leave its count dynamic";

namespace require_detail {
template <class Produced, class Expected>
constexpr bool accepts() {
  for (std::size_t i = 0; i < 4; ++i)
    if (!counts_agree(Produced::counts[i], Expected::counts[i])) return false;
  return true;
}
}  // namespace require_detail

template <class Produced, class Expected>
inline constexpr bool head_accepts = require_detail::accepts<Produced, Expected>();
template <class Produced>
inline constexpr bool head_accepts<Produced, any_channels> = true;

template <class Produced, class Expected>
struct head_accepts_features {
  static_assert(head_accepts<Produced, Expected>,
                "tadp: the head was made for other feature channels than this backbone and prompt produce: change the head, or the parts of "
                "the PromptPolicy (a Caption adds the text length to levels 1 and 2, AveragedEos one channel a class); see docs/errors.md#head_accepts_features");
  static constexpr bool met = true;
};

/// The same for counts that a type leaves open: Error(shape) with the sentence and both lists of channels.
template <class Expected>
void require_channels(FeatureChannels const& produced) {
  if constexpr (!std::is_same_v<Expected, any_channels>) {
    auto const text = [](auto const& counts) {
      std::string list;
      for (auto const count : counts) list += (list.empty() ? "channels<" : ", ") + (count == dynamic ? std::string("dynamic") : std::to_string(count));
      return list + ">";
    };
    for (std::size_t i = 0; i < produced.size(); ++i)
      if (!counts_agree(static_cast<int>(produced[i]), Expected::counts[i]))
        throw Error(Errc::shape, std::string(sentence_head_accepts_features), {.key = "features", .expected = text(Expected::counts), .found = text(produced)});
  }
}

template <int TextWidth, int UNetContext>
struct text_width_is_what_the_unet_takes {
  static_assert(TextWidth == UNetContext,
                "tadp: the text encoder's width is not the context width of the UNet: pair UNetOf<sd15_unet> with TextEncoderOf<clip_vit_l14>, "
                "tiny with tiny, street with street; see docs/errors.md#text_width_is_what_the_unet_takes");
  static constexpr bool met = true;
};

template <int Texts, int Modifiers>
struct modifier_has_a_text_to_modify {
  static_assert(Modifiers == 0 || Texts > 0,
                "tadp: this PromptPolicy has a Modifier but no Caption for it to modify: add Caption (or ClassNames, Oracle, Nouns), or remove Modifier; "
                "see docs/errors.md#modifier_has_a_text_to_modify");
  static constexpr bool met = true;
};

template <int Texts, int LearnedTokens>
struct learned_token_has_a_text_to_stand_in {
  static_assert(LearnedTokens == 0 || Texts > 0,
                "tadp: this PromptPolicy has a LearnedToken but no Caption that could name it: add Caption (or ClassNames, Oracle, Nouns), or remove LearnedToken; "
                "see docs/errors.md#learned_token_has_a_text_to_stand_in");
  static constexpr bool met = true;
};

template <int Texts, int Personalised>
struct personalised_has_a_text_to_name_it {
  static_assert(Personalised == 0 || Texts > 0,
                "tadp: this PromptPolicy is Personalised but has no Caption that could name the identifier: add Caption (or ClassNames, Oracle, Nouns), or remove Personalised; "
                "see docs/errors.md#personalised_has_a_text_to_name_it");
  static constexpr bool met = true;
};

template <int Parts>
struct prompt_has_a_text {
  static_assert(Parts > 0, "tadp: this PromptPolicy gives the UNet no text at all: add Caption, AveragedEos or Null; see docs/errors.md#prompt_has_a_text");
  static constexpr bool met = true;
};

template <int Texts>
struct prompt_has_one_text {
  static_assert(Texts <= 1, "tadp: this PromptPolicy has several texts, and the text encoder reads one: keep one of Caption, ClassNames, Oracle, Nouns and Null; "
                            "see docs/errors.md#prompt_has_one_text");
  static constexpr bool met = true;
};

template <int Unique, int Parts>
struct prompt_parts_are_unique {
  static_assert(Unique == Parts, "tadp: a part stands twice in this PromptPolicy: name each part once; see docs/errors.md#prompt_parts_are_unique");
  static constexpr bool met = true;
};

template <int Unique, int Heads>
struct heads_are_unique {
  static_assert(Unique == Heads, "tadp: a task stands twice among the Heads of this model: name each task once; see docs/errors.md#heads_are_unique");
  static constexpr bool met = true;
};

template <class Device, bool RunsKernels>
struct device_computes_in_halves {
  static_assert(RunsKernels, "tadp: this device computes in float alone: take bf16 or fp16 out of the policy, or name a device that has them, as Inference<Cuda, bf16> does; "
                             "see docs/errors.md#device_computes_in_halves");
  static constexpr bool met = true;
};

}  // namespace tadp
