// SPDX-License-Identifier: Apache-2.0
// The text encoder reads one text: a caption and the names of the classes are two.
// expect g++: struct tadp::prompt_has_one_text<2>
// expect clang++: template class 'tadp::prompt_has_one_text<2>'
// only error: tadp: this PromptPolicy has several texts, and the text encoder reads one: keep one of Caption, ClassNames, Oracle, Nouns and Null; see docs/errors.md#prompt_has_one_text
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Policy = td::PromptPolicy<td::Caption, td::ClassNames>;
#else
using Policy = td::PromptPolicy<td::ClassNames, td::AveragedEosOf<21>>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, Policy, td::Head<td::Segmentation>>;

Stack::features channels_of_the_stack();
