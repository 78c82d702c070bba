// SPDX-License-Identifier: Apache-2.0
// An adapter alone gives the cross-attentions nothing to read.
// expect g++: struct tadp::prompt_has_a_text<0>
// expect clang++: template class 'tadp::prompt_has_a_text<0>'
// only error: tadp: this PromptPolicy gives the UNet no text at all: add Caption, AveragedEos or Null; see docs/errors.md#prompt_has_a_text
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Policy = td::PromptPolicy<td::Adapter>;
#else
using Policy = td::PromptPolicy<td::Null, td::Adapter>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, Policy, td::Head<td::Segmentation>>;

Stack::features channels_of_the_stack();
