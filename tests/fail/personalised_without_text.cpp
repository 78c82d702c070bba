// SPDX-License-Identifier: Apache-2.0
// A personalised model is called by a word of a text; class embeddings are no text.
// expect g++: struct tadp::personalised_has_a_text_to_name_it<0, 1>
// expect clang++: template class 'tadp::personalised_has_a_text_to_name_it<0, 1>'
// only error: tadp: this PromptPolicy is Personalised but has no Caption that could name the identifier: add Caption (or ClassNames, Oracle, Nouns), or remove Personalised; see docs/errors.md#personalised_has_a_text_to_name_it
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Policy = td::PromptPolicy<td::AveragedEosOf<19>, td::Personalised>;
#else
using Policy = td::PromptPolicy<td::Caption, td::AveragedEosOf<19>, td::Personalised>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, Policy, td::Head<td::Segmentation>>;

Stack::features channels_of_the_stack();
