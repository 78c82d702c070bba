// SPDX-License-Identifier: Apache-2.0
// What a session is told when it is made, and what a raw batch consists of.
// Plain values without a model's type, so that a program can fill them before it knows one.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/preprocessing.hpp"
#include "tadp/text/tokens.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

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
  /// Of the camera whose metres a depth head tells, in pixels of the picture as it is looked at; 0: of none. Nothing: that of
  /// the head's configuration.
  std::optional<float> focal{};
};

/// Error(argument) unless a session can be made so; the sides of a window are multiples of `unit`.
inline void require_options(SessionOptions const& o, int unit) {
  auto const fail = [](char const* key, std::string expected, int found) {
    throw Error(Errc::argument, "an option of the session does not fit the model", {.key = key, .expected = std::move(expected), .found = std::to_string(found)});
  };
  for (int const side : o.window)
    if (side <= 0 || side % unit != 0) fail("window", "a multiple of " + std::to_string(unit), side);
  if (o.shifts < 0 || o.shifts == 1) fail("shifts", "0, or at least 2", o.shifts);
  if (o.stride < 0 || o.stride > std::min(o.window[0], o.window[1])) fail("stride", "at most the window's side", o.stride);
  if (o.stretch && o.fit[0] != 0) fail("stretch", "no `fit` beside it: a picture is brought to one size", o.fit[0]);
  if ((o.fit[0] != 0 || o.fit[1] != 0) && (o.fit[1] < 1 || o.fit[0] < o.fit[1])) fail("fit", "the long side, then the short one", o.fit[1]);
  if (o.batch < 1) fail("batch", "at least 1", o.batch);
  if (o.texts < 1) fail("texts", "at least 1", o.texts);
  if (o.threads < 1) fail("threads", "at least 1", o.threads);
}

/// What a raw batch is made of; every span is on the host.
struct RawBatch {
  std::span<float const> pictures;                ///< (batch, window height, window width, 3), normalised
  std::span<std::int32_t const> ids{};            ///< (texts, length); empty where the prompt policy has no text
  std::span<std::int32_t const> text_of_picture{};  ///< (batch); empty: all read text 0
  std::span<float const> noise{};                 ///< of the latent's shape, where it is a sample
};

}  // namespace tadp
