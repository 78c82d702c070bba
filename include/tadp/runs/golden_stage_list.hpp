// SPDX-License-Identifier: Apache-2.0
// The stages of a planned pass that a golden holds: each is compared as soon as it has been computed, so that none has to
// outlive its last reader.
#pragma once

#include "tadp/exec/control.hpp"
#include "tadp/exec/plan.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_inputs.hpp"

#include <functional>
#include <string>
#include <vector>

namespace tadp {

/// Device: one whose memory the host reads.
template <class Device = Cpu>
class GoldenStageList {
 public:
  using Compare = std::function<void(GoldenCheck&, ConstFeatures<Cpu>)>;

  /// Both have to stay as long as the list.
  GoldenStageList(Golden const& golden, Plan<Device>& plan) : golden_(&golden), plan_(&plan) {}

  /// A value that the operations so far compute.
  void add(PlannedValue v, Compare compare) { stages_.push_back({v, plan_->operations(), std::move(compare)}); }
  /// The same under a name of the golden; nothing where it lacks the name.
  void add(std::string const& name, PlannedValue v) {
    if (golden_->has(name)) add(v, [name](GoldenCheck& check, ConstFeatures<Cpu> view) { check.features(name, view); });
  }
  /// A value that was ready before now: it has to stay.
  void add_late(std::string const& name, PlannedValue v) {
    if (v && golden_->has(name)) add(name, plan_->keep(v));
  }
  /// What a context notes.
  void noted(std::string const& name, PlannedValue v) {
    // A map is announced with its block's result, operations after it was made.
    name.ends_with(".map") ? add_late(name, v) : add(name, v);
  }

  /// Runs the finished plan and compares as it goes. Error(cancelled).
  void run(Device& device, GoldenCheck& check, Control const& control) const {
    std::size_t next = 0;
    auto const compare_until = [&](std::size_t done) {
      for (; next < stages_.size() && stages_[next].step <= done; ++next) stages_[next].compare(check, host_view(plan_->view(stages_[next].value)));
    };
    compare_until(0);
    plan_->run(device, [&](std::size_t done, std::size_t total) {
      compare_until(done);
      control.step(done, total);
    });
  }

 private:
  /// What is compared after `step` operations.
  struct Stage {
    PlannedValue value;
    std::size_t step;
    Compare compare;
  };

  Golden const* golden_;
  Plan<Device>* plan_;
  std::vector<Stage> stages_;
};

}  // namespace tadp
