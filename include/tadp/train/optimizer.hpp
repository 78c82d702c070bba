// SPDX-License-Identifier: Apache-2.0
// What learns: the trainable parameters of a model as spans of flat buffers, their gradients, and AdamW over them.
// Knows names and numbers, not models; a later all-reduce works on the same spans.
#pragma once

#include "tadp/exec/parameters.hpp"
#include "tadp/train/groups.hpp"

#include <cmath>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace tadp {

/// torch.optim.AdamW's numbers.
struct AdamW {
  double lr = 8e-5;
  double weight_decay = 0.005;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

/// Gradients of the parameters that learn, in one flat buffer in the order of the list.
template <class Device>
class GradientBuffer {
 public:
  using Learns = std::function<bool(ParameterSpec const&)>;

  GradientBuffer(Device device, ParameterList const& list, Learns const& learns) : device_(std::move(device)) {
    index_t floats = 0;
    std::vector<index_t> offsets;
    for (std::size_t i = 0; i < list.specs().size(); ++i) {
      ParameterSpec const& spec = list.specs()[i];
      bool const in = spec.trainable && learns(spec);
      offsets.push_back(in ? floats : -1);
      if (in) {
        ids_.push_back({static_cast<int>(i)});
        floats += (spec.count + 15) / 16 * 16;
      }
    }
    flat_ = Tensor<float, 1, Device>(device_, Shape<1>{{floats}});
    for (index_t offset : offsets) pointers_.push_back(offset < 0 ? nullptr : flat_.data() + offset);
    zero();
  }

  void zero() { device_.zero(flat_.data(), flat_.shape().count()); }
  /// One pointer a parameter of the list; null where it does not learn.
  std::vector<float*> const& pointers() const { return pointers_; }
  /// The parameters that learn, in order.
  std::vector<ParameterId> const& ids() const { return ids_; }
  float* flat() { return flat_.data(); }
  index_t floats() const { return flat_.shape().count(); }

 private:
  Device device_;
  Tensor<float, 1, Device> flat_;
  std::vector<float*> pointers_;
  std::vector<ParameterId> ids_;
};

/// AdamW with one group a parameter: rates by a rule over names.
template <class Device>
class AdamWOptimizer {
 public:
  using Rule = std::function<GroupFactors(std::string_view)>;

  /// Parameters that `steps` refuses are another rule's; their moments lie here all the same.
  AdamWOptimizer(Device device, AdamW numbers, ParameterList const& list, GradientBuffer<Device>& gradients, Rule const& rule,
                 typename GradientBuffer<Device>::Learns const& steps = [](ParameterSpec const&) { return true; })
      : device_(std::move(device)), numbers_(numbers), gradients_(&gradients), m_(device_, Shape<1>{{gradients.floats()}}),
        v_(device_, Shape<1>{{gradients.floats()}}) {
    device_.zero(m_.data(), gradients.floats());
    device_.zero(v_.data(), gradients.floats());
    for (ParameterId id : gradients.ids())
      if (steps(list[id])) own_.push_back({id, rule(list[id].name)});
  }

  /// One step at `lr_factor` of the base rate. The gradients stay as they are.
  void step(Weights<Device>& weights, double lr_factor) {
    ++steps_;
    for (auto const& [id, factors] : own_) {
      float* const g = gradients_->pointers()[static_cast<std::size_t>(id.index)];
      index_t const at = g - gradients_->flat();
      adamw(device_, {numbers_.lr * factors.lr * lr_factor, numbers_.weight_decay * factors.decay, numbers_.beta1, numbers_.beta2, numbers_.eps, steps_},
            weights.list()[id].count, weights.data(id), g, m_.data() + at, v_.data() + at);
    }
  }
  /// Scales all gradients so that their norm is at most `most`; returns the norm before.
  double clip(double most) {
    double const norm = std::sqrt(squared_norm(device_, gradients_->floats(), gradients_->flat()));
    if (norm > most) scale_span(device_, gradients_->floats(), static_cast<float>(most / norm), gradients_->flat());
    return norm;
  }

  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }
  /// First and second moments, in the order of the gradient buffer.
  Tensor<float, 1, Device>& first_moment() { return m_; }
  Tensor<float, 1, Device>& second_moment() { return v_; }

 private:
  Device device_;
  AdamW numbers_;
  GradientBuffer<Device>* gradients_;
  Tensor<float, 1, Device> m_, v_;
  std::vector<std::pair<ParameterId, GroupFactors>> own_;
  std::uint64_t steps_ = 0;
};

}  // namespace tadp
