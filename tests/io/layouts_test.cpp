// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/layouts.hpp"

#include "scratch.hpp"
#include "tadp/device/cpu.hpp"
#include "tadp/io/convert.hpp"
#include "tadp/io/recognise.hpp"
#include "tadp/io/weights.hpp"

#include <doctest/doctest.h>

#include <functional>

namespace td = tadp;
namespace fs = std::filesystem;

namespace {

std::string const unet = "model.diffusion_model.", vae = "first_stage_model.", text = "cond_stage_model.transformer.text_model.";

/// The UNet's names, of either count of blocks and pattern of attention, as the specification counts them.
std::vector<std::string> unet_names(td::BlockCounts const& c) {
  std::vector<std::string> names;
  auto const number = [](int n) { return std::to_string(n); };
  auto const module = [&](std::string const& at) {
    names.push_back(at + ".weight");
    names.push_back(at + ".bias");
  };
  auto const residual = [&](std::string const& at) {
    for (char const* part : {"in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection"}) module(at + "." + part);
  };
  auto const transformer = [&](std::string const& at) {
    for (char const* part : {"norm", "proj_in", "proj_out", "transformer_blocks.0.attn2.to_k", "transformer_blocks.0.ff.net.0.proj", "transformer_blocks.0.attn1.to_out.0"}) module(at + "." + part);
  };
  int in = 0, out = 0;
  module("input_blocks." + number(in++) + ".0");
  for (int level = 0; level < c.levels; ++level) {
    for (int l = 0; l < c.blocks; ++l) {
      auto const at = "input_blocks." + number(in++);
      residual(at + ".0");
      if (c.attention[static_cast<std::size_t>(level)]) transformer(at + ".1");
    }
    if (level + 1 < c.levels) module("input_blocks." + number(in++) + ".0.op");
  }
  residual("middle_block.0");
  transformer("middle_block.1");
  residual("middle_block.2");
  for (int level = c.levels - 1; level >= 0; --level)
    for (int l = 0; l <= c.blocks; ++l) {
      auto const at = "output_blocks." + number(out++);
      residual(at + ".0");
      bool const attention = c.attention[static_cast<std::size_t>(level)];
      if (attention) transformer(at + ".1");
      if (level > 0 && l == c.blocks) module(at + (attention ? ".2" : ".1") + ".conv");
    }
  for (char const* part : {"time_embed.0", "time_embed.2", "out.0", "out.2"}) module(part);
  return names;
}

td::BlockCounts counts(int levels, int blocks, std::initializer_list<bool> attention) {
  td::BlockCounts c{levels, blocks, {}};
  std::copy(attention.begin(), attention.end(), c.attention.begin());
  return c;
}

/// A file of small tensors, whose numbers tell which name they belong to.
void put(fs::path const& path, std::vector<std::string> const& names, std::function<std::vector<std::uint64_t>(std::string const&)> const& shape = {}) {
  std::vector<std::vector<float>> values;
  std::vector<td::TensorToWrite> tensors;
  values.reserve(names.size());
  for (auto const& name : names) {
    auto const s = shape ? shape(name) : std::vector<std::uint64_t>{2};
    auto const count = td::element_count(s).value();
    auto& v = values.emplace_back(count);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(std::hash<std::string>{}(name) % 1000) + static_cast<float>(i) / 16;
    tensors.push_back({name, td::Dtype::F32, s, {}, v});
  }
  fs::create_directories(path.parent_path());
  td::write_safetensors(path, tensors);
}

std::vector<float> numbers(td::ModelSource const& model, std::string const& name) {
  auto const* const entry = model.find(name);
  REQUIRE_MESSAGE(entry != nullptr, name);
  std::vector<float> v(td::element_count(entry->shape).value());
  model.read_f32(*entry, 0, v.size(), v.data());
  return v;
}
std::vector<float> numbers_of(std::string const& name) {
  auto const first = static_cast<float>(std::hash<std::string>{}(name) % 1000);
  return {first, first + 1.0F / 16};
}

std::string turned(std::string const& name, std::vector<std::string> all) {
  all.push_back(name);
  auto const found = td::layout_of(all);
  REQUIRE(found.layout != nullptr);
  return td::LayoutNames(found, all).turned(name).compvis;
}

}  // namespace

TEST_CASE("the UNet's names are a bijection, whatever its blocks") {
  for (auto const& c : {counts(4, 2, {true, true, true, false}), counts(4, 1, {false, true, true, false}), counts(3, 3, {true, false, true})}) {
    auto const names = unet_names(c);
    CHECK(td::unet_counts_of_compvis(names) == c);
    td::NameMap map;
    map.add(td::diffusers_unet_names, c);
    std::vector<std::string> others;
    for (auto const& name : names) {
      auto const other = map.from_compvis(name);
      REQUIRE_MESSAGE(other.has_value(), name);
      CHECK(map.to_compvis(*other) == name);
      others.push_back(*other);
    }
    CHECK(td::unet_counts_of_diffusers(others) == c);
    std::sort(others.begin(), others.end());
    CHECK(std::adjacent_find(others.begin(), others.end()) == others.end());
  }
}

TEST_CASE("the rows of the specification") {
  td::NameMap map;
  map.add(td::diffusers_unet_names, counts(4, 2, {true, true, true, false}));
  std::pair<char const*, char const*> const rows[] = {
      {"input_blocks.0.0.weight", "conv_in.weight"},
      {"input_blocks.4.0.skip_connection.weight", "down_blocks.1.resnets.0.conv_shortcut.weight"},
      {"input_blocks.8.1.proj_in.bias", "down_blocks.2.attentions.1.proj_in.bias"},
      {"input_blocks.9.0.op.bias", "down_blocks.2.downsamplers.0.conv.bias"},
      {"input_blocks.11.0.emb_layers.1.weight", "down_blocks.3.resnets.1.time_emb_proj.weight"},
      {"middle_block.2.out_layers.3.weight", "mid_block.resnets.1.conv2.weight"},
      {"output_blocks.2.1.conv.weight", "up_blocks.0.upsamplers.0.conv.weight"},
      {"output_blocks.5.2.conv.weight", "up_blocks.1.upsamplers.0.conv.weight"},
      {"output_blocks.11.1.transformer_blocks.0.attn2.to_k.weight", "up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_k.weight"},
      {"time_embed.2.bias", "time_embedding.linear_2.bias"},
      {"out.0.weight", "conv_norm_out.weight"}};
  for (auto const& [compvis, other] : rows) {
    CHECK(map.from_compvis(compvis) == other);
    CHECK(map.to_compvis(other) == compvis);
  }
  CHECK_FALSE(map.to_compvis("down_blocks.4.resnets.0.conv1.weight").has_value());
  CHECK_FALSE(map.to_compvis("").has_value());

  td::NameMap autoencoder;
  autoencoder.add(td::diffusers_vae_names, counts(4, 2, {}));
  CHECK(autoencoder.to_compvis("encoder.mid_block.attentions.0.to_out.0.weight") == "encoder.mid.attn_1.proj_out.weight");
  CHECK(autoencoder.to_compvis("encoder.mid_block.attentions.0.proj_attn.weight") == "encoder.mid.attn_1.proj_out.weight");
  CHECK(autoencoder.from_compvis("encoder.mid.attn_1.q.bias") == "encoder.mid_block.attentions.0.to_q.bias");
  CHECK(autoencoder.to_compvis("decoder.up_blocks.0.resnets.2.conv_shortcut.bias") == "decoder.up.3.block.2.nin_shortcut.bias");
  CHECK(autoencoder.to_compvis("encoder.down_blocks.2.downsamplers.0.conv.bias") == "encoder.down.2.downsample.conv.bias");
}

TEST_CASE("names of released checkpoints") {
  struct Row {
    char const* sign;
    char const* stored;
    std::string compvis;
  };
  Row const rows[] = {
      {"unet.unet.diffusion_model.out.0.weight", "unet.unet.diffusion_model.input_blocks.1.0.in_layers.0.weight", unet + "input_blocks.1.0.in_layers.0.weight"},
      {"unet.unet.diffusion_model.out.0.weight", "encoder_vq.quant_conv.weight", vae + "quant_conv.weight"},
      {"unet.unet.diffusion_model.out.0.weight", "sd_model.first_stage_model.quant_conv.weight", vae + "quant_conv.weight"},
      {"unet.unet.diffusion_model.out.0.weight", "sd_model.cond_stage_model.transformer.text_model.final_layer_norm.bias", text + "final_layer_norm.bias"},
      {"unet.unet.diffusion_model.out.0.weight", "neck.fpn_convs.0.conv.bias", "neck.fpn_convs.0.conv.bias"},
      {"model.unet.diffusion_model.out.0.weight", "decode_head.rpn.head.conv.bias", "decode_head.rpn.head.conv.0.0.bias"},
      {"model.unet.diffusion_model.out.0.weight", "fpn.inner_blocks.2.weight", "fpn.inner_blocks.2.0.weight"},
      {"model.unet.diffusion_model.out.0.weight", "fpn.inner_blocks.2.0.weight", "fpn.inner_blocks.2.0.weight"},
      {"model.unet.diffusion_model.out.0.weight", "text_encoder.text_model.final_layer_norm.bias", text + "final_layer_norm.bias"},
      {"module.encoder.unet.unet.diffusion_model.out.0.weight", "module.encoder.gamma", "gamma"},
      {"encoder.unet.unet.diffusion_model.out.0.weight", "encoder.encoder_vq.encoder.conv_in.bias", vae + "encoder.conv_in.bias"},
      {"encoder.unet.unet.diffusion_model.out.0.weight", "encoder.layer1.0.weight", "encoder.layer1.0.weight"},
      {"encoder.unet.unet.diffusion_model.out.0.weight", "decoder.conv_layers.0.weight", "decoder.conv_layers.0.weight"},
      {"encoder.unet.unet.diffusion_model.out.0.weight", "encoder.sd_model.cond_stage_model.transformer.embeddings.x", text + "embeddings.x"},
      {"model.diffusion_model.out.0.weight", "cond_stage_model.transformer.final_layer_norm.bias", text + "final_layer_norm.bias"},
      {"text_model.final_layer_norm.weight", "text_model.final_layer_norm.bias", text + "final_layer_norm.bias"},
      {"final_layer_norm.weight", "final_layer_norm.bias", text + "final_layer_norm.bias"},
      {"encoder.down.0.block.0.conv1.weight", "quant_conv.bias", vae + "quant_conv.bias"},
  };
  for (auto const& row : rows) CHECK_MESSAGE(turned(row.stored, {row.sign}) == row.compvis, row.stored);
  for (char const* name : {"sd_model.alphas_cumprod", "betas", "encoder.sd_model.posterior_mean_coef2", "text_model.embeddings.position_ids", "loss.discriminator.main.0.weight", "model_ema.decay",
                           "decode_head.backbone.body.conv1.weight"})
    CHECK_MESSAGE(td::ignored_as(name).has_value(), name);
  for (char const* name : {"gamma", "decode_head.conv_seg.weight", "model.betas_of_mine", "quant_conv.weight"}) CHECK_FALSE_MESSAGE(td::ignored_as(name).has_value(), name);
  std::string const strangers[] = {"resnet.layer1.0.weight", "fc.bias"};
  CHECK_FALSE(td::layout_of(strangers));
  CHECK_FALSE(td::layout_of({}));
}

TEST_CASE("averaged weights find their dots again") {
  for (auto const& name : unet_names(counts(4, 2, {true, true, true, false}))) {
    std::string flat = "model_ema.diffusion_model" + name;
    std::erase(flat, '.');
    flat.insert(9, ".");
    CHECK(td::name_of_averaged(flat) == unet + name);
  }
  for (char const* name : {"model_ema.decay", "model_ema.", "model_ema.encoderconv_inweight", "model.diffusion_model.out.0.weight", "model_ema.diffusion_modelinput_blocks1weight"})
    CHECK_FALSE_MESSAGE(td::name_of_averaged(name).has_value(), name);

  scratch::Folder const folder;
  put(folder / "m.safetensors", {unet + "out.0.bias", "model_ema.diffusion_modelout0bias", "model_ema.decay"});
  auto const plain = td::open_model(folder / "m.safetensors"), averaged = td::open_model(folder / "m.safetensors", {.averaged = true});
  CHECK(numbers(plain, unet + "out.0.bias") == numbers_of(unet + "out.0.bias"));
  CHECK(numbers(averaged, unet + "out.0.bias") == numbers_of("model_ema.diffusion_modelout0bias"));
  CHECK(plain.has_averaged());
  CHECK(plain.entries().size() == 1);
  CHECK(plain.ignored().size() == 2);
}

TEST_CASE("a folder of diffusers is one model, and heads lie beside it") {
  scratch::Folder const folder;
  put(folder / "sd/unet/diffusion_pytorch_model.fp16.safetensors", {"conv_in.weight", "down_blocks.0.resnets.0.conv1.weight"});
  put(folder / "sd/vae/diffusion_pytorch_model.safetensors", {"encoder.conv_in.bias", "encoder.mid_block.attentions.0.query.weight"}, [](std::string const& name) {
    return name.ends_with("query.weight") ? std::vector<std::uint64_t>{2, 2} : std::vector<std::uint64_t>{2};
  });
  put(folder / "sd/text_encoder/model.safetensors", {"text_model.final_layer_norm.weight"});
  put(folder / "sd/tadp/model.safetensors", {"decode_head.conv_seg.bias"});
  auto const model = td::open_model(folder / "sd");
  CHECK(model.layout_title() == "diffusers folder");
  CHECK(model.entries().size() == 6);
  CHECK(numbers(model, unet + "input_blocks.1.0.in_layers.2.weight") == numbers_of("down_blocks.0.resnets.0.conv1.weight"));
  CHECK(numbers(model, text + "final_layer_norm.weight") == numbers_of("text_model.final_layer_norm.weight"));
  CHECK(model.find(vae + "encoder.mid.attn_1.q.weight")->shape == std::vector<std::uint64_t>{2, 2, 1, 1});
  CHECK(model.stored_name(*model.find("decode_head.conv_seg.bias")) == "decode_head.conv_seg.bias");
  fs::create_directories(folder / "empty");
  CHECK(scratch::error_of([&] { td::open_model(folder / "empty"); })->code() == td::Errc::io);
  CHECK(scratch::error_of([&] { td::open_model(folder / "none"); })->code() == td::Errc::io);
}

TEST_CASE("a model of diffusers in one file stays one when a head lies in it") {
  scratch::Folder const folder;
  put(folder / "one.safetensors", {"decode_head.conv_seg.bias", "text_encoder.text_model.final_layer_norm.bias", "unet.mid_block.resnets.0.conv1.bias", "vae.quant_conv.bias"});
  auto const model = td::open_model(folder / "one.safetensors");
  CHECK(model.layout_title() == "diffusers");
  CHECK(numbers(model, unet + "middle_block.0.in_layers.2.bias") == numbers_of("unet.mid_block.resnets.0.conv1.bias"));
  CHECK(numbers(model, vae + "quant_conv.bias") == numbers_of("vae.quant_conv.bias"));
  CHECK(numbers(model, text + "final_layer_norm.bias") == numbers_of("text_encoder.text_model.final_layer_norm.bias"));
  CHECK(numbers(model, "decode_head.conv_seg.bias") == numbers_of("decode_head.conv_seg.bias"));
}

TEST_CASE("a parameter that stands there twice") {
  scratch::Folder const folder;
  std::string const a = "encoder.unet.unet.diffusion_model.out.0.bias", b = "encoder.sd_model.model.diffusion_model.out.0.bias";
  put(folder / "differ.safetensors", {a, b});
  auto const model = td::open_model(folder / "differ.safetensors");
  CHECK(numbers(model, unet + "out.0.bias") == numbers_of(a));
  auto const error = scratch::error_of([&] { model.require_copies_agree(); });
  REQUIRE(error.has_value());
  CHECK(error->code() == td::Errc::key);
  CHECK(error->where().key == b);
  std::vector<float> const same{1, 2};
  td::TensorToWrite const twins[] = {{a, td::Dtype::F32, {2}, {}, same}, {b, td::Dtype::F32, {2}, {}, same}};
  td::write_safetensors(folder / "agree.safetensors", twins);
  td::open_model(folder / "agree.safetensors").require_copies_agree();
  put(folder / "twice.safetensors", {"model.unet.diffusion_model.out.0.bias", "fpn.inner_blocks.0.bias", "fpn.inner_blocks.0.0.bias"});
  CHECK(scratch::error_of([&] { td::open_model(folder / "twice.safetensors"); })->code() == td::Errc::key);
}

TEST_CASE("weights load from another layout, a longer vocabulary included; a wrong one changes nothing") {
  scratch::Folder const folder;
  auto list = std::make_shared<td::ParameterList>();
  list->add(unet + "input_blocks.0.0.weight", {2, 3, 3, 3}, td::Init::fan_in, true);
  list->add(text + "embeddings.token_embedding.weight", {4, 3}, td::Init::embedding, true);
  auto const shape = [](std::string const& name) { return name.ends_with("conv_in.weight") ? std::vector<std::uint64_t>{2, 3, 3, 3} : name.ends_with("token_embedding.weight") ? std::vector<std::uint64_t>{6, 3} : std::vector<std::uint64_t>{2}; };
  put(folder / "sd/unet/diffusion_pytorch_model.safetensors", {"conv_in.weight", "time_embedding.linear_1.bias"}, shape);
  put(folder / "sd/text_encoder/model.safetensors", {"text_model.embeddings.token_embedding.weight"}, shape);
  auto const model = td::open_model(folder / "sd");
  td::Weights<td::Cpu> weights(td::Cpu(1), list);
  td::load_weights_from(weights, std::span(&model, 1), "sd");
  auto const conv = numbers(model, unet + "input_blocks.0.0.weight"), table = numbers(model, text + "embeddings.token_embedding.weight");
  CHECK(weights.data({0})[1] == conv[9]);  // channels last: the second number is the second channel's first
  CHECK(std::equal(table.begin(), table.begin() + 12, weights.data({1})));
  auto const learned = td::learned_rows(model, {.vocabulary = 4, .width = 3});
  REQUIRE(learned.size() == 2);
  CHECK(learned[1][2] == table[17]);

  put(folder / "wrong/unet/diffusion_pytorch_model.safetensors", {"conv_in.wieght", "time_embedding.linear_1.bias"});
  auto const wrong = td::open_model(folder / "wrong");
  td::Weights<td::Cpu> untouched(td::Cpu(1), list);
  auto const error = scratch::error_of([&] { td::load_weights_from(untouched, std::span(&wrong, 1), "wrong"); });
  REQUIRE(error.has_value());
  CHECK(std::string_view(error->what()).find("2 missing") != std::string_view::npos);
  CHECK(std::all_of(untouched.flat(), untouched.flat() + list->floats(), [](float v) { return v == 0.0F; }));
}

TEST_CASE("converting keeps every number, and writes whole or not at all") {
  scratch::Folder const folder;
  auto const c = counts(4, 2, {true, true, true, false});
  std::vector<std::string> names{"neck.lateral_convs.0.conv.bias", text + "final_layer_norm.bias", vae + "quant_conv.bias"};
  for (auto const& name : unet_names(c)) names.push_back(unet + name);
  put(folder / "in.safetensors", names);
  auto const model = td::open_model(folder / "in.safetensors");
  for (char const* layout : {"mmseg", "lightning", "depth"}) {
    auto const path = folder / (std::string(layout) + ".safetensors");
    CHECK(td::convert_model(model, *td::find_layout(layout), path).left_out.empty());
    auto const there = td::open_model(path);
    REQUIRE(there.layouts()[0].layout != nullptr);
    CHECK(there.layouts()[0].layout->name == layout);
    td::convert_model(there, *td::find_layout("compvis"), folder / "back.safetensors");
    auto const back = td::open_model(folder / "back.safetensors");
    REQUIRE(back.entries().size() == names.size());
    for (auto const& name : names) CHECK(numbers(back, name) == numbers_of(name));
  }
  auto const part = td::convert_model(model, *td::find_layout("clip"), folder / "clip.safetensors");
  CHECK(part.tensors == 1);
  CHECK(part.left_out.size() == names.size() - 1);
  td::convert_model(model, *td::find_layout("compvis"), folder / "half.safetensors", {.dtype = td::Dtype::F16, .metadata = {}, .vocabulary = {}, .progress = {}});
  CHECK(td::open_model(folder / "half.safetensors").entries()[0].dtype == td::Dtype::F16);

  auto const before = folder.entries();
  // These shapes are no known network's: diffusers could not be told what it is.
  CHECK(scratch::error_of([&] { td::convert_model(model, *td::find_layout("diffusers"), folder / "out"); })->code() == td::Errc::unsupported);
  auto const stop = [](std::uint64_t done, std::uint64_t) {
    if (done > 100) throw td::Error(td::Errc::cancelled, "stop");
  };
  CHECK(scratch::error_of([&] { td::convert_model(model, *td::find_layout("compvis"), folder / "stopped.safetensors", {.dtype = {}, .metadata = {}, .vocabulary = {}, .progress = stop}); })->code() == td::Errc::cancelled);
  CHECK(scratch::error_of([&] { td::convert_model(model, *td::find_layout("compvis"), folder / "x.safetensors", {.dtype = td::Dtype::I8, .metadata = {}, .vocabulary = {}, .progress = {}}); })->code() == td::Errc::unsupported);
  CHECK(folder.entries() == before);
}

namespace {

/// The shapes by which tiny's networks are known, under the names of a released checkpoint on mmseg.
std::map<std::string, std::vector<std::uint64_t>> released_tiny(std::string const& autoencoder, std::uint64_t maps) {
  std::map<std::string, std::vector<std::uint64_t>> all;
  std::string const net = "unet.unet.diffusion_model.";
  std::uint64_t const channels[] = {32, 64, 128, 128}, widths[] = {16, 32, 64, 64};
  all[net + "input_blocks.0.0.weight"] = {32, 4, 3, 3};
  for (std::size_t level = 0; level < 4; ++level) {
    auto const at = net + "input_blocks." + std::to_string(1 + 3 * level);
    all[at + ".0.out_layers.3.weight"] = {channels[level], channels[level], 3, 3};
    if (level < 3) all[at + ".1.transformer_blocks.0.attn2.to_k.weight"] = {channels[level], 64};
    if (level < 3) all[net + "input_blocks." + std::to_string(3 + 3 * level) + ".0.op.weight"] = {1};
    for (char const* block : {"0", "1"}) all[autoencoder + "encoder.down." + std::to_string(level) + ".block." + block + ".conv1.weight"] = {widths[level], 1, 1, 1};
  }
  all[net + "middle_block.1.transformer_blocks.0.attn2.to_k.weight"] = {128, 64};
  all[autoencoder + "encoder.conv_in.weight"] = {16, 3, 3, 3};
  all[autoencoder + "quant_conv.weight"] = {8, 8, 1, 1};
  all[autoencoder + "encoder.mid.attn_1.q.weight"] = {64, 64, 1, 1};
  all["neck.lateral_convs.0.conv.weight"] = {32, 32, 1, 1};
  all["neck.lateral_convs.1.conv.weight"] = {32, 64 + maps, 1, 1};
  all["decode_head.conv_seg.weight"] = {19, 32, 1, 1};
  all["class_embeddings"] = {19, 64};
  return all;
}

td::ModelSource written(fs::path const& path, std::map<std::string, std::vector<std::uint64_t>> const& shapes) {
  std::vector<std::string> names;
  for (auto const& [name, shape] : shapes) names.push_back(name);
  put(path, names, [&](std::string const& name) { return shapes.at(name); });
  return td::open_model(path);
}

}  // namespace

TEST_CASE("a released checkpoint is recognised by its shapes") {
  scratch::Folder const folder;
  auto const caption = td::describe_model(written(folder / "a.safetensors", released_tiny("sd_model.first_stage_model.", 77)));
  CHECK(caption.unet == td::tiny_unet);
  CHECK(caption.vae == td::tiny_vae);
  CHECK(caption.text == td::tiny_text);
  CHECK(caption.task == "segmentation");
  CHECK(caption.prompt_parts == std::vector<std::string>{"caption"});
  CHECK(caption.head_width == 32);
  CHECK(caption.classes.size() == 19);
  CHECK(caption.normalisation == td::Normalisation::imagenet());
  CHECK(caption.latent.scale == doctest::Approx(0.18215));
  auto const classes = td::describe_model(written(folder / "b.safetensors", released_tiny("encoder_vq.", 19)));
  CHECK(classes.prompt_parts == std::vector<std::string>{"averaged_eos"});
  CHECK(classes.class_embeddings == 19);
  CHECK(classes.latent.scale == 1.0F);
  CHECK(td::describe_model(written(folder / "c.safetensors", released_tiny("encoder_vq.", 96))).prompt_parts == std::vector<std::string>{"caption", "averaged_eos"});

  auto const code_of = [&](std::map<std::string, std::vector<std::uint64_t>> const& shapes, td::DescriptionHints const& hints = {}) {
    auto const model = written(folder / "d.safetensors", shapes);
    auto const error = scratch::error_of([&] { td::describe_model(model, hints); });
    return error ? std::optional(error->code()) : std::nullopt;
  };
  CHECK(code_of(released_tiny("encoder_vq.", 50)) == td::Errc::unsupported);
  auto ambiguous = released_tiny("encoder_vq.", 77);
  ambiguous["class_embeddings"] = {77, 64};
  CHECK(code_of(ambiguous) == td::Errc::argument);
  CHECK_FALSE(code_of(ambiguous, {.prompt = "caption", .latent_scale = {}}));
  auto headless = released_tiny("encoder_vq.", 77);
  headless.erase("decode_head.conv_seg.weight");
  CHECK(code_of(headless) == td::Errc::format);
  auto narrow = released_tiny("encoder_vq.", 77);
  narrow["unet.unet.diffusion_model.input_blocks.0.0.weight"] = {40, 4, 3, 3};
  CHECK(code_of(narrow) == td::Errc::unsupported);
}
