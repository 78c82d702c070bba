// SPDX-License-Identifier: Apache-2.0
// The stack `street` with a head of depth, of detection, or all three heads on one pass.
#include "tadp/runner_of.hpp"

#include "tadp/runs/street_heads.hpp"

namespace program {

namespace {

using Prompt = tadp::PromptPolicy<tadp::Caption, tadp::Modifier>;
using Labels = tadp::Head<tadp::StreetLabelsTask>;
using Depth = tadp::Head<tadp::StreetDepthTask>;
using Detection = tadp::Head<tadp::StreetDetectionTask>;

}  // namespace

std::unique_ptr<Runner> make_street_heads_runner(ModelFile const& file, RunnerOptions const& options) {
  auto const heads = tadp::heads_of(file.description);
  if (heads.size() > 1) return runner_of_prompts<tadp::StreetBackbone, tadp::Heads<Labels, Depth, Detection>, Prompt>(file, options);
  if (heads[0].task == "depth") return runner_of_prompts<tadp::StreetBackbone, Depth, Prompt>(file, options);
  return runner_of_prompts<tadp::StreetBackbone, Detection, Prompt>(file, options);
}

}  // namespace program
