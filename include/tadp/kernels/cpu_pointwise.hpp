// SPDX-License-Identifier: Apache-2.0
// Elementwise kernels on the processor: activations, GEGLU, sums, copies of slices, table look-ups.
// A gradient kernel always adds to its result.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/core/random.hpp"
#include "tadp/device/cpu.hpp"
#include "tadp/kernels/cpu_vector.hpp"

#include <cmath>

namespace tadp {
inline namespace TADP_ISA {
namespace pointwise_detail {

/// work(pixel) for every pixel, in blocks of about 8192 elements.
template <class Work>
void for_pixels(Cpu& cpu, index_t pixels, index_t channels, Work const& work) {
  index_t const block = std::max<index_t>(1, 8192 / std::max<index_t>(1, channels));
  cpu.threads().run((pixels + block - 1) / block, [&](index_t task, int) {
    for (index_t p = task * block; p < std::min(pixels, (task + 1) * block); ++p) work(p);
  });
}

inline Packet half_normal_cdf(Packet x) {
  return mul(broadcast(0.5F), add(broadcast(1.0F), erf(mul(x, broadcast(0.70710678118654752F)))));
}
inline Packet gelu(Packet x) { return mul(x, half_normal_cdf(x)); }
inline Packet gelu_slope(Packet x) {
  Packet const density = mul(broadcast(0.39894228040143268F), exp(mul(mul(x, x), broadcast(-0.5F))));
  return fma(x, density, half_normal_cdf(x));
}
inline Packet swish(Packet x, float beta) { return mul(x, sigmoid(mul(x, broadcast(beta)))); }
inline Packet swish_slope(Packet x, float beta) {
  Packet const s = sigmoid(mul(x, broadcast(beta)));
  return mul(s, fma(mul(x, broadcast(beta)), sub(broadcast(1.0F), s), broadcast(1.0F)));
}
inline Packet step(Packet x) {  // 1 where x > 0
  return x > 0.0F ? broadcast(1.0F) : Packet{};
}

/// use(value function, slope function) with the pair of an activation.
template <class Use>
void with_activation(Activation kind, Use const& use) {
  switch (kind) {
    case Activation::silu: return use([](Packet x) { return swish(x, 1.0F); }, [](Packet x) { return swish_slope(x, 1.0F); });
    case Activation::quick_gelu: return use([](Packet x) { return swish(x, 1.702F); }, [](Packet x) { return swish_slope(x, 1.702F); });
    case Activation::gelu: return use([](Packet x) { return gelu(x); }, [](Packet x) { return gelu_slope(x); });
    case Activation::relu: return use([](Packet x) { return max(x, broadcast(0.0F)); }, [](Packet x) { return step(x); });
    case Activation::sigmoid:
      return use([](Packet x) { return sigmoid(x); },
                 [](Packet x) { Packet const s = sigmoid(x); return mul(s, sub(broadcast(1.0F), s)); });
  }
}

}  // namespace pointwise_detail

/// y = f(x).
inline void activation(Cpu& cpu, Activation kind, ConstFeatures<Cpu> x, Features<Cpu> y) {
  pointwise_detail::with_activation(kind, [&](auto const& value, auto const&) {
    pointwise_detail::for_pixels(cpu, x.shape.pixels(), x.shape.channels(),
                                 [&](index_t p) { map_row(x.shape.channels(), y.pixel(p), value, x.pixel(p)); });
  });
}

/// dx += f'(x) dy.
inline void activation_gradient(Cpu& cpu, Activation kind, ConstFeatures<Cpu> x, ConstFeatures<Cpu> dy, Features<Cpu> dx) {
  pointwise_detail::with_activation(kind, [&](auto const&, auto const& slope) {
    pointwise_detail::for_pixels(cpu, x.shape.pixels(), x.shape.channels(), [&](index_t p) {
      map_row(x.shape.channels(), dx.pixel(p), [&](Packet a, Packet g, Packet d) { return fma(slope(a), g, d); }, x.pixel(p), dy.pixel(p),
              static_cast<float const*>(dx.pixel(p)));
    });
  });
}

/// y = first half of x's channels * gelu(second half).
inline void geglu(Cpu& cpu, ConstFeatures<Cpu> x, Features<Cpu> y) {
  index_t const c = y.shape.channels();
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), 2 * c, [&](index_t p) {
    map_row(c, y.pixel(p), [](Packet a, Packet g) { return mul(a, pointwise_detail::gelu(g)); }, x.pixel(p), x.pixel(p) + c);
  });
}

inline void geglu_gradient(Cpu& cpu, ConstFeatures<Cpu> x, ConstFeatures<Cpu> dy, Features<Cpu> dx) {
  index_t const c = dy.shape.channels();
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), 2 * c, [&](index_t p) {
    float const* const a = x.pixel(p);
    float* const d = dx.pixel(p);
    map_row(c, d, [](Packet g, Packet up, Packet old) { return fma(pointwise_detail::gelu(g), up, old); }, a + c, dy.pixel(p),
            static_cast<float const*>(d));
    map_row(c, d + c, [](Packet v, Packet g, Packet up, Packet old) { return fma(mul(v, pointwise_detail::gelu_slope(g)), up, old); }, a,
            a + c, dy.pixel(p), static_cast<float const*>(d + c));
  });
}

/// y = a + b.
inline void sum(Cpu& cpu, ConstFeatures<Cpu> a, ConstFeatures<Cpu> b, Features<Cpu> y) {
  pointwise_detail::for_pixels(cpu, a.shape.pixels(), a.shape.channels(), [&](index_t p) {
    map_row(a.shape.channels(), y.pixel(p), [](Packet u, Packet v) { return add(u, v); }, a.pixel(p), b.pixel(p));
  });
}

/// y = factor * x.
inline void scale(Cpu& cpu, float factor, ConstFeatures<Cpu> x, Features<Cpu> y) {
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), x.shape.channels(), [&](index_t p) {
    map_row(x.shape.channels(), y.pixel(p), [f = broadcast(factor)](Packet v) { return mul(f, v); }, x.pixel(p));
  });
}

/// y += factor * x.
inline void accumulate(Cpu& cpu, float factor, ConstFeatures<Cpu> x, Features<Cpu> y) {
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), x.shape.channels(), [&](index_t p) {
    map_row(x.shape.channels(), y.pixel(p), [f = broadcast(factor)](Packet v, Packet old) { return fma(f, v, old); }, x.pixel(p),
            static_cast<float const*>(y.pixel(p)));
  });
}

/// y = x, between views of any strides.
inline void copy(Cpu& cpu, ConstFeatures<Cpu> x, Features<Cpu> y) {
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), x.shape.channels(), [&](index_t p) {
    std::memcpy(y.pixel(p), x.pixel(p), static_cast<std::size_t>(x.shape.channels()) * sizeof(float));
  });
}

/// y = x + gamma * f, gamma [C].
inline void gated_sum(Cpu& cpu, ConstFeatures<Cpu> x, ConstFeatures<Cpu> f, float const* gamma, Features<Cpu> y) {
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), x.shape.channels(), [&](index_t p) {
    map_row(x.shape.channels(), y.pixel(p), [](Packet a, Packet b, Packet g) { return fma(g, b, a); }, x.pixel(p), f.pixel(p), gamma);
  });
}

/// df += gamma * dy (may be empty), dgamma += sum over pixels of f * dy (may be null).
inline void gated_sum_gradient(Cpu& cpu, ConstFeatures<Cpu> f, float const* gamma, ConstFeatures<Cpu> dy, Features<Cpu> df, float* dgamma) {
  index_t const c = f.shape.channels();
  if (df)
    pointwise_detail::for_pixels(cpu, f.shape.pixels(), c, [&](index_t p) {
      map_row(c, df.pixel(p), [](Packet g, Packet up, Packet old) { return fma(g, up, old); }, gamma, dy.pixel(p),
              static_cast<float const*>(df.pixel(p)));
    });
  if (dgamma == nullptr) return;
  for (index_t i = 0; i < c; ++i) {
    double total = 0.0;
    for (index_t p = 0; p < f.shape.pixels(); ++p) total += static_cast<double>(f.pixel(p)[i]) * static_cast<double>(dy.pixel(p)[i]);
    dgamma[i] += static_cast<float>(total);
  }
}

/// y (N, 1, L, C) = table[ids[n, l]] + positions[l].
inline void embed(Cpu& cpu, std::int32_t const* ids, float const* table, float const* positions, Features<Cpu> y) {
  index_t const c = y.shape.channels(), length = y.shape[2];
  pointwise_detail::for_pixels(cpu, y.shape.pixels(), c, [&](index_t p) {
    map_row(c, y.pixel(p), [](Packet a, Packet b) { return add(a, b); }, table + ids[p] * c, positions + p % length * c);
  });
}

/// dtable and dpositions += (each may be null). One thread: rows may repeat.
inline void embed_gradient(Cpu&, std::int32_t const* ids, ConstFeatures<Cpu> dy, float* dtable, float* dpositions) {
  index_t const c = dy.shape.channels(), length = dy.shape[2];
  for (index_t p = 0; p < dy.shape.pixels(); ++p)
    for (float* const row : {dtable != nullptr ? dtable + ids[p] * c : nullptr, dpositions != nullptr ? dpositions + p % length * c : nullptr})
      if (row != nullptr)
        map_row(c, row, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(row), dy.pixel(p));
}

/// z = factor * (mean + exp(clamp(log variance, -30, 20) / 2) * noise); moments hold mean and log variance side by side.
inline void posterior_sample(Cpu& cpu, float factor, ConstFeatures<Cpu> moments, ConstFeatures<Cpu> noise, Features<Cpu> z) {
  index_t const c = z.shape.channels();
  pointwise_detail::for_pixels(cpu, z.shape.pixels(), c, [&](index_t p) {
    map_row(c, z.pixel(p),
            [f = broadcast(factor)](Packet mean, Packet log_variance, Packet e) {
              Packet const clamped = max(min(log_variance, broadcast(20.0F)), broadcast(-30.0F));
              return mul(f, fma(exp(mul(broadcast(0.5F), clamped)), e, mean));
            },
            moments.pixel(p), moments.pixel(p) + c, noise.pixel(p));
  });
}

/// dmoments += for the sample above.
inline void posterior_sample_gradient(Cpu&, float factor, ConstFeatures<Cpu> moments, ConstFeatures<Cpu> noise, ConstFeatures<Cpu> dz,
                                      Features<Cpu> dmoments) {
  index_t const c = dz.shape.channels();
  for (index_t p = 0; p < dz.shape.pixels(); ++p)
    for (index_t i = 0; i < c; ++i) {
      float const log_variance = moments.pixel(p)[c + i], g = factor * dz.pixel(p)[i];
      dmoments.pixel(p)[i] += g;
      if (log_variance > -30.0F && log_variance < 20.0F)
        dmoments.pixel(p)[c + i] += g * noise.pixel(p)[i] * 0.5F * std::exp(0.5F * log_variance);
    }
}

/// y += x on the channels of a picture that the key keeps, scaled by 1 / (1 - p); the others stay as they are.
inline void channel_dropout(Cpu& cpu, float p, std::uint64_t key, ConstFeatures<Cpu> x, Features<Cpu> y) {
  index_t const c = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  float const factor = 1.0F / (1.0F - p);
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), c, [&](index_t pixel) {
    auto const first = static_cast<std::uint64_t>(pixel / positions * c);
    for (index_t i = 0; i < c; ++i)
      if (random_unit(key, first + static_cast<std::uint64_t>(i)) >= p) y.pixel(pixel)[i] += factor * x.pixel(pixel)[i];
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
