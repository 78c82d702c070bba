// SPDX-License-Identifier: Apache-2.0
// The stack `sd15` with a head of labels and each of its prompts.
#include "tadp/runner_of.hpp"

namespace program {

std::unique_ptr<Runner> make_sd15_runner(ModelFile const& file, RunnerOptions const& options) {
  return runner_of_labels<tadp::Backbone<tadp::UNetOf<tadp::sd15_unet>, tadp::TextEncoderOf<tadp::clip_vit_l14>>, 256>(file, options);
}

}  // namespace program
