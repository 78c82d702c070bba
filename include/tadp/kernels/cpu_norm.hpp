// SPDX-License-Identifier: Apache-2.0
// Group, layer and batch normalisation on the processor, with the activation that follows them fused in.
// Sums run in fixed chunks of pixels and are joined in order, in double: the same bytes for any count of threads.
#pragma once

#include "tadp/kernels/cpu_pointwise.hpp"

#include <vector>

namespace tadp {
inline namespace TADP_ISA {
namespace norm_detail {

inline constexpr index_t chunk = 256;  // pixels whose sums are taken in float

/// totals[s * C + c] = sum over pixels [first, first + pixels) of the s-th value of term(pixel, channel packet offsets).
/// term(p, out) writes `Sums` rows of C floats for one pixel.
template <int Sums, class Term>
void channel_sums(Cpu& cpu, index_t first, index_t pixels, index_t channels, double* totals, Term const& term) {
  index_t const chunks = (pixels + chunk - 1) / chunk, width = Sums * channels;
  float* const partial = cpu.threads().shared_scratch(chunks * width);
  cpu.threads().run(chunks, [&](index_t task, int worker) {
    float* const sum = partial + task * width;
    float* const row = cpu.threads().scratch(worker, width);
    std::fill_n(sum, width, 0.0F);
    for (index_t p = task * chunk; p < std::min(pixels, (task + 1) * chunk); ++p) {
      term(first + p, row);
      map_row(width, sum, [](Packet a, Packet b) { return add(a, b); }, static_cast<float const*>(sum), static_cast<float const*>(row));
    }
  });
  std::fill_n(totals, width, 0.0);
  for (index_t t = 0; t < chunks; ++t)
    for (index_t c = 0; c < width; ++c) totals[c] += static_cast<double>(partial[t * width + c]);
}

/// Mean and 1/sqrt(variance + eps) of `count` channels from `first` on, of the channel sums given.
inline float mean_of(double const* sums, index_t first, index_t count, index_t pixels) {
  double total = 0.0;
  for (index_t c = first; c < first + count; ++c) total += sums[c];
  return static_cast<float>(total / static_cast<double>(count * pixels));
}

/// y = x * a + b (per channel), with the activation that follows.
enum class After : std::uint8_t { nothing, silu, relu };

inline void affine_row(index_t c, float* y, float const* x, float const* a, float const* b, After after) {
  switch (after) {
    case After::nothing: return map_row(c, y, [](Packet v, Packet s, Packet t) { return fma(v, s, t); }, x, a, b);
    case After::silu: return map_row(c, y, [](Packet v, Packet s, Packet t) { return pointwise_detail::swish(fma(v, s, t), 1.0F); }, x, a, b);
    case After::relu: return map_row(c, y, [](Packet v, Packet s, Packet t) { return max(fma(v, s, t), broadcast(0.0F)); }, x, a, b);
  }
}

/// dz = dy * slope of the activation at z = x * a + b.
inline void slope_row(index_t c, float* dz, float const* dy, float const* x, float const* a, float const* b, After after) {
  switch (after) {
    case After::nothing: return map_row(c, dz, [](Packet g) { return g; }, dy);
    case After::silu:
      return map_row(c, dz, [](Packet g, Packet v, Packet s, Packet t) { return mul(g, pointwise_detail::swish_slope(fma(v, s, t), 1.0F)); },
                     dy, x, a, b);
    case After::relu:
      return map_row(c, dz, [](Packet g, Packet v, Packet s, Packet t) { return mul(g, pointwise_detail::step(fma(v, s, t))); }, dy, x, a, b);
  }
}

/// The gradient of a normalisation whose statistics are per group of `size` channels over `pixels` pixels from `first`
/// on; mean and rstd per channel. Statistics that were constants (batch norm with running ones): `fixed`.
inline void normalise_gradient(Cpu& cpu, ConstFeatures<Cpu> x, ConstFeatures<Cpu> dy, index_t first, index_t pixels, index_t size,
                               float const* mean, float const* rstd, float const* w, float const* b, After after, bool fixed,
                               Features<Cpu> dx, float* dw, float* db) {
  index_t const c = x.shape.channels();
  std::vector<float> scale(static_cast<std::size_t>(c)), shift(scale), flat(scale), slanted(scale), factor(scale);
  for (index_t i = 0; i < c; ++i) {
    auto const at = static_cast<std::size_t>(i);
    scale[at] = rstd[i] * w[i];
    shift[at] = b[i] - mean[i] * scale[at];
  }
  std::vector<double> sums(static_cast<std::size_t>(2 * c));
  channel_sums<2>(cpu, first, pixels, c, sums.data(), [&](index_t p, float* row) {
    slope_row(c, row, dy.pixel(p), x.pixel(p), scale.data(), shift.data(), after);
    map_row(c, row + c, [](Packet g, Packet v, Packet m, Packet r) { return mul(g, mul(sub(v, m), r)); }, static_cast<float const*>(row),
            x.pixel(p), mean, rstd);
  });
  for (index_t i = 0; i < c; ++i) {
    if (db != nullptr) db[i] += static_cast<float>(sums[static_cast<std::size_t>(i)]);
    if (dw != nullptr) dw[i] += static_cast<float>(sums[static_cast<std::size_t>(c + i)]);
  }
  if (!dx) return;
  // dx = rstd * (w dz - mean(w dz) - xhat * mean(w dz xhat)), the means over the group.
  for (index_t g = 0; g < c; g += size) {
    double s1 = 0.0, s2 = 0.0;
    for (index_t i = g; i < g + size; ++i) {
      s1 += static_cast<double>(w[i]) * sums[static_cast<std::size_t>(i)];
      s2 += static_cast<double>(w[i]) * sums[static_cast<std::size_t>(c + i)];
    }
    double const count = static_cast<double>(size * pixels);
    for (index_t i = g; i < g + size; ++i) {
      auto const at = static_cast<std::size_t>(i);
      flat[at] = fixed ? 0.0F : static_cast<float>(s1 / count);
      slanted[at] = fixed ? 0.0F : static_cast<float>(s2 / count);
    }
  }
  pointwise_detail::for_pixels(cpu, pixels, c, [&](index_t i) {
    index_t const p = first + i;
    thread_local std::vector<float> dz;
    dz.resize(static_cast<std::size_t>(c));
    slope_row(c, dz.data(), dy.pixel(p), x.pixel(p), scale.data(), shift.data(), after);
    float* const d = dx.pixel(p);
    map_row(c, dz.data(),
            [](Packet z, Packet wi, Packet f, Packet s, Packet v, Packet m, Packet r) {
              return mul(r, sub(sub(mul(wi, z), f), mul(mul(sub(v, m), r), s)));
            },
            static_cast<float const*>(dz.data()), w, static_cast<float const*>(flat.data()), static_cast<float const*>(slanted.data()),
            x.pixel(p), mean, rstd);
    map_row(c, d, [](Packet u, Packet v) { return add(u, v); }, static_cast<float const*>(d), static_cast<float const*>(dz.data()));
  });
}

}  // namespace norm_detail

/// Group normalisation, then SiLU when asked. stats (N, 1, 1, 2 * C): mean and 1/sqrt(variance + eps) of every channel's group.
inline void group_norm(Cpu& cpu, int groups, float eps, bool silu, ConstFeatures<Cpu> x, float const* w, float const* b, Features<Cpu> y,
                       Features<Cpu> stats) {
  index_t const c = x.shape.channels(), positions = x.shape[1] * x.shape[2], size = c / groups;
  index_t const chunks = (positions + norm_detail::chunk - 1) / norm_detail::chunk;
  auto const after = silu ? norm_detail::After::silu : norm_detail::After::nothing;
  for (index_t n = 0; n < x.shape[0]; ++n) {
    float* const mean = stats.pixel(n);
    float* const rstd = mean + c;
    index_t const first = n * positions;
    // Two passes: the sum, then the squares about the mean, which keeps what a mean far from zero would cancel.
    float* const shared = cpu.threads().shared_scratch(chunks * groups * 2 + 4 * c + 16);
    double* const partial = reinterpret_cast<double*>(shared);
    auto const sums = [&](auto const& term) {
      cpu.threads().run(chunks, [&](index_t task, int worker) {
        float* const row = cpu.threads().scratch(worker, c);
        std::fill_n(row, c, 0.0F);
        for (index_t p = task * norm_detail::chunk; p < std::min(positions, (task + 1) * norm_detail::chunk); ++p) term(first + p, row);
        for (index_t g = 0; g < groups; ++g) {
          double total = 0.0;
          for (index_t i = g * size; i < (g + 1) * size; ++i) total += static_cast<double>(row[i]);
          partial[task * groups + g] = total;
        }
      });
    };
    auto const group_mean = [&](index_t g) {
      double total = 0.0;
      for (index_t t = 0; t < chunks; ++t) total += partial[t * groups + g];
      return total / static_cast<double>(positions * size);
    };
    sums([&](index_t p, float* row) { map_row(c, row, [](Packet s, Packet v) { return add(s, v); }, static_cast<float const*>(row), x.pixel(p)); });
    for (index_t g = 0; g < groups; ++g) std::fill_n(mean + g * size, size, static_cast<float>(group_mean(g)));
    sums([&](index_t p, float* row) {
      map_row(c, row, [](Packet s, Packet v, Packet m) { Packet const d = sub(v, m); return fma(d, d, s); }, static_cast<float const*>(row),
              x.pixel(p), static_cast<float const*>(mean));
    });
    for (index_t g = 0; g < groups; ++g)
      std::fill_n(rstd + g * size, size, static_cast<float>(1.0 / std::sqrt(group_mean(g) + static_cast<double>(eps))));
    float* const scale_c = shared + chunks * groups * 2;
    float* const shift_c = scale_c + c;
    for (index_t i = 0; i < c; ++i) {
      scale_c[i] = rstd[i] * w[i];
      shift_c[i] = b[i] - mean[i] * scale_c[i];
    }
    pointwise_detail::for_pixels(cpu, positions, c, [&](index_t p) {
      norm_detail::affine_row(c, y.pixel(first + p), x.pixel(first + p), scale_c, shift_c, after);
    });
  }
}

/// dx, dw, db += (each may be empty).
inline void group_norm_gradient(Cpu& cpu, int groups, bool silu, ConstFeatures<Cpu> x, float const* w, float const* b, ConstFeatures<Cpu> stats,
                                ConstFeatures<Cpu> dy, Features<Cpu> dx, float* dw, float* db) {
  index_t const c = x.shape.channels(), positions = x.shape[1] * x.shape[2];
  for (index_t n = 0; n < x.shape[0]; ++n)
    norm_detail::normalise_gradient(cpu, x, dy, n * positions, positions, c / groups, stats.pixel(n), stats.pixel(n) + c, w, b,
                                    silu ? norm_detail::After::silu : norm_detail::After::nothing, false, dx, dw, db);
}

/// Layer normalisation over the channels of every pixel; stats (N, H, W, 2): mean and 1/sqrt(variance + eps).
inline void layer_norm(Cpu& cpu, float eps, ConstFeatures<Cpu> x, float const* w, float const* b, Features<Cpu> y, Features<Cpu> stats) {
  index_t const c = x.shape.channels();
  auto const inverse = 1.0F / static_cast<float>(c);
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), c, [&](index_t p) {
    float const* const v = x.pixel(p);
    float const mean = sum_of_row(c, [](Packet a) { return a; }, v) * inverse;
    // Lanes past the end of the row hold 0 - mean; sum_of_row leaves them out.
    float const variance = sum_of_row(c, [m = broadcast(mean)](Packet a) { Packet const d = sub(a, m); return mul(d, d); }, v) * inverse;
    float const rstd = 1.0F / std::sqrt(variance + eps);
    stats.pixel(p)[0] = mean;
    stats.pixel(p)[1] = rstd;
    map_row(c, y.pixel(p), [m = broadcast(mean), r = broadcast(rstd)](Packet a, Packet s, Packet t) { return fma(mul(sub(a, m), r), s, t); }, v, w, b);
  });
}

inline void layer_norm_gradient(Cpu& cpu, ConstFeatures<Cpu> x, float const* w, ConstFeatures<Cpu> stats, ConstFeatures<Cpu> dy,
                                Features<Cpu> dx, float* dw, float* db) {
  index_t const c = x.shape.channels();
  auto const normalised = [&](index_t p, float* out) {
    map_row(c, out, [m = broadcast(stats.pixel(p)[0]), r = broadcast(stats.pixel(p)[1])](Packet a) { return mul(sub(a, m), r); }, x.pixel(p));
  };
  if (dw != nullptr || db != nullptr) {
    std::vector<double> sums(static_cast<std::size_t>(2 * c));
    norm_detail::channel_sums<2>(cpu, 0, x.shape.pixels(), c, sums.data(), [&](index_t p, float* row) {
      normalised(p, row + c);
      map_row(c, row, [](Packet g) { return g; }, dy.pixel(p));
      map_row(c, row + c, [](Packet h, Packet g) { return mul(h, g); }, static_cast<float const*>(row + c), dy.pixel(p));
    });
    for (index_t i = 0; i < c; ++i) {
      if (db != nullptr) db[i] += static_cast<float>(sums[static_cast<std::size_t>(i)]);
      if (dw != nullptr) dw[i] += static_cast<float>(sums[static_cast<std::size_t>(c + i)]);
    }
  }
  if (!dx) return;
  auto const inverse = 1.0F / static_cast<float>(c);
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), c, [&](index_t p) {
    thread_local std::vector<float> row;
    row.resize(static_cast<std::size_t>(2 * c));
    float* const xhat = row.data();
    float* const g = xhat + c;
    normalised(p, xhat);
    map_row(c, g, [](Packet a, Packet s) { return mul(a, s); }, dy.pixel(p), w);
    float const flat = sum_of_row(c, [](Packet a) { return a; }, static_cast<float const*>(g)) * inverse;
    float const slanted = sum_of_row(c, [](Packet a, Packet b) { return mul(a, b); }, static_cast<float const*>(g), static_cast<float const*>(xhat)) * inverse;
    map_row(c, dx.pixel(p),
            [r = broadcast(stats.pixel(p)[1]), f = broadcast(flat), s = broadcast(slanted)](Packet d, Packet a, Packet h) {
              return fma(r, sub(sub(a, f), mul(h, s)), d);
            },
            static_cast<float const*>(dx.pixel(p)), static_cast<float const*>(g), static_cast<float const*>(xhat));
  });
}

/// Mean and biased variance of every channel over the whole batch: stats (1, 1, 1, 2 * C).
inline void batch_statistics(Cpu& cpu, ConstFeatures<Cpu> x, Features<Cpu> stats) {
  index_t const c = x.shape.channels(), pixels = x.shape.pixels();
  std::vector<double> sums(static_cast<std::size_t>(c));
  float* const mean = stats.data;
  norm_detail::channel_sums<1>(cpu, 0, pixels, c, sums.data(), [&](index_t p, float* row) { map_row(c, row, [](Packet v) { return v; }, x.pixel(p)); });
  for (index_t i = 0; i < c; ++i) mean[i] = norm_detail::mean_of(sums.data(), i, 1, pixels);
  norm_detail::channel_sums<1>(cpu, 0, pixels, c, sums.data(), [&](index_t p, float* row) {
    map_row(c, row, [](Packet v, Packet m) { Packet const d = sub(v, m); return mul(d, d); }, x.pixel(p), static_cast<float const*>(mean));
  });
  for (index_t i = 0; i < c; ++i) mean[c + i] = norm_detail::mean_of(sums.data(), i, 1, pixels);
}

/// running = (1 - momentum) * running + momentum * batch, the variance unbiased as torch keeps it; stats: mean, then variance.
inline void move_statistics(Cpu&, float momentum, index_t pixels, index_t c, float const* stats, float* running_mean, float* running_var) {
  float const unbiased = pixels > 1 ? static_cast<float>(pixels) / static_cast<float>(pixels - 1) : 1.0F;
  for (index_t i = 0; i < c; ++i) {
    running_mean[i] += momentum * (stats[i] - running_mean[i]);
    running_var[i] += momentum * (stats[c + i] * unbiased - running_var[i]);
  }
}

/// y = relu?((x - mean) / sqrt(var + eps) * w + b), all per channel.
inline void batch_norm(Cpu& cpu, float eps, bool relu, ConstFeatures<Cpu> x, float const* w, float const* b, float const* mean,
                       float const* var, Features<Cpu> y) {
  index_t const c = x.shape.channels();
  float* const a = cpu.threads().shared_scratch(2 * c);
  for (index_t i = 0; i < c; ++i) {
    a[i] = w[i] / std::sqrt(var[i] + eps);
    a[c + i] = b[i] - mean[i] * a[i];
  }
  pointwise_detail::for_pixels(cpu, x.shape.pixels(), c, [&](index_t p) {
    norm_detail::affine_row(c, y.pixel(p), x.pixel(p), a, a + c, relu ? norm_detail::After::relu : norm_detail::After::nothing);
  });
}

/// dx, dw, db +=; `fixed`: mean and var were constants (running statistics), not those of this batch.
inline void batch_norm_gradient(Cpu& cpu, float eps, bool relu, bool fixed, ConstFeatures<Cpu> x, float const* w, float const* b,
                                float const* mean, float const* var, ConstFeatures<Cpu> dy, Features<Cpu> dx, float* dw, float* db) {
  index_t const c = x.shape.channels();
  std::vector<float> rstd(static_cast<std::size_t>(c));
  for (index_t i = 0; i < c; ++i) rstd[static_cast<std::size_t>(i)] = 1.0F / std::sqrt(var[i] + eps);
  norm_detail::normalise_gradient(cpu, x, dy, 0, x.shape.pixels(), 1, mean, rstd.data(), w, b,
                                  relu ? norm_detail::After::relu : norm_detail::After::nothing, fixed, dx, dw, db);
}

}  // namespace TADP_ISA
}  // namespace tadp
