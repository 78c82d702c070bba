// SPDX-License-Identifier: Apache-2.0
// What a session is told when it is made, and what a raw batch consists of.
// Plain values without a model's type, so that a program can fill them before it knows one.
#pragma once

#include "tadp/core/preprocessing.hpp"
#include "tadp/text/tokens.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace tadp {

struct SessionOptions {
  std::array<int, 2> window{512, 512};  ///< height and width of what the network sees; multiples of Backbone::granularity
  int stride = 0;                       ///< of sliding windows; 0: two thirds of the window
  int shifts = 0;                       ///< at least 2: so many windows along a longer side, instead of a stride
  bool flip = false;                    ///< each window is looked at mirrored, too, and the two answers averaged
  /// Long and short side that pictures are brought to before they are looked at, proportions kept; answers have the
  /// picture's own size. Zeros: pictures are looked at as they are.
  std::array<int, 2> fit{0, 0};
  bool stretch = false;                 ///< instead: pictures are brought to the window itself, whatever their proportions
  int batch = 1;                        ///< windows a pass
  int texts = 1;                        ///< most texts a raw batch reads
  int threads = 1;
  LatentPolicy latent{};
  std::uint64_t seed = 0;  ///< of latents that are samples
  Normalisation normalisation{};
  bool self_maps = false;  ///< self-attention maps, too; they are for Session::self_map, no head reads them
  Tokenizer tokenizer{};   ///< without one, prompts are token ids
};

/// What a raw batch is made of; every span is on the host.
struct RawBatch {
  std::span<float const> pictures;                ///< (batch, window height, window width, 3), normalised
  std::span<std::int32_t const> ids{};            ///< (texts, length); empty where the prompt policy has no text
  std::span<std::int32_t const> text_of_picture{};  ///< (batch); empty: all read text 0
  std::span<float const> noise{};                 ///< of the latent's shape, where it is a sample
};

}  // namespace tadp
