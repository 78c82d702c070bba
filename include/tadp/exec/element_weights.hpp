// SPDX-License-Identifier: Apache-2.0
// The weights as a device reads them: in float, and once more in its element, for convolutions and linear layers.
// Where the element is float, both are the same memory.
#pragma once

#include "tadp/exec/parameters.hpp"

namespace tadp {

/// Where plans and tapes find weights; lives no longer than they do.
template <class Device>
struct WeightsView {
  ParameterList const* list;
  float const* floats;
  element_of<Device> const* elements;

  WeightsView(ParameterList const* list_, float const* floats_, element_of<Device> const* elements_) : list(list_), floats(floats_), elements(elements_) {}
  WeightsView(Weights<Device> const& weights)
    requires computes_in_float<Device>
      : WeightsView(&weights.list(), weights.flat(), weights.flat()) {}
};

/// What a session, or a training run, keeps of the weights in the element of its device.
template <class Device>
class ElementWeights {
 public:
  ElementWeights(Device device, Weights<home_of<Device>> const& weights) : device_(std::move(device)), weights_(&weights) {
    if constexpr (!computes_in_float<Device>) copy_ = Tensor<element_of<Device>, 1, Device>(device_, Shape<1>{{weights.list().floats()}});
    refresh();
  }
  /// Takes the weights as they are now: to be called after they have changed.
  void refresh() {
    if constexpr (!computes_in_float<Device>) {
      FeatureShape const shape{1, 1, weights_->list().floats(), 1};
      convert(device_, ConstFloats<Device>{weights_->flat(), shape}, Features<Device>{copy_.data(), shape});
    }
  }
  element_of<Device> const* data() const {
    if constexpr (computes_in_float<Device>)
      return weights_->flat();
    else
      return copy_.data();
  }
  WeightsView<Device> view() const { return {&weights_->list(), weights_->flat(), data()}; }

 private:
  Device device_;
  Weights<home_of<Device>> const* weights_;
  Tensor<element_of<Device>, 1, Device> copy_;
};

}  // namespace tadp
