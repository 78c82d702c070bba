// SPDX-License-Identifier: Apache-2.0
// The planned way from a pyramid to what one head says of it: a map, or lists of boxes with their counts.
// Plans are apart, so that one pass of the backbone serves all heads, or some.
#pragma once

#include "tadp/exec/inference.hpp"
#include "tadp/heads/head.hpp"

namespace tadp {

template <class Task, class Device>
class HeadPass {
 public:
  using Value = PlannedValue;
  using Pyramid = std::array<Value, 4>;

  /// Binds `pyramid`, values of a finished plan; `cells`: those of level 2 that show the picture.
  HeadPass(Device const& device, WeightsView<Device> const& weights, typename Task::Net const& net, Plan<Device> const& of, Pyramid const& pyramid, std::array<index_t, 2> cells)
      : plan_(device, weights) {
    PlanContext<Device> ctx(plan_);
    Pyramid read;
    for (std::size_t l = 0; l < read.size(); ++l) read[l] = plan_.bound(of.view(pyramid[l]));
    auto const said = call_head(net, ctx, read, cells);
    if constexpr (finds_boxes<Task>) {
      auto const found = net.detections(ctx, said);
      answer_ = plan_.keep(found.rows);
      counts_ = plan_.keep(found.counts);
    } else {
      answer_ = plan_.keep(plan_.in_float(said));
    }
    plan_.finish();
  }

  Plan<Device> const& plan() const { return plan_; }
  /// (windows, h, w, C), or rows (windows, 1, capacity, kept_channels).
  Floats<Device> answer() const { return plan_.float_view(answer_); }
  /// (windows, 1, 1, 1), of tasks that find boxes.
  Floats<Device> counts() const { return plan_.float_view(counts_); }

 private:
  Plan<Device> plan_;
  Value answer_, counts_;
};

}  // namespace tadp
