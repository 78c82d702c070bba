// SPDX-License-Identifier: Apache-2.0
// The geometry of a convolution: kernel, stride, padding, and a nearest doubling in front of it.
// Plain numbers that layers, ops and the kernels of every device share.
#pragma once

#include "tadp/core/shape.hpp"

namespace tadp {

/// Square kernel; padding per side (the VAE pads right and bottom only); `upsample`: the input is doubled first (nearest).
struct ConvGeometry {
  int kernel = 1;
  int stride = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool upsample = false;

  static constexpr ConvGeometry same(int kernel, int stride = 1) {
    int const p = kernel / 2;
    return {kernel, stride, p, p, p, p, false};
  }
  constexpr index_t taps() const { return index_t{kernel} * kernel; }
  constexpr FeatureShape out_shape(FeatureShape const& in, index_t channels) const {
    index_t const scale = upsample ? 2 : 1;
    return {in.n(), (in.h() * scale + pad_top + pad_bottom - kernel) / stride + 1,
            (in.w() * scale + pad_left + pad_right - kernel) / stride + 1, channels};
  }
};

/// What attention compares with what: heads over channels, and whether a query sees later keys.
struct AttentionGeometry {
  int heads = 1;
  bool causal = false;
};

}  // namespace tadp
