// SPDX-License-Identifier: Apache-2.0
// A head that was trained on a backbone without captions: 77 map channels stand on levels 1 and 2 that it does not take.
// expect g++: struct tadp::head_accepts_features<tadp::channels<320, 717, 1357, 1280>, tadp::channels<320, 640, 1280, 1280>
// expect clang++: template class 'tadp::head_accepts_features<tadp::channels<320, 717, 1357, 1280>, tadp::channels<320, 640, 1280, 1280>
// only error: tadp: the head was made for other feature channels than this backbone and prompt produce: change the head, or the parts of the PromptPolicy (a Caption adds the text length to levels 1 and 2, AveragedEos one channel a class); see docs/errors.md#head_accepts_features
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Expected = td::channels<320, 640, 1280, 1280>;
#else
using Expected = td::channels<320, 717, 1357, 1280>;
#endif
using Net = td::Backbone<td::UNet, td::TextEncoder>;
using Stack = td::Model<Net, td::PromptPolicy<td::Caption>, td::Head<td::SegmentationOf<19, 256, Expected>>>;

Stack::features channels_of_the_stack();
