// SPDX-License-Identifier: Apache-2.0
// The 80 sentences of CLIP's ImageNet evaluation that class embeddings are averaged over, in the factored form of spec 3.3.
// Their order does not matter to the mean.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tadp {

namespace templates_detail {

using Words = std::span<std::string_view const>;

inline constexpr std::string_view nothing[] = {""};
inline constexpr std::string_view a_the[] = {"a", "the"};
inline constexpr std::string_view a_the_my[] = {"a", "the", "my"};
inline constexpr std::string_view photos[] = {"bad", "low resolution", "cropped", "bright", "dark", "close-up", "black and white", "pixelated", "jpeg corrupted", "blurry", "good"};
inline constexpr std::string_view plain[] = {"a",           "the",       "many",        "my",      "one",         "a hard to see", "the hard to see", "a clean", "the clean", "a dirty", "the dirty",
                                             "a cool",      "the cool",  "a large",     "the large", "a small",   "the small",     "a nice",          "the nice", "a weird",  "the weird"};
inline constexpr std::string_view works[] = {"a sculpture", "a rendering", "graffiti", "a tattoo", "a drawing", "a painting", "a doodle", "a sketch", "a rendition", "art"};
inline constexpr std::string_view made_of[] = {"plastic", "toy", "plushie", "cartoon", "embroidered", "origami"};

/// `M` and `D` are filled in every combination; "{}" stays for the name.
struct Family {
  std::string_view pattern;
  Words m, d;
};
inline constexpr Family families[] = {
    {"a M photo of D {}.", photos, a_the}, {"a photo of D {}.", nothing, plain}, {"M of D {}.", works, a_the}, {"itap of D {}.", nothing, a_the_my}, {"D M {}.", made_of, a_the}, {"D {} in a video game.", nothing, a_the},
};

inline std::string filled(std::string_view pattern, std::string_view m, std::string_view d) {
  std::string text;
  for (char const c : pattern) c == 'M' ? text.append(m) : c == 'D' ? text.append(d) : text.append(1, c);
  return text;
}

}  // namespace templates_detail

/// 80 sentences with "{}" for the name.
inline std::vector<std::string> imagenet_templates() {
  std::vector<std::string> all;
  for (auto const& family : templates_detail::families)
    for (auto const m : family.m)
      for (auto const d : family.d) all.push_back(templates_detail::filled(family.pattern, m, d));
  return all;
}

}  // namespace tadp
