// SPDX-License-Identifier: Apache-2.0
// A planned pass: a list of operations whose buffers were laid out in one arena from their last reads, to be replayed.
// Replaying allocates nothing. Slices are views, and a concatenation is written in place by whoever makes its parts.
#pragma once

#include "tadp/exec/arena_layout.hpp"
#include "tadp/exec/element_weights.hpp"
#include "tadp/exec/op.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

namespace tadp {

/// The result of an operation that has been noted, not run.
struct PlannedValue {
  int id = -1;
  FeatureShape shape{};
  explicit operator bool() const { return id >= 0; }
};

template <class Device>
class Plan {
 public:
  Plan(Device device, WeightsView<Device> const& weights) : device_(std::move(device)), weights_(weights) {}
  Plan(Device device, ParameterList const* list, float const* weights)
    requires computes_in_float<Device>
      : Plan(std::move(device), {list, weights, weights}) {}

  /// A buffer of floats that the caller fills before each run; lives through the whole pass.
  PlannedValue input(FeatureShape const& shape) {
    PlannedValue const v = make(shape, true);
    slots_.back().first = -1;
    slots_.back().kept = true;
    return v;
  }
  /// Memory of somebody else, that stays where it is.
  PlannedValue bound(ConstFeatures<Device> view) {
    return bound_to(view, false);
  }
  PlannedValue bound(ConstFloats<Device> view)
    requires(!computes_in_float<Device>)
  {
    return bound_to(holding<element_of<Device> const>(view), true);
  }
  template <Operation Op>
  std::array<PlannedValue, Op::outputs> apply(Op op, std::span<PlannedValue const> in) {
    std::array<FeatureShape, max_op_inputs> shapes{};
    for (std::size_t i = 0; i < in.size(); ++i) shapes[i] = in[i].shape;
    auto const out_shapes = op.out_shapes(std::span<FeatureShape const>(shapes.data(), in.size()));
    bool const first_is_float = !in.empty() && in[0] && slots_[index(in[0].id)].is_float;
    FloatOperands const floats = float_operands(op, first_is_float);
    auto step = std::make_unique<StepOf<Op>>(std::move(op), first_is_float);
    for (std::size_t i = 0; i < in.size(); ++i) step->in[i] = as(in[i], (floats.in >> i & 1U) != 0).id;
    int const at = static_cast<int>(steps_.size());
    for (std::size_t i = 0; i < in.size(); ++i)
      if (in[i]) read(step->in[i], at);
    std::array<PlannedValue, Op::outputs> out;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = make(out_shapes[i], (floats.out >> i & 1U) != 0);
      slots_.back().first = slots_.back().last = at;
      step->out[i] = out[i].id;
    }
    steps_.push_back(std::move(step));
    return out;
  }
  PlannedValue slice(PlannedValue v, index_t first, index_t count) {
    v = as(v, false);
    PlannedValue const part = make(v.shape.with_channels(count), false);
    Slot& slot = slots_.back();
    slot.parent = v.id;
    slot.channel = first;
    slot.first = slot.last = slots_[index(v.id)].first;  // a view by itself prolongs no life
    return part;
  }
  /// Parts side by side on the channels. A part that is free to live in a slice of the whole is written there by its
  /// maker; the others are copied.
  PlannedValue concatenate(std::span<PlannedValue const> parts) {
    index_t channels = 0;
    for (PlannedValue const& part : parts) channels += part.shape.c();
    std::vector<PlannedValue> elements;
    for (PlannedValue const& part : parts) elements.push_back(as(part, false));
    PlannedValue const whole = make(parts[0].shape.with_channels(channels), false);
    int const now = static_cast<int>(steps_.size());
    int first = now, last = now;
    slots_.back().first = slots_.back().last = now;
    channels = 0;
    for (PlannedValue const& part : elements) {
      Slot& slot = slots_[index(part.id)];
      if (slot.parent < 0 && !slot.external && !slot.kept) {
        slot.parent = whole.id;
        slot.channel = channels;
        first = std::min(first, slot.first);
        last = std::max(last, slot.last);
      } else {
        int const at = static_cast<int>(steps_.size());
        PlannedValue const target = slice(whole, channels, part.shape.c());
        read(part.id, at);
        note(std::make_unique<CopyStep>(), part, target);
        last = std::max(last, at);
      }
      channels += part.shape.c();
    }
    slots_[index(whole.id)].first = first;
    slots_[index(whole.id)].last = last;
    return whole;
  }
  /// The same numbers in float: the value itself where it is float.
  PlannedValue in_float(PlannedValue v) { return as(v, true); }
  PlannedValue keep(PlannedValue v) {
    slots_[index(root(v.id))].kept = true;
    slots_[index(v.id)].kept = true;
    return v;
  }

  /// Lays out the arena. No operation may be added afterwards.
  void finish() {
    int const steps = static_cast<int>(steps_.size());
    std::vector<int> roots;
    for (int id = 0; id < static_cast<int>(slots_.size()); ++id) {
      Slot& slot = slots_[index(id)];
      if (slot.parent >= 0) {
        Slot& top = slots_[index(root(id))];
        if (slot.first >= 0) top.first = std::min(top.first, slot.first);
        top.last = std::max(top.last, slot.last);
        top.kept = top.kept || slot.kept;
      } else if (!slot.external) {
        roots.push_back(id);
      }
    }
    for (int id : roots)
      if (slots_[index(id)].kept) slots_[index(id)].last = steps;
    place(roots);
    arena_ = Tensor<float, 1, Device>(device_, Shape<1>{{arena_floats_}});
    for (int id = 0; id < static_cast<int>(slots_.size()); ++id) resolve(id);
    for (auto& step : steps_) step->bind(*this);
  }

  /// One pass over the list. `progress(done, total)` is called between operations and may throw to stop.
  template <class Progress>
  void run(Device& device, Progress const& progress) const {
    std::size_t done = 0;
    for (auto const& step : steps_) {
      step->run(device);
      progress(++done, steps_.size());
    }
  }
  void run(Device& device) const {
    run(device, [](std::size_t, std::size_t) {});
  }

  /// Of a value in the device's element.
  Features<Device> view(PlannedValue v) const {
    require_number(v, false);
    return slots_[index(v.id)].view;
  }
  /// Of an input, of what `in_float` gave, and of results that are float on every device.
  Floats<Device> float_view(PlannedValue v) const {
    require_number(v, true);
    return holding<float>(slots_[index(v.id)].view);
  }
  index_t arena_floats() const { return arena_floats_; }
  std::size_t operations() const { return steps_.size(); }
  /// Floats that all buffers would take without sharing.
  index_t unshared_floats() const {
    index_t total = 0;
    for (Slot const& slot : slots_)
      if (slot.parent < 0 && !slot.external) total += floats_of(slot);
    return total;
  }
  Device& device() { return device_; }

 private:
  struct Slot {
    FeatureShape shape{};
    int first = 0, last = 0;  // operations that write it first and read it last; first = -1: an input
    int parent = -1;          // the slot that this one is a slice of
    index_t channel = 0;      // its first channel there
    index_t offset = 0;
    bool kept = false, external = false;
    bool is_float = false;    // else in the device's element
    int converted = -1;       // the slot of the same numbers in the other one
    Features<Device> view{};  // to floats where they are
  };
  struct Step {
    virtual ~Step() = default;
    virtual void run(Device& device) const = 0;
    void bind(Plan const& plan) {
      for (std::size_t i = 0; i < in.size(); ++i)
        if (in[i] >= 0) operands.in[i] = plan.slots_[index(in[i])].view;
      for (std::size_t i = 0; i < out.size(); ++i)
        if (out[i] >= 0) operands.out[i] = plan.slots_[index(out[i])].view;
      operands.list = plan.weights_.list;
      operands.weights = plan.weights_.floats;
      operands.elements = plan.weights_.elements;
    }
    std::array<int, max_op_inputs> in = filled<max_op_inputs>();
    std::array<int, max_op_outputs> out = filled<max_op_outputs>();
    Operands<Device> operands;

    template <int N>
    static constexpr std::array<int, N> filled() {
      std::array<int, N> a{};
      a.fill(-1);
      return a;
    }
  };
  template <class Op>
  struct StepOf final : Step {
    StepOf(Op o, bool f) : op(std::move(o)), first_is_float(f) {}
    void run(Device& device) const override { run_forward(op, device, this->operands, first_is_float); }
    Op op;
    bool first_is_float;
  };

  struct CopyStep final : Step {
    void run(Device& device) const override { copy(device, this->operands.in[0], this->operands.out[0]); }
  };
  struct ToFloatStep final : Step {
    void run(Device& device) const override { convert(device, this->operands.in[0], this->operands.float_out(0)); }
  };
  struct FromFloatStep final : Step {
    void run(Device& device) const override { convert(device, this->operands.float_in(0), this->operands.out[0]); }
  };

  static constexpr std::size_t index(int id) { return static_cast<std::size_t>(id); }
  PlannedValue make(FeatureShape const& shape, bool is_float) {
    slots_.push_back({.shape = shape, .is_float = is_float});
    return {static_cast<int>(slots_.size()) - 1, shape};
  }
  PlannedValue bound_to(ConstFeatures<Device> view, bool is_float) {
    PlannedValue const v = make(view.shape, is_float);
    // Never written: no operation has a bound value as a result.
    slots_.back().view = {const_cast<element_of<Device>*>(view.data), view.shape, view.pixel_stride};
    slots_.back().external = true;
    return v;
  }
  void note(std::unique_ptr<Step> step, PlannedValue from, PlannedValue to) {
    step->in[0] = from.id;
    step->out[0] = to.id;
    steps_.push_back(std::move(step));
  }
  /// The value in float, or in the device's element; where both are float, every value is both.
  PlannedValue as(PlannedValue v, bool is_float) {
    if constexpr (computes_in_float<Device>) {
      return v;
    } else {
      if (!v || slots_[index(v.id)].is_float == is_float) return v;
      if (int const known = slots_[index(v.id)].converted; known >= 0) return {known, v.shape};
      int const at = static_cast<int>(steps_.size());
      PlannedValue const other = make(v.shape, is_float);
      slots_.back().first = slots_.back().last = at;
      slots_[index(v.id)].converted = other.id;
      read(v.id, at);
      is_float ? note(std::make_unique<ToFloatStep>(), v, other) : note(std::make_unique<FromFloatStep>(), v, other);
      return other;
    }
  }
  void require_number(PlannedValue v, bool is_float) const {
    if (!computes_in_float<Device> && slots_[index(v.id)].is_float != is_float)
      throw Error(Errc::argument, is_float ? "this value of a plan is in the device's element: view it as such, or note in_float" : "this value of a plan is float: take its float_view");
  }
  static constexpr index_t bytes_of(bool is_float) { return static_cast<index_t>(is_float ? sizeof(float) : sizeof(element_of<Device>)); }
  static index_t floats_of(Slot const& slot) { return (slot.shape.count() * bytes_of(slot.is_float) + 3) / 4; }
  int root(int id) const {
    while (slots_[index(id)].parent >= 0) id = slots_[index(id)].parent;
    return id;
  }
  void read(int id, int step) {
    for (;; id = slots_[index(id)].parent) {
      slots_[index(id)].last = std::max(slots_[index(id)].last, step);
      if (slots_[index(id)].parent < 0) return;
    }
  }
  void place(std::vector<int> const& roots) {
    std::vector<ArenaBuffer> buffers;
    for (int id : roots) buffers.push_back({id, slots_[index(id)].first, slots_[index(id)].last, floats_of(slots_[index(id)])});
    arena_floats_ = lay_out(buffers);
    for (ArenaBuffer const& buffer : buffers) slots_[index(buffer.id)].offset = buffer.offset;
  }
  void resolve(int id) {
    Slot& slot = slots_[index(id)];
    if (slot.external) return;
    index_t channel = 0;
    int top = id;
    for (; slots_[index(top)].parent >= 0; top = slots_[index(top)].parent) channel += slots_[index(top)].channel;
    Slot const& whole = slots_[index(top)];
    auto* const base = whole.external ? reinterpret_cast<std::byte*>(whole.view.data) : reinterpret_cast<std::byte*>(arena_.data() + whole.offset);
    slot.view = {reinterpret_cast<element_of<Device>*>(base + channel * bytes_of(slot.is_float)), slot.shape, whole.external ? whole.view.pixel_stride : whole.shape.c()};
  }

  Device device_;
  WeightsView<Device> weights_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Step>> steps_;
  Tensor<float, 1, Device> arena_;
  index_t arena_floats_ = 0;
};

}  // namespace tadp
