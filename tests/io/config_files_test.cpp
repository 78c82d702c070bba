// SPDX-License-Identifier: Apache-2.0
#include "tadp/io/config_files.hpp"

#include "scratch.hpp"
#include "tadp/io/convert.hpp"
#include "tadp/io/recognise.hpp"

#include <doctest/doctest.h>

#include <fstream>

namespace td = tadp;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

using Shapes = std::map<std::string, std::vector<std::uint64_t>>;

void put(fs::path const& path, Shapes const& shapes) {
  std::vector<std::vector<float>> values;
  values.reserve(shapes.size());
  std::vector<td::TensorToWrite> tensors;
  for (auto const& [name, shape] : shapes) tensors.push_back({name, td::Dtype::F32, shape, {}, values.emplace_back(td::element_count(shape).value())});
  fs::create_directories(path.parent_path());
  td::write_safetensors(path, tensors);
}

/// The shapes by which tiny's networks are known.
Shapes tiny_shapes() {
  Shapes all;
  std::string const net = "model.diffusion_model.", vae = "first_stage_model.", text = "cond_stage_model.transformer.text_model.";
  std::uint64_t const channels[] = {32, 64, 128, 128}, widths[] = {16, 32, 64, 64};
  all[net + "input_blocks.0.0.weight"] = {32, 4, 3, 3};
  for (std::size_t level = 0; level < 4; ++level) {
    auto const at = net + "input_blocks." + std::to_string(1 + 3 * level), second = net + "input_blocks." + std::to_string(2 + 3 * level);
    all[at + ".0.out_layers.3.weight"] = all[second + ".0.out_layers.3.weight"] = {channels[level], channels[level], 3, 3};
    if (level < 3) all[at + ".1.transformer_blocks.0.attn2.to_k.weight"] = {channels[level], 64};
    if (level < 3) all[net + "input_blocks." + std::to_string(3 + 3 * level) + ".0.op.weight"] = {channels[level], channels[level], 3, 3};
    for (char const* block : {"0", "1"}) all[vae + "encoder.down." + std::to_string(level) + ".block." + block + ".conv1.weight"] = {widths[level], 1, 1, 1};
  }
  all[net + "middle_block.1.transformer_blocks.0.attn2.to_k.weight"] = {128, 64};
  all[vae + "encoder.conv_in.weight"] = {16, 3, 3, 3};
  all[vae + "quant_conv.weight"] = {8, 8, 1, 1};
  all[vae + "encoder.mid.attn_1.q.weight"] = {64, 64, 1, 1};
  all[text + "embeddings.token_embedding.weight"] = {512, 64};
  all[text + "embeddings.position_embedding.weight"] = {77, 64};
  for (char const* layer : {"0", "1"}) all[text + "encoder.layers." + layer + ".mlp.fc1.weight"] = {256, 64};
  return all;
}

json config_at(fs::path const& path) {
  std::ifstream in(path);
  return json::parse(in);
}
void write(fs::path const& path, std::string const& text) { std::ofstream(path, std::ios::binary) << text; }

/// A folder of diffusers with tiny's networks, as this library writes it.
struct Tiny {
  scratch::Folder folder{};
  fs::path path = folder / "tiny";
  Tiny() {
    put(folder / "tiny.safetensors", tiny_shapes());
    td::convert_model(td::open_model(folder / "tiny.safetensors"), *td::find_layout("diffusers"), path);
  }
  fs::path config(char const* part) const { return path / part / "config.json"; }
  void set(char const* part, char const* key, json const& value) const {
    auto all = config_at(config(part));
    all[key] = value;
    write(config(part), all.dump());
  }
  std::optional<td::Error> fault() const {
    return scratch::error_of([&] { td::configs_of(td::open_model(path)); });
  }
};

template <class Config>
std::vector<td::ConfigDeparture> departures(Config const& network, char const* text) {
  std::vector<td::ConfigDeparture> found;
  td::config_files_detail::compare(json::parse(text), std::optional<Config>(network), "config.json", found);
  return found;
}

}  // namespace

TEST_CASE("the configurations of Stable Diffusion 1.5, old and with every key that diffusers writes today, are its presets'") {
  CHECK(departures(td::sd15_unet, R"({"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu", "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": false, "cross_attention_dim": 768, "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"], "downsample_padding": 1,
    "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]})").empty());
  CHECK(departures(td::sd15_unet, R"({"act_fn": "silu", "addition_embed_type": null, "addition_embed_type_num_heads": 64, "addition_time_embed_dim": null, "attention_head_dim": [8, 8, 8, 8], "attention_type": "default",
    "center_input_sample": false, "class_embed_type": null, "class_embeddings_concat": false, "conv_in_kernel": 3, "conv_out_kernel": 3, "cross_attention_norm": null, "downsample_padding": 1, "dropout": 0.0,
    "dual_cross_attention": false, "encoder_hid_dim": null, "encoder_hid_dim_type": null, "flip_sin_to_cos": true, "freq_shift": 0, "layers_per_block": 2, "mid_block_only_cross_attention": null,
    "mid_block_scale_factor": 1, "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-05, "norm_num_groups": 32, "num_attention_heads": null, "num_class_embeds": null, "only_cross_attention": false,
    "projection_class_embeddings_input_dim": null, "resnet_out_scale_factor": 1.0, "resnet_skip_time_act": false, "resnet_time_scale_shift": "default", "reverse_transformer_layers_per_block": null,
    "time_cond_proj_dim": 256, "time_embedding_act_fn": null, "time_embedding_dim": null, "time_embedding_type": "positional", "timestep_post_act": null, "transformer_layers_per_block": 1,
    "upcast_attention": true, "use_linear_projection": true})").empty());
  CHECK(departures(td::sd15_vae, R"({"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D",
    "DownEncoderBlock2D"], "force_upcast": true, "in_channels": 3, "latent_channels": 4, "latents_mean": null, "latents_std": null, "layers_per_block": 2, "mid_block_add_attention": true, "norm_num_groups": 32,
    "out_channels": 3, "sample_size": 512, "scaling_factor": 0.18215, "shift_factor": null, "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
    "use_post_quant_conv": true, "use_quant_conv": true})").empty());
  CHECK(departures(td::clip_vit_l14, R"({"architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2, "hidden_act": "quick_gelu", "hidden_size": 768,
    "initializer_factor": 1.0, "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 12,
    "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768, "torch_dtype": "float32", "vocab_size": 49408})").empty());
}

TEST_CASE("a folder that this library writes is read again, without its configurations as well") {
  Tiny const tiny;
  CHECK(td::configs_of(td::open_model(tiny.path)).unet == td::tiny_unet);
  CHECK(td::configs_of(td::open_model(tiny.path)).text == td::tiny_text);
  for (char const* part : {"unet", "vae", "text_encoder"}) write(tiny.config(part), "\xef\xbb\xbf{}");
  CHECK_FALSE(tiny.fault());
  for (char const* part : {"unet", "vae", "text_encoder"}) fs::remove(tiny.config(part));
  CHECK_FALSE(tiny.fault());
}

TEST_CASE("a configuration that says otherwise is refused with its key") {
  struct Row {
    char const *part, *key, *value, *expected;
  };
  for (Row const& row : {Row{"text_encoder", "hidden_act", "\"gelu\"", "\"quick_gelu\""}, Row{"text_encoder", "num_attention_heads", "8", "4"}, Row{"text_encoder", "layer_norm_eps", "1e-12", "1e-05"},
                         Row{"text_encoder", "num_hidden_layers", "1", "2"}, Row{"unet", "attention_head_dim", "8", "4"}, Row{"unet", "attention_head_dim", "[4,4,4,8]", "4"}, Row{"unet", "attention_head_dim", "\"4\"", "4"},
                         Row{"unet", "num_attention_heads", "8", "4"}, Row{"unet", "norm_eps", "1e-06", "1e-05"}, Row{"unet", "norm_num_groups", "16", "32"}, Row{"unet", "act_fn", "\"gelu\"", "\"silu\""},
                         Row{"unet", "freq_shift", "1", "0"}, Row{"unet", "flip_sin_to_cos", "false", "true"}, Row{"unet", "class_embed_type", "\"timestep\"", "null"}, Row{"unet", "only_cross_attention", "[true,false,false,false]", "false"},
                         Row{"vae", "scaling_factor", "0.5", "0.18215"}, Row{"vae", "norm_num_groups", "16", "8"}, Row{"vae", "act_fn", "\"relu\"", "\"silu\""}, Row{"vae", "shift_factor", "0.1", "null"}}) {
    Tiny const tiny;
    CAPTURE(row.key);
    tiny.set(row.part, row.key, json::parse(row.value));
    auto const error = tiny.fault();
    REQUIRE(error);
    CHECK(error->code() == td::Errc::unsupported);
    CHECK(error->where().file == tiny.config(row.part).string());
    CHECK(error->where().key == row.key);
    CHECK(error->where().expected == row.expected);
    CHECK(error->where().found == json::parse(row.value).dump());
  }
}

TEST_CASE("the same network under other words is no other network") {
  Tiny const tiny;
  tiny.set("unet", "attention_head_dim", json::parse("[4, 4, 4, 4]"));
  tiny.set("unet", "act_fn", "swish");
  tiny.set("unet", "resnet_out_scale_factor", 1.0);
  tiny.set("unet", "num_attention_heads", nullptr);
  tiny.set("unet", "use_linear_projection", true);
  tiny.set("unet", "upcast_attention", true);
  tiny.set("unet", "a_key_of_tomorrow", 3);
  tiny.set("vae", "scaling_factor", 0.182150);
  CHECK_FALSE(tiny.fault());
}

TEST_CASE("nothing is converted out of a folder whose configuration says otherwise, and all departures are listed") {
  Tiny const tiny;
  tiny.set("text_encoder", "hidden_act", "gelu");
  tiny.set("vae", "scaling_factor", 0.5);
  auto const model = td::open_model(tiny.path);
  CHECK(td::config_departures(model).size() == 2);
  for (char const* layout : {"compvis", "diffusers"}) {
    auto const error = scratch::error_of([&] { td::convert_model(model, *td::find_layout(layout), tiny.folder / "out"); });
    REQUIRE(error);
    CHECK(error->code() == td::Errc::unsupported);
    CHECK_FALSE(fs::exists(tiny.folder / "out"));
  }
}

TEST_CASE("a part's file that is named itself is held against the configuration beside it") {
  Tiny const tiny;
  tiny.set("text_encoder", "hidden_act", "gelu");
  auto const error = scratch::error_of([&] { td::configs_of(td::open_model(tiny.path / "text_encoder" / "model.safetensors")); });
  REQUIRE(error);
  CHECK(error->where().key == "hidden_act");
  // Any other file may have a stranger's config.json beside it.
  put(tiny.folder / "alone/tiny.safetensors", tiny_shapes());
  write(tiny.folder / "alone/config.json", R"({"hidden_act": "gelu", "norm_num_groups": 5})");
  CHECK(td::configs_of(td::open_model(tiny.folder / "alone/tiny.safetensors")).text == td::tiny_text);
}

TEST_CASE("CLIP of transformers has its text tower's configuration within, and an older one that has the last word") {
  Tiny const tiny;
  auto const clip = tiny.path / "text_encoder";
  auto const read = [&](char const* config) {
    write(clip / "config.json", config);
    return scratch::error_of([&] { td::configs_of(td::open_model(clip)); });
  };
  CHECK_FALSE(read(R"({"model_type": "clip", "text_config": {"hidden_act": "quick_gelu", "num_attention_heads": 4}, "text_config_dict": null, "vision_config": {"hidden_act": "gelu", "num_attention_heads": 16}})"));
  CHECK(read(R"({"model_type": "clip", "text_config": {"hidden_act": "gelu"}})")->where().key == "hidden_act");
  CHECK(read(R"({"text_config": {"hidden_act": "quick_gelu"}, "text_config_dict": {"hidden_act": "gelu"}})")->where().found == "\"gelu\"");
  CHECK(read(R"({"text_config": 3})")->code() == td::Errc::format);
}

TEST_CASE("a damaged configuration is an error with its file") {
  Tiny const tiny;
  std::string const deep = "{\"a\":" + std::string(100'000, '[');
  for (std::string const& text : {std::string(), std::string("{"), std::string("[]"), std::string("3"), std::string("{\"act_fn\": silu}"), std::string("{\"norm_eps\": 1e999}"), std::string("\xff\xfe{\0}\0", 6), deep, deep + std::string(100'000, ']') + "}"}) {
    write(tiny.config("unet"), text);
    auto const error = tiny.fault();
    REQUIRE(error);
    CHECK(error->code() == td::Errc::format);
    CHECK(error->where().file == tiny.config("unet").string());
  }
  write(tiny.config("unet"), std::string(2'000'000, ' '));
  CHECK(tiny.fault()->code() == td::Errc::limit);
}

TEST_CASE("a part's folder without weights is told, with what is looked for") {
  Tiny const tiny;
  fs::remove(tiny.path / "unet/diffusion_pytorch_model.safetensors");
  auto const error = tiny.fault();
  REQUIRE(error);
  CHECK(error->code() == td::Errc::io);
  CHECK(error->where().file == (tiny.path / "unet").string());
  CHECK(std::string_view(error->what()).find("unet/ holds no weights") != std::string_view::npos);
  CHECK(error->where().expected.find("diffusion_pytorch_model.safetensors") != std::string::npos);
  fs::remove_all(tiny.path / "unet");
  auto const none = scratch::error_of([&] { td::require_unet(td::open_model(tiny.path), {}); });
  REQUIRE(none);
  CHECK(none->where().found == "none");
}

TEST_CASE("a longer table than learned tokens make is another vocabulary") {
  scratch::Folder const folder;
  auto shapes = tiny_shapes();
  auto& table = shapes["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"];
  table[0] = 512 + 1024;
  put(folder / "learned.safetensors", shapes);
  auto const learned = td::open_model(folder / "learned.safetensors");
  CHECK(td::configs_of(learned).text == td::tiny_text);
  CHECK(td::learned_rows(learned, td::tiny_text).size() == 1024);
  ++table[0];
  put(folder / "other.safetensors", shapes);
  auto const other = td::open_model(folder / "other.safetensors");
  CHECK_FALSE(td::configs_of(other).text);
  auto const error = scratch::error_of([&] { td::learned_rows(other, td::tiny_text); });
  REQUIRE(error);
  CHECK(error->code() == td::Errc::unsupported);
  CHECK(error->where().found == "1537");
}
