// SPDX-License-Identifier: Apache-2.0
// The activation functions of the networks, by their field's names.
// A word that layers, ops and the kernels of every device share.
#pragma once

#include <cstdint>

namespace tadp {

/// silu x*sigmoid(x); gelu with erf; quick_gelu x*sigmoid(1.702 x), CLIP's; relu; sigmoid.
enum class Activation : std::uint8_t { silu, gelu, quick_gelu, relu, sigmoid };

/// What a cross-entropy divides by: every pixel (mmseg's default, ignored ones too) or the valid ones.
enum class Average : std::uint8_t { all_pixels, valid_pixels };

/// Which pixel centres a bilinear resize matches: half-pixel centres, or the corners of both grids.
enum class Corners : std::uint8_t { half_pixel, aligned };

}  // namespace tadp
