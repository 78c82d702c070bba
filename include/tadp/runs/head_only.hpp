// SPDX-License-Identifier: Apache-2.0
// The head of a model by itself: its layers under the same names over a list of its own.
// Training on cached features holds and saves these few parameters only; a backbone's fingerprint leaves them out.
#pragma once

#include "tadp/core/fingerprint.hpp"
#include "tadp/model.hpp"

namespace tadp {

/// Channels of the pyramid that a model's head reads.
template <class Model>
FeatureChannels head_channels(Model const& model) {
  auto const& unet = Model::Backbone::UNet::config;
  index_t const maps = model.context_length();
  return {unet.channels(0), unet.channels(1) + maps, unet.channels(2) + maps, unet.channels(3)};
}

template <class Model>
struct HeadOnly {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  typename Model::Task::Net net;
  explicit HeadOnly(Model const& model) : net(Scope(*list), head_channels(model), model.sizes().classes) {}
};

/// A name for the values of everything but the head: names, shapes and numbers.
template <class Model, class Device>
std::string backbone_fingerprint(Model const& model, Weights<Device> const& weights) {
  HeadOnly<Model> const head(model);
  Fingerprint print;
  std::vector<float> values;
  for (std::size_t i = 0; i < weights.list().specs().size(); ++i) {
    ParameterSpec const& spec = weights.list().specs()[i];
    if (head.list->find(spec.name)) continue;
    values.resize(static_cast<std::size_t>(spec.count));
    weights.device().copy_to_host(values.data(), weights.data(ParameterId{static_cast<int>(i)}), values.size() * sizeof(float));
    print.add(spec.name).add(std::as_bytes(std::span(spec.shape))).add(std::as_bytes(std::span(values)));
  }
  return print.hex();
}

}  // namespace tadp
