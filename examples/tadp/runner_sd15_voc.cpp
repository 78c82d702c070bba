// SPDX-License-Identifier: Apache-2.0
// The stack `sd15` with the heads of the VOC program: boxes, and labels by the decoder of segmentation_models_pytorch.
#include "tadp/runner_of.hpp"

#include "tadp/heads/detection.hpp"
#include "tadp/heads/smp_fpn.hpp"

namespace program {

std::unique_ptr<Runner> make_sd15_voc_runner(ModelFile const& file, RunnerOptions const& options) {
  using namespace tadp;
  using Net = Backbone<UNetOf<sd15_unet>, TextEncoderOf<clip_vit_l14>>;
  using Prompt = Words<>;
  if (heads_of(file.description)[0].task == "detection") return runner_of_prompts<Net, Head<DetectionOf<dynamic>>, Prompt>(file, options);
  return runner_of_prompts<Net, Head<SegmentationOf<dynamic, SmpFpn>>, Prompt>(file, options);
}

}  // namespace program
