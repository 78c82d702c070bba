// SPDX-License-Identifier: Apache-2.0
// Muon: a matrix steps along its momentum with all singular values made alike, so that directions with small gradients
// learn as fast as those with large ones. After K. Jordan (2024) and torch.optim.Muon; made of the layers' own products.
#pragma once

#include "tadp/core/geometry.hpp"
#include "tadp/exec/growing_buffer.hpp"
#include "tadp/train/optimizer.hpp"

#include <algorithm>
#include <array>

namespace tadp {

/// torch.optim.Muon's numbers under adjust_lr_fn = "match_rms_adamw", Nesterov's momentum included: rates that suit AdamW suit it.
struct Muon {
  double lr = 2e-3;
  double weight_decay = 0.05;
  double momentum = 0.95;
  int newton_schulz_steps = 5;
};

/// What Muon steps: matrices and convolutions, a convolution as (out, kernel * kernel * in). Vectors, classifiers of few
/// classes and tables of embeddings are AdamW's.
inline bool is_hidden_matrix(ParameterSpec const& spec) {
  return spec.shape.size() >= 2 && spec.shape[0] >= 16 && spec.count / spec.shape[0] >= 16 && spec.name.find("embedding") == std::string::npos;
}

/// x (rows, columns) becomes a matrix of nearly the same singular vectors whose values lie around 1: `steps` iterations of
/// x <- a x + (b g + c g g) x with g = x x^T. One number comes to the host, the norm.
template <class Device>
class NewtonSchulz {
 public:
  explicit NewtonSchulz(Device device) : device_(std::move(device)) {}

  void operator()(index_t rows, index_t columns, float* x, int steps) {
    constexpr float a = 3.4445F, b = -4.7750F, c = 2.0315F;
    bool const wide = rows <= columns;
    index_t const side = std::min(rows, columns);
    float* const gram = gram_.at_least(device_, side * side);
    float* const square = square_.at_least(device_, side * side);
    float* const product = product_.at_least(device_, rows * columns);
    scale_span(device_, rows * columns, static_cast<float>(1.0 / std::max(std::sqrt(squared_norm(device_, rows * columns, x)), 1e-7)), x);
    for (int step = 0; step < steps; ++step) {
      if (wide) {
        conv2d(device_, {}, read(x, rows, columns), x, nullptr, {}, {}, write(gram, side, side));
      } else {
        device_.zero(gram, side * side);
        conv2d_weight_gradient(device_, {}, read(x, rows, columns), read(x, rows, columns), gram, static_cast<float*>(nullptr));
      }
      conv2d(device_, {}, read(gram, side, side), gram, nullptr, {}, {}, write(square, side, side));
      scale_span(device_, side * side, c, square);
      accumulate(device_, b, read(gram, side, side), write(square, side, side));
      if (wide) {
        device_.zero(product, rows * columns);
        conv2d_input_gradient(device_, {}, read(square, side, side), x, write(product, rows, columns));
      } else {
        conv2d(device_, {}, read(x, rows, columns), square, nullptr, {}, {}, write(product, rows, columns));
      }
      scale_span(device_, rows * columns, a, x);
      accumulate(device_, 1.0F, read(product, rows, columns), write(x, rows, columns));
    }
  }

 private:
  static ConstFeatures<Device> read(float const* data, index_t height, index_t width) { return {data, FeatureShape{1, 1, height, width}}; }
  static Features<Device> write(float* data, index_t height, index_t width) { return {data, FeatureShape{1, 1, height, width}}; }

  Device device_;
  GrowingBuffer<float, Device> gram_, square_, product_;
};

/// One step of Muon over the hidden matrices among the parameters that learn; the momentum lies in the optimizer's first
/// moment. The matrices are small: where a device has threads, each takes whole matrices, so their count changes no number.
template <class Device>
class MuonStep {
 public:
  MuonStep(Device device, Muon numbers, ParameterList const& list, GradientBuffer<Device>& gradients, std::function<GroupFactors(std::string_view)> const& rule)
      : device_(std::move(device)), numbers_(numbers), gradients_(&gradients) {
    for (int lane = 0; lane < lane_count(); ++lane) lanes_.emplace_back(lane_device());
    for (ParameterId id : gradients.ids())
      if (is_hidden_matrix(list[id])) matrices_.push_back({id, rule(list[id].name)});
  }

  /// `momentum` lies in the order of the gradient buffer.
  void operator()(Weights<Device>& weights, float* momentum, double lr_factor) {
    for_each(static_cast<index_t>(matrices_.size()), [&](index_t i, int lane) {
      auto const& [id, factors] = matrices_[static_cast<std::size_t>(i)];
      ParameterSpec const& spec = weights.list()[id];
      float* const gradient = gradients_->pointers()[static_cast<std::size_t>(id.index)];
      step(lanes_[static_cast<std::size_t>(lane)], {spec.shape[0], spec.count / spec.shape[0]}, weights.data(id), gradient, momentum + (gradient - gradients_->flat()),
           {numbers_.lr * factors.lr * lr_factor, numbers_.weight_decay * factors.decay});
    });
  }

 private:
  struct Lane {
    explicit Lane(Device d) : device(d), orthogonalise(std::move(d)) {}
    Device device;
    NewtonSchulz<Device> orthogonalise;
    GrowingBuffer<float, Device> update;
  };
  static constexpr bool threaded = requires(Device& d) { d.threads().size(); };

  int lane_count() {
    if constexpr (threaded)
      return device_.threads().size();
    else
      return 1;
  }
  Device lane_device() const {
    if constexpr (threaded)
      return Device(1);
    else
      return device_;
  }
  template <class Each>
  void for_each(index_t count, Each const& each) {
    if constexpr (threaded)
      device_.threads().run(count, each);
    else
      for (index_t i = 0; i < count; ++i) each(i, 0);
  }

  struct Rates {
    double lr, decay;
  };
  void step(Lane& lane, std::array<index_t, 2> sides, float* weight, float const* gradient, float* momentum, Rates const& rates) {
    auto const [rows, columns] = sides;
    index_t const count = rows * columns;
    FeatureShape const shape{1, 1, rows, columns};
    auto const keep = static_cast<float>(numbers_.momentum), take = static_cast<float>(1.0 - numbers_.momentum);
    float* const update = lane.update.at_least(lane.device, count);
    Features<Device> const mean{momentum, shape}, direction{update, shape};
    ConstFeatures<Device> const slope{gradient, shape};
    scale_span(lane.device, count, keep, momentum);
    accumulate(lane.device, take, slope, mean);
    lane.device.zero(update, count);
    accumulate(lane.device, take, slope, direction);
    accumulate(lane.device, keep, ConstFeatures<Device>(mean), direction);
    lane.orthogonalise(rows, columns, update, numbers_.newton_schulz_steps);
    scale_span(lane.device, count, static_cast<float>(1.0 - rates.lr * rates.decay), weight);
    accumulate(lane.device, static_cast<float>(-rates.lr * 0.2 * std::sqrt(static_cast<double>(std::max(rows, columns)))), ConstFeatures<Device>(direction), Features<Device>{weight, shape});
  }

  Device device_;
  Muon numbers_;
  GradientBuffer<Device>* gradients_;
  std::vector<std::pair<ParameterId, GroupFactors>> matrices_;
  std::vector<Lane> lanes_;
};

}  // namespace tadp
