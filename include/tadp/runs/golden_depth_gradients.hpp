// SPDX-License-Identifier: Apache-2.0
// The training case of depth: gradients of every parameter under SiLog, and three steps of AdamW.
// The groups of rates are the original's.
#pragma once

#include "tadp/runs/golden_depth.hpp"
#include "tadp/runs/golden_gradient_case.hpp"
#include "tadp/train/depth_recipe.hpp"

namespace tadp {

template <class Stack, class Device = Cpu>
class GoldenDepthGradients : GoldenGradientCase<Stack, GoldenDepthModel<Stack, PromptPolicy<Caption, Adapter>>, Device> {
  using Case = GoldenGradientCase<Stack, GoldenDepthModel<Stack, PromptPolicy<Caption, Adapter>>, Device>;

 public:
  GoldenDepthGradients(Golden const& golden, Device device, bool checkpoint_blocks)
      : Case(golden, std::move(device), checkpoint_blocks, {}), truth_(golden_depth_truth(this->shape_.pixels(), golden.seed())) {}

  /// Entries depth_train.*; `change` may alter the weights that each run starts from.
  void run(GoldenCheck& check, Control const& control, typename Case::Change const& change) {
    this->change_ = change;
    auto const loss = [this](auto& ctx, int) { return Case::Task::loss(ctx, this->answer(ctx), {truth_.data(), this->shape_.h(), this->shape_.w()}); };
    this->template gradients<BatchStatistics>(check, control, "depth_train", false, loss);
    this->adamw(check, control, "depth_train.adamw.ldm", AdamW{.lr = 5e-4, .weight_decay = 0.1}, DepthGroups{this->model_.parameters()}, loss);
  }

 private:
  std::vector<float> truth_;
};

}  // namespace tadp
