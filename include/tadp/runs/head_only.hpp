// SPDX-License-Identifier: Apache-2.0
// Heads of a model by themselves: their layers under the same names over a list of their own.
// Training on a frozen backbone holds and saves these few parameters only; a backbone's fingerprint leaves them out.
#pragma once

#include "tadp/core/fingerprint.hpp"
#include "tadp/model.hpp"

#include <functional>

namespace tadp {

/// Channels of the pyramid that a head of a model reads.
template <class Task, class Model>
FeatureChannels head_channels(Model const& model) {
  auto const& unet = Model::Backbone::UNet::config;
  index_t const maps = reads_maps<Task> ? model.context_length() : 0;
  return {unet.channels(0), unet.channels(1) + maps, unet.channels(2) + maps, unet.channels(3)};
}

/// The heads of some tasks of a model, by default of all.
template <class Model, class List = typename Model::Tasks>
struct HeadsOnly;
template <class Model, class... Tasks>
struct HeadsOnly<Model, TaskList<Tasks...>> {
  std::shared_ptr<ParameterList> list = std::make_shared<ParameterList>();
  std::tuple<typename Tasks::Net...> nets;

  // In braces: parameters are listed in the order of the heads.
  explicit HeadsOnly(Model const& model)
      : nets{typename Tasks::Net(Scope(*list), head_channels<Tasks>(model), model.template classes<Model::Tasks::template position<Tasks>>())...} {}
  template <class Task = typename TaskList<Tasks...>::First>
  typename Task::Net const& net() const {
    return std::get<TaskList<Tasks...>::template position<Task>>(nets);
  }
};

/// A name for the values of some parameters, by default of all: names, shapes and numbers.
template <class Device>
std::string weights_fingerprint(Weights<Device> const& weights, std::function<bool(ParameterSpec const&)> const& counts = {}) {
  Fingerprint print;
  std::vector<float> values;
  for (std::size_t i = 0; i < weights.list().specs().size(); ++i) {
    ParameterSpec const& spec = weights.list().specs()[i];
    if (counts && !counts(spec)) continue;
    values.resize(static_cast<std::size_t>(spec.count));
    weights.device().copy_to_host(values.data(), weights.data(ParameterId{static_cast<int>(i)}), values.size() * sizeof(float));
    print.add(spec.name).add(std::as_bytes(std::span(spec.shape))).add(std::as_bytes(std::span(values)));
  }
  return print.hex();
}
/// The same of everything but some heads, by default all.
template <class Model, class Device, class List = typename Model::Tasks>
std::string backbone_fingerprint(Model const& model, Weights<Device> const& weights, List = {}) {
  HeadsOnly<Model, List> const heads(model);
  return weights_fingerprint(weights, [&](ParameterSpec const& spec) { return !heads.list->find(spec.name); });
}

}  // namespace tadp
