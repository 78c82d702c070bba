// SPDX-License-Identifier: Apache-2.0
// The stack `sd15` with the paper's depth head: captions, with an adapter or class embeddings beside them, and VPD's classes.
#include "tadp/runner_of.hpp"

#include "tadp/heads/depth.hpp"

namespace program {

std::unique_ptr<Runner> make_sd15_depth_runner(ModelFile const& file, RunnerOptions const& options) {
  using namespace tadp;
  using Net = Backbone<UNetOf<sd15_unet>, TextEncoderOf<clip_vit_l14>>;
  return runner_of_prompts<Net, Head<Depth>, Words<>, Words<Adapter>, Words<AveragedEos, Adapter>, PromptPolicy<AveragedEos, Adapter>>(file, options);
}

}  // namespace program
