// SPDX-License-Identifier: Apache-2.0
// A text encoder of 64 numbers a token in front of a UNet that reads 768.
// expect g++: struct tadp::text_width_is_what_the_unet_takes<64, 768>
// expect clang++: template class 'tadp::text_width_is_what_the_unet_takes<64, 768>'
// only error: tadp: the text encoder's width is not the context width of the UNet: pair UNetOf<sd15_unet> with TextEncoderOf<clip_vit_l14>, tiny with tiny, street with street; see docs/errors.md#text_width_is_what_the_unet_takes
#include "tadp/model.hpp"

namespace td = tadp;
#ifdef TADP_WRONG
using Text = td::TextEncoderOf<td::tiny_text>;
#else
using Text = td::TextEncoder;
#endif
using Net = td::Backbone<td::UNet, Text>;
using Stack = td::Model<Net, td::PromptPolicy<td::Caption>, td::Head<td::Segmentation>>;

Stack::features channels_of_the_stack();
