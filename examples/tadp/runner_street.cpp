// SPDX-License-Identifier: Apache-2.0
// The stack `street` with a head of labels and each of its prompts.
#include "tadp/runner_of.hpp"

namespace program {

std::unique_ptr<Runner> make_street_runner(ModelFile const& file, RunnerOptions const& options) {
  return runner_of_labels<tadp::Backbone<tadp::UNetOf<tadp::street_unet>, tadp::TextEncoderOf<tadp::street_text>>, 64>(file, options);
}

}  // namespace program
