// SPDX-License-Identifier: Apache-2.0
// The same part twice: two parts are named, one of them is its own.
// expect g++: struct tadp::prompt_parts_are_unique<1, 2>
// expect clang++: template class 'tadp::prompt_parts_are_unique<1, 2>'
// only error: tadp: a part stands twice in this PromptPolicy: name each part once; see docs/errors.md#prompt_parts_are_unique
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Policy = td::PromptPolicy<td::Caption, td::Caption>;
#else
using Policy = td::PromptPolicy<td::Caption, td::Adapter>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, Policy, td::Head<td::Segmentation>>;

Stack::features channels_of_the_stack();
