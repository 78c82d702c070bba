// SPDX-License-Identifier: Apache-2.0
#include "tadp/model.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string_view>

namespace td = tadp;
using td::index_t;

namespace {

using Sd15 = td::Backbone<td::UNet, td::TextEncoder>;
using Tiny = td::Backbone<td::UNetOf<td::tiny_unet>, td::TextEncoderOf<td::tiny_text>>;
using Street = td::Backbone<td::UNetOf<td::street_unet>, td::TextEncoderOf<td::street_text>>;
template <class Backbone, class... Parts>
using Features = typename td::Model<Backbone, td::PromptPolicy<Parts...>, td::Head<td::SegmentationOf<19>>>::features;
template <int Map>
using Joined = td::channels<320, 640 + Map, 1280 + Map, 1280>;

// Spec 2.3.
static_assert(Features<Sd15, td::Caption>{} == td::channels<320, 717, 1357, 1280>{});
static_assert(Features<Sd15, td::Null>{} == td::channels<320, 717, 1357, 1280>{});
static_assert(Features<Sd15, td::AveragedEosOf<150>>{} == td::channels<320, 790, 1430, 1280>{});
static_assert(Features<Sd15, td::Caption, td::AveragedEosOf<150>>{} == td::channels<320, 867, 1507, 1280>{});
static_assert(Features<Sd15, td::AveragedEosOf<19>>{} == td::channels<320, 659, 1299, 1280>{});
static_assert(Features<Sd15, td::AveragedEosOf<21>>{} == td::channels<320, 661, 1301, 1280>{});
static_assert(Features<Sd15, td::Caption, td::AveragedEosOf<21>>{} == td::channels<320, 738, 1378, 1280>{});
// Neither a modifier nor the adapter has tokens.
static_assert(Features<Sd15, td::Caption, td::Modifier, td::Adapter>{} == Joined<77>{});
static_assert(Features<Sd15, td::Caption, td::AveragedEos>{} == td::channels<320, td::dynamic, td::dynamic, 1280>{});
static_assert(Features<Tiny, td::Caption>{} == td::channels<32, 64 + 77, 128 + 77, 128>{});
static_assert(Features<Street, td::Caption>{} == td::channels<48, 96 + 32, 96 + 32, 96>{});
static_assert(Sd15::granularity == 64 && Tiny::granularity == 64 && Street::granularity == 32);

// The concept twin of the requirement.
static_assert(td::head_accepts<Joined<77>, td::any_channels>);
static_assert(td::head_accepts<Joined<77>, Joined<77>>);
static_assert(!td::head_accepts<Joined<77>, Joined<0>>);
static_assert(td::head_accepts<td::channels<320, td::dynamic, td::dynamic, 1280>, Joined<19>>);

struct Counted {
  index_t tensors = 0, numbers = 0;
};
Counted count(td::ParameterList const& list, std::string_view prefix) {
  Counted c;
  for (td::ParameterSpec const& spec : list.specs())
    if (spec.name.starts_with(prefix)) ++c.tensors, c.numbers += spec.count;
  return c;
}

template <class Make>
std::optional<td::Error> error_of(Make const& make) {
  try {
    make();
  } catch (td::Error const& e) {
    return e;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("Stable Diffusion v1.5 has the parameters that its checkpoint has") {
  // Names and shapes alone: no weight is allocated.
  td::Model<Sd15, td::PromptPolicy<td::Caption>, td::Head<td::Segmentation>> const model;
  td::ParameterList const& list = *model.parameters();
  auto const unet = count(list, "model.diffusion_model.");
  CHECK(unet.numbers == 859'520'964);
  CHECK(unet.tensors == 686);
  auto const encoder = count(list, "first_stage_model.encoder."), quant = count(list, "first_stage_model.quant_conv.");
  CHECK(encoder.numbers == 34'163'592);
  CHECK(quant.numbers == 72);
  CHECK(encoder.tensors == 106);
  CHECK(quant.tensors == 2);
  auto const text = count(list, "cond_stage_model.transformer.text_model.");
  CHECK(text.numbers == 123'060'480);
  CHECK(text.tensors == 196);

  auto const shape = [&](char const* name) {
    td::ParameterId const id = list.find(name);
    REQUIRE_MESSAGE(bool(id), name);
    return list[id].shape;
  };
  using S = std::vector<index_t>;
  CHECK(shape("model.diffusion_model.time_embed.0.weight") == S{1280, 320});
  CHECK(shape("model.diffusion_model.input_blocks.0.0.weight") == S{320, 4, 3, 3});
  CHECK(shape("model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight") == S{640, 768});
  CHECK(shape("model.diffusion_model.middle_block.1.proj_in.weight") == S{1280, 1280, 1, 1});
  CHECK(shape("model.diffusion_model.output_blocks.5.2.conv.weight") == S{1280, 1280, 3, 3});
  CHECK(shape("model.diffusion_model.output_blocks.8.0.skip_connection.weight") == S{640, 960, 1, 1});
  CHECK(shape("model.diffusion_model.out.2.weight") == S{4, 320, 3, 3});
  CHECK(shape("first_stage_model.encoder.mid.attn_1.q.weight") == S{512, 512, 1, 1});
  CHECK(shape("first_stage_model.quant_conv.bias") == S{8});
  CHECK(shape("cond_stage_model.transformer.text_model.embeddings.position_embedding.weight") == S{77, 768});
  CHECK(shape("neck.lateral_convs.1.conv.weight") == S{256, 717, 1, 1});
  CHECK(shape("neck.lateral_convs.2.conv.weight") == S{256, 1357, 1, 1});
  CHECK(shape("decode_head.conv_seg.weight") == S{150, 256, 1, 1});
}

TEST_CASE("parameters of prompts stand in the list when the policy has them, and only then") {
  auto const names = [](auto const& model, char const* name) { return bool(model.parameters()->find(name)); };
  td::Model<Tiny, td::PromptPolicy<td::Caption>, td::Head<td::SegmentationOf<5>>> const plain;
  CHECK_FALSE(names(plain, "gamma"));
  CHECK_FALSE(names(plain, "class_embeddings"));
  td::Model<Tiny, td::PromptPolicy<td::Caption, td::AveragedEosOf<5>, td::Adapter>, td::Head<td::SegmentationOf<5>>> const full;
  CHECK(names(full, "gamma"));
  CHECK(names(full, "text_adapter.fc.0.weight"));
  CHECK(names(full, "class_embeddings"));
  CHECK(full.context_length() == 77 + 5);
}

TEST_CASE("dynamic counts are checked with the sentence of the compiler") {
  using Expected = td::channels<32, 64 + 19, 128 + 19, 128>;
  using Trained = td::Model<Tiny, td::PromptPolicy<td::AveragedEos>, td::Head<td::SegmentationOf<td::dynamic, 256, Expected>>>;
  Trained const fits({.classes = 19, .class_embeddings = 19});
  CHECK(fits.sizes().classes == 19);

  auto const wrong = error_of([] { Trained({.classes = 19, .class_embeddings = 21}); });
  REQUIRE(wrong);
  CHECK(wrong->code() == td::Errc::shape);
  // Word for word what tests/fail/head_for_other_channels.cpp expects of the compilers.
  std::string_view const sentence =
      "the head was made for other feature channels than this backbone and prompt produce: change the head, or the parts of the PromptPolicy "
      "(a Caption adds the text length to levels 1 and 2, AveragedEos one channel a class)";
  CHECK(td::sentence_head_accepts_features == sentence);
  CHECK(std::string_view(wrong->what()).starts_with(sentence));
  CHECK(wrong->where().key == "features");
  CHECK(wrong->where().expected == "channels<32, 83, 147, 128>");
  CHECK(wrong->where().found == "channels<32, 85, 149, 128>");
}

TEST_CASE("counts that the type leaves open must be given, and those that it fixes must agree") {
  using Open = td::Model<Tiny, td::PromptPolicy<td::AveragedEos>, td::Head<td::SegmentationOf<td::dynamic>>>;
  CHECK(error_of([] { Open({.class_embeddings = 3}); })->code() == td::Errc::argument);
  CHECK(error_of([] { Open({.classes = 3}); })->code() == td::Errc::argument);
  CHECK(error_of([] { Open({.classes = 0, .class_embeddings = 3}); })->code() == td::Errc::argument);
  using Fixed = td::Model<Tiny, td::PromptPolicy<td::AveragedEosOf<4>>, td::Head<td::SegmentationOf<3>>>;
  CHECK(Fixed{}.sizes().class_embeddings == 4);
  auto const classes = error_of([] { Fixed({.classes = 5}); });
  REQUIRE(classes);
  CHECK(classes->code() == td::Errc::shape);
  CHECK(classes->where().expected == "3");
  CHECK(classes->where().found == "5");
  auto const embeddings = error_of([] { Fixed({.class_embeddings = 5}); });
  REQUIRE(embeddings);
  CHECK(embeddings->where().key == "class embeddings");
  CHECK(std::string_view(embeddings->what()).starts_with(td::sentence_head_accepts_features));
}
