// SPDX-License-Identifier: Apache-2.0
// A device of plain loops: what every kernel means, written to be read, summed in double, one thread, no library.
// Layers run on it unchanged; kernels are tested against it. Templates on the element, so that slopes are tried in double.
#pragma once

#include "tadp/core/activation.hpp"
#include "tadp/core/geometry.hpp"
#include "tadp/core/picture.hpp"
#include "tadp/core/random.hpp"
#include "tadp/core/tensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

namespace plain {

using namespace tadp;

struct Device {
  static constexpr char const* name = "plain";
  void* allocate(std::size_t bytes) const { return ::operator new(bytes + 1); }
  void deallocate(void* data) const noexcept { ::operator delete(data); }
  void copy_to_host(void* host, void const* data, std::size_t bytes) const { std::memcpy(host, data, bytes); }
  void copy_from_host(void* data, void const* host, std::size_t bytes) const { std::memcpy(data, host, bytes); }
  template <class T>
  void zero(T* data, index_t count) const {
    std::fill_n(data, count, T{});
  }
};

// The first view or pointer of a kernel names the element; all others follow it.
template <class T>
using Read = View<T const, 4, Device>;
template <class T>
using Reads = std::type_identity_t<Read<T>>;
template <class T>
using Writes = std::type_identity_t<View<T, 4, Device>>;
template <class T>
using Numbers = std::type_identity_t<T> const*;
template <class T>
using Results = std::type_identity_t<T>*;

template <class T>
void set(T& target, double value) {
  target = static_cast<T>(value);
}
template <class T>
void add(T& target, double value) {
  target = static_cast<T>(static_cast<double>(target) + value);
}
/// use(pixel, channel) for every element.
template <class Use>
void each(Shape<4> const& shape, Use const& use) {
  for (index_t p = 0; p < shape.pixels(); ++p)
    for (index_t c = 0; c < shape.channels(); ++c) use(p, c);
}
/// Sums in double, added to a result at the end.
class Sums {
 public:
  explicit Sums(index_t count) : values_(static_cast<std::size_t>(count)) {}
  double& operator[](index_t i) { return values_[static_cast<std::size_t>(i)]; }
  template <class T>
  void add_to(T* target) {
    for (std::size_t i = 0; target != nullptr && i < values_.size(); ++i) add(target[i], values_[i]);
  }
  template <class T>
  void add_to(View<T, 4, Device> target) {
    each(target.shape, [&](index_t p, index_t c) { add(target.pixel(p)[c], (*this)[p * target.shape.channels() + c]); });
  }

 private:
  std::vector<double> values_;
};

// ---- convolution ----

/// use(output pixel, input pixel, tap) wherever a tap of the kernel falls on the picture.
template <class Use>
void for_each_tap(ConvGeometry const& g, FeatureShape const& in, FeatureShape const& out, Use const& use) {
  index_t const up = g.upsample ? 2 : 1;
  for (index_t n = 0; n < out.n(); ++n)
    for (index_t oy = 0; oy < out.h(); ++oy)
      for (index_t ox = 0; ox < out.w(); ++ox)
        for (index_t tap = 0; tap < g.taps(); ++tap) {
          index_t const y = oy * g.stride + tap / g.kernel - g.pad_top, x = ox * g.stride + tap % g.kernel - g.pad_left;
          if (y >= 0 && x >= 0 && y < in.h() * up && x < in.w() * up)
            use((n * out.h() + oy) * out.w() + ox, (n * in.h() + y / up) * in.w() + x / up, tap);
        }
}

template <class T>
void conv2d(Device&, ConvGeometry const& g, Read<T> x, Numbers<T> weight, Numbers<T> bias, Reads<T> shift, Reads<T> residual, Writes<T> y, bool relu = false) {
  index_t const in = x.shape.channels(), out = y.shape.channels();
  Sums sums(y.shape.count());
  for_each_tap(g, x.shape, y.shape, [&](index_t op, index_t ip, index_t tap) {
    for (index_t o = 0; o < out; ++o) {
      T const* const w = weight + (o * g.taps() + tap) * in;
      for (index_t i = 0; i < in; ++i) sums[op * out + o] += static_cast<double>(w[i]) * static_cast<double>(x.pixel(ip)[i]);
    }
  });
  index_t const positions = y.shape[1] * y.shape[2];
  each(y.shape, [&](index_t p, index_t c) {
    double total = sums[p * out + c];
    if (bias != nullptr) total += static_cast<double>(bias[c]);
    if (shift) total += static_cast<double>(shift.pixel(shift.shape[0] == 1 ? 0 : p / positions)[c]);
    if (residual) total += static_cast<double>(residual.pixel(p)[c]);
    set(y.pixel(p)[c], relu ? std::max(total, 0.0) : total);
  });
}

template <class T>
void conv2d_input_gradient(Device&, ConvGeometry const& g, Read<T> dy, Numbers<T> weight, Writes<T> dx) {
  index_t const in = dx.shape.channels(), out = dy.shape.channels();
  Sums sums(dx.shape.count());
  for_each_tap(g, dx.shape, dy.shape, [&](index_t op, index_t ip, index_t tap) {
    for (index_t o = 0; o < out; ++o)
      for (index_t i = 0; i < in; ++i)
        sums[ip * in + i] += static_cast<double>(weight[(o * g.taps() + tap) * in + i]) * static_cast<double>(dy.pixel(op)[o]);
  });
  sums.add_to(dx);
}

/// x may be empty where dweight is null. The element is named by dbias, which may be null in its turn.
template <class T>
void conv2d_weight_gradient(Device&, ConvGeometry const& g, Reads<T> x, Reads<T> dy, Results<T> dweight, T* dbias) {
  index_t const in = x.shape.channels(), out = dy.shape.channels();
  Sums weight(out * g.taps() * in), bias(out);
  if (dweight != nullptr)
    for_each_tap(g, x.shape, dy.shape, [&](index_t op, index_t ip, index_t tap) {
      for (index_t o = 0; o < out; ++o)
        for (index_t i = 0; i < in; ++i)
          weight[(o * g.taps() + tap) * in + i] += static_cast<double>(x.pixel(ip)[i]) * static_cast<double>(dy.pixel(op)[o]);
    });
  each(dy.shape, [&](index_t p, index_t c) { bias[c] += static_cast<double>(dy.pixel(p)[c]); });
  weight.add_to(dweight);
  bias.add_to(dbias);
}

// ---- attention ----

/// use(picture, text, head, query row, its probabilities, log of their sum of exponentials) for every row of scores.
template <class T, class Use>
void for_each_row(AttentionGeometry const& g, Read<T> q, Read<T> k, std::int32_t const* text, Use const& use) {
  index_t const queries = q.shape[1] * q.shape[2], keys = k.shape[1] * k.shape[2], d = q.shape.channels() / g.heads;
  std::vector<double> p(static_cast<std::size_t>(keys));
  for (index_t n = 0; n < q.shape[0]; ++n)
    for (index_t h = 0; h < g.heads; ++h)
      for (index_t i = 0; i < queries; ++i) {
        index_t const t = text != nullptr ? text[n] : n, visible = g.causal ? i + 1 : keys;
        double top = -1e300, sum = 0.0;
        for (index_t j = 0; j < visible; ++j) {
          double score = 0.0;
          for (index_t c = h * d; c < (h + 1) * d; ++c)
            score += static_cast<double>(q.pixel(n * queries + i)[c]) * static_cast<double>(k.pixel(t * keys + j)[c]);
          top = std::max(top, p[static_cast<std::size_t>(j)] = score / std::sqrt(static_cast<double>(d)));
        }
        for (index_t j = 0; j < visible; ++j) sum += std::exp(p[static_cast<std::size_t>(j)] - top);
        for (index_t j = 0; j < keys; ++j)
          p[static_cast<std::size_t>(j)] = j < visible ? std::exp(p[static_cast<std::size_t>(j)] - top) / sum : 0.0;
        use(n, t, h, n * queries + i, p, top + std::log(sum));
      }
}

template <class T>
void attention(Device&, AttentionGeometry const& g, Read<T> q, Reads<T> k, Reads<T> v, std::int32_t const* text, Writes<T> o, Writes<T> log_sum,
               Writes<T> map) {
  index_t const keys = k.shape[1] * k.shape[2], d = q.shape.channels() / g.heads;
  Sums mean(q.shape.pixels() * keys);
  for_each_row(g, q, Read<T>(k), text, [&](index_t, index_t t, index_t h, index_t row, std::vector<double> const& p, double ls) {
    set(log_sum.pixel(row)[h], ls);
    for (index_t c = h * d; c < (h + 1) * d; ++c) {
      double total = 0.0;
      for (index_t j = 0; j < keys; ++j) total += p[static_cast<std::size_t>(j)] * static_cast<double>(v.pixel(t * keys + j)[c]);
      set(o.pixel(row)[c], total);
    }
    for (index_t j = 0; j < keys; ++j) mean[row * keys + j] += p[static_cast<std::size_t>(j)] / g.heads;
  });
  if (map) each(map.shape, [&](index_t row, index_t j) { set(map.pixel(row)[j], mean[row * keys + j]); });
}

template <class T>
void attention_gradient(Device&, AttentionGeometry const& g, Read<T> q, Reads<T> k, Reads<T> v, std::int32_t const* text, Reads<T>, Reads<T> d_o,
                        Reads<T> d_map, Writes<T> dq, Writes<T> dk, Writes<T> dv) {
  index_t const keys = k.shape[1] * k.shape[2], width = q.shape.channels(), d = width / g.heads;
  Sums sum_q(q.shape.count()), sum_k(k.shape.count()), sum_v(v.shape.count());
  for_each_row(g, q, Read<T>(k), text, [&](index_t, index_t t, index_t h, index_t row, std::vector<double> const& p, double) {
    std::vector<double> dp(p.size());
    double inner = 0.0;
    for (index_t j = 0; j < keys; ++j) {
      double& slope = dp[static_cast<std::size_t>(j)];
      if (d_map) slope += static_cast<double>(d_map.pixel(row)[j]) / g.heads;
      for (index_t c = h * d; d_o && c < (h + 1) * d; ++c) {
        slope += static_cast<double>(d_o.pixel(row)[c]) * static_cast<double>(v.pixel(t * keys + j)[c]);
        sum_v[(t * keys + j) * width + c] += p[static_cast<std::size_t>(j)] * static_cast<double>(d_o.pixel(row)[c]);
      }
      inner += p[static_cast<std::size_t>(j)] * slope;
    }
    for (index_t j = 0; j < keys; ++j) {
      double const ds = p[static_cast<std::size_t>(j)] * (dp[static_cast<std::size_t>(j)] - inner) / std::sqrt(static_cast<double>(d));
      for (index_t c = h * d; c < (h + 1) * d; ++c) {
        sum_q[row * width + c] += ds * static_cast<double>(k.pixel(t * keys + j)[c]);
        sum_k[(t * keys + j) * width + c] += ds * static_cast<double>(q.pixel(row)[c]);
      }
    }
  });
  if (dq) sum_q.add_to(dq);
  if (dk) sum_k.add_to(dk);
  if (dv) sum_v.add_to(dv);
}

// ---- pointwise ----

inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
inline double normal_cdf(double x) { return 0.5 * (1.0 + std::erf(x / std::sqrt(2.0))); }
inline double value_of(Activation kind, double x) {
  switch (kind) {
    case Activation::silu: return x * sigmoid(x);
    case Activation::gelu: return x * normal_cdf(x);
    case Activation::quick_gelu: return x * sigmoid(1.702 * x);
    case Activation::relu: return std::max(x, 0.0);
    case Activation::sigmoid: return sigmoid(x);
  }
  return 0.0;
}
inline double slope_of(Activation kind, double x) {
  double const s = sigmoid(x), q = sigmoid(1.702 * x);
  switch (kind) {
    case Activation::silu: return s + x * s * (1.0 - s);
    case Activation::gelu: return normal_cdf(x) + x * std::exp(-0.5 * x * x) / std::sqrt(2.0 * 3.14159265358979323846);
    case Activation::quick_gelu: return q + 1.702 * x * q * (1.0 - q);
    case Activation::relu: return x > 0.0 ? 1.0 : 0.0;
    case Activation::sigmoid: return s * (1.0 - s);
  }
  return 0.0;
}

template <class T>
void activation(Device&, Activation kind, Read<T> x, Writes<T> y) {
  each(x.shape, [&](index_t p, index_t c) { set(y.pixel(p)[c], value_of(kind, static_cast<double>(x.pixel(p)[c]))); });
}
template <class T>
void activation_gradient(Device&, Activation kind, Read<T> x, Reads<T> dy, Writes<T> dx) {
  each(x.shape, [&](index_t p, index_t c) {
    add(dx.pixel(p)[c], slope_of(kind, static_cast<double>(x.pixel(p)[c])) * static_cast<double>(dy.pixel(p)[c]));
  });
}
template <class T>
void geglu(Device&, Read<T> x, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) {
    double const gate = static_cast<double>(x.pixel(p)[y.shape.channels() + c]);
    set(y.pixel(p)[c], static_cast<double>(x.pixel(p)[c]) * value_of(Activation::gelu, gate));
  });
}
template <class T>
void geglu_gradient(Device&, Read<T> x, Reads<T> dy, Writes<T> dx) {
  index_t const half = dy.shape.channels();
  each(dy.shape, [&](index_t p, index_t c) {
    double const value = static_cast<double>(x.pixel(p)[c]), gate = static_cast<double>(x.pixel(p)[half + c]), g = static_cast<double>(dy.pixel(p)[c]);
    add(dx.pixel(p)[c], g * value_of(Activation::gelu, gate));
    add(dx.pixel(p)[half + c], g * value * slope_of(Activation::gelu, gate));
  });
}
template <class T>
void sum(Device&, Read<T> a, Reads<T> b, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) { y.pixel(p)[c] = a.pixel(p)[c] + b.pixel(p)[c]; });
}
template <class T>
void scale(Device&, float factor, Read<T> x, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) { y.pixel(p)[c] = static_cast<T>(factor) * x.pixel(p)[c]; });
}
template <class T>
void accumulate(Device&, float factor, Read<T> x, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) { add(y.pixel(p)[c], static_cast<double>(factor) * static_cast<double>(x.pixel(p)[c])); });
}
template <class T>
void copy(Device&, Read<T> x, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) { y.pixel(p)[c] = x.pixel(p)[c]; });
}
template <class T>
void gated_sum(Device&, Read<T> x, Reads<T> f, Numbers<T> gamma, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) {
    set(y.pixel(p)[c], static_cast<double>(x.pixel(p)[c]) + static_cast<double>(gamma[c]) * static_cast<double>(f.pixel(p)[c]));
  });
}
template <class T>
void gated_sum_gradient(Device&, Read<T> f, Numbers<T> gamma, Reads<T> dy, Writes<T> df, Results<T> dgamma) {
  Sums sums(f.shape.channels());
  each(f.shape, [&](index_t p, index_t c) {
    double const g = static_cast<double>(dy.pixel(p)[c]);
    if (df) add(df.pixel(p)[c], static_cast<double>(gamma[c]) * g);
    sums[c] += static_cast<double>(f.pixel(p)[c]) * g;
  });
  sums.add_to(dgamma);
}
template <class T>
void embed(Device&, std::int32_t const* ids, T const* table, Numbers<T> positions, Writes<T> y) {
  index_t const width = y.shape.channels();
  each(y.shape, [&](index_t p, index_t c) { y.pixel(p)[c] = table[ids[p] * width + c] + positions[p % y.shape[2] * width + c]; });
}
template <class T>
void embed_gradient(Device&, std::int32_t const* ids, Read<T> dy, Results<T> dtable, Results<T> dpositions) {
  index_t const width = dy.shape.channels();
  each(dy.shape, [&](index_t p, index_t c) {
    if (dtable != nullptr) dtable[ids[p] * width + c] += dy.pixel(p)[c];
    if (dpositions != nullptr) dpositions[p % dy.shape[2] * width + c] += dy.pixel(p)[c];
  });
}
template <class T>
void posterior_sample(Device&, float factor, Read<T> moments, Reads<T> noise, Writes<T> z) {
  each(z.shape, [&](index_t p, index_t c) {
    double const log_variance = std::clamp(static_cast<double>(moments.pixel(p)[z.shape.channels() + c]), -30.0, 20.0);
    double const sample = static_cast<double>(moments.pixel(p)[c]) + std::exp(0.5 * log_variance) * static_cast<double>(noise.pixel(p)[c]);
    set(z.pixel(p)[c], static_cast<double>(factor) * sample);
  });
}
template <class T>
void posterior_sample_gradient(Device&, float factor, Read<T> moments, Reads<T> noise, Reads<T> dz, Writes<T> dmoments) {
  index_t const half = dz.shape.channels();
  each(dz.shape, [&](index_t p, index_t c) {
    double const log_variance = static_cast<double>(moments.pixel(p)[half + c]), g = static_cast<double>(factor) * static_cast<double>(dz.pixel(p)[c]);
    add(dmoments.pixel(p)[c], g);
    if (log_variance > -30.0 && log_variance < 20.0)
      add(dmoments.pixel(p)[half + c], g * 0.5 * std::exp(0.5 * log_variance) * static_cast<double>(noise.pixel(p)[c]));
  });
}
template <class T>
void channel_dropout(Device&, float p, std::uint64_t key, Read<T> x, Writes<T> y) {
  index_t const channels = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  each(x.shape, [&](index_t pixel, index_t c) {
    if (random_unit(key, static_cast<std::uint64_t>(pixel / positions * channels + c)) >= p)
      add(y.pixel(pixel)[c], static_cast<double>(x.pixel(pixel)[c]) / (1.0 - static_cast<double>(p)));
  });
}

// ---- normalisation ----

/// Elements that share their statistics: channels [c0, c1) of pixels [p0, p1).
struct Together {
  index_t p0, p1, c0, c1;
  template <class Use>
  void each(Use const& use) const {
    for (index_t p = p0; p < p1; ++p)
      for (index_t c = c0; c < c1; ++c) use(p, c);
  }
  double count() const { return static_cast<double>((p1 - p0) * (c1 - c0)); }
};
/// use(group) for the groups of group, layer and batch normalisation.
template <class Use>
void for_each_group(Shape<4> const& s, index_t pixels, index_t channels, Use const& use) {
  for (index_t p = 0; p < s.pixels(); p += pixels)
    for (index_t c = 0; c < s.channels(); c += channels) use(Together{p, p + pixels, c, c + channels});
}
struct Moments {
  double mean, variance;
};
template <class T>
Moments moments_of(Read<T> x, Together const& group) {
  double mean = 0.0, variance = 0.0;
  group.each([&](index_t p, index_t c) { mean += static_cast<double>(x.pixel(p)[c]) / group.count(); });
  group.each([&](index_t p, index_t c) { variance += std::pow(static_cast<double>(x.pixel(p)[c]) - mean, 2) / group.count(); });
  return {mean, variance};
}
enum class After { nothing, silu, relu };
inline double after_value(After after, double z) {
  return after == After::silu ? value_of(Activation::silu, z) : after == After::relu ? value_of(Activation::relu, z) : z;
}
inline double after_slope(After after, double z) {
  return after == After::silu ? slope_of(Activation::silu, z) : after == After::relu ? slope_of(Activation::relu, z) : 1.0;
}
template <class T>
void normalise(Read<T> x, Together const& group, double mean, double rstd, Numbers<T> w, Numbers<T> b, After after, Writes<T> y) {
  group.each([&](index_t p, index_t c) {
    double const z = (static_cast<double>(x.pixel(p)[c]) - mean) * rstd * static_cast<double>(w[c]) + static_cast<double>(b[c]);
    set(y.pixel(p)[c], after_value(after, z));
  });
}
/// `b` may be null where nothing follows; `constant`: the statistics do not depend on x.
template <class T>
void normalise_gradient(Read<T> x, Together const& group, double mean, double rstd, Numbers<T> w, Numbers<T> b, After after, bool constant, Reads<T> dy,
                        Writes<T> dx, Sums& dw, Sums& db) {
  auto const normalised = [&](index_t p, index_t c) { return (static_cast<double>(x.pixel(p)[c]) - mean) * rstd; };
  auto const slope = [&](index_t p, index_t c) {
    double const z = normalised(p, c) * static_cast<double>(w[c]) + (b != nullptr ? static_cast<double>(b[c]) : 0.0);
    return static_cast<double>(dy.pixel(p)[c]) * after_slope(after, z);
  };
  double flat = 0.0, slanted = 0.0;
  group.each([&](index_t p, index_t c) {
    double const dz = slope(p, c), xhat = normalised(p, c);
    dw[c] += dz * xhat;
    db[c] += dz;
    flat += dz * static_cast<double>(w[c]) / group.count();
    slanted += dz * static_cast<double>(w[c]) * xhat / group.count();
  });
  if (!dx) return;
  if (constant) flat = slanted = 0.0;
  group.each([&](index_t p, index_t c) {
    add(dx.pixel(p)[c], rstd * (slope(p, c) * static_cast<double>(w[c]) - flat - normalised(p, c) * slanted));
  });
}

template <class T>
void group_norm(Device&, int groups, float eps, bool silu, Read<T> x, Numbers<T> w, Numbers<T> b, Writes<T> y, Writes<T> stats) {
  index_t const channels = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  for_each_group(x.shape, positions, channels / groups, [&](Together const& group) {
    Moments const m = moments_of(x, group);
    double const rstd = 1.0 / std::sqrt(m.variance + static_cast<double>(eps));
    normalise<T>(x, group, m.mean, rstd, w, b, silu ? After::silu : After::nothing, y);
    for (index_t c = group.c0; c < group.c1; ++c) {
      set(stats.pixel(group.p0 / positions)[c], m.mean);
      set(stats.pixel(group.p0 / positions)[channels + c], rstd);
    }
  });
}
template <class T>
void group_norm_gradient(Device&, int groups, bool silu, Read<T> x, Numbers<T> w, Numbers<T> b, Reads<T> stats, Reads<T> dy, Writes<T> dx,
                         Results<T> dw, Results<T> db) {
  index_t const channels = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  Sums sum_w(channels), sum_b(channels);
  for_each_group(x.shape, positions, channels / groups, [&](Together const& group) {
    T const* const s = stats.pixel(group.p0 / positions) + group.c0;
    normalise_gradient<T>(x, group, static_cast<double>(s[0]), static_cast<double>(s[channels]), w, b, silu ? After::silu : After::nothing, false, dy, dx,
                          sum_w, sum_b);
  });
  sum_w.add_to(dw);
  sum_b.add_to(db);
}
template <class T>
void layer_norm(Device&, float eps, Read<T> x, Numbers<T> w, Numbers<T> b, Writes<T> y, Writes<T> stats) {
  for_each_group(x.shape, 1, x.shape.channels(), [&](Together const& group) {
    Moments const m = moments_of(x, group);
    double const rstd = 1.0 / std::sqrt(m.variance + static_cast<double>(eps));
    normalise<T>(x, group, m.mean, rstd, w, b, After::nothing, y);
    set(stats.pixel(group.p0)[0], m.mean);
    set(stats.pixel(group.p0)[1], rstd);
  });
}
template <class T>
void layer_norm_gradient(Device&, Read<T> x, Numbers<T> w, Reads<T> stats, Reads<T> dy, Writes<T> dx, Results<T> dw, Results<T> db) {
  Sums sum_w(x.shape.channels()), sum_b(x.shape.channels());
  for_each_group(x.shape, 1, x.shape.channels(), [&](Together const& group) {
    T const* const s = stats.pixel(group.p0);
    normalise_gradient<T>(x, group, static_cast<double>(s[0]), static_cast<double>(s[1]), w, nullptr, After::nothing, false, dy, dx, sum_w, sum_b);
  });
  sum_w.add_to(dw);
  sum_b.add_to(db);
}
template <class T>
void batch_statistics(Device&, Read<T> x, Writes<T> stats) {
  for_each_group(x.shape, x.shape.pixels(), 1, [&](Together const& group) {
    Moments const m = moments_of(x, group);
    set(stats.data[group.c0], m.mean);
    set(stats.data[x.shape.channels() + group.c0], m.variance);
  });
}
template <class T>
void move_statistics(Device&, float momentum, index_t pixels, index_t channels, T const* stats, Results<T> running_mean, Results<T> running_var) {
  double const n = static_cast<double>(pixels), m = static_cast<double>(momentum);
  for (index_t c = 0; c < channels; ++c) {
    double const unbiased = static_cast<double>(stats[channels + c]) * (pixels > 1 ? n / (n - 1.0) : 1.0);
    set(running_mean[c], (1.0 - m) * static_cast<double>(running_mean[c]) + m * static_cast<double>(stats[c]));
    set(running_var[c], (1.0 - m) * static_cast<double>(running_var[c]) + m * unbiased);
  }
}
template <class T>
void batch_norm(Device&, float eps, bool relu, Read<T> x, Numbers<T> w, Numbers<T> b, Numbers<T> mean, Numbers<T> var, Writes<T> y) {
  for_each_group(x.shape, x.shape.pixels(), 1, [&](Together const& group) {
    double const rstd = 1.0 / std::sqrt(static_cast<double>(var[group.c0]) + static_cast<double>(eps));
    normalise<T>(x, group, static_cast<double>(mean[group.c0]), rstd, w, b, relu ? After::relu : After::nothing, y);
  });
}
template <class T>
void batch_norm_gradient(Device&, float eps, bool relu, bool fixed, Read<T> x, Numbers<T> w, Numbers<T> b, Numbers<T> mean, Numbers<T> var, Reads<T> dy,
                         Writes<T> dx, Results<T> dw, Results<T> db) {
  Sums sum_w(x.shape.channels()), sum_b(x.shape.channels());
  for_each_group(x.shape, x.shape.pixels(), 1, [&](Together const& group) {
    double const rstd = 1.0 / std::sqrt(static_cast<double>(var[group.c0]) + static_cast<double>(eps));
    normalise_gradient<T>(x, group, static_cast<double>(mean[group.c0]), rstd, w, b, relu ? After::relu : After::nothing, fixed, dy, dx, sum_w, sum_b);
  });
  sum_w.add_to(dw);
  sum_b.add_to(db);
}

// ---- resizing ----

/// use(output pixel, input pixel, weight) for the four inputs that an output of a bilinear resize mixes.
template <class Use>
void for_each_corner(Corners corners, FeatureShape const& in, FeatureShape const& out, Use const& use) {
  auto const source = [&](index_t at, index_t from, index_t to) {
    auto const a = static_cast<double>(at), f = static_cast<double>(from), t = static_cast<double>(to);
    if (corners == Corners::aligned) return to > 1 ? a * (f - 1.0) / (t - 1.0) : 0.0;
    return std::max(0.0, (a + 0.5) * f / t - 0.5);
  };
  for (index_t n = 0; n < out.n(); ++n)
    for (index_t oy = 0; oy < out.h(); ++oy)
      for (index_t ox = 0; ox < out.w(); ++ox)
        for (index_t corner = 0; corner < 4; ++corner) {
          double const y = source(oy, in.h(), out.h()), x = source(ox, in.w(), out.w());
          double const fy = y - std::floor(y), fx = x - std::floor(x);
          index_t const iy = std::min(static_cast<index_t>(y) + corner / 2, in.h() - 1), ix = std::min(static_cast<index_t>(x) + corner % 2, in.w() - 1);
          use((n * out.h() + oy) * out.w() + ox, (n * in.h() + iy) * in.w() + ix, (corner / 2 == 1 ? fy : 1.0 - fy) * (corner % 2 == 1 ? fx : 1.0 - fx));
        }
}
template <class T>
void resize_bilinear(Device&, Corners corners, Read<T> x, Writes<T> y) {
  index_t const channels = y.shape.channels();
  Sums sums(y.shape.count());
  for_each_corner(corners, x.shape, y.shape, [&](index_t op, index_t ip, double weight) {
    for (index_t c = 0; c < channels; ++c) sums[op * channels + c] += weight * static_cast<double>(x.pixel(ip)[c]);
  });
  each(y.shape, [&](index_t p, index_t c) { set(y.pixel(p)[c], sums[p * channels + c]); });
}
template <class T>
void resize_bilinear_gradient(Device&, Corners corners, Read<T> dy, Writes<T> dx) {
  index_t const channels = dy.shape.channels();
  Sums sums(dx.shape.count());
  for_each_corner(corners, dx.shape, dy.shape, [&](index_t op, index_t ip, double weight) {
    for (index_t c = 0; c < channels; ++c) sums[ip * channels + c] += weight * static_cast<double>(dy.pixel(op)[c]);
  });
  sums.add_to(dx);
}
/// The input pixel that an output pixel of a nearest resize copies.
inline index_t nearest_pixel(FeatureShape const& in, FeatureShape const& out, index_t p) {
  index_t const x = p % out.w(), y = p / out.w() % out.h(), n = p / out.positions();
  return (n * in.h() + y * in.h() / out.h()) * in.w() + x * in.w() / out.w();
}
template <class T>
void resize_nearest(Device&, Read<T> x, Reads<T> addend, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) {
    y.pixel(p)[c] = x.pixel(nearest_pixel(x.shape, y.shape, p))[c] + (addend ? addend.pixel(p)[c] : T{});
  });
}
template <class T>
void resize_nearest_gradient(Device&, Read<T> dy, Writes<T> dx) {
  Sums sums(dx.shape.count());
  each(dy.shape, [&](index_t p, index_t c) {
    sums[nearest_pixel(dx.shape, dy.shape, p) * dx.shape.channels() + c] += static_cast<double>(dy.pixel(p)[c]);
  });
  sums.add_to(dx);
}

// ---- losses ----

inline double class_weight(float const* weights, std::uint8_t label) { return weights == nullptr ? 1.0 : static_cast<double>(weights[label]); }
inline double counted(Average average, std::uint8_t const* labels, float const* weights, index_t pixels) {
  if (average == Average::all_pixels) return static_cast<double>(pixels);
  double sum = 0.0;
  for (index_t p = 0; p < pixels; ++p)
    if (labels[p] != ignore_label) sum += class_weight(weights, labels[p]);
  return sum;
}
/// softmax of one pixel's logits.
template <class T>
std::vector<double> probabilities(Read<T> logits, index_t p) {
  std::vector<double> v;
  double top = -1e300, total = 0.0;
  for (index_t c = 0; c < logits.shape.channels(); ++c) top = std::max(top, static_cast<double>(logits.pixel(p)[c]));
  for (index_t c = 0; c < logits.shape.channels(); ++c) total += v.emplace_back(std::exp(static_cast<double>(logits.pixel(p)[c]) - top));
  for (double& x : v) x /= total;
  return v;
}
template <class T>
void cross_entropy(Device&, Average average, Read<T> logits, std::uint8_t const* labels, float const* weights, Writes<T> loss) {
  index_t const pixels = logits.shape.pixels();
  double const count = counted(average, labels, weights, pixels);
  double total = 0.0;
  for (index_t p = 0; p < pixels; ++p)
    if (labels[p] != ignore_label) total -= class_weight(weights, labels[p]) * std::log(probabilities(logits, p)[labels[p]]);
  set(loss.data[0], count == 0.0 ? 0.0 : total / count);
}
template <class T>
void cross_entropy_gradient(Device&, Average average, Read<T> logits, std::uint8_t const* labels, float const* weights, float upstream, Writes<T> dlogits) {
  index_t const pixels = logits.shape.pixels();
  double const count = counted(average, labels, weights, pixels);
  for (index_t p = 0; p < pixels; ++p) {
    if (labels[p] == ignore_label) continue;
    auto const q = probabilities(logits, p);
    double const share = static_cast<double>(upstream) * class_weight(weights, labels[p]) / count;
    for (index_t c = 0; c < logits.shape.channels(); ++c) add(dlogits.pixel(p)[c], share * (q[static_cast<std::size_t>(c)] - (c == labels[p] ? 1.0 : 0.0)));
  }
}
template <class T>
void mean_squared_error(Device&, Read<T> a, Reads<T> b, Writes<T> loss) {
  double total = 0.0;
  each(a.shape, [&](index_t p, index_t c) { total += std::pow(static_cast<double>(a.pixel(p)[c]) - static_cast<double>(b.pixel(p)[c]), 2); });
  set(loss.data[0], total / static_cast<double>(a.shape.count()));
}
template <class T>
void mean_squared_error_gradient(Device&, Read<T> a, Reads<T> b, float upstream, Writes<T> da) {
  each(a.shape, [&](index_t p, index_t c) {
    double const difference = static_cast<double>(a.pixel(p)[c]) - static_cast<double>(b.pixel(p)[c]);
    add(da.pixel(p)[c], static_cast<double>(upstream) * 2.0 * difference / static_cast<double>(a.shape.count()));
  });
}
/// use(pixel, neighbour) for every pair side by side or one above the other.
template <class Use>
void for_each_neighbour(FeatureShape const& s, Use const& use) {
  for (index_t p = 0; p < s.pixels(); ++p) {
    if (p % s.w() + 1 < s.w()) use(p, p + 1);
    if (p / s.w() % s.h() + 1 < s.h()) use(p, p + s.w());
  }
}
template <class T>
void absolute_error(Device&, float edges, float colour, Read<T> a, Reads<T> b, Writes<T> loss) {
  auto const error = [&](index_t p, index_t c) { return static_cast<double>(a.pixel(p)[c]) - static_cast<double>(b.pixel(p)[c]); };
  double total = 0.0;
  each(a.shape, [&](index_t p, index_t c) {
    total += std::abs(error(p, c));
    if (c > 0) total += static_cast<double>(colour) * std::abs(error(p, c) - error(p, c - 1));
  });
  for_each_neighbour(a.shape, [&](index_t p, index_t q) {
    for (index_t c = 0; c < a.shape.channels(); ++c) total += static_cast<double>(edges) * std::abs(error(q, c) - error(p, c));
  });
  set(loss.data[0], total / static_cast<double>(a.shape.count()));
}
template <class T>
void absolute_error_gradient(Device&, float edges, float colour, Read<T> a, Reads<T> b, float upstream, Writes<T> da) {
  auto const error = [&](index_t p, index_t c) { return static_cast<double>(a.pixel(p)[c]) - static_cast<double>(b.pixel(p)[c]); };
  auto const sign = [](double v) { return v > 0.0 ? 1.0 : v < 0.0 ? -1.0 : 0.0; };
  double const weight = static_cast<double>(upstream) / static_cast<double>(a.shape.count());
  Sums sums(a.shape.count());
  auto const sum = [&](index_t p, index_t c) -> double& { return sums[p * a.shape.channels() + c]; };
  each(a.shape, [&](index_t p, index_t c) {
    sum(p, c) += weight * sign(error(p, c));
    if (c == 0) return;
    double const slope = weight * static_cast<double>(colour) * sign(error(p, c) - error(p, c - 1));
    sum(p, c) += slope;
    sum(p, c - 1) -= slope;
  });
  for_each_neighbour(a.shape, [&](index_t p, index_t q) {
    for (index_t c = 0; c < a.shape.channels(); ++c) {
      double const slope = weight * static_cast<double>(edges) * sign(error(q, c) - error(p, c));
      sum(q, c) += slope;
      sum(p, c) -= slope;
    }
  });
  sums.add_to(da);
}
template <class T>
void gaussian_divergence(Device&, Read<T> moments, Writes<T> loss) {
  index_t const half = moments.shape.channels() / 2;
  double total = 0.0;
  for (index_t p = 0; p < moments.shape.pixels(); ++p)
    for (index_t c = 0; c < half; ++c) {
      double const mean = static_cast<double>(moments.pixel(p)[c]), v = std::clamp(static_cast<double>(moments.pixel(p)[half + c]), -30.0, 20.0);
      total += 0.5 * (mean * mean + std::exp(v) - 1.0 - v);
    }
  set(loss.data[0], total / static_cast<double>(moments.shape.pixels() * half));
}
template <class T>
void gaussian_divergence_gradient(Device&, Read<T> moments, float upstream, Writes<T> dmoments) {
  index_t const half = moments.shape.channels() / 2;
  double const weight = static_cast<double>(upstream) / static_cast<double>(moments.shape.pixels() * half);
  for (index_t p = 0; p < moments.shape.pixels(); ++p)
    for (index_t c = 0; c < half; ++c) {
      double const v = static_cast<double>(moments.pixel(p)[half + c]);
      add(dmoments.pixel(p)[c], weight * static_cast<double>(moments.pixel(p)[c]));
      if (v > -30.0 && v < 20.0) add(dmoments.pixel(p)[half + c], weight * 0.5 * (std::exp(v) - 1.0));
    }
}

// ---- transposed convolution, frames, the losses of dense heads ----

template <class T>
void conv_transpose2d(Device&, ConvGeometry const& g, Read<T> x, Numbers<T> weight, Writes<T> y) {
  index_t const in = x.shape.channels(), out = y.shape.channels();
  Sums sums(y.shape.count());
  for_each_tap(g, y.shape, x.shape, [&](index_t xp, index_t yp, index_t tap) {
    for (index_t i = 0; i < in; ++i)
      for (index_t o = 0; o < out; ++o)
        sums[yp * out + o] += static_cast<double>(weight[(i * g.taps() + tap) * out + o]) * static_cast<double>(x.pixel(xp)[i]);
  });
  each(y.shape, [&](index_t p, index_t c) { set(y.pixel(p)[c], sums[p * out + c]); });
}
template <class T>
void conv_transpose2d_input_gradient(Device&, ConvGeometry const& g, Read<T> dy, Numbers<T> weight, Writes<T> dx) {
  index_t const in = dx.shape.channels(), out = dy.shape.channels();
  Sums sums(dx.shape.count());
  for_each_tap(g, dy.shape, dx.shape, [&](index_t xp, index_t yp, index_t tap) {
    for (index_t i = 0; i < in; ++i)
      for (index_t o = 0; o < out; ++o)
        sums[xp * in + i] += static_cast<double>(weight[(i * g.taps() + tap) * out + o]) * static_cast<double>(dy.pixel(yp)[o]);
  });
  sums.add_to(dx);
}
template <class T>
void conv_transpose2d_weight_gradient(Device&, ConvGeometry const& g, Read<T> x, Reads<T> dy, Results<T> dweight) {
  index_t const in = x.shape.channels(), out = dy.shape.channels();
  Sums sums(in * g.taps() * out);
  for_each_tap(g, dy.shape, x.shape, [&](index_t xp, index_t yp, index_t tap) {
    for (index_t i = 0; i < in; ++i)
      for (index_t o = 0; o < out; ++o)
        sums[(i * g.taps() + tap) * out + o] += static_cast<double>(x.pixel(xp)[i]) * static_cast<double>(dy.pixel(yp)[o]);
  });
  sums.add_to(dweight);
}

/// use(pixel of a, pixel of b) where both frames, laid on one top left corner, have a pixel.
template <class Use>
void for_each_shared(FeatureShape const& a, FeatureShape const& b, Use const& use) {
  for (index_t n = 0; n < a.n(); ++n)
    for (index_t y = 0; y < std::min(a.h(), b.h()); ++y)
      for (index_t x = 0; x < std::min(a.w(), b.w()); ++x) use((n * a.h() + y) * a.w() + x, (n * b.h() + y) * b.w() + x);
}
template <class T>
void reframe(Device&, Read<T> x, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) { y.pixel(p)[c] = T{}; });
  for_each_shared(x.shape, y.shape, [&](index_t from, index_t to) { std::copy_n(x.pixel(from), y.shape.channels(), y.pixel(to)); });
}
template <class T>
void reframe_gradient(Device&, Read<T> dy, Writes<T> dx) {
  for_each_shared(dy.shape, dx.shape, [&](index_t from, index_t to) {
    for (index_t c = 0; c < dx.shape.channels(); ++c) dx.pixel(to)[c] += dy.pixel(from)[c];
  });
}
inline index_t mirrored(Shape<4> const& s, index_t p) { return p / s[2] * s[2] + s[2] - 1 - p % s[2]; }
template <class T>
void mirror(Device&, Read<T> x, Writes<T> y) {
  each(y.shape, [&](index_t p, index_t c) { y.pixel(p)[c] = x.pixel(mirrored(y.shape, p))[c]; });
}
template <class T>
void mirror_gradient(Device&, Read<T> dy, Writes<T> dx) {
  each(dx.shape, [&](index_t p, index_t c) { dx.pixel(p)[c] += dy.pixel(mirrored(dx.shape, p))[c]; });
}

/// Logarithms of truth over prediction where there is a truth.
template <class T>
std::vector<double> log_differences(Read<T> depth, float const* truth) {
  std::vector<double> all;
  for (index_t p = 0; p < depth.shape.pixels(); ++p)
    if (truth[p] > 0.0F && std::isfinite(truth[p])) all.push_back(std::log(static_cast<double>(truth[p]) / static_cast<double>(depth.pixel(p)[0])));
  return all;
}
struct LogMoments {
  double count = 0.0, mean = 0.0, loss = 0.0;
};
inline LogMoments log_moments(std::vector<double> const& differences, float lambda) {
  LogMoments m{static_cast<double>(differences.size())};
  double squares = 0.0;
  for (double const d : differences) {
    m.mean += d / m.count;
    squares += d * d / m.count;
  }
  m.loss = std::sqrt(std::max(0.0, squares - static_cast<double>(lambda) * m.mean * m.mean));
  return m;
}
template <class T>
void silog(Device&, float lambda, Read<T> depth, float const* truth, Writes<T> loss) {
  set(loss.data[0], log_moments(log_differences(depth, truth), lambda).loss);
}
template <class T>
void silog_gradient(Device&, float lambda, Read<T> depth, float const* truth, float upstream, Writes<T> ddepth) {
  LogMoments const m = log_moments(log_differences(depth, truth), lambda);
  for (index_t p = 0; m.loss > 0.0 && p < depth.shape.pixels(); ++p) {
    if (!(truth[p] > 0.0F && std::isfinite(truth[p]))) continue;
    double const v = static_cast<double>(depth.pixel(p)[0]), d = std::log(static_cast<double>(truth[p]) / v);
    add(ddepth.pixel(p)[0], -static_cast<double>(upstream) * (d - static_cast<double>(lambda) * m.mean) / (m.count * m.loss * v));
  }
}

/// -ln of what a sigmoid gives to the truth, and that probability.
struct OneClass {
  double cost, p;
};
template <class T>
OneClass one_class(Read<T> logits, index_t pixel, index_t c, std::uint8_t label) {
  double const z = (c == label ? 1.0 : -1.0) * static_cast<double>(logits.pixel(pixel)[c]);
  double const cost = z > 0.0 ? std::log1p(std::exp(-z)) : std::log1p(std::exp(z)) - z;
  return {cost, std::exp(-cost)};
}
template <class T>
void focal_loss(Device&, Read<T> logits, std::uint8_t const* labels, Writes<T> loss) {
  double const count = counted(Average::valid_pixels, labels, nullptr, logits.shape.pixels());
  double total = 0.0;
  each(logits.shape, [&](index_t p, index_t c) {
    if (labels[p] == ignore_label) return;
    auto const [cost, q] = one_class(logits, p, c, labels[p]);
    total += std::pow(1.0 - q, 2) * cost;
  });
  set(loss.data[0], count == 0.0 ? 0.0 : total / count);
}
template <class T>
void focal_loss_gradient(Device&, Read<T> logits, std::uint8_t const* labels, float upstream, Writes<T> dlogits) {
  double const count = counted(Average::valid_pixels, labels, nullptr, logits.shape.pixels());
  each(logits.shape, [&](index_t p, index_t c) {
    if (labels[p] == ignore_label) return;
    auto const [cost, q] = one_class(logits, p, c, labels[p]);
    // d cost / dz = q - 1 for the class that the pixel is, 1 - q for another.
    double const slope = 2.0 * (1.0 - q) * q * cost + std::pow(1.0 - q, 2);
    add(dlogits.pixel(p)[c], static_cast<double>(upstream) / count * slope * (c == labels[p] ? q - 1.0 : 1.0 - q));
  });
}

}  // namespace plain
