// SPDX-License-Identifier: Apache-2.0
// A learned token is part of a text; the empty text has none.
// expect g++: struct tadp::learned_token_has_a_text_to_stand_in<0, 1>
// expect clang++: template class 'tadp::learned_token_has_a_text_to_stand_in<0, 1>'
// only error: tadp: this PromptPolicy has a LearnedToken but no Caption that could name it: add Caption (or ClassNames, Oracle, Nouns), or remove LearnedToken; see docs/errors.md#learned_token_has_a_text_to_stand_in
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Policy = td::PromptPolicy<td::Null, td::LearnedToken>;
#else
using Policy = td::PromptPolicy<td::Caption, td::LearnedToken>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, Policy, td::Head<td::Segmentation>>;

Stack::features channels_of_the_stack();
