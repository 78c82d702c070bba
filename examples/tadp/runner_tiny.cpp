// SPDX-License-Identifier: Apache-2.0
// The stack `tiny` with a head of labels and each of its prompts.
#include "tadp/runner_of.hpp"

namespace program {

std::unique_ptr<Runner> make_tiny_runner(ModelFile const& file, RunnerOptions const& options) {
  return runner_of_labels<tadp::Backbone<tadp::UNetOf<tadp::tiny_unet>, tadp::TextEncoderOf<tadp::tiny_text>>, 32>(file, options);
}

}  // namespace program
