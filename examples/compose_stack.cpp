// SPDX-License-Identifier: Apache-2.0
// A model is put together in its type: the channels that a head will meet are known before the program runs.
#include "tadp/model.hpp"

#include <cstdio>

namespace td = tadp;

using Sd15 = td::Backbone<td::UNet, td::TextEncoder>;
template <class... Parts>
using Cityscapes = td::Model<Sd15, td::PromptPolicy<Parts...>, td::Head<td::SegmentationOf<19>>>;

// The 77 tokens of a caption each leave one map on levels 1 and 2; a modifier rewrites the caption and adds none.
static_assert(Cityscapes<td::Caption>::features{} == td::channels<320, 717, 1357, 1280>{});
static_assert(Cityscapes<td::Caption, td::Modifier>::features{} == td::channels<320, 717, 1357, 1280>{});
static_assert(Cityscapes<td::AveragedEosOf<19>>::features{} == td::channels<320, 659, 1299, 1280>{});

template <class Model>
void show(char const* prompt) {
  auto const& c = Model::features::counts;
  std::printf("%-22s %d %d %d %d\n", prompt, c[0], c[1], c[2], c[3]);
}

int main() {
  show<Cityscapes<td::Null>>("null text");
  show<Cityscapes<td::Caption, td::Modifier>>("caption and modifier");
  show<Cityscapes<td::AveragedEosOf<19>>>("19 class embeddings");
  show<Cityscapes<td::Caption, td::AveragedEosOf<19>>>("both");

  // Counts may be left open: then they are checked, with the compiler's sentence, where the model is made.
  using Open = td::Model<Sd15, td::PromptPolicy<td::Caption>, td::Head<td::SegmentationOf<td::dynamic>>>;
  Open const model({.classes = 19});  // names and shapes, no weights
  std::printf("%zu parameters, %lld numbers\n", model.parameters()->specs().size(), [&] {
    long long numbers = 0;
    for (auto const& parameter : model.parameters()->specs()) numbers += parameter.count;
    return numbers;
  }());
}
