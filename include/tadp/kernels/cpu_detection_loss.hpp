// SPDX-License-Identifier: Apache-2.0
// The losses of detection on the processor. A target row is (label, four codes): a label of -1 is no row, 0 background.
// Each loss is one number; its gradient kernel adds upstream * slope.
#pragma once

#include "tadp/kernels/cpu_loss.hpp"

namespace tadp {
inline namespace TADP_ISA {
namespace detection_loss_detail {

inline index_t counted(ConstFeatures<Cpu> targets) {
  index_t count = 0;
  for (index_t p = 0; p < targets.shape.pixels(); ++p) count += targets.pixel(p)[0] >= 0.0F ? 1 : 0;
  return count;
}
/// The codes of a row's class among 4 or 4 C of them.
inline index_t first_code(ConstFeatures<Cpu> x, ConstFeatures<Cpu> targets, index_t p) {
  return x.shape.channels() == 4 ? 0 : 4 * static_cast<index_t>(targets.pixel(p)[0]);
}
inline float mean_of(double total, index_t count) { return count == 0 ? 0.0F : static_cast<float>(total / static_cast<double>(count)); }

}  // namespace detection_loss_detail

/// Mean over the rows of the binary cross-entropy of logits (rows, 1); a label above 0 is a yes.
inline void binary_cross_entropy(Cpu& cpu, ConstFeatures<Cpu> logits, ConstFeatures<Cpu> targets, Features<Cpu> loss) {
  double const total = loss_detail::pixel_sum(cpu, logits.shape.pixels(), [&](index_t p) {
    if (targets.pixel(p)[0] < 0.0F) return 0.0;
    auto const z = static_cast<double>(logits.pixel(p)[0]);
    return std::max(z, 0.0) - (targets.pixel(p)[0] > 0.0F ? z : 0.0) + std::log1p(std::exp(-std::abs(z)));
  });
  loss.data[0] = detection_loss_detail::mean_of(total, detection_loss_detail::counted(targets));
}
inline void binary_cross_entropy_gradient(Cpu& cpu, ConstFeatures<Cpu> logits, ConstFeatures<Cpu> targets, float upstream, Features<Cpu> dlogits) {
  index_t const count = detection_loss_detail::counted(targets);
  pointwise_detail::for_pixels(cpu, logits.shape.pixels(), 1, [&](index_t p) {
    float const label = targets.pixel(p)[0];
    if (label >= 0.0F) dlogits.pixel(p)[0] += upstream / static_cast<float>(count) * (1.0F / (1.0F + std::exp(-logits.pixel(p)[0])) - (label > 0.0F ? 1.0F : 0.0F));
  });
}

/// Mean over the rows of the cross-entropy of logits (rows, C).
inline void row_cross_entropy(Cpu& cpu, ConstFeatures<Cpu> logits, ConstFeatures<Cpu> targets, Features<Cpu> loss) {
  index_t const classes = logits.shape.channels();
  double const total = loss_detail::pixel_sum(cpu, logits.shape.pixels(), [&](index_t p) {
    auto const label = static_cast<index_t>(targets.pixel(p)[0]);
    if (label < 0) return 0.0;
    float const* const z = logits.pixel(p);
    float const top = max_of_row(classes, z);
    float const sum = sum_of_row(classes, [t = broadcast(top)](Packet v) { return exp(sub(v, t)); }, z);
    return static_cast<double>(top - z[label]) + std::log(static_cast<double>(sum));
  });
  loss.data[0] = detection_loss_detail::mean_of(total, detection_loss_detail::counted(targets));
}
inline void row_cross_entropy_gradient(Cpu& cpu, ConstFeatures<Cpu> logits, ConstFeatures<Cpu> targets, float upstream, Features<Cpu> dlogits) {
  index_t const classes = logits.shape.channels(), count = detection_loss_detail::counted(targets);
  pointwise_detail::for_pixels(cpu, logits.shape.pixels(), classes, [&](index_t p) {
    auto const label = static_cast<index_t>(targets.pixel(p)[0]);
    if (label < 0) return;
    float const share = upstream / static_cast<float>(count);
    float const* const z = logits.pixel(p);
    float* const d = dlogits.pixel(p);
    float const top = max_of_row(classes, z);
    float const sum = sum_of_row(classes, [t = broadcast(top)](Packet v) { return exp(sub(v, t)); }, z);
    map_row(classes, d, [t = broadcast(top), s = broadcast(share / sum)](Packet v, Packet old) { return fma(exp(sub(v, t)), s, old); }, z, static_cast<float const*>(d));
    d[label] -= share;
  });
}

/// Sum of the smooth absolute error of the codes of rows with a label above 0, over the count of all rows: codes (rows, 4),
/// or (rows, 4 C) of which the label picks four.
inline void smooth_l1(Cpu& cpu, float beta, ConstFeatures<Cpu> codes, ConstFeatures<Cpu> targets, Features<Cpu> loss) {
  auto const b = static_cast<double>(beta);
  double const total = loss_detail::pixel_sum(cpu, codes.shape.pixels(), [&](index_t p) {
    if (!(targets.pixel(p)[0] > 0.0F)) return 0.0;
    float const* const x = codes.pixel(p) + detection_loss_detail::first_code(codes, targets, p);
    double sum = 0.0;
    for (index_t i = 0; i < 4; ++i) {
      double const d = std::abs(static_cast<double>(x[i]) - static_cast<double>(targets.pixel(p)[1 + i]));
      sum += d < b ? 0.5 * d * d / b : d - 0.5 * b;
    }
    return sum;
  });
  loss.data[0] = detection_loss_detail::mean_of(total, detection_loss_detail::counted(targets));
}
inline void smooth_l1_gradient(Cpu& cpu, float beta, ConstFeatures<Cpu> codes, ConstFeatures<Cpu> targets, float upstream, Features<Cpu> dcodes) {
  index_t const count = detection_loss_detail::counted(targets);
  pointwise_detail::for_pixels(cpu, codes.shape.pixels(), 4, [&](index_t p) {
    if (!(targets.pixel(p)[0] > 0.0F)) return;
    index_t const first = detection_loss_detail::first_code(codes, targets, p);
    for (index_t i = 0; i < 4; ++i) {
      float const d = codes.pixel(p)[first + i] - targets.pixel(p)[1 + i];
      dcodes.pixel(p)[first + i] += upstream / static_cast<float>(count) * std::clamp(d / beta, -1.0F, 1.0F);
    }
  });
}

}  // namespace TADP_ISA
}  // namespace tadp
