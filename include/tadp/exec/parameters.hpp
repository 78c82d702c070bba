// SPDX-License-Identifier: Apache-2.0
// The parameters of a model: their checkpoint names and shapes in a fixed order, and one flat buffer of values.
// Layers register theirs while they are built; values come later, from a file, a rule or a random start.
#pragma once

#include "tadp/core/error.hpp"
#include "tadp/core/tensor.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tadp {

/// Position in a ParameterList; -1: there is none (a convolution without bias).
struct ParameterId {
  int index = -1;
  constexpr explicit operator bool() const { return index >= 0; }
};

/// How a parameter starts when it is not loaded. `fan_in`: torch's default of convolutions and linear layers; `he`: the
/// uniform start before a ReLU; `embedding`: normal, deviation 0.02; `hundredth`, `thousandth`: normal, deviations 0.01 and 0.001.
enum class Init : std::uint8_t { fan_in, zero, one, xavier, embedding, small_gamma, he, hundredth, thousandth };

struct ParameterSpec {
  std::string name;            ///< the CompVis checkpoint's key
  std::vector<index_t> shape;  ///< as in the checkpoint: a convolution is (out, in, kernel, kernel)
  Init init = Init::fan_in;
  bool trainable = true;       ///< false: a buffer (running statistics)
  index_t count = 0;
  index_t offset = 0;          ///< in the flat buffer, in floats
};

/// Names, shapes and places of all parameters of a model, in the order in which its layers are declared.
class ParameterList {
 public:
  ParameterId add(std::string name, std::vector<index_t> shape, Init init, bool trainable) {
    index_t count = 1;
    for (index_t extent : shape) count *= extent;
    int const index = static_cast<int>(specs_.size());
    if (!by_name_.emplace(name, index).second) throw Error(Errc::key, "two layers register the same parameter", {.key = name});
    specs_.push_back({std::move(name), std::move(shape), init, trainable, count, floats_});
    floats_ += (count + 15) / 16 * 16;
    return {index};
  }
  ParameterSpec const& operator[](ParameterId id) const { return specs_[static_cast<std::size_t>(id.index)]; }
  std::vector<ParameterSpec> const& specs() const { return specs_; }
  ParameterId find(std::string const& name) const {
    auto const at = by_name_.find(name);
    return {at == by_name_.end() ? -1 : at->second};
  }
  /// Length of the flat buffer.
  index_t floats() const { return floats_; }

 private:
  std::vector<ParameterSpec> specs_;
  std::unordered_map<std::string, int> by_name_;
  index_t floats_ = 0;
};

/// Where a layer registers its parameters: a list and the prefix of its names.
class Scope {
 public:
  explicit Scope(ParameterList& list, std::string prefix = {}) : list_(&list), prefix_(std::move(prefix)) {}

  Scope operator/(std::string_view name) const {
    return Scope(*list_, prefix_.empty() ? std::string(name) : prefix_ + "." + std::string(name));
  }
  Scope operator/(int index) const { return *this / std::to_string(index); }
  ParameterId add(std::string_view name, std::vector<index_t> shape, Init init = Init::fan_in, bool trainable = true) const {
    return list_->add((*this / name).prefix_, std::move(shape), init, trainable);
  }

 private:
  ParameterList* list_;
  std::string prefix_;
};

/// The values of a list's parameters on a device, in one flat buffer. A convolution lies channels-last there:
/// (out, kernel, kernel, in) for the checkpoint's (out, in, kernel, kernel).
template <class Device>
class Weights {
 public:
  Weights(Device device, std::shared_ptr<ParameterList const> list)
      : device_(std::move(device)), list_(std::move(list)), values_(device_, Shape<1>{{list_->floats()}}) {
    device_.zero(values_.data(), list_->floats());
  }

  ParameterList const& list() const { return *list_; }
  std::shared_ptr<ParameterList const> shared_list() const { return list_; }
  Device const& device() const { return device_; }
  float* data(ParameterId id) { return id ? values_.data() + (*list_)[id].offset : nullptr; }
  float const* data(ParameterId id) const { return id ? values_.data() + (*list_)[id].offset : nullptr; }
  float* flat() { return values_.data(); }
  float const* flat() const { return values_.data(); }

 private:
  Device device_;
  std::shared_ptr<ParameterList const> list_;
  Tensor<float, 1, Device> values_;
};

namespace parameters_detail {

/// Turns (out, in, k) into (out, k, in), or back; k = kernel positions.
inline void reorder(ParameterSpec const& spec, float const* from, float* to, bool to_channels_last) {
  if (spec.shape.size() != 4 || spec.shape[2] * spec.shape[3] == 1) {
    std::copy_n(from, spec.count, to);
    return;
  }
  index_t const in = spec.shape[1], k = spec.shape[2] * spec.shape[3];
  for (index_t o = 0; o < spec.shape[0]; ++o)
    for (index_t i = 0; i < in; ++i)
      for (index_t p = 0; p < k; ++p) {
        index_t const plain = (o * in + i) * k + p, last = (o * k + p) * in + i;
        to_channels_last ? to[last] = from[plain] : to[plain] = from[last];
      }
}

}  // namespace parameters_detail

/// Values in checkpoint order -> the order of memory.
inline void to_channels_last(ParameterSpec const& spec, float const* checkpoint, float* memory) {
  parameters_detail::reorder(spec, checkpoint, memory, true);
}
/// The order of memory -> checkpoint order.
inline void to_checkpoint_order(ParameterSpec const& spec, float const* memory, float* checkpoint) {
  parameters_detail::reorder(spec, memory, checkpoint, false);
}

/// Copies the parameters that both have under the same name and shape; returns how many.
template <class Device>
int copy_same_names(Weights<Device> const& from, Weights<Device>& to) {
  int copied = 0;
  for (std::size_t i = 0; i < to.list().specs().size(); ++i) {
    ParameterSpec const& spec = to.list().specs()[i];
    ParameterId const source = from.list().find(spec.name);
    if (!source || from.list()[source].shape != spec.shape) continue;
    std::vector<float> values(static_cast<std::size_t>(spec.count));
    from.device().copy_to_host(values.data(), from.data(source), values.size() * sizeof(float));
    to.device().copy_from_host(to.data(ParameterId{static_cast<int>(i)}), values.data(), values.size() * sizeof(float));
    ++copied;
  }
  return copied;
}

}  // namespace tadp
