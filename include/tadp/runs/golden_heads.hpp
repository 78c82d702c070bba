// SPDX-License-Identifier: Apache-2.0
// A head of a golden over a pyramid that a pass has computed: its own parameters by the hash rule, its stages and losses compared.
// The network runs once for all heads of a case; each head has a plan of its own.
#pragma once

#include "tadp/heads/head.hpp"
#include "tadp/kernels/cpu.hpp"
#include "tadp/runs/golden_compare.hpp"
#include "tadp/runs/golden_inputs.hpp"

namespace tadp {

template <class Device>
using GoldenPyramid = std::array<ConstFeatures<Device>, 4>;

/// Whether a case has an entry whose name begins so.
inline bool golden_has_any(Golden const& golden, std::string_view prefix) {
  auto const in = [&](auto const& entries) {
    auto const at = entries.lower_bound(std::string(prefix));
    return at != entries.end() && at->first.starts_with(prefix);
  };
  return in(golden.tensors()) || in(golden.scalars()) || in(golden.tables());
}

/// Device: one whose memory the host reads. losses(context, result, note): note(name, value) for each number that a scalar of the case is compared with.
template <class Task, class Device, class Losses>
void check_golden_head(GoldenCheck& check, Device& device, index_t classes, GoldenPyramid<Device> const& pyramid, Losses const& losses) {
  Golden const& golden = check.golden();
  auto const list = std::make_shared<ParameterList>();
  FeatureChannels channels{};
  for (std::size_t i = 0; i < 4; ++i) channels[i] = pyramid[i].shape.channels();
  typename Task::Net const net(Scope(*list), channels, classes);
  Weights<Device> weights(device, list);
  fill_golden_weights(device, weights, golden.seed());

  Plan<Device> plan(device, list.get(), weights.flat());
  using Noted = std::vector<std::pair<std::string, PlannedValue>>;
  Noted stages, numbers;
  PlanContext<Device> ctx(plan, [&](std::string const& name, PlannedValue v) {
    if (golden.has(name)) stages.emplace_back(name, plan.keep(v));
  });
  std::array<PlannedValue, 4> levels;
  for (std::size_t i = 0; i < 4; ++i) levels[i] = plan.bound(pyramid[i]);
  auto const result = net(ctx, levels);
  losses(ctx, result, [&](std::string const& name, PlannedValue v) { numbers.emplace_back(name, plan.keep(v)); });
  plan.finish();
  plan.run(device);
  for (auto const& [name, v] : stages) check.features(name, host_view(plan.view(v)));
  for (auto const& [name, v] : numbers) check.scalar(name, static_cast<double>(plan.view(v).data[0]));
}

}  // namespace tadp
