// SPDX-License-Identifier: Apache-2.0
// The same task twice among the heads: their parameters would have the same names.
// expect g++: struct tadp::heads_are_unique<0, 2>
// expect clang++: template class 'tadp::heads_are_unique<0, 2>'
// only error: tadp: a task stands twice among the Heads of this model: name each task once; see docs/errors.md#heads_are_unique
#include "tadp/heads/depth.hpp"
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Second = td::Head<td::Segmentation>;
#else
using Second = td::Head<td::Depth>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, td::PromptPolicy<td::Caption>, td::Heads<td::Head<td::Segmentation>, Second>>;

Stack::features channels_of_the_stack();
