// SPDX-License-Identifier: Apache-2.0
// The losses of depth and of the VOC form of segmentation on the processor: SiLog over metres, focal over labels.
// Sums are taken in double over fixed chunks, in order.
#pragma once

#include "tadp/kernels/cpu_loss.hpp"

#include <array>
#include <limits>

namespace tadp {
inline namespace TADP_ISA {
namespace dense_loss_detail {

/// A depth below this has no logarithm that a float can tell from it; its slope is zero.
inline constexpr float least = std::numeric_limits<float>::min();

/// ln truth - ln prediction; the pixels that count have a finite truth above zero.
inline bool counts(float truth) { return truth > 0.0F && truth <= std::numeric_limits<float>::max(); }
inline double log_difference(float truth, float predicted) {
  return std::log(static_cast<double>(truth)) - std::log(static_cast<double>(std::max(predicted, least)));
}

struct LogStatistics {
  double count = 0.0, mean = 0.0, loss = 0.0;
};

inline LogStatistics statistics(Cpu& cpu, float lambda, ConstFeatures<Cpu> depth, float const* truth) {
  index_t const pixels = depth.shape.pixels(), block = 4096, blocks = (pixels + block - 1) / block;
  double* const partial = reinterpret_cast<double*>(cpu.threads().shared_scratch(6 * blocks));
  cpu.threads().run(blocks, [&](index_t task, int) {
    std::array<double, 3> sum{};
    for (index_t p = task * block; p < std::min(pixels, (task + 1) * block); ++p) {
      if (!counts(truth[p])) continue;
      double const d = log_difference(truth[p], depth.pixel(p)[0]);
      sum[0] += 1.0;
      sum[1] += d;
      sum[2] += d * d;
    }
    std::copy(sum.begin(), sum.end(), partial + 3 * task);
  });
  double total[3] = {};
  for (index_t i = 0; i < 3 * blocks; ++i) total[i % 3] += partial[i];
  if (total[0] == 0.0) return {};
  double const mean = total[1] / total[0];
  return {total[0], mean, std::sqrt(std::max(0.0, total[2] / total[0] - static_cast<double>(lambda) * mean * mean))};
}

inline Packet softplus(Packet x) {
  return add(max(x, broadcast(0.0F)), log1p(exp(negate(abs(x)))));
}
/// sigmoid(x)^2 softplus(x): what a class costs that the pixel is not, and with -x what the class costs that it is.
inline Packet focal(Packet x) {
  Packet const p = sigmoid(x);
  return mul(mul(p, p), softplus(x));
}
inline Packet focal_slope(Packet x) {
  Packet const p = sigmoid(x), rest = sub(broadcast(1.0F), p);
  return mul(mul(p, p), fma(add(rest, rest), softplus(x), p));
}

}  // namespace dense_loss_detail

/// sqrt(mean d^2 - lambda (mean d)^2), d = ln truth - ln depth, over the pixels of the batch whose truth is finite and
/// above zero; 0 where there is none. depth (N, H, W, 1); truth: one number a pixel.
inline void silog(Cpu& cpu, float lambda, ConstFeatures<Cpu> depth, float const* truth, Features<Cpu> loss) {
  loss.data[0] = static_cast<float>(dense_loss_detail::statistics(cpu, lambda, depth, truth).loss);
}

/// ddepth +=; nothing where the loss is zero, which has no slope.
inline void silog_gradient(Cpu& cpu, float lambda, ConstFeatures<Cpu> depth, float const* truth, float upstream, Features<Cpu> ddepth) {
  auto const s = dense_loss_detail::statistics(cpu, lambda, depth, truth);
  if (s.loss == 0.0) return;
  double const weight = static_cast<double>(upstream) / (s.count * s.loss), middle = static_cast<double>(lambda) * s.mean;
  pointwise_detail::for_pixels(cpu, depth.shape.pixels(), 1, [&](index_t p) {
    float const v = depth.pixel(p)[0];
    if (!dense_loss_detail::counts(truth[p]) || v < dense_loss_detail::least) return;
    ddepth.pixel(p)[0] -= static_cast<float>(weight * (dense_loss_detail::log_difference(truth[p], v) - middle) / static_cast<double>(v));
  });
}

/// The sum over classes of the mean over pixels with a label of (1 - p)^2 (-ln p), p being what the class's sigmoid gives
/// to the truth; logits (N, H, W, K), K <= 255.
inline void focal_loss(Cpu& cpu, ConstFeatures<Cpu> logits, std::uint8_t const* labels, Features<Cpu> loss) {
  index_t const classes = logits.shape.channels(), pixels = logits.shape.pixels();
  auto const cost = [](Packet x) { return dense_loss_detail::focal(x); };
  double const total = loss_detail::pixel_sum(cpu, pixels, [&](index_t p) {
    if (labels[p] == ignore_label) return 0.0;
    float const* const z = logits.pixel(p);
    index_t const is = labels[p];
    float const turned = -z[is];
    return static_cast<double>(sum_of_row(is, cost, z)) + static_cast<double>(sum_of_row(1, cost, &turned)) +
           static_cast<double>(sum_of_row(classes - is - 1, cost, z + is + 1));
  });
  double const count = loss_detail::divisor(Average::valid_pixels, labels, nullptr, pixels);
  loss.data[0] = count == 0.0 ? 0.0F : static_cast<float>(total / count);
}

inline void focal_loss_gradient(Cpu& cpu, ConstFeatures<Cpu> logits, std::uint8_t const* labels, float upstream, Features<Cpu> dlogits) {
  index_t const classes = logits.shape.channels(), pixels = logits.shape.pixels();
  double const count = loss_detail::divisor(Average::valid_pixels, labels, nullptr, pixels);
  if (count == 0.0) return;
  float const weight = upstream / static_cast<float>(count);
  auto const slope = [w = broadcast(weight)](Packet x, Packet old) { return fma(w, dense_loss_detail::focal_slope(x), old); };
  pointwise_detail::for_pixels(cpu, pixels, classes, [&](index_t p) {
    if (labels[p] == ignore_label) return;
    float const* const z = logits.pixel(p);
    float* const d = dlogits.pixel(p);
    index_t const is = labels[p], after = is + 1;
    map_row(is, d, slope, z, static_cast<float const*>(d));
    map_row(classes - after, d + after, slope, z + after, static_cast<float const*>(d + after));
    float const turned = -z[is], old = -d[is];
    map_row(1, d + is, slope, &turned, &old);
    d[is] = -d[is];
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
