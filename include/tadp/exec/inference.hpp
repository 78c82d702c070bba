// SPDX-License-Identifier: Apache-2.0
// The context under which model text notes a planned pass: no gradient state, nothing kept beyond its last read.
// The same model text under TapeContext (exec/training.hpp) learns.
#pragma once

#include "tadp/exec/plan.hpp"

#include <functional>
#include <initializer_list>
#include <string>
#include <utility>

namespace tadp {

/// Batch normalisation by the statistics that the checkpoint carries, or by those of the batch at hand.
struct RunningStatistics {};
struct BatchStatistics {};

template <class DeviceType>
class PlanContext {
 public:
  using Device = DeviceType;
  using Value = PlannedValue;
  using Statistics = RunningStatistics;
  /// Called with the name and value of every stage that model text announces; empty: nobody listens.
  using Listener = std::function<void(std::string const&, Value)>;

  explicit PlanContext(Plan<Device>& plan, Listener listener = {}) : plan_(&plan), listener_(std::move(listener)) {}

  template <Operation Op>
  std::array<Value, Op::outputs> apply(Op op, std::initializer_list<Value> in) {
    return plan_->apply(std::move(op), std::span<Value const>(in.begin(), in.size()));
  }
  template <Operation Op>
  std::array<Value, Op::outputs> apply(Op op, std::span<Value const> in) {
    return plan_->apply(std::move(op), in);
  }
  /// Channels [first, first + count): a view.
  Value slice(Value v, index_t first, index_t count) { return plan_->slice(v, first, count); }
  /// Parts side by side on the channels; the plan lets their makers write in place.
  Value concatenate(std::span<Value const> parts) { return plan_->concatenate(parts); }
  /// Announces a named stage (the goldens' names).
  void note(std::string const& name, Value v) {
    if (listener_) listener_(name, v);
  }
  bool listening() const { return static_cast<bool>(listener_); }

  /// A block that training may forget and compute again: here it is just called.
  template <class Block>
  auto checkpoint(Block const& block, std::initializer_list<Value> in) {
    return block(*this, std::span<Value const>(in.begin(), in.size()));
  }
  Value detached(Value v) { return v; }
  Value map_of(Value v) { return v; }

  Plan<Device>& plan() { return *plan_; }

 private:
  Plan<Device>* plan_;
  Listener listener_;
};

}  // namespace tadp
