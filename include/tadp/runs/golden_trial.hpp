// SPDX-License-Identifier: Apache-2.0
// One operation of a golden on a tape: inputs by the hash rule, as values or as parameters, results and gradients compared.
// A template on the device, so that a device of plain loops is held to the same numbers.
#pragma once

#include "tadp/exec/training.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_inputs.hpp"

namespace tadp {

/// One operation of a case on a tape: its inputs as values or parameters; its results and gradients are compared.
template <class Device, class Statistics>
class GoldenTrial {
 public:
  using Context = TapeContext<Device, Statistics>;
  using Value = typename Context::Value;

  /// `parameters`: inputs of the entry that are weights here.
  GoldenTrial(GoldenCheck& check, Device device, std::string op, std::vector<std::string> const& parameters = {})
      : check_(&check), op_(std::move(op)) {
    auto list = std::make_shared<ParameterList>();
    for (auto const& name : parameters)
      ids_[name] = golden().has(in(name)) ? list->add(name, golden().tensor(in(name)).shape, Init::zero, true) : ParameterId{};
    weights_.emplace(device, list);
    gradients_.resize(static_cast<std::size_t>(list->floats()));
    std::vector<float*> pointers;
    for (auto const& spec : list->specs()) {
      to_channels_last(spec, hashed(spec.name).data(), weights_->data(list->find(spec.name)));
      pointers.push_back(gradients_.data() + spec.offset);
    }
    context_.emplace(device, *weights_, pointers, TapeOptions{.map_gradients = true});
  }

  nlohmann::json const& attribute(char const* name) const { return golden().table(op_).at(name); }
  Context& ctx() { return *context_; }
  ParameterId id(std::string const& name) const { return ids_.at(name); }
  index_t rows_of(std::string const& name) const { return weights_->list()[id(name)].shape[0]; }

  Value input(std::string const& name) {
    FeatureShape const s = features_of(golden().tensor(in(name)));
    auto const plain = hashed(name);
    return value(name, s, golden().tensor(in(name)).shape.size() == 4 ? channels_last(plain, s) : plain);
  }
  /// An input of any shape that the entry's `name` means, or that it does not have.
  Value value(std::string const& name, FeatureShape const& shape, std::vector<float> const& numbers) {
    Value v = context_->empty(shape);
    require(shape.count() == static_cast<index_t>(numbers.size()), name);
    std::copy(numbers.begin(), numbers.end(), v.slot->data().data);
    v.slot->learns = true;
    inputs_[name] = v;
    return v;
  }
  /// The input as the hash rule makes it, in the reference's order; compared with what the golden stores.
  std::vector<float> hashed(std::string const& name) {
    auto const& range = attribute("inputs").at(name).at("range");
    auto const values = uniform(golden().tensor(in(name)), "input.prim." + op_ + "." + name, range.at(0), range.at(1));
    check_->floats(in(name), values);
    return values;
  }
  template <Operation Op>
  auto apply(Op op, std::initializer_list<Value> values) {
    return context_->apply(std::move(op), values);
  }

  /// Compares an output ("out", "out.1").
  void result(std::string const& name, Value const& v) { compare(op_ + "." + name, v.slot->data()); }
  void parameter_is(std::string const& name, std::string const& parameter) {
    auto const& spec = weights_->list()[id(parameter)];
    check_->floats(op_ + "." + name, {weights_->data(id(parameter)), static_cast<std::size_t>(spec.count)});
  }
  /// Goes back from `v` with the entry's gradient of it, and compares every gradient that the entry has.
  void gradients(Value const& v, std::string const& but = {}) {
    std::string const entry = op_ + ".gout";
    GoldenTensor const& t = golden().tensor(entry);
    auto upstream = uniform(t, "input.prim." + entry, -1.0, 1.0);
    check_->floats(entry, upstream);
    if (t.shape.size() == 4) upstream = channels_last(upstream, features_of(t));
    require(upstream.size() == static_cast<std::size_t>(v.shape.count()), entry);
    std::copy(upstream.begin(), upstream.end(), v.slot->gradient().data);
    context_->backward(v, upstream[0]);
    for (auto const& [name, id] : ids_) {
      if (!id) continue;
      auto const& spec = weights_->list()[id];
      std::vector<float> plain(static_cast<std::size_t>(spec.count));
      to_checkpoint_order(spec, gradients_.data() + spec.offset, plain.data());
      check_->floats(op_ + ".grad." + name, plain);
    }
    for (auto const& [name, input] : inputs_)
      if (golden().has(op_ + ".grad." + name) && name != but) compare(op_ + ".grad." + name, input.slot->gradient());
  }

 private:
  Golden const& golden() const { return check_->golden(); }
  std::string in(std::string const& name) const { return op_ + ".in." + name; }
  void require(bool fits, std::string const& what) const {
    if (!fits) throw Error(Errc::shape, "an operation's inputs do not fit each other", {.file = golden().path().string(), .key = op_ + "." + what});
  }
  std::vector<float> uniform(GoldenTensor const& t, std::string const& key, double low, double high) const {
    HashStream const stream(key, golden().seed());
    std::vector<float> values(static_cast<std::size_t>(t.elements()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = stream.uniform(static_cast<index_t>(i), low, high);
    return values;
  }
  /// The reference's shape as ours: (N, C, H, W) is turned, shorter ones are rows of tokens.
  static FeatureShape features_of(GoldenTensor const& t) {
    auto const& s = t.shape;
    switch (s.size()) {
      case 4: return {s[0], s[2], s[3], s[1]};
      case 3: return {s[0], 1, s[1], s[2]};
      case 2: return {s[0], 1, 1, s[1]};
      default: return {1, 1, 1, t.elements()};
    }
  }
  static std::vector<float> channels_last(std::vector<float> const& plain, FeatureShape const& s) {
    std::vector<float> turned(plain.size());
    for (index_t n = 0; n < s.n(); ++n)
      for (index_t c = 0; c < s.c(); ++c)
        for (index_t p = 0; p < s.positions(); ++p)
          turned[static_cast<std::size_t>((n * s.positions() + p) * s.c() + c)] = plain[static_cast<std::size_t>((n * s.c() + c) * s.positions() + p)];
    return turned;
  }
  void compare(std::string const& entry, Features<Device> v) const {
    GoldenTensor const* const t = golden().find(entry);
    if (t == nullptr) return;
    if (t->shape.size() == 4) return check_->features(entry, {v.data, v.shape, v.pixel_stride});
    check_->floats(entry, {v.data, static_cast<std::size_t>(v.shape.count())});
  }

  GoldenCheck* check_;
  std::string op_;
  std::map<std::string, ParameterId> ids_;
  std::map<std::string, Value> inputs_;
  std::optional<Weights<Device>> weights_;
  std::vector<float> gradients_;
  std::optional<Context> context_;
};

}  // namespace tadp
