// SPDX-License-Identifier: Apache-2.0
// Group, layer and batch normalisation with the activation that follows them, and their gradients.
// Statistics are float whatever the element is: sums in double, or two passes, the mean first, then the squares about it.
#pragma once

#include "tadp/kernels/cuda/pointwise.cuh"
#include "tadp/kernels/cuda/reduce.cuh"

namespace tadp::cuda {

enum class After : std::uint8_t { nothing, silu, relu };

TADP_DEVICE inline float after_value(After after, float z) {
  return after == After::silu ? value_of(Activation::silu, z) : after == After::relu ? value_of(Activation::relu, z) : z;
}
TADP_DEVICE inline float after_slope(After after, float z) {
  return after == After::silu ? slope_of(Activation::silu, z) : after == After::relu ? slope_of(Activation::relu, z) : 1.0F;
}

/// A term of ChannelSums: the values and their squares. A sum of squares about zero loses nothing that matters in double.
template <class T>
struct Moments {
  static constexpr int sums = 2;
  Rows<T const> x;
  TADP_DEVICE void operator()(index_t p, index_t c, double* sum) const {
    auto const v = static_cast<double>(x.get(p, c));
    sum[0] += v;
    sum[1] += v * v;
  }
};

/// Mean and 1/sqrt(variance + eps) of one group of one picture a block, from the chunks' moments of every channel:
/// stats (N, 1, 1, 2 C), a channel that of its group.
struct GroupStatistics {
  static constexpr int threads = 256;
  using Shared = Nothing;
  Sums<2> const* partial;  ///< [picture][chunk][channel]
  Rows<float> stats;
  index_t pictures, chunks, groups, size;
  double count, eps;

  index_t blocks() const { return pictures * groups; }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    index_t const n = block.index() / groups, first = block.index() % groups * size;
    double const mean = moment(block, n, first, 0) / count, spread = moment(block, n, first, 1) / count - mean * mean;
    auto const rstd = static_cast<float>(1.0 / std::sqrt((spread > 0.0 ? spread : 0.0) + eps));
    block.each([&](int t) {
      for (index_t c = first + t; c < first + size; c += threads) {
        stats.pixel(n)[c] = static_cast<float>(mean);
        stats.pixel(n)[groups * size + c] = rstd;
      }
    });
  }

 private:
  template <class Block>
  TADP_DEVICE double moment(Block& block, index_t n, index_t first, int which) const {
    typename Block::template PerThread<double> total;
    block.each([&](int t) {
      total[t] = 0.0;
      for (index_t i = t; i < chunks * size; i += threads) total[t] += partial[(n * chunks + i / size) * groups * size + first + i % size].value[which];
    });
    return block.join(total, Sum{});
  }
};

/// Where the statistics of a channel lie; the second number is a variance, or 1/sqrt(variance + eps) already.
struct Statistics {
  float const* mean;
  float const* second;
  index_t stride;  ///< from a segment's to the next one's
  float eps;
  bool variance;

  TADP_DEVICE float mean_of(index_t segment, index_t c) const { return mean[segment * stride + c]; }
  TADP_DEVICE float rstd(float v) const { return variance ? 1.0F / std::sqrt(v + eps) : v; }
  TADP_DEVICE float rstd_of(index_t segment, index_t c) const { return rstd(second[segment * stride + c]); }
};

/// What a normalisation by channel is: `positions` pixels a segment share their statistics.
template <class T>
struct ChannelNorm {
  Rows<T const> x;
  Statistics stats;
  float const* w;
  float const* b;
  After after;
  index_t positions;

  TADP_DEVICE float normalised(index_t p, index_t c) const {
    index_t const segment = quotient(p, positions);
    return (x.get(p, c) - stats.mean_of(segment, c)) * stats.rstd_of(segment, c);
  }
  /// The slope at the output of the affine part.
  TADP_DEVICE float slope(index_t p, index_t c, float dy) const { return dy * after_slope(after, normalised(p, c) * w[c] + b[c]); }
};

/// `Step` channels a thread.
template <class T, int Step>
struct Normalise {
  ChannelNorm<T> norm;
  Rows<T> y;

  bool fits(index_t channels) const {
    Statistics const& s = norm.stats;
    return channels % Step == 0 && norm.x.moves_by(Step) && y.moves_by(Step) && s.stride % Step == 0 && moves_by(Step, s.mean) && moves_by(Step, s.second) && moves_by(Step, norm.w) && moves_by(Step, norm.b);
  }
  TADP_DEVICE void operator()(index_t p, index_t group) const {
    index_t const c = group * Step, segment = quotient(p, norm.positions);
    auto const mean = together<Step>(norm.stats.mean, segment * norm.stats.stride + c), second = together<Step>(norm.stats.second, segment * norm.stats.stride + c);
    auto const w = together<Step>(norm.w, c), b = together<Step>(norm.b, c);
    Together<float, Step> v = norm.x.template get_together<Step>(p, c);
    for (int i = 0; i < Step; ++i) v.value[i] = after_value(norm.after, (v.value[i] - mean.value[i]) * norm.stats.rstd(second.value[i]) * w.value[i] + b.value[i]);
    y.set_together(p, c, v);
  }
};
/// A term of ChannelSums: the slopes, and the slopes times the normalised values.
template <class T>
struct NormaliseSlopes {
  static constexpr int sums = 2;
  ChannelNorm<T> norm;
  Rows<T const> dy;
  TADP_DEVICE void operator()(index_t p, index_t c, double* sum) const {
    float const g = norm.slope(p, c, dy.get(p, c));
    sum[0] += static_cast<double>(g);
    sum[1] += static_cast<double>(g * norm.normalised(p, c));
  }
};
/// dw and db of a channel from the sums of all segments; each may be null.
struct AddNormSums {
  Sums<2> const* sums;
  index_t segments, channels;
  float* dw;
  float* db;
  TADP_DEVICE void operator()(index_t, index_t c) const {
    double flat = 0.0, slanted = 0.0;
    for (index_t s = 0; s < segments; ++s) {
      flat += sums[s * channels + c].value[0];
      slanted += sums[s * channels + c].value[1];
    }
    if (db != nullptr) db[c] += static_cast<float>(flat);
    if (dw != nullptr) dw[c] += static_cast<float>(slanted);
  }
};
/// Means over a group of w * slope and w * slope * normalised: what its statistics pass on.
struct GroupSlopes {
  Sums<2> const* sums;
  float const* w;
  Sums<2>* means;  ///< (segments, groups)
  index_t groups, size;
  double count;
  TADP_DEVICE void operator()(index_t segment, index_t g) const {
    Sums<2> mean{};
    for (index_t c = g * size; c < (g + 1) * size; ++c)
      for (int s = 0; s < 2; ++s) mean.value[s] += static_cast<double>(w[c]) * sums[segment * groups * size + c].value[s];
    for (int s = 0; s < 2; ++s) means[segment * groups + g].value[s] = mean.value[s] / count;
  }
};
/// dx += rstd * (w * slope - mean(w slope) - normalised * mean(w slope normalised)).
template <class T>
struct NormaliseGradient {
  ChannelNorm<T> norm;
  Rows<T const> dy;
  Rows<T> dx;
  Sums<2> const* means;  ///< null: the statistics were constants
  index_t groups, size;
  TADP_DEVICE void operator()(index_t p, index_t c) const {
    index_t const segment = quotient(p, norm.positions);
    float d = norm.w[c] * norm.slope(p, c, dy.get(p, c));
    if (means != nullptr) {
      Sums<2> const& mean = means[segment * groups + c / size];
      d -= static_cast<float>(mean.value[0]) + norm.normalised(p, c) * static_cast<float>(mean.value[1]);
    }
    dx.add(p, c, norm.stats.rstd_of(segment, c) * d);
  }
};

/// One pixel a warp, `Step` channels of it a thread at a time. stats (N, H, W, 2): mean and 1/sqrt(variance + eps).
template <class T, int Step>
struct LayerNorm {
  static constexpr int threads = 128, pixels_a_block = threads / warp;
  using Shared = Nothing;
  Rows<T const> x;
  float const* w;
  float const* b;
  Rows<T> y;
  Rows<float> stats;
  index_t pixels, channels;
  float eps;

  bool fits() const { return channels % Step == 0 && x.moves_by(Step) && y.moves_by(Step) && moves_by(Step, w) && moves_by(Step, b); }
  index_t blocks() const { return blocks_for(pixels, pixels_a_block); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    typename Block::template PerThread<float> mean, variance;
    auto const pixel = [&](int t) { return block.index() * pixels_a_block + t / warp; };
    auto const each_channel = [&](int t, auto const& use) {
      for (index_t c = t % warp * Step; pixel(t) < pixels && c < channels; c += warp * Step) use(c, x.template get_together<Step>(pixel(t), c));
    };
    block.each([&](int t) {
      mean[t] = 0.0F;
      each_channel(t, [&](index_t, Together<float, Step> const& v) {
        for (int i = 0; i < Step; ++i) mean[t] += v.value[i];
      });
    });
    block.join_warp(mean, Sum{});
    block.each([&](int t) {
      mean[t] /= static_cast<float>(channels);
      variance[t] = 0.0F;
      each_channel(t, [&](index_t, Together<float, Step> const& v) {
        for (int i = 0; i < Step; ++i) variance[t] += (v.value[i] - mean[t]) * (v.value[i] - mean[t]);
      });
    });
    block.join_warp(variance, Sum{});
    block.each([&](int t) {
      index_t const p = pixel(t);
      if (p >= pixels) return;
      float const rstd = 1.0F / std::sqrt(variance[t] / static_cast<float>(channels) + eps);
      each_channel(t, [&](index_t c, Together<float, Step> v) {
        auto const weight = together<Step>(w, c), bias = together<Step>(b, c);
        for (int i = 0; i < Step; ++i) v.value[i] = (v.value[i] - mean[t]) * rstd * weight.value[i] + bias.value[i];
        y.set_together(p, c, v);
      });
      if (t % warp == 0) {
        stats.pixel(p)[0] = mean[t];
        stats.pixel(p)[1] = rstd;
      }
    });
  }
};
template <class T>
struct LayerNormGradient {
  static constexpr int threads = 128, pixels_a_block = threads / warp;
  using Shared = Nothing;
  Rows<T const> x;
  float const* w;
  Rows<float const> stats;
  Rows<T const> dy;
  Rows<T> dx;
  index_t pixels, channels;

  index_t blocks() const { return blocks_for(pixels, pixels_a_block); }
  template <class Block>
  TADP_DEVICE void operator()(Block& block) const {
    typename Block::template PerThread<float> flat, slanted;
    auto const pixel = [&](int t) { return block.index() * pixels_a_block + t / warp; };
    auto const normalised = [&](index_t p, index_t c) { return (x.get(p, c) - stats.get(p, 0)) * stats.get(p, 1); };
    block.each([&](int t) {
      flat[t] = slanted[t] = 0.0F;
      index_t const p = pixel(t);
      for (index_t c = t % warp; p < pixels && c < channels; c += warp) {
        float const g = dy.get(p, c) * w[c];
        flat[t] += g;
        slanted[t] += g * normalised(p, c);
      }
    });
    block.join_warp(flat, Sum{});
    block.join_warp(slanted, Sum{});
    block.each([&](int t) {
      index_t const p = pixel(t);
      auto const count = static_cast<float>(channels);
      for (index_t c = t % warp; p < pixels && c < channels; c += warp)
        dx.add(p, c, stats.get(p, 1) * (dy.get(p, c) * w[c] - flat[t] / count - normalised(p, c) * slanted[t] / count));
    });
  }
};
/// A term of ChannelSums: dy, and dy times the normalised value.
template <class T>
struct LayerNormSlopes {
  static constexpr int sums = 2;
  Rows<T const> x;
  Rows<float const> stats;
  Rows<T const> dy;
  TADP_DEVICE void operator()(index_t p, index_t c, double* sum) const {
    float const g = dy.get(p, c);
    sum[0] += static_cast<double>(g);
    sum[1] += static_cast<double>(g * (x.get(p, c) - stats.get(p, 0)) * stats.get(p, 1));
  }
};

/// A term of ChannelSums: the squares about the mean.
template <class T>
struct Spread {
  static constexpr int sums = 1;
  Rows<T const> x;
  float const* mean;
  TADP_DEVICE void operator()(index_t p, index_t c, double* sum) const {
    float const d = x.get(p, c) - mean[c];
    *sum += static_cast<double>(d * d);
  }
};
/// Stores a channel's sum divided by a count.
struct StoreMean {
  float* to;
  double count;
  TADP_DEVICE void operator()(index_t, index_t c, double const* sum) const { to[c] = static_cast<float>(*sum / count); }
};
/// stats: mean, then variance; the running variance is unbiased.
struct MoveStatistics {
  float momentum, unbiased;
  index_t channels;
  float const* stats;
  float* mean;
  float* variance;
  TADP_DEVICE void operator()(index_t, index_t c) const {
    mean[c] += momentum * (stats[c] - mean[c]);
    variance[c] += momentum * (stats[channels + c] * unbiased - variance[c]);
  }
};

}  // namespace tadp::cuda
