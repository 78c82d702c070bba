// SPDX-License-Identifier: Apache-2.0
// A modifier goes around a caption; class embeddings are no text that it could go around.
// expect g++: struct tadp::modifier_has_a_text_to_modify<0, 1>
// expect clang++: template class 'tadp::modifier_has_a_text_to_modify<0, 1>'
// only error: tadp: this PromptPolicy has a Modifier but no Caption for it to modify: add Caption (or ClassNames, Oracle, Nouns), or remove Modifier; see docs/errors.md#modifier_has_a_text_to_modify
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Policy = td::PromptPolicy<td::AveragedEosOf<19>, td::Modifier>;
#else
using Policy = td::PromptPolicy<td::Caption, td::AveragedEosOf<19>, td::Modifier>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, Policy, td::Head<td::Segmentation>>;

Stack::features channels_of_the_stack();
