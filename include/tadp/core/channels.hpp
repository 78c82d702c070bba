// SPDX-License-Identifier: Apache-2.0
// The channels of a feature pyramid as a type, fine to coarse: what a backbone and a prompt produce, what a head takes.
// `dynamic` stands for a count that a program learns when it loads a model; it is then checked with the same sentence.
#pragma once

#include "tadp/core/shape.hpp"

#include <array>

namespace tadp {

/// A count that is known when a model is loaded, not when the program is compiled.
inline constexpr int dynamic = -1;

/// Channels of the four levels at 1, 2, 4 and 8 times the latent's stride.
template <int Level0, int Level1, int Level2, int Level3>
struct channels {
  static constexpr std::array<int, 4> counts{Level0, Level1, Level2, Level3};
  friend constexpr bool operator==(channels, channels) { return true; }
};

/// What a head says that takes whatever is produced.
struct any_channels {};

/// a + b, where either may be dynamic.
constexpr int add_counts(int a, int b) { return a == dynamic || b == dynamic ? dynamic : a + b; }

/// Whether a count that was asked for and one that is there may be the same.
constexpr bool counts_agree(int a, int b) { return a == dynamic || b == dynamic || a == b; }

/// Channels of a loaded model, fine to coarse.
using FeatureChannels = std::array<index_t, 4>;

}  // namespace tadp
